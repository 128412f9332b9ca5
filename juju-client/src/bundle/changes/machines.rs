//! The machines that the bundle names.

use std::collections::BTreeMap;

use serde_json::Map;

use super::super::natural;
use super::{Planner, machine_base, put};

impl Planner<'_> {
    pub(super) fn add_machines(&mut self) {
        for name in natural::sorted(self.d.machines.keys()) {
            let spec = self
                .d
                .machines
                .get(name)
                .and_then(Option::as_ref)
                .cloned()
                .unwrap_or_default();
            let mapped = self
                .map
                .get(name)
                .filter(|m| self.m.machines.contains_key(*m))
                .cloned();
            let (id, shown, requires, have) = match mapped {
                Some(m) => {
                    let have = self
                        .m
                        .machines
                        .get(&m)
                        .map(|e| e.annotations.clone())
                        .unwrap_or_default();
                    (m.clone(), format!("existing machine {m}"), Vec::new(), have)
                }
                None => {
                    let machine = self.next_machine();
                    let base = machine_base(&spec, self.d, self.o);
                    let mut args = Map::new();
                    put(&mut args, "base", &base);
                    put(&mut args, "constraints", &spec.constraints);
                    let shown = if machine == name {
                        format!("new machine {machine}")
                    } else {
                        format!("new machine {machine} (bundle machine {name})")
                    };
                    let i = self.add("addMachines", args, Vec::new(), format!("add {shown}"));
                    self.machines.insert(name.to_owned(), (i, machine.clone()));
                    let id = self.changes[i].id.clone();
                    (
                        format!("${id}"),
                        format!("new machine {machine}"),
                        vec![id],
                        BTreeMap::new(),
                    )
                }
            };
            let changed: BTreeMap<String, String> = spec
                .annotations
                .into_iter()
                .filter(|(k, v)| have.get(k) != Some(v))
                .collect();
            if !changed.is_empty() {
                self.annotate("machine", &id, &shown, changed, requires);
            }
        }
    }
}
