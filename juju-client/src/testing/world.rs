//! Time passing: machines asked for, agents started, actions run, models gone.

use std::time::Duration;

use serde_json::{Map, Value};

use super::state::{Shared, State, VaultState};
use super::{Instance, StartInstance};

/// Runs what is due.
pub(super) async fn advance(shared: &Shared) {
    let _one = shared.advancing.lock().await;
    let now = shared.now();
    subordinates(shared, now);
    provision(shared).await;
    run_actions(shared).await;
    remove(shared).await;
}

/// A subordinate has a unit beside each unit of the principals that it is related to.
fn subordinates(shared: &Shared, now: Duration) {
    let missing = shared.with(|s| missing_subordinates(s));
    if missing.is_empty() {
        return;
    }
    shared.change(|s| {
        for (model, app, principal) in missing_subordinates(s) {
            let Some(m) = s.models.get_mut(&model) else {
                continue;
            };
            let Some(a) = m.apps.get_mut(&app) else {
                continue;
            };
            let n = a.next_unit;
            a.next_unit += 1;
            a.units.insert(
                n,
                super::state::Unit {
                    machine: String::new(),
                    principal: Some(principal),
                    created: now,
                },
            );
            s.count(format!("unit:{app}"));
        }
    });
}

fn missing_subordinates(s: &State) -> Vec<(String, String, String)> {
    let mut missing = Vec::new();
    for (uuid, m) in &s.models {
        for r in m.relations.iter().filter(|r| r.scope == "container") {
            let [a, b] = &r.ends[..] else { continue };
            for (sub, principal) in [(&a.0, &b.0), (&b.0, &a.0)] {
                let (Some(sa), Some(pa)) = (m.apps.get(sub), m.apps.get(principal)) else {
                    continue;
                };
                if !sa.subordinate || pa.subordinate {
                    continue;
                }
                for n in pa
                    .units
                    .iter()
                    .filter(|(_, u)| {
                        m.machines
                            .get(&u.machine)
                            .is_some_and(|m| m.started.is_some())
                    })
                    .map(|(n, _)| n)
                {
                    let unit = format!("{principal}/{n}");
                    if !sa
                        .units
                        .values()
                        .any(|u| u.principal.as_deref() == Some(&unit))
                    {
                        missing.push((uuid.clone(), sub.clone(), unit));
                    }
                }
            }
        }
    }
    missing
}

/// One machine after another: the next that has no instance and may be tried again.
async fn provision(shared: &Shared) {
    loop {
        let now = shared.now();
        let next = shared.with(|s| {
            s.models
                .values()
                .filter(|m| m.gone_at.is_none())
                .find_map(|m| {
                    let mut ids: Vec<&String> =
                        m.machines.keys().filter(|id| !id.contains('/')).collect();
                    ids.sort_by_key(|id| id.parse::<u64>().unwrap_or(0));
                    ids.into_iter().find_map(|id| {
                        let mm = m.machines.get(id)?;
                        let due = mm.instance.is_none()
                            && mm.dying.is_none()
                            && !mm.given_up
                            && mm.next_try <= now;
                        due.then(|| {
                            let start = StartInstance {
                                model_uuid: m.uuid.clone(),
                                model_name: m.name.clone(),
                                machine_id: id.clone(),
                                constraints: mm.constraints.clone(),
                                placement: mm.placement.clone(),
                                base: mm.base.to_string(),
                            };
                            (
                                start,
                                s.machine_faults.get(id).cloned(),
                                s.durations.retry,
                                s.durations.tries,
                            )
                        })
                    })
                })
        });
        let Some((start, fault, retry, tries)) = next else {
            break;
        };
        let (model, id) = (start.model_uuid.clone(), start.machine_id.clone());
        let outcome = match fault {
            Some(why) => Err(why),
            None => shared.provider.start_instance(start).await,
        };
        let now = shared.now();
        shared.change(|s| {
            let Some(m) = s.models.get_mut(&model).and_then(|m| m.machines.get_mut(&id)) else { return };
            match outcome {
                Ok(instance) => {
                    m.instance = Some(instance);
                    m.error = None;
                    s.count("instance");
                }
                Err(why) => {
                    m.tries += 1;
                    m.next_try = now + retry;
                    m.given_up = tries > 0 && m.tries >= tries;
                    m.error = Some(if m.given_up {
                        format!("failed to acquire node: {why}")
                    } else {
                        format!("failed to start machine {id} in zone \"default\", retrying in 10s with new availability zone: failed to acquire node: {why}")
                    });
                }
            }
        });
    }
    running(shared).await;
}

