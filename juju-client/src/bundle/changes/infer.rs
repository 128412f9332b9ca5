//! Which model machine stands for which bundle machine.

use std::collections::{BTreeMap, BTreeSet};

use super::super::base;
use super::super::data::MachineSpec;
use super::super::model::top_level;
use super::super::natural;
use super::super::place::{self, Placement};
use super::differences::same_constraints;
use super::{Planner, machine_base};

impl Planner<'_> {
    /// The unit of an application that sits on a model machine, in a container of this kind or right on it.
    pub(super) fn unit_on(
        &self,
        machine: &str,
        app: &str,
        container: &str,
        among: Option<&[(String, String)]>,
    ) -> Option<String> {
        let own;
        let units = match among {
            Some(u) => u,
            None => {
                own = self.m.applications.get(app)?.units.clone();
                &own[..]
            }
        };
        units
            .iter()
            .find(|(_, m)| on(m, machine, container))
            .map(|(u, _)| u.clone())
    }

    /// Which model machine stands for which bundle machine, from where units are; then from what stands empty.
    pub(super) fn infer_machines(&mut self) {
        let mut free: BTreeMap<String, Vec<(String, String)>> = self
            .m
            .applications
            .iter()
            .map(|(n, a)| {
                let mapped: BTreeSet<&String> = self.map.values().collect();
                (
                    n.clone(),
                    a.units
                        .iter()
                        .filter(|(_, m)| !mapped.contains(&top_level(m).to_owned()))
                        .cloned()
                        .collect(),
                )
            })
            .collect();
        let mut open: BTreeMap<String, Vec<Placement>> = BTreeMap::new();
        let mut used: BTreeSet<String> = self.map.values().cloned().collect();
        for (name, app) in self.specs() {
            let name = &name;
            let mut rest = Vec::new();
            for text in &app.to {
                let Ok(p) = place::parse(text) else { continue };
                if p.machine.is_empty() || p.machine == "new" || self.map.contains_key(&p.machine) {
                    continue;
                }
                // First the machine that has the very number.
                if let Some(unit) = self.unit_on(&p.machine, name, &p.container, None) {
                    self.map.insert(p.machine.clone(), p.machine.clone());
                    used.insert(p.machine.clone());
                    if let Some(f) = free.get_mut(name) {
                        f.retain(|(u, _)| *u != unit);
                    }
                } else {
                    rest.push(p);
                }
            }
            open.insert(name.clone(), rest);
        }
        for id in natural::sorted(self.d.machines.keys()) {
            if self.map.contains_key(id) {
                continue;
            }
            'machine: for (name, placements) in &open {
                for p in placements.iter().filter(|p| p.machine == id) {
                    let units = free.get_mut(name).map(std::mem::take).unwrap_or_default();
                    let found = units.iter().position(|(_, m)| {
                        !used.contains(top_level(m))
                            && if p.container.is_empty() {
                                !m.contains('/')
                            } else {
                                m.split('/').nth(1) == Some(p.container.as_str())
                            }
                    });
                    let hit = found.map(|i| units[i].clone());
                    let left = units
                        .into_iter()
                        .enumerate()
                        .filter(|(i, _)| Some(*i) != found)
                        .map(|(_, u)| u)
                        .collect();
                    free.insert(name.clone(), left);
                    if let Some((_, m)) = hit {
                        let machine = top_level(&m).to_owned();
                        used.insert(machine.clone());
                        self.map.insert(id.to_owned(), machine);
                        break 'machine;
                    }
                }
            }
        }
        // An earlier try may have stopped between a machine and its unit: an empty machine that asks for the same is that machine.
        let empty: Vec<String> = natural::sorted(
            self.m
                .machines
                .keys()
                .filter(|m| !m.contains('/') && !used.contains(*m) && !self.m.is_machine_used(m)),
        )
        .into_iter()
        .map(str::to_owned)
        .collect();
        let mut empty = empty;
        for id in natural::sorted(self.d.machines.keys()) {
            if self.map.contains_key(id) || self.o.machine_map.contains_key(id) {
                continue;
            }
            let spec = self
                .d
                .machines
                .get(id)
                .and_then(Option::as_ref)
                .cloned()
                .unwrap_or_default();
            let fits: Vec<usize> = empty
                .iter()
                .enumerate()
                .filter(|(_, m)| self.fits(m, &spec))
                .map(|(i, _)| i)
                .collect();
            let Some(i) = fits
                .iter()
                .find(|i| empty[**i] == id)
                .or(fits.first())
                .copied()
            else {
                continue;
            };
            let machine = empty.remove(i);
            self.taken.insert(machine.clone());
            self.map.insert(id.to_owned(), machine);
        }
    }

    pub(super) fn fits(&self, machine: &str, spec: &MachineSpec) -> bool {
        let Some(m) = self.m.machines.get(machine) else {
            return false;
        };
        let wanted = machine_base(spec, self.d, self.o);
        let same_base = base::parse(&wanted).map_or(true, |b| base::same(&b, &m.base));
        same_base && same_constraints(&m.constraints, &spec.constraints)
    }
}

pub(super) fn on(unit_machine: &str, machine: &str, container: &str) -> bool {
    if container.is_empty() {
        return unit_machine == machine;
    }
    let parts: Vec<&str> = unit_machine.split('/').collect();
    parts.len() >= 3
        && parts[parts.len() - 2] == container
        && parts[..parts.len() - 2].join("/") == top_level(machine)
}
