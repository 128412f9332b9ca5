//! The API before the world: routes, microversions, refusals in Nova's words.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{Action, GOING, Host, Migration, Server, World};
use super::{Core, State};
use crate::testing::serve::{Ask, Reply};

const OLDEST: u16 = 53;
const NEWEST: u16 = 93;

/// The words under which Nova files its refusals.
fn refuse(status: u16, said: &str) -> Reply {
    let kind = match status {
        400 => "badRequest",
        404 => "itemNotFound",
        409 => "conflictingRequest",
        _ => "computeFault",
    };
    Reply::json(status, &json!({kind: {"code": status, "message": said}}))
}

impl Core {
    pub(super) fn answer(&self, ask: &Ask) -> Reply {
        let request = format!("req-{}", uuid::Uuid::new_v4());
        self.route(ask, &request)
            .header("x-openstack-request-id", request)
    }

    fn route(&self, ask: &Ask, request: &str) -> Reply {
        let segments = ask.segments();
        if !(self.tokens)(ask.header("x-auth-token").unwrap_or_default()) {
            let said = "The request you have made requires authentication.";
            return Reply::json(
                401,
                &json!({"error": {"code": 401, "title": "Unauthorized", "message": said}}),
            );
        }
        match segments.split_first() {
            Some((&"v2.1", [])) => Reply::json(
                200,
                &json!({"version": {"id": "v2.1", "status": "CURRENT",
                "version": format!("2.{NEWEST}"), "min_version": "2.1", "updated": "2013-07-23T11:33:21Z", "links": []}}),
            ),
            Some((&"v2.1", rest)) => match version(ask) {
                Ok(()) => self.nova(ask, rest, request),
                Err(refused) => refused,
            },
            _ => self.placement(ask, &segments),
        }
    }

    fn nova(&self, ask: &Ask, path: &[&str], request: &str) -> Reply {
        match (ask.method.as_str(), path) {
            ("GET", ["os-services"]) => self.services(ask),
            ("PUT", ["os-services", id]) => self.change_service(id, &ask.json()),
            ("DELETE", ["os-services", id]) => self.delete_service(id),
            ("GET", ["os-hypervisors"] | ["os-hypervisors", "detail"]) => self.hypervisors(ask),
            ("GET", ["servers"] | ["servers", "detail"]) => self.servers(ask),
            ("POST", ["servers"]) => self.create(&ask.json()),
            ("GET", ["os-migrations"]) => self.migrations(ask),
            (method, ["servers", id, rest @ ..]) => {
                if !self.lock().world.servers.contains_key(*id) {
                    return refuse(404, &format!("Instance {id} could not be found."));
                }
                match (method, rest) {
                    ("GET", []) => {
                        let (_, state) = self.now();
                        Reply::json(
                            200,
                            &json!({"server": state.world.servers.get(*id).map(|s| server(id, s))}),
                        )
                    }
                    ("DELETE", []) => self.change(|_, s| {
                        s.world.servers.remove(*id);
                        Reply::empty(204)
                    }),
                    ("POST", ["action"]) => self.act(id, &ask.json(), request),
                    ("GET", ["migrations"]) => {
                        let (_, state) = self.now();
                        let going = |m: &&Migration| {
                            m.server == *id
                                && m.kind == "live-migration"
                                && GOING.contains(&m.status.as_str())
                        };
                        let found: Vec<_> = state
                            .world
                            .migrations
                            .iter()
                            .filter(going)
                            .map(migration)
                            .collect();
                        Reply::json(200, &json!({"migrations": found}))
                    }
                    ("DELETE", ["migrations", m]) => self.end_migration(id, m, false),
                    ("POST", ["migrations", m, "action"]) => self.end_migration(id, m, true),
                    ("GET", ["os-instance-actions"]) => {
                        let (_, state) = self.now();
                        let found: Vec<_> = state
                            .world
                            .actions
                            .iter()
                            .rev()
                            .filter(|a| a.server == *id)
                            .map(|a| action(a, false))
                            .collect();
                        Reply::json(200, &json!({"instanceActions": found}))
                    }
                    ("GET", ["os-instance-actions", r]) => {
                        let (_, state) = self.now();
                        match state
                            .world
                            .actions
                            .iter()
                            .find(|a| a.server == *id && a.request == *r)
                        {
                            Some(a) => {
                                Reply::json(200, &json!({"instanceAction": action(a, true)}))
                            }
                            None => refuse(
                                404,
                                &format!("Action for request_id {r} on instance {id} not found"),
                            ),
                        }
                    }
                    _ => refuse(404, "The resource could not be found."),
                }
            }
            _ => refuse(404, "The resource could not be found."),
        }
    }

