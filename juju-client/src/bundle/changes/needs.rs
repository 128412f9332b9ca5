//! The machines of a bundle with their units.

use std::collections::BTreeMap;

use super::super::data::BundleData;
use super::super::model::Model;
use super::super::natural;
use super::super::plan::Change;
use super::super::{MachineNeed, PlanOptions};
use super::plan;
use crate::error::Result;

/// The machines of a bundle with their units.
pub(crate) fn needs(d: &BundleData) -> Result<Vec<MachineNeed>> {
    let options = PlanOptions {
        ignore_architecture: true,
        ..PlanOptions::default()
    };
    let p = plan(d, Model::default(), &options)?;
    let mut needs: Vec<MachineNeed> = Vec::new();
    // Change id to the index of the machine that it stands for.
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = natural::sorted(d.machines.keys()).into_iter();
    let by_id: BTreeMap<&str, &Change> = p.changes.iter().map(|c| (c.id.as_str(), c)).collect();
    let mut first: Vec<&Change> = p
        .changes
        .iter()
        .filter(|c| c.method == "addMachines")
        .collect();
    first.sort_by_key(|c| {
        c.id.rsplit('-')
            .next()
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0)
    });
    for c in &first {
        let parent = c.arg("parent-id").and_then(|p| p.strip_prefix('$'));
        if parent.is_none() {
            needs.push(MachineNeed {
                name: names.next().map(str::to_owned),
                constraints: c.arg("constraints").unwrap_or("").parse()?,
                units: Vec::new(),
            });
            at.insert(c.id.clone(), needs.len() - 1);
        }
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for c in &p.changes {
        match c.method.as_str() {
            "addMachines" => {
                if let Some(i) = c
                    .arg("parent-id")
                    .and_then(|p| p.strip_prefix('$'))
                    .and_then(|p| at.get(p))
                    .copied()
                {
                    at.insert(c.id.clone(), i);
                }
            }
            "addUnit" => {
                let app = c
                    .arg("application")
                    .and_then(|a| a.strip_prefix('$'))
                    .and_then(|a| by_id.get(a))
                    .and_then(|c| c.arg("application"));
                let app = app.unwrap_or_default().to_owned();
                let n = counts.entry(app.clone()).or_default();
                let unit = format!("{app}/{n}");
                *n += 1;
                let i = match c
                    .arg("to")
                    .and_then(|t| t.strip_prefix('$'))
                    .and_then(|t| at.get(t))
                    .copied()
                {
                    Some(i) => i,
                    None => {
                        let spec = d.applications.get(&app).and_then(Option::as_ref);
                        needs.push(MachineNeed {
                            name: None,
                            constraints: spec.map_or("", |s| s.constraints.as_str()).parse()?,
                            units: Vec::new(),
                        });
                        needs.len() - 1
                    }
                };
                needs[i].units.push(unit);
                at.insert(c.id.clone(), i);
            }
            _ => {}
        }
    }
    Ok(needs)
}
