//! Places for units: machines that are there, new ones, containers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;

use super::super::data::{ApplicationSpec, MachineSpec};
use super::super::model::top_level;
use super::super::natural;
use super::differences::same_constraints;
use super::units::Target;
use super::{Planner, base_text, put};
use crate::error::{Error, ErrorKind, Result};

impl Planner<'_> {
    pub(super) fn existing_machine(
        &mut self,
        app: &ApplicationSpec,
        machine: &str,
        container: &str,
    ) -> Target {
        if container.is_empty() {
            return Target {
                to: machine.to_owned(),
                machine: machine.to_owned(),
                description: format!("existing machine {machine}"),
                ..Target::default()
            };
        }
        let top = top_level(machine).to_owned();
        // A container that an earlier try made and did not fill.
        let prefix = format!("{top}/{container}/");
        let empty = natural::sorted(self.m.machines.keys().filter(|m| m.starts_with(&prefix)))
            .into_iter()
            .find(|m| {
                !self.taken.contains(*m)
                    && !self.m.is_machine_used(m)
                    && self.container_fits(m, app)
            })
            .map(str::to_owned);
        if let Some(id) = empty {
            self.taken.insert(id.clone());
            return Target {
                to: id.clone(),
                machine: top,
                description: format!("existing machine {id}"),
                ..Target::default()
            };
        }
        let shown = self.next_container(&top, container);
        Target {
            to: format!("{container}:{top}"),
            machine: top,
            description: shown,
            ..Target::default()
        }
    }

    pub(super) fn container_fits(&self, machine: &str, app: &ApplicationSpec) -> bool {
        let wanted = with_spaces(&app.constraints, &app.bindings).unwrap_or_default();
        self.m
            .machines
            .get(machine)
            .is_some_and(|m| same_constraints(&m.constraints, &wanted))
    }

    pub(super) fn beside(
        &mut self,
        unit: usize,
        app: &ApplicationSpec,
        container: &str,
    ) -> Result<Target> {
        let id = self.changes[unit].id.clone();
        let (machine, description) = self.unit_machine.get(&unit).cloned().unwrap_or_default();
        let t = Target {
            to: format!("${id}"),
            description,
            machine,
            requires: vec![id],
            beside: true,
        };
        if container.is_empty() {
            Ok(t)
        } else {
            self.container(t, app, container)
        }
    }

    pub(super) fn new_machine(&mut self, app: &ApplicationSpec, container: &str) -> Result<Target> {
        let constraints = with_spaces(&app.constraints, &app.bindings)?;
        // One that an earlier try made and did not fill.
        if container.is_empty() {
            let spec = MachineSpec {
                constraints: constraints.clone(),
                base: base_text(app, self.d, self.o),
                ..MachineSpec::default()
            };
            let empty = natural::sorted(self.m.machines.keys().filter(|m| !m.contains('/')))
                .into_iter()
                .find(|m| {
                    !self.taken.contains(*m)
                        && !self.map.values().any(|v| v == m)
                        && !self.m.is_machine_used(m)
                        && !self.m.has_containers(m)
                        && self.fits(m, &spec)
                })
                .map(str::to_owned);
            if let Some(id) = empty {
                self.taken.insert(id.clone());
                return Ok(Target {
                    to: id.clone(),
                    machine: id.clone(),
                    description: format!("existing machine {id}"),
                    ..Target::default()
                });
            }
        }
        let machine = self.next_machine();
        let mut args = Map::new();
        put(&mut args, "container-type", container);
        put(&mut args, "base", &base_text(app, self.d, self.o));
        put(&mut args, "constraints", &constraints);
        let shown = if container.is_empty() {
            format!("new machine {machine}")
        } else {
            self.next_container(&machine, container)
        };
        let i = self.add("addMachines", args, Vec::new(), format!("add {shown}"));
        let id = self.changes[i].id.clone();
        Ok(Target {
            to: format!("${id}"),
            machine,
            requires: vec![id],
            description: shown,
            ..Target::default()
        })
    }

    pub(super) fn container(
        &mut self,
        on: Target,
        app: &ApplicationSpec,
        kind: &str,
    ) -> Result<Target> {
        let shown = self.next_container(&on.machine, kind);
        let mut args = Map::new();
        put(&mut args, "container-type", kind);
        put(&mut args, "parent-id", &on.to);
        put(&mut args, "base", &base_text(app, self.d, self.o));
        put(
            &mut args,
            "constraints",
            &with_spaces(&app.constraints, &app.bindings)?,
        );
        let i = self.add(
            "addMachines",
            args,
            on.requires,
            format!("add {kind} container {shown} on new machine {}", on.machine),
        );
        let id = self.changes[i].id.clone();
        Ok(Target {
            to: format!("${id}"),
            machine: on.machine,
            requires: vec![id],
            description: shown,
            beside: on.beside,
        })
    }
}

/// Spaces of bindings as constraints, for containers and new machines.
pub(super) fn with_spaces(
    constraints: &str,
    bindings: &BTreeMap<String, String>,
) -> Result<String> {
    let mut want: BTreeSet<String> = bindings.values().cloned().collect();
    if want.is_empty() {
        return Ok(constraints.to_owned());
    }
    let parts: Vec<&str> = constraints
        .split(' ')
        .filter(|_| !constraints.is_empty())
        .collect();
    let mut rest: Vec<(&str, &str)> = Vec::new();
    for part in &parts {
        // The official planner takes one space for another's end.
        let pair = part.split_once('=').ok_or_else(|| {
            let message = format!(
                "invalid constraint: {part:?} {constraints:?} {}",
                parts.len()
            );
            Error::new(ErrorKind::Bundle, "plan the bundle", message)
        })?;
        rest.push(pair);
    }
    let spaces = rest
        .iter()
        .find(|(k, _)| *k == "spaces")
        .map_or("", |(_, v)| *v);
    rest.retain(|(k, _)| *k != "spaces");
    rest.sort_by(|a, b| natural::compare(a.0, b.0));
    let mut not: BTreeSet<String> = BTreeSet::new();
    for s in spaces.split(',').filter(|s| !s.is_empty()) {
        match s.strip_prefix('^') {
            Some(s) if want.contains(s) => {
                return Err(Error::new(
                    ErrorKind::Bundle,
                    "plan the bundle",
                    format!("space {s:?} is required but it's forbidden by constraint"),
                ));
            }
            Some(s) => drop(not.insert(s.to_owned())),
            None => drop(want.insert(s.to_owned())),
        }
    }
    let all: Vec<String> = want
        .into_iter()
        .chain(not.into_iter().map(|s| format!("^{s}")))
        .collect();
    let mut out = format!("spaces={}", natural::sorted(all.iter()).join(","));
    for (k, v) in rest {
        out.push_str(&format!(" {k}={v}"));
    }
    Ok(out)
}
