//! `/1.0/instances`.

use serde_json::{Value, json};

use super::answers::{Reply, Req, config_of, devices_of, etag, passes, text, unknown_instance_key};
use super::jobs::{Job, fresh_root};
use super::state::{InstanceRecord, World};
use crate::Config;
use crate::types::{InstanceKind, InstanceStatus};

fn status_code(status: &InstanceStatus) -> u16 {
    match status {
        InstanceStatus::Running => 103,
        InstanceStatus::Frozen => 110,
        InstanceStatus::Error => 112,
        _ => 102,
    }
}

pub(super) fn paths(record: &InstanceRecord, name: &str) -> Vec<(&'static str, String)> {
    let mut paths = vec![("instances", format!("/1.0/instances/{name}"))];
    if record.kind == InstanceKind::Container {
        paths.push(("containers", format!("/1.0/containers/{name}")));
    }
    paths
}

/// The part that PUT takes.
fn writable(record: &InstanceRecord) -> Value {
    json!([
        record.architecture,
        record.config,
        record.devices,
        record.ephemeral,
        record.profiles,
        record.description,
    ])
}

impl World {
    pub(super) fn instances(&mut self, req: &Req) -> Result<Reply, Reply> {
        let project = req.project();
        let parts: Vec<&str> = req.path.iter().skip(1).map(String::as_str).collect();
        match (req.method.as_str(), parts.as_slice()) {
            ("GET", []) => self.list_instances(req, &project),
            ("POST", []) if !req.is_json() => self.import_backup(req, &project),
            ("POST", []) => self.post_instance(req, &project),
            (_, [name, rest @ ..]) => {
                let known = self
                    .state
                    .projects
                    .get(&project)
                    .is_some_and(|p| p.instances.contains_key(*name));
                if !known {
                    return Err(Reply::not_found("Instance"));
                }
                match (req.method.as_str(), rest) {
                    (_, []) => self.one_instance(req, &project, name),
                    ("GET", ["state"]) => Ok(Reply::ok(self.state_json(&project, name))),
                    ("PUT", ["state"]) => self.put_state(req, &project, name),
                    (_, ["files"]) => self.files(req, &project, name),
                    (_, ["snapshots", rest @ ..]) => self.snapshots(req, &project, name, rest),
                    (_, ["backups", rest @ ..]) => self.backups(req, &project, name, rest),
                    (_, ["metadata", rest @ ..]) => self.metadata(req, &project, name, rest),
                    ("POST", ["exec"]) => self.exec(req, &project, name),
                    ("POST", ["console"]) => self.console(req, &project, name),
                    ("GET" | "DELETE", ["console"]) => self.console_log(req, &project, name),
                    ("GET", ["logs"]) => {
                        Ok(Reply::ok([format!("/1.0/instances/{name}/logs/lxc.log")]))
                    }
                    ("GET", ["logs", "lxc.log"]) => Ok(Reply::bytes(Vec::new())),
                    (_, ["logs", log]) => {
                        let what = format!("log file name {log} not valid");
                        Err(Reply::error(400, what))
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }

    fn list_instances(&self, req: &Req, project: &str) -> Result<Reply, Reply> {
        let all = req.all_projects();
        let mut listed = Vec::new();
        for (p, state) in &self.state.projects {
            if !all && p != project {
                continue;
            }
            for name in state.instances.keys() {
                let told = self.instance_json(p, name);
                if !passes(&told, req)? {
                    continue;
                }
                listed.push(match req.recursion() {
                    0 => json!(format!("/1.0/instances/{name}")),
                    1 => told,
                    _ => {
                        let mut full = told;
                        full["state"] = self.state_json(p, name);
                        full["backups"] = Value::Null;
                        full["snapshots"] = Value::Null;
                        full
                    }
                });
            }
        }
        Ok(Reply::ok(listed))
    }

    fn instance_json(&self, project: &str, name: &str) -> Value {
        let Some(record) = self
            .state
            .projects
            .get(project)
            .and_then(|p| p.instances.get(name))
        else {
            return Value::Null;
        };
        let (config, devices) = self.expanded(project, record);
        json!({
            "architecture": record.architecture, "config": record.config,
            "devices": record.devices, "ephemeral": record.ephemeral,
            "profiles": record.profiles, "stateful": false, "description": record.description,
            "created_at": record.created, "expanded_config": config,
            "expanded_devices": devices, "name": name, "status": record.status,
            "status_code": status_code(&record.status), "last_used_at": record.last_used,
            "location": "none", "type": record.kind, "project": project,
        })
    }

    fn state_json(&self, project: &str, name: &str) -> Value {
        let Some(record) = self
            .state
            .projects
            .get(project)
            .and_then(|p| p.instances.get(name))
        else {
            return Value::Null;
        };
        let running = record.status == InstanceStatus::Running;
        json!({
            "status": record.status, "status_code": status_code(&record.status), "disk": {},
            "memory": {
                "usage": if running { 64 << 20 } else { 0 }, "usage_peak": 0,
                "swap_usage": 0, "swap_usage_peak": 0,
            },
            "network": null, "pid": if running { 4242 } else { 0 },
            "processes": if running { 7 } else { 0 }, "cpu": {"usage": 0},
        })
    }

    fn post_instance(&mut self, req: &Req, project: &str) -> Result<Reply, Reply> {
        let body = req.json()?;
        if !self.state.projects.contains_key(project) {
            return Err(Reply::error(
                404,
                format!("Failed loading project \"{project}\": Project not found"),
            ));
        }
        let name = match text(&body, "name") {
            n if n.is_empty() => format!("instance-{}", super::state::random_hex(3)),
            n => n,
        };
        let fine = name.len() <= 63
            && !name.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && !name.ends_with('-')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !fine {
            let what = "Name can only contain alphanumeric and hyphen characters";
            return Err(match self.is_like(5, 21) {
                true => Reply::error(500, format!("Invalid instance name {name:?}: {what}")),
                false => Reply::error(400, format!("Invalid instance name: {what}")),
            });
        }
        // In 5.0.2 the operation tells it.
        if self.is_like(5, 21) && self.record(project, &name).is_some() {
            let what = format!("Instance {name:?} already exists");
            return Err(Reply::error(409, what));
        }
        let config = config_of(&body);
        let profiles = match body["profiles"].as_array() {
            None => vec!["default".to_owned()],
            Some(list) => list
                .iter()
                .filter_map(|p| p.as_str().map(str::to_owned))
                .collect(),
        };
        let home = self.effective(project, "profiles");
        for profile in &profiles {
            if !self.state.projects[&home].profiles.contains_key(profile) {
                let what = match self.is_like(6, 0) {
                    true => format!("Profile {profile:?} not found in project {home:?}"),
                    false => format!("Requested profile {profile:?} doesn't exist"),
                };
                return Err(Reply::error(500, what));
            }
        }
        let kind = match text(&body, "type").as_str() {
            "" => InstanceKind::Container,
            other => InstanceKind::from(other),
        };
        let mut record = InstanceRecord {
            kind: kind.clone(),
            architecture: "x86_64".into(),
            description: text(&body, "description"),
            ephemeral: body["ephemeral"].as_bool().unwrap_or(false),
            config,
            devices: devices_of(&body),
            profiles,
            ..InstanceRecord::default()
        };
        let mut lasts = match kind {
            InstanceKind::VirtualMachine => self.durations.create_virtual_machine,
            _ => self.durations.create_container,
        };
        let source = &body["source"];
        let mut remote = None;
        match source["type"].as_str().unwrap_or_default() {
            "none" => {}
            "image" if source["server"].as_str().is_some_and(|s| !s.is_empty()) => {
                lasts += self.durations.image_download;
                remote = Some((
                    text(source, "server"),
                    text(source, "protocol"),
                    text(source, "alias"),
                ));
            }
            "image" => {
                let images = self.effective(project, "images");
                let alias = text(source, "alias");
                let wanted = if alias.is_empty() {
                    text(source, "fingerprint")
                } else {
                    match self.state.projects[&images].aliases.get(&alias) {
                        Some(a) => a.target.clone(),
                        None if self.is_like(5, 21) => {
                            let why = "Image not provided for instance creation";
                            return Ok(self.failed(project, "Creating instance", why));
                        }
                        None => return Err(Reply::not_found("Image alias")),
                    }
                };
                let fingerprint = self
                    .find_image(&images, &wanted)
                    .ok_or_else(|| Reply::not_found("Image"))?;
                record
                    .config
                    .insert("volatile.base_image".into(), fingerprint);
                record.files = Some(fresh_root(&name));
            }
            "copy" => {
                let from = text(source, "source");
                let copied = self
                    .record(project, &from)
                    .map(|r| (r.files.clone(), r.config.clone()));
                let Some((files, config)) = copied else {
                    return Err(Reply::not_found("Instance"));
                };
                record.files = files;
                for (k, v) in config {
                    if !k.starts_with("volatile.") {
                        record.config.entry(k).or_insert(v);
                    }
                }
            }
            "migration" => return self.receive_instance(project, &name, record, source),
            other => {
                return Err(Reply::error(400, format!("Unknown source type {other}")));
            }
        }
        let paths = paths(&record, &name);
        let job = Job::CreateInstance {
            name,
            record: Box::new(record),
            remote,
        };
        Ok(Reply::Async(self.start(
            project,
            "Creating instance",
            &paths,
            lasts,
            job,
        )))
    }

    pub(super) fn unknown_key(&self, config: &Config) -> Option<String> {
        let key = unknown_instance_key(config)?;
        Some(match () {
            () if self.is_like(6, 0) => format!("{key:?} is not supported for \"container\""),
            () if self.is_like(5, 21) => format!("{key:?} isn't supported for \"container\""),
            () => format!("Unknown configuration key: {key}"),
        })
    }

    fn one_instance(&mut self, req: &Req, project: &str, name: &str) -> Result<Reply, Reply> {
        let told = self.instance_json(project, name);
        let Some(record) = self.record(project, name).cloned() else {
            return Err(Reply::not_found("Instance"));
        };
        let tag = etag(&writable(&record));
        match req.method.as_str() {
            "GET" => Ok(Reply::Sync(told, Some(tag))),
            "PUT" => {
                req.matches(&tag)?;
                let body = req.json()?;
                if let Some(snapshot) = body["restore"].as_str() {
                    let lasts = self.durations.update;
                    let job = Job::Restore {
                        name: name.to_owned(),
                        snapshot: snapshot.to_owned(),
                    };
                    let paths = paths(&record, name);
                    let op = self.start(project, "Restoring snapshot", &paths, lasts, job);
                    return Ok(Reply::Async(op));
                }
                let mut new = record.clone();
                new.config = config_of(&body);
                new.devices = devices_of(&body);
                new.description = text(&body, "description");
                new.ephemeral = body["ephemeral"].as_bool().unwrap_or(false);
                if let Some(list) = body["profiles"].as_array() {
                    new.profiles = list
                        .iter()
                        .filter_map(|p| p.as_str().map(str::to_owned))
                        .collect();
                }
                let job = Job::UpdateInstance {
                    name: name.to_owned(),
                    record: Box::new(new),
                };
                let (paths, lasts) = (paths(&record, name), self.durations.update);
                let op = self.start(project, "Updating instance", &paths, lasts, job);
                // What takes no time is done before the next writer's ETag is looked at, as the
                // real one's lock on the instance has it.
                self.run_due();
                Ok(Reply::Async(op))
            }
            // At once, unlike PUT.
            "PATCH" => {
                req.matches(&tag)?;
                let body = req.json()?;
                let mut new = record.clone();
                for (k, v) in config_of(&body) {
                    if v.is_empty() {
                        new.config.remove(&k);
                    } else {
                        new.config.insert(k, v);
                    }
                }
                new.devices.extend(devices_of(&body));
                if let Some(description) = body["description"].as_str() {
                    new.description = description.to_owned();
                }
                let job = Job::UpdateInstance {
                    name: name.to_owned(),
                    record: Box::new(new),
                };
                match job.run(self, project) {
                    Ok(_) => Ok(Reply::empty()),
                    Err(failure) => Err(Reply::error(500, failure.why)),
                }
            }
            "POST" => {
                let body = req.json()?;
                if body["migration"] == true {
                    let (pool, to) = (text(&body, "pool"), text(&body, "project"));
                    if !pool.is_empty() || !to.is_empty() {
                        return Ok(self.relocate(project, name, &pool, &to));
                    }
                    if req.query.contains_key("target") {
                        return Err(Reply::error(400, "Server is not clustered"));
                    }
                    return Ok(self.send_instance(project, name, &body));
                }
                let to = text(&body, "name");
                if self.record(project, &to).is_some() {
                    let what = format!("Name {to:?} already in use");
                    return Err(Reply::error(409, what));
                }
                let job = Job::RenameInstance {
                    name: name.to_owned(),
                    to,
                };
                let (paths, lasts) = (paths(&record, name), self.durations.update);
                Ok(Reply::Async(self.start(
                    project,
                    "Renaming instance",
                    &paths,
                    lasts,
                    job,
                )))
            }
            "DELETE" => {
                if record.status != InstanceStatus::Stopped {
                    return Err(Reply::error(400, "Instance is running"));
                }
                let (paths, lasts) = (paths(&record, name), self.durations.delete);
                let job = Job::DeleteInstance(name.to_owned());
                Ok(Reply::Async(self.start(
                    project,
                    "Deleting instance",
                    &paths,
                    lasts,
                    job,
                )))
            }
            _ => Err(Reply::not_found("")),
        }
    }

    fn put_state(&mut self, req: &Req, project: &str, name: &str) -> Result<Reply, Reply> {
        let body = req.json()?;
        let action = text(&body, "action");
        let (description, lasts) = match action.as_str() {
            "start" => ("Starting instance", self.durations.start),
            "stop" => ("Stopping instance", self.durations.stop),
            "restart" => (
                "Restarting instance",
                self.durations.stop + self.durations.start,
            ),
            "freeze" => ("Freezing instance", self.durations.stop),
            "unfreeze" => ("Unfreezing instance", self.durations.start),
            other => return Err(Reply::error(400, format!("Unknown action: '{other}'"))),
        };
        let Some(record) = self.record(project, name).cloned() else {
            return Err(Reply::not_found("Instance"));
        };
        let job = Job::SetState {
            name: name.to_owned(),
            action,
        };
        let paths = paths(&record, name);
        Ok(Reply::Async(self.start(
            project,
            description,
            &paths,
            lasts,
            job,
        )))
    }
}