async fn running(shared: &Shared) {
    let waiting: Vec<(String, String, Instance)> = shared.with(|s| {
        s.models
            .values()
            .flat_map(|m| m.machines.iter().map(move |(id, mm)| (m, id, mm)))
            .filter(|(_, _, mm)| mm.started.is_none())
            .filter_map(|(m, id, mm)| mm.instance.clone().map(|i| (m.uuid.clone(), id.clone(), i)))
            .collect()
    });
    for (model, id, instance) in waiting {
        if shared.provider.instance_running(&instance.system_id).await {
            let now = shared.now();
            shared.change(|s| {
                let agent = s.durations.agent;
                if let Some(m) = s
                    .models
                    .get_mut(&model)
                    .and_then(|m| m.machines.get_mut(&id))
                {
                    m.started = Some(now + agent);
                }
            });
        }
    }
    // Containers follow their machine.
    let now = shared.now();
    let ready = |s: &State| -> Vec<(String, String, Instance)> {
        s.models
            .values()
            .flat_map(|m| m.machines.iter().map(move |(id, mm)| (m, id, mm)))
            .filter(|(_, id, mm)| id.contains('/') && mm.instance.is_none())
            .filter_map(|(m, id, _)| {
                let parent = m.machines.get(id.split('/').next()?)?;
                let host = parent
                    .instance
                    .as_ref()
                    .filter(|_| parent.started.is_some_and(|t| t <= now))?;
                let name = format!(
                    "juju-{}-{}",
                    &m.uuid[m.uuid.len().saturating_sub(6)..],
                    id.replace('/', "-")
                );
                Some((
                    m.uuid.clone(),
                    id.clone(),
                    Instance {
                        system_id: name.clone(),
                        hostname: name,
                        addresses: host.addresses.clone(),
                    },
                ))
            })
            .collect()
    };
    if !shared.with(|s| ready(s).is_empty()) {
        shared.change(|s| {
            let agent = s.durations.agent;
            for (model, id, instance) in ready(s) {
                if let Some(m) = s
                    .models
                    .get_mut(&model)
                    .and_then(|m| m.machines.get_mut(&id))
                {
                    m.instance = Some(instance);
                    m.started = Some(now + agent);
                }
            }
        });
    }
}

/// Model, number, unit, name and parameters of an action whose time is up.
type Due = (String, u64, String, String, Map<String, Value>);

/// Actions whose units are there run, and log on their way.
fn start_actions(shared: &Shared, now: Duration) {
    let log = |unit: &str, name: &str| {
        shared
            .actions
            .as_ref()
            .map(|a| a.log(unit, name))
            .unwrap_or_default()
    };
    type Begun = (String, u64, Duration, Vec<String>);
    let begun: Vec<Begun> = shared.with(|s| {
        let mut begun = Vec::new();
        for m in s.models.values() {
            for (n, a) in m
                .actions
                .iter()
                .filter(|(_, a)| a.status == "pending" || a.status == "running")
            {
                let Some(up) = agent_up(m, &a.unit) else {
                    continue;
                };
                let start = a.enqueued.max(up);
                let lasts = s
                    .durations
                    .actions
                    .get(&a.name)
                    .copied()
                    .unwrap_or_default();
                // What ends at once is not seen running.
                if start > now || lasts.is_zero() {
                    continue;
                }
                let lines = log(&a.unit, &a.name);
                let share = now.saturating_sub(start).as_secs_f64() / lasts.as_secs_f64();
                let due = (share * lines.len() as f64).ceil().max(1.0) as usize;
                let fresh: Vec<String> = lines.into_iter().take(due).skip(a.log.len()).collect();
                if a.status == "pending" || !fresh.is_empty() {
                    begun.push((m.uuid.clone(), *n, start, fresh));
                }
            }
        }
        begun
    });
    if begun.is_empty() {
        return;
    }
    shared.change(|s| {
        for (model, n, start, fresh) in begun {
            if let Some(a) = s.models.get_mut(&model).and_then(|m| m.actions.get_mut(&n)) {
                a.status = "running".into();
                a.started.get_or_insert(start);
                a.log.extend(fresh.into_iter().map(|l| (now, l)));
            }
        }
    });
}