    fn services(&self, ask: &Ask) -> Reply {
        let (_, state) = self.now();
        let asked = |name: &str, value: &str| ask.query(name).is_none_or(|q| q == value);
        let found: Vec<_> = state
            .world
            .hosts
            .iter()
            .filter(|(name, _)| asked("host", name) && asked("binary", "nova-compute"))
            .map(|(name, host)| service(name, host))
            .collect();
        Reply::json(200, &json!({"services": found}))
    }

    fn change_service(&self, id: &str, body: &Value) -> Reply {
        self.change(|_, s| {
            let World { hosts, migrations, .. } = &mut s.world;
            let Some((name, host)) = hosts.iter_mut().find(|(_, h)| h.service == id) else {
                return refuse(404, &format!("Service {id} could not be found."));
            };
            let reason = body["disabled_reason"].as_str();
            match body["status"].as_str() {
                Some("disabled") => host.disabled = Some(reason.unwrap_or_default().to_owned()),
                Some("enabled") if reason.is_none() => host.disabled = None,
                Some("enabled") => return refuse(400, "Specifying disabled_reason when status is enabled is invalid."),
                Some(other) => return refuse(400, &format!("Invalid input for field/attribute status. Value: {other}.")),
                None => {}
            }
            match body["forced_down"].as_bool() {
                Some(true) => host.forced_down = true,
                Some(false) => {
                    let untidy = migrations.iter().any(|m| m.kind == "evacuation" && m.source == *name && m.status == "done");
                    if untidy {
                        return refuse(
                            400,
                            &format!(
                                "Unable to force up host {name} as `done` evacuation migration records remain associated with the host. Ensure the \
                                 compute service has been restarted, allowing these records to move to `completed` before retrying this request"
                            ),
                        );
                    }
                    host.forced_down = false;
                }
                None => {}
            }
            Reply::json(200, &json!({"service": service(name, host)}))
        })
    }

    fn delete_service(&self, id: &str) -> Reply {
        self.change(|_, s| {
            let Some(name) = s.world.hosts.iter().find(|(_, h)| h.service == id).map(|(n, _)| n.clone()) else {
                return refuse(404, &format!("Service {id} could not be found."));
            };
            if s.world.servers_on(&name) > 0 {
                return refuse(409, "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.");
            }
            s.world.hosts.remove(&name);
            Reply::empty(204)
        })
    }

    fn hypervisors(&self, ask: &Ask) -> Reply {
        let (now, state) = self.now();
        let pattern = ask.query("hypervisor_hostname_pattern");
        let found: Vec<_> = state
            .world
            .hosts
            .iter()
            .filter(|(name, h)| h.appears <= now && pattern.is_none_or(|p| name.contains(p)))
            .map(|(name, host)| {
                let mut shown = json!({"id": host.hypervisor, "hypervisor_hostname": name, "state": state_of(host),
                    "status": status_of(host), "hypervisor_type": "fake", "host_ip": "127.0.0.1",
                    "service": {"id": host.service, "host": name, "disabled_reason": host.disabled}});
                let on: Vec<_> = state
                    .world
                    .servers
                    .iter()
                    .filter(|(_, s)| s.host.as_ref() == Some(name))
                    .map(|(id, s)| json!({"uuid": id, "name": format!("instance-{:08x}", s.made)}))
                    .collect();
                if ask.query("with_servers") == Some("true") && !on.is_empty() {
                    shown["servers"] = json!(on);
                }
                shown
            })
            .collect();
        match pattern {
            Some(p) if found.is_empty() => refuse(
                404,
                &format!("No hypervisor matching '{p}' could be found."),
            ),
            _ => Reply::json(200, &json!({"hypervisors": found})),
        }
    }

