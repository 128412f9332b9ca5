//! Machines, containers, and units on them.

use std::time::Duration;

use serde_json::{Value, json};

use super::calls::{Answer, constraints, error, list, refuse, text};
use super::state::{Machine, Model, State, Unit};
use crate::api::status::Base;

pub(super) fn new_machine(
    s: &mut State,
    m: &mut Model,
    base: Base,
    c: crate::bundle::Constraints,
    placement: Option<String>,
    now: Duration,
) -> String {
    let id = m.next_machine.to_string();
    m.next_machine += 1;
    m.machines.insert(
        id.clone(),
        Machine {
            base,
            constraints: c,
            placement,
            created: now,
            next_try: now,
            ..Machine::default()
        },
    );
    s.count("machine");
    id
}

pub(super) fn new_container(
    s: &mut State,
    m: &mut Model,
    parent: &str,
    kind: &str,
    base: Base,
    c: crate::bundle::Constraints,
    now: Duration,
) -> String {
    let next = m
        .next_container
        .entry(format!("{parent}/{kind}"))
        .or_default();
    let id = format!("{parent}/{kind}/{next}");
    *next += 1;
    m.machines.insert(
        id.clone(),
        Machine {
            base,
            constraints: c,
            created: now,
            ..Machine::default()
        },
    );
    s.count("container");
    id
}

pub(super) fn add_units(s: &mut State, m: &mut Model, p: &Value, now: Duration) -> Answer {
    let name = text(p, "application").to_owned();
    let n = p["num-units"].as_i64().unwrap_or(0);
    let Some(app) = m.apps.get(&name).cloned() else {
        return refuse(format!("application {name:?} not found"), "not found");
    };
    if n < 1 {
        return refuse("must add at least one unit", "not valid");
    }
    let placements = list(p, "placement").to_vec();
    let mut units = Vec::new();
    for i in 0..usize::try_from(n).unwrap_or(0) {
        let machine = match placements.get(i) {
            None => new_machine(s, m, app.base.clone(), app.constraints.clone(), None, now),
            Some(pl) => {
                let (scope, directive) = (text(pl, "scope"), text(pl, "directive"));
                if scope == "#" {
                    if !m.machines.contains_key(directive) {
                        return refuse(
                            format!(
                                "adding {n} units to application {name:?}: making unit args: getting machine {directive:?} for unit placement directive: machine with name {directive:?} does not exist"
                            ),
                            "",
                        );
                    }
                    directive.to_owned()
                } else if scope == m.uuid {
                    new_machine(
                        s,
                        m,
                        app.base.clone(),
                        app.constraints.clone(),
                        Some(directive.to_owned()),
                        now,
                    )
                } else if scope == "lxd" || scope == "kvm" {
                    let parent = if directive.is_empty() {
                        new_machine(s, m, app.base.clone(), app.constraints.clone(), None, now)
                    } else {
                        directive.to_owned()
                    };
                    if !m.machines.contains_key(&parent) {
                        return refuse(
                            format!(
                                "adding {n} units to application {name:?}: machine with name {parent:?} does not exist"
                            ),
                            "",
                        );
                    }
                    new_container(
                        s,
                        m,
                        &parent,
                        scope,
                        app.base.clone(),
                        app.constraints.clone(),
                        now,
                    )
                } else {
                    return refuse(
                        format!(
                            "adding {n} units to application {name:?}: making unit args: invalid placement: invalid container type {scope:?}"
                        ),
                        "",
                    );
                }
            }
        };
        if let Some(a) = m.apps.get_mut(&name) {
            let k = a.next_unit;
            a.next_unit += 1;
            a.units.insert(
                k,
                Unit {
                    machine,
                    principal: None,
                    created: now,
                },
            );
            units.push(format!("{name}/{k}"));
        }
        s.count("unit");
        s.count(format!("unit:{name}"));
    }
    Ok(json!({"units": units}))
}