/// An action starts when its unit is there, and its hook runs when its time is up.
async fn run_actions(shared: &Shared) {
    let now = shared.now();
    start_actions(shared, now);
    let due: Vec<Due> = shared.with(|s| {
        let mut due = Vec::new();
        for m in s.models.values() {
            for (n, a) in m
                .actions
                .iter()
                .filter(|(_, a)| a.status == "pending" || a.status == "running")
            {
                let lasts = s
                    .durations
                    .actions
                    .get(&a.name)
                    .copied()
                    .unwrap_or_default();
                let Some(begin) = agent_up(m, &a.unit) else {
                    continue;
                };
                if a.enqueued.max(begin) + lasts <= now {
                    due.push((
                        m.uuid.clone(),
                        *n,
                        a.unit.clone(),
                        a.name.clone(),
                        a.params.clone(),
                    ));
                }
            }
        }
        due
    });
    for (model, n, unit, name, params) in due {
        let outcome = match &shared.actions {
            Some(hook) => hook.run(&unit, &name, &params).await,
            None => {
                match name.as_str() {
                    "authorize-charm" => shared.with(|s| s.set_vault(VaultState::Authorised, now)),
                    "generate-root-ca" => shared.with(|s| s.set_vault(VaultState::HasRootCa, now)),
                    _ => {}
                }
                Ok(Map::new())
            }
        };
        shared.change(|s| {
            let Some(a) = s.models.get_mut(&model).and_then(|m| m.actions.get_mut(&n)) else {
                return;
            };
            // Taken back meanwhile.
            if a.status == "cancelled" {
                return;
            }
            a.started.get_or_insert(a.enqueued);
            a.done = Some(now);
            match outcome {
                Ok(out) => {
                    a.status = "completed".into();
                    a.output = out;
                    a.output.entry("return-code").or_insert(Value::from(0));
                }
                Err(why) => {
                    a.status = "failed".into();
                    a.message = why;
                    a.output.insert("return-code".into(), Value::from(0));
                }
            }
            if let Some(hook) = &shared.actions {
                // All that it logs has been logged by its end.
                let begin = a.started.unwrap_or(now);
                for (i, line) in hook.log(&unit, &name).into_iter().enumerate() {
                    if i >= a.log.len() {
                        a.log.push((begin, line));
                    }
                }
            }
        });
    }
}

/// Since when a unit's agent takes actions.
fn agent_up(m: &super::state::Model, unit: &str) -> Option<Duration> {
    let u = m.unit(unit)?;
    let machine = match &u.principal {
        Some(p) => &m.unit(p)?.machine,
        None => &u.machine,
    };
    m.machines.get(machine)?.started
}

/// Machines and models whose end has come give their instances back.
async fn remove(shared: &Shared) {
    let now = shared.now();
    let gone: Vec<(String, String, Option<Instance>)> = shared.with(|s| {
        s.models
            .values()
            .flat_map(|m| {
                let model_due = m.gone_at.is_some_and(|t| t <= now);
                m.machines
                    .iter()
                    .filter(move |(_, mm)| model_due || mm.dying.is_some_and(|t| t <= now))
                    .map(|(id, mm)| (m.uuid.clone(), id.clone(), mm.instance.clone()))
            })
            .collect()
    });
    for (model, id, instance) in gone {
        if let Some(i) = instance.filter(|_| !id.contains('/'))
            && shared.provider.stop_instance(&i.system_id).await.is_err()
        {
            continue;
        }
        shared.change(|s| {
            if let Some(m) = s.models.get_mut(&model) {
                m.machines.remove(&id);
                for a in m.apps.values_mut() {
                    a.units.retain(|_, u| u.machine != id);
                }
            }
        });
    }
    let done = |s: &State| -> Vec<String> {
        s.models
            .values()
            .filter(|m| m.gone_at.is_some_and(|t| t <= now) && m.machines.is_empty())
            .map(|m| m.uuid.clone())
            .collect()
    };
    if !shared.with(|s| done(s).is_empty()) {
        shared.change(|s| {
            for uuid in done(s) {
                s.models.remove(&uuid);
            }
        });
    }
}