    fn servers(&self, ask: &Ask) -> Reply {
        let (_, state) = self.now();
        let mut found: Vec<_> = state
            .world
            .servers
            .iter()
            .filter(|(_, s)| {
                ask.query("host")
                    .is_none_or(|h| s.host.as_deref() == Some(h))
            })
            .filter(|(_, s)| {
                ask.query("name")
                    .is_none_or(|n| s.name.contains(n.trim_matches(['^', '$'])))
            })
            .collect();
        found.sort_by_key(|(_, s)| std::cmp::Reverse(s.made));
        let from = ask
            .query("marker")
            .and_then(|m| found.iter().position(|(id, _)| *id == m))
            .map_or(0, |at| at + 1);
        let limit = ask
            .query("limit")
            .and_then(|l| l.parse().ok())
            .unwrap_or(1000_usize);
        let page: Vec<_> = found
            .iter()
            .skip(from)
            .take(limit)
            .map(|(id, s)| server(id, s))
            .collect();
        let mut body = json!({"servers": page});
        if from + limit < found.len() {
            body["servers_links"] = json!([{"rel": "next", "href": ""}]);
        }
        Reply::json(200, &body)
    }

    fn create(&self, body: &Value) -> Reply {
        let server = &body["server"];
        let (Some(name), Some(_)) = (server["name"].as_str(), server["flavorRef"].as_str()) else {
            return refuse(
                400,
                "Invalid input for field/attribute server. 'name' and 'flavorRef' are required properties",
            );
        };
        if server["networks"].is_null() {
            return refuse(
                400,
                "Invalid input for field/attribute server. 'networks' is a required property",
            );
        }
        let wanted = server["host"].as_str().map(str::to_owned);
        let boot = self.durations.boot;
        self.change(|now, s: &mut State| {
            if let Some(host) = wanted
                .as_deref()
                .filter(|h| !s.world.hosts.contains_key(*h))
            {
                return refuse(400, &format!("Compute host {host} could not be found."));
            }
            let made = s.world.servers.values().map(|s| s.made).max().unwrap_or(0) + 1;
            let id = uuid::Uuid::new_v4().to_string();
            let new = Server {
                name: name.to_owned(),
                status: "BUILD".into(),
                host: None,
                task: Some("scheduling".into()),
                fault: None,
                made,
                boots: Some(now + boot),
                wanted,
            };
            s.world.servers.insert(id.clone(), new);
            *s.counts.entry("server".into()).or_default() += 1;
            Reply::json(202, &json!({"server": {"id": id, "links": []}}))
        })
    }

