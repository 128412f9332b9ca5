//! Units, and where each goes.

use std::collections::BTreeSet;

use serde_json::{Map, json};

use super::super::data::ApplicationSpec;
use super::super::model::top_level;
use super::super::natural;
use super::super::place::{self, Placement};
use super::{Planner, put};
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    /// `$addMachines-4`, `3`, `lxd:3`, or nothing for a new machine.
    pub(super) to: String,
    /// The top-level machine, as it will be called.
    pub(super) machine: String,
    pub(super) requires: Vec<String>,
    pub(super) description: String,
    /// Beside another application's unit.
    pub(super) beside: bool,
}

impl Planner<'_> {
    pub(super) fn add_units(&mut self) {
        for (name, app) in self.specs() {
            let have = self
                .m
                .applications
                .get(&name)
                .map_or(0, |e| e.units.len() as u64);
            let want = u64::try_from(app.num_units).unwrap_or(0);
            for n in have..want {
                let (target, requires) = match self.added.get(&name) {
                    Some(id) => (format!("${id}"), vec![id.clone()]),
                    None => (name.clone(), Vec::new()),
                };
                let unit = self.number(&format!("application-{name}"));
                let mut args = Map::new();
                args.insert("application".into(), json!(target));
                let i = self.add("addUnit", args, requires, format!("add unit {name}/{unit}"));
                self.units.insert((name.clone(), n), i);
                self.new_units.entry(name.clone()).or_default().push(i);
            }
        }
    }

    pub(super) fn place_units(&mut self) -> Result<()> {
        let mut todo: BTreeSet<String> = self.d.applications.keys().cloned().collect();
        let mut done: BTreeSet<String> = BTreeSet::new();
        while !todo.is_empty() {
            let before = done.len();
            for name in todo.clone() {
                let app = self
                    .d
                    .applications
                    .get(&name)
                    .and_then(Option::as_ref)
                    .cloned()
                    .unwrap_or_default();
                let needs = app
                    .to
                    .iter()
                    .filter_map(|t| place::parse(t).ok())
                    .map(|p| p.application)
                    .filter(|a| !a.is_empty());
                if needs.into_iter().all(|n| done.contains(&n)) {
                    self.place_application(&name, &app)?;
                    todo.remove(&name);
                    done.insert(name);
                }
            }
            if done.len() == before {
                let names: Vec<String> = todo.into_iter().collect();
                return Err(Error::new(
                    ErrorKind::Bundle,
                    "plan the bundle",
                    format!("cycle in placement directives for: {}", names.join(", ")),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn place_application(&mut self, name: &str, app: &ApplicationSpec) -> Result<()> {
        // Only `new` and an application's name say where more units go; a machine or a unit is for one.
        let last = app.to.last().filter(|t| {
            place::parse(t).is_ok_and(|p| {
                p.machine == "new" || (!p.application.is_empty() && p.unit.is_none())
            })
        });
        let mut open: Vec<String> = app
            .to
            .iter()
            .filter(|t| !self.satisfied(name, t))
            .cloned()
            .collect();
        open.reverse();
        let have = self
            .m
            .applications
            .get(name)
            .map_or(0, |e| e.units.len() as u64);
        let want = u64::try_from(app.num_units).unwrap_or(0);
        let mut previous: Option<String> = None;
        for n in have..want {
            let directive = open.pop().or_else(|| last.cloned()).unwrap_or_default();
            let target = self.target(name, app, &directive)?;
            let Some(&i) = self.units.get(&(name.to_owned(), n)) else {
                continue;
            };
            let change = &mut self.changes[i];
            put(&mut change.args, "to", &target.to);
            change.requires.extend(target.requires);
            change.requires.extend(previous.take());
            previous = Some(change.id.clone());
            let place = if target.description.is_empty() {
                format!("new machine {}", target.machine)
            } else {
                target.description
            };
            change.description.push_str(&format!(" to {place}"));
            if target.beside {
                change
                    .description
                    .push_str(&format!(" to satisfy [{directive}]"));
            }
            self.unit_machine.insert(i, (target.machine, place));
        }
        Ok(())
    }

    /// Whether a placement is fulfilled by a unit that is there.
    pub(super) fn satisfied(&self, name: &str, directive: &str) -> bool {
        if !self.m.applications.contains_key(name) {
            return false;
        }
        let Ok(p) = place::parse(directive) else {
            return false;
        };
        let machine = match (p.machine.as_str(), p.unit) {
            ("new", _) => return false,
            ("", Some(u)) => match self.m.unit_machine(&p.application, u) {
                Some(m) => m.to_owned(),
                None => return false,
            },
            ("", None) => return false,
            (m, _) => self.map.get(m).cloned().unwrap_or_else(|| m.to_owned()),
        };
        self.unit_on(&machine, name, &p.container, None).is_some()
    }

    pub(super) fn target(
        &mut self,
        name: &str,
        app: &ApplicationSpec,
        directive: &str,
    ) -> Result<Target> {
        if directive.is_empty() {
            return Ok(Target {
                machine: self.next_machine(),
                ..Target::default()
            });
        }
        let p = place::parse(directive)
            .map_err(|e| Error::new(ErrorKind::Bundle, "plan the bundle", e))?;
        if p.machine == "new" {
            return self.new_machine(app, &p.container);
        }
        if !p.machine.is_empty() {
            let mapped = self
                .map
                .get(&p.machine)
                .filter(|m| self.m.machines.contains_key(*m))
                .cloned();
            return match (mapped, self.machines.get(&p.machine).cloned()) {
                (Some(m), _) => Ok(self.existing_machine(app, &m, &p.container)),
                (None, Some((i, machine))) => {
                    let id = self.changes[i].id.clone();
                    let t = Target {
                        to: format!("${id}"),
                        machine: machine.clone(),
                        requires: vec![id],
                        description: format!("new machine {machine}"),
                        ..Target::default()
                    };
                    if p.container.is_empty() {
                        Ok(t)
                    } else {
                        self.container(t, app, &p.container)
                    }
                }
                (None, None) => self.new_machine(app, &p.container),
            };
        }
        if let Some(u) = p.unit {
            if let Some(m) = self.m.unit_machine(&p.application, u).map(str::to_owned) {
                return Ok(Target {
                    beside: true,
                    ..self.existing_machine(app, &m, &p.container)
                });
            }
            return match self.units.get(&(p.application.clone(), u)).copied() {
                Some(i) => self.beside(i, app, &p.container),
                None => self.new_machine(app, &p.container),
            };
        }
        if let Some(m) = self.next_old_beside(name, &p) {
            return Ok(Target {
                beside: true,
                ..self.existing_machine(app, &m, &p.container)
            });
        }
        let key = (name.to_owned(), p.application.clone());
        let all = self
            .new_units
            .get(&p.application)
            .cloned()
            .unwrap_or_default();
        let left = self.new_beside.entry(key).or_insert(all);
        if !left.is_empty() {
            let i = left.remove(0);
            return self.beside(i, app, &p.container);
        }
        Ok(Target {
            machine: self.next_machine(),
            ..Target::default()
        })
    }

    /// Machines of an application that is there, where this one is not yet.
    pub(super) fn next_old_beside(&mut self, name: &str, p: &Placement) -> Option<String> {
        let key = (name.to_owned(), p.application.clone());
        if !self.old_beside.contains_key(&key) {
            let mut machines: BTreeSet<String> = BTreeSet::new();
            if let Some(source) = self.m.applications.get(&p.application) {
                machines.extend(source.units.iter().map(|(_, m)| top_level(m).to_owned()));
                for (_, m) in self
                    .m
                    .applications
                    .get(name)
                    .map(|a| a.units.clone())
                    .unwrap_or_default()
                {
                    if p.container.is_empty() {
                        machines.remove(&m);
                    } else if m.split('/').nth(1) == Some(p.container.as_str()) {
                        machines.remove(top_level(&m));
                    }
                }
            }
            let sorted = natural::sorted(machines.iter())
                .into_iter()
                .map(str::to_owned)
                .collect();
            self.old_beside.insert(key.clone(), sorted);
        }
        let left = self.old_beside.get_mut(&key)?;
        if left.is_empty() {
            None
        } else {
            Some(left.remove(0))
        }
    }
}