pub(super) fn add_machine(s: &mut State, m: &mut Model, d: &Value, now: Duration) -> Value {
    let fail = |message: String| json!({"machine": "", "error": {"message": message, "code": ""}});
    let base: Base = serde_json::from_value(d["base"].clone()).unwrap_or_default();
    let c = constraints(&d["constraints"]);
    let (parent, kind) = (
        text(d, "parent-id").to_owned(),
        text(d, "container-type").to_owned(),
    );
    let placement = &d["placement"];
    if placement.is_object() && !kind.is_empty() {
        return fail("container type and placement are mutually exclusive".into());
    }
    let kinds: &[&str] = if s.is_3x() { &["lxd", "kvm"] } else { &["lxd"] };
    if !kind.is_empty() && !kinds.contains(&kind.as_str()) {
        return fail("invalid container type".into());
    }
    if kind.is_empty() && !parent.is_empty() {
        return fail("parent machine specified without container type".into());
    }
    let instance = text(d, "instance-id");
    if !instance.is_empty() {
        if m.machines
            .values()
            .any(|x| x.instance.as_ref().is_some_and(|i| i.system_id == instance))
        {
            return fail("inserting machine instance: UNIQUE constraint failed: machine_cloud_instance.instance_id".into());
        }
        let id = new_machine(s, m, base, c, None, now);
        if let Some(mm) = m.machines.get_mut(&id) {
            mm.instance = Some(super::Instance {
                system_id: instance.into(),
                hostname: String::new(),
                addresses: list(d, "addresses")
                    .iter()
                    .map(|a| text(a, "value").to_owned())
                    .collect(),
            });
        }
        return json!({"machine": id});
    }
    if placement.is_object() {
        let (scope, directive) = (text(placement, "scope"), text(placement, "directive"));
        if scope == "lxd" {
            let parent = if directive.is_empty() {
                new_machine(s, m, base.clone(), c.clone(), None, now)
            } else {
                directive.to_owned()
            };
            return json!({"machine": new_container(s, m, &parent, "lxd", base, c, now)});
        }
        if scope == m.uuid {
            if !s.is_3x() && directive != m.uuid {
                return fail(format!("invalid model id {directive:?}"));
            }
            return json!({"machine": new_machine(s, m, base, c, Some(directive.to_owned()), now)});
        }
        if scope == "#" {
            return fail(format!(
                "validating machine placement: getting machine hardware characteristics for \"{}\": machine not provisioned",
                uuid::Uuid::new_v4()
            ));
        }
        return fail(format!(
            "invalid placement: invalid container type {scope:?}"
        ));
    }
    if kind.is_empty() {
        return json!({"machine": new_machine(s, m, base, c, None, now)});
    }
    let parent = if parent.is_empty() {
        new_machine(s, m, base.clone(), c.clone(), None, now)
    } else {
        parent
    };
    if !m.machines.contains_key(&parent) {
        return fail(format!("machine {parent:?} not found"));
    }
    json!({"machine": new_container(s, m, &parent, &kind, base, c, now)})
}

pub(super) fn destroy_machine(
    m: &mut Model,
    tag: &str,
    force: bool,
    dry_run: bool,
    now: Duration,
) -> Value {
    let id = tag.trim_start_matches("machine-").replace('-', "/");
    if !m.machines.contains_key(&id) {
        return error(
            format!(
                "getting machine UUID: getting UUID for machine {id:?}: machine {id:?}: machine not found"
            ),
            "",
        );
    }
    let inside = format!("{id}/");
    let units: Vec<(String, u64)> = m
        .apps
        .iter()
        .flat_map(|(a, app)| {
            app.units
                .iter()
                .filter(|(_, u)| u.machine == id || u.machine.starts_with(&inside))
                .map(move |(n, _)| (a.clone(), *n))
        })
        .collect();
    if !force && (!units.is_empty() || m.machines.keys().any(|k| k.starts_with(&inside))) {
        let what = if m.machines.keys().any(|k| k.starts_with(&inside)) {
            "machine has containers"
        } else {
            "machine has units"
        };
        let uuid = uuid::Uuid::new_v4().to_string();
        return error(
            format!(
                "removing machine: machine {uuid:?}: cannot set machine {uuid:?} to dying without force: {what}"
            ),
            "",
        );
    }
    let mut info = json!({"machine-id": id});
    let right_on = |m: &Model, machine: &str| -> Vec<Value> {
        units
            .iter()
            .filter(|(a, n)| m.apps[a].units[n].machine == machine)
            .map(|(a, n)| json!({"tag": format!("unit-{a}-{n}")}))
            .collect()
    };
    let on = right_on(m, &id);
    if !on.is_empty() {
        info["destroyed-units"] = json!(on);
    }
    let containers: Vec<Value> = m
        .machines
        .keys()
        .filter(|k| k.starts_with(&inside))
        .map(|k| {
            let mut one = json!({"machine-id": k});
            let on = right_on(m, k);
            if !on.is_empty() {
                one["destroyed-units"] = json!(on);
            }
            json!({"info": one})
        })
        .collect();
    if !containers.is_empty() {
        info["destroyed-containers"] = json!(containers);
    }
    if dry_run {
        return json!({"info": info});
    }
    for (a, n) in units {
        if let Some(app) = m.apps.get_mut(&a) {
            app.units.remove(&n);
        }
    }
    for (k, mm) in &mut m.machines {
        if *k == id || k.starts_with(&inside) {
            mm.dying = Some(now);
        }
    }
    json!({"info": info})
}