    fn act(&self, id: &str, body: &Value, request: &str) -> Reply {
        if let live @ Value::Object(_) = &body["os-migrateLive"] {
            if live.get("force").is_some() {
                return refuse(
                    400,
                    "Invalid input for field/attribute os-migrateLive. Additional properties are not allowed ('force' was unexpected)",
                );
            }
            if live.get("host").is_none() || live.get("block_migration").is_none() {
                return refuse(
                    400,
                    "Invalid input for field/attribute os-migrateLive. 'host' and 'block_migration' are required properties",
                );
            }
            let host = live["host"].as_str().map(str::to_owned);
            return self.change(|now, s| move_server(s, now, id, request, host, false));
        }
        if let how @ Value::Object(_) = &body["evacuate"] {
            let host = how["host"].as_str().map(str::to_owned);
            return self.change(|now, s| move_server(s, now, id, request, host, true));
        }
        let power = |to: &'static str| {
            self.change(|_, s| {
                if let Some(server) = s.world.servers.get_mut(id) {
                    server.status = to.into();
                }
                Reply::empty(202)
            })
        };
        if body.get("os-stop").is_some() {
            return power("SHUTOFF");
        }
        if body.get("os-start").is_some() {
            return power("ACTIVE");
        }
        refuse(400, "There is no such action")
    }

    /// `DELETE` ends a migration where it started, force-complete where it goes.
    fn end_migration(&self, server: &str, migration: &str, complete: bool) -> Reply {
        self.change(|now, s| {
            let found = s.world.migrations.iter().position(|m| m.server == server && m.id.to_string() == migration);
            let Some(index) = found else {
                return refuse(404, &format!("Migration {migration} for server {server} could not be found."));
            };
            let m = &mut s.world.migrations[index];
            let may = if complete { m.status == "running" } else { GOING.contains(&m.status.as_str()) };
            if !may {
                return refuse(400, &format!("Migration {migration} state of instance {server} is {}. Cannot do this while the migration is in this state.", m.status));
            }
            if complete {
                m.due = now;
            } else {
                s.world.fail(index, "cancelled", "Live migration was aborted");
            }
            Reply::empty(202)
        })
    }

    fn migrations(&self, ask: &Ask) -> Reply {
        let (_, state) = self.now();
        let found: Vec<_> = state
            .world
            .migrations
            .iter()
            .rev()
            .filter(|m| ask.query("instance_uuid").is_none_or(|id| m.server == id))
            .filter(|m| {
                ask.query("host")
                    .is_none_or(|h| m.source == h || m.dest.as_deref() == Some(h))
            })
            .map(migration)
            .collect();
        Reply::json(200, &json!({"migrations": found}))
    }

    fn placement(&self, ask: &Ask, path: &[&str]) -> Reply {
        let (now, state) = self.now();
        match (ask.method.as_str(), path) {
            ("GET", []) => Reply::json(
                200,
                &json!({"versions": [{"id": "v1.0", "max_version": "1.39", "min_version": "1.0", "status": "CURRENT"}]}),
            ),
            ("GET", ["resource_providers"]) => {
                let there = state.world.hosts.iter().filter(|(_, h)| h.appears <= now);
                let found: Vec<_> = there
                    .map(|(name, h)| json!({"uuid": h.hypervisor, "name": name, "generation": 1}))
                    .collect();
                Reply::json(200, &json!({"resource_providers": found}))
            }
            ("GET", ["allocations", id]) => {
                let mut booked = serde_json::Map::new();
                let server = state.world.servers.get(*id);
                let moving = state
                    .world
                    .migrations
                    .iter()
                    .find(|m| m.server == *id && GOING.contains(&m.status.as_str()));
                let hosts = [
                    server.and_then(|s| s.host.as_deref()),
                    moving.and_then(|m| m.dest.as_deref()),
                ];
                for host in hosts
                    .into_iter()
                    .flatten()
                    .filter_map(|h| state.world.hosts.get(h))
                {
                    booked.insert(
                        host.hypervisor.clone(),
                        json!({"generation": 1, "resources": {"VCPU": 1, "MEMORY_MB": 64}}),
                    );
                }
                Reply::json(200, &json!({"allocations": booked}))
            }
            _ => Reply::json(
                404,
                &json!({"errors": [{"status": 404, "title": "Not Found", "detail": "The resource could not be found."}]}),
            ),
        }
    }
}

/// 406 for a microversion that is not spoken.
fn version(ask: &Ask) -> Result<(), Reply> {
    let said = ask
        .header("openstack-api-version")
        .and_then(|v| v.strip_prefix("compute 2."));
    match said.and_then(|v| v.parse::<u16>().ok()) {
        Some(OLDEST..=NEWEST) => Ok(()),
        Some(minor) => {
            let said = format!(
                "Version 2.{minor} is not supported by the API. Minimum is 2.1 and maximum is 2.{NEWEST}."
            );
            Err(Reply::json(
                406,
                &json!({"computeFault": {"code": 406, "message": said}}),
            ))
        }
        None => Err(refuse(
            400,
            "this fake speaks microversions 2.53 to 2.93, and the request named none",
        )),
    }
}

