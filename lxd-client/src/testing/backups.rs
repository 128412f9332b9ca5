//! Backups of instances; their images' metadata and templates.

use std::time::Duration;

use serde_json::{Value, json};

use super::answers::{Reply, Req, etag, text};
use super::jobs::Job;
use super::state::{BackupState, InstanceRecord, World};

impl World {
    pub(super) fn backups(
        &mut self,
        req: &Req,
        project: &str,
        name: &str,
        rest: &[&str],
    ) -> Result<Reply, Reply> {
        let created = self.timestamp();
        let Some(record) = self.record(project, name) else {
            return Err(Reply::not_found("Instance"));
        };
        let missing = || Reply::error(404, "Load backup from database: Instance backup not found");
        let what = match (req.method.as_str(), rest) {
            ("GET", []) => {
                return Ok(Reply::ok(
                    record
                        .backups
                        .iter()
                        .map(|(n, b)| match req.recursion() {
                            0 => json!(format!("/1.0/instances/{name}/backups/{n}")),
                            _ => b.told(n, "instance_only"),
                        })
                        .collect::<Vec<_>>(),
                ));
            }
            ("POST", []) => {
                let body = req.json()?;
                let new = text(&body, "name");
                let paths = [("instances", format!("/1.0/instances/{name}"))];
                if record.backups.contains_key(&new) {
                    let op = self.start(
                        project,
                        "Backing up instance",
                        &paths,
                        Duration::ZERO,
                        Job::Nothing,
                    );
                    let why = format!("Create backup: Backup {new:?} already exists");
                    self.finish(&op, Err(why.into()));
                    return Ok(Reply::Async(op));
                }
                let mut kept = record.clone();
                kept.backups.clear();
                let backup = BackupState {
                    created,
                    alone: body["instance_only"].as_bool().unwrap_or(false),
                    content: serde_json::to_vec(&(name, kept)).unwrap_or_default(),
                };
                record.backups.insert(new, backup);
                "Backing up instance"
            }
            ("GET", [backup]) => {
                let found = record.backups.get(*backup).ok_or_else(missing)?;
                return Ok(Reply::ok(found.told(backup, "instance_only")));
            }
            ("GET", [backup, "export"]) => {
                let found = record.backups.get(*backup).ok_or_else(missing)?;
                return Ok(Reply::bytes(found.content.clone()));
            }
            ("POST", [backup]) => {
                let to = text(&req.json()?, "name");
                let found = record.backups.remove(*backup).ok_or_else(missing)?;
                record.backups.insert(to, found);
                "Renaming instance backup"
            }
            ("DELETE", [backup]) => {
                record.backups.remove(*backup).ok_or_else(missing)?;
                "Removing instance backup"
            }
            _ => return Err(Reply::not_found("")),
        };
        let paths = [("instances", format!("/1.0/instances/{name}"))];
        Ok(Reply::Async(self.done(project, what, &paths)))
    }

    /// POST `/1.0/instances` with a tarball.
    pub(super) fn import_backup(&mut self, req: &Req, project: &str) -> Result<Reply, Reply> {
        let Ok((was, mut record)) = serde_json::from_slice::<(String, InstanceRecord)>(&req.body)
        else {
            return Err(Reply::error(400, "Unsupported compression"));
        };
        let name = match req.headers.get("x-lxd-name") {
            Some(name) => name.clone(),
            None => was,
        };
        if let Some(pool) = req.headers.get("x-lxd-pool")
            && let Some(root) = record.devices.get_mut("root")
        {
            root.insert("pool".into(), pool.clone());
        }
        record.status = crate::types::InstanceStatus::Stopped;
        let job = Job::CreateInstance {
            name: name.clone(),
            record: Box::new(record),
            remote: None,
        };
        let paths = [("instances", format!("/1.0/instances/{name}"))];
        let lasts = self.durations.create_container;
        let op = self.start(project, "Restoring backup", &paths, lasts, job);
        Ok(Reply::Async(op))
    }

    pub(super) fn metadata(
        &mut self,
        req: &Req,
        project: &str,
        name: &str,
        rest: &[&str],
    ) -> Result<Reply, Reply> {
        let Some(record) = self.record(project, name) else {
            return Err(Reply::not_found("Instance"));
        };
        let mut metadata = match &record.metadata {
            Value::Null => json!({
                "architecture": "x86_64", "creation_date": 1_700_000_000, "expiry_date": 0,
                "properties": {"os": "busybox"}, "templates": null,
            }),
            told => told.clone(),
        };
        let path = req.query.get("path").cloned();
        let missing = |path: &str| Reply::error(404, format!("Template {path:?} not found"));
        match (req.method.as_str(), rest, path) {
            ("GET", [], _) => {
                let tag = etag(&metadata);
                return Ok(Reply::Sync(metadata, Some(tag)));
            }
            ("PUT", [], _) => {
                // The ETag is not looked at here, unlike in PATCH.
                record.metadata = req.raw_json()?;
            }
            ("PATCH", [], _) => {
                req.matches(&etag(&metadata))?;
                for (key, value) in req.raw_json()?.as_object().into_iter().flatten() {
                    metadata[key] = value.clone();
                }
                record.metadata = metadata;
            }
            ("GET", ["templates"], None) => {
                return Ok(Reply::ok(record.templates.keys().collect::<Vec<_>>()));
            }
            ("GET", ["templates"], Some(path)) => {
                let text = record.templates.get(&path).ok_or_else(|| missing(&path))?;
                return Ok(Reply::bytes(text.clone().into_bytes()));
            }
            ("POST" | "PUT", ["templates"], Some(path)) => {
                let text = String::from_utf8_lossy(&req.body).into_owned();
                record.templates.insert(path, text);
            }
            ("DELETE", ["templates"], Some(path)) => {
                record
                    .templates
                    .remove(&path)
                    .ok_or_else(|| missing(&path))?;
            }
            _ => return Err(Reply::error(400, "missing path argument")),
        }
        self.dirty = true;
        Ok(Reply::empty())
    }
}