fn move_server(
    s: &mut State,
    now: Duration,
    id: &str,
    request: &str,
    host: Option<String>,
    evacuation: bool,
) -> Reply {
    let Some(server) = s.world.servers.get_mut(id) else {
        return refuse(404, &format!("Instance {id} could not be found."));
    };
    let source = server.host.clone().unwrap_or_default();
    if let Some(host) = host.as_deref().filter(|h| !s.world.hosts.contains_key(*h)) {
        return refuse(400, &format!("Compute host {host} could not be found."));
    }
    if evacuation && s.world.hosts.get(&source).is_some_and(Host::is_up) {
        return refuse(
            400,
            &format!("Compute service of {source} is still in use."),
        );
    }
    let word = if evacuation {
        "evacuate"
    } else {
        "os-migrateLive"
    };
    if let Some(task) = &server.task {
        return refuse(
            409,
            &format!("Cannot '{word}' instance {id} while it is in task_state {task}"),
        );
    }
    if !evacuation && server.status != "ACTIVE" && server.status != "PAUSED" {
        let state = if server.status == "SHUTOFF" {
            "stopped"
        } else {
            "error"
        };
        return refuse(
            409,
            &format!("Cannot '{word}' instance {id} while it is in vm_state {state}"),
        );
    }
    server.task = Some(
        if evacuation {
            "rebuilding"
        } else {
            "migrating"
        }
        .into(),
    );
    server.status = if evacuation { "REBUILD" } else { "MIGRATING" }.into();
    let (kind, action, event) = match evacuation {
        true => ("evacuation", "evacuate", "conductor_rebuild_server"),
        false => (
            "live-migration",
            "live-migration",
            "conductor_live_migrate_instance",
        ),
    };
    let migration = s.world.migrations.len() as u64 + 1;
    s.world.migrations.push(Migration {
        id: migration,
        kind: kind.into(),
        server: id.to_owned(),
        source,
        dest: None,
        status: "accepted".into(),
        due: now,
        request: request.to_owned(),
        wanted: host,
    });
    s.world.actions.push(Action {
        server: id.to_owned(),
        request: request.to_owned(),
        action: action.into(),
        event: event.into(),
        result: None,
        details: None,
    });
    *s.counts
        .entry(
            if evacuation {
                "evacuation"
            } else {
                "migration"
            }
            .into(),
        )
        .or_default() += 1;
    Reply::empty(if evacuation { 200 } else { 202 })
}

fn state_of(host: &Host) -> &'static str {
    if host.is_up() { "up" } else { "down" }
}

fn status_of(host: &Host) -> &'static str {
    if host.disabled.is_some() {
        "disabled"
    } else {
        "enabled"
    }
}

fn service(name: &str, host: &Host) -> Value {
    json!({"id": host.service, "binary": "nova-compute", "host": name, "zone": "nova", "status": status_of(host), "state": state_of(host),
        "forced_down": host.forced_down, "disabled_reason": host.disabled.as_ref().filter(|r| !r.is_empty()),
        "updated_at": "2026-11-23T10:00:00.000000"})
}

fn server(id: &str, server: &Server) -> Value {
    let vm_state = match server.status.as_str() {
        "BUILD" => "building",
        "SHUTOFF" => "stopped",
        "ERROR" => "error",
        _ => "active",
    };
    let mut shown = json!({"id": id, "name": server.name, "status": server.status, "OS-EXT-SRV-ATTR:host": server.host,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host, "OS-EXT-STS:task_state": server.task, "OS-EXT-STS:vm_state": vm_state});
    if let Some(fault) = &server.fault {
        shown["fault"] = json!({"code": 500, "message": fault, "created": "2026-11-23T10:00:00Z"});
    }
    shown
}

fn migration(m: &Migration) -> Value {
    json!({"id": m.id, "status": m.status, "migration_type": m.kind, "instance_uuid": m.server, "server_uuid": m.server,
        "source_compute": m.source, "dest_compute": m.dest, "memory_total_bytes": null, "memory_processed_bytes": null,
        "memory_remaining_bytes": null})
}

fn action(a: &Action, with_events: bool) -> Value {
    let mut shown = json!({"action": a.action, "request_id": a.request, "instance_uuid": a.server,
        "message": (a.result.as_deref() == Some("Error")).then_some("Error")});
    if with_events {
        shown["events"] = json!([{"event": a.event, "result": a.result, "details": a.details}]);
    }
    shown
}
