//! Custom volumes of the pools, their snapshots and backups.

use serde_json::{Value, json};

use super::answers::{Reply, Req, config_of, etag, lay_over, no_entity, passes, text, unknown_key};
use super::jobs::Failure;
use super::state::{BackupState, VolumeState, World};

fn told(project: &str, name: &str, v: &VolumeState) -> Value {
    json!({
        "config": v.config, "description": v.description, "name": name, "type": "custom",
        "used_by": [], "location": "none", "content_type": v.content_type, "project": project,
        "created_at": "0001-01-01T00:00:00Z",
    })
}

/// The keys of custom volumes, by their beginnings.
const KEYS: [&str; 10] = [
    "size",
    "security.",
    "snapshots.",
    "initial.",
    "block.",
    "lvm.",
    "btrfs.",
    "zfs.",
    "volatile.",
    "user.",
];

fn check_options(name: &str, config: &crate::Config) -> Result<(), Reply> {
    match unknown_key(config, &KEYS) {
        None => Ok(()),
        Some(key) => {
            let why = format!("Invalid option for volume {name:?} option {key:?}");
            Err(Reply::in_the_work(500, why))
        }
    }
}

fn no_volume(pool: &str, project: &str, name: &str) -> String {
    format!(
        "Storage volume {name:?} in project {project:?} of type \"custom\" does not exist on pool \
         {pool:?}: Storage volume not found"
    )
}

impl World {
    fn volume(&mut self, pool: &str, key: &str) -> Result<&mut VolumeState, Reply> {
        self.state
            .pools
            .get_mut(pool)
            .and_then(|p| p.volumes.get_mut(key))
            .ok_or_else(|| Reply::not_found("Storage pool volume"))
    }

    fn add_volume(&mut self, pool: &str, project: &str, name: &str, volume: VolumeState) {
        if let Some(p) = self.state.pools.get_mut(pool) {
            p.volumes.insert(format!("{project}/{name}"), volume);
        }
        self.count("storage-volume", name);
    }

    pub(super) fn volumes(&mut self, req: &Req, pool: &str, rest: &[&str]) -> Result<Reply, Reply> {
        let project = self.effective(&req.project(), "storage.volumes");
        let at = format!("/1.0/storage-pools/{pool}/volumes/custom");
        match (req.method.as_str(), rest) {
            ("GET", [] | ["custom"]) => {
                let prefix = format!("{project}/");
                let all = req.all_projects();
                let mut listed = Vec::new();
                for (key, volume) in &self.state.pools[pool].volumes {
                    let Some((owner, name)) = key.split_once('/') else {
                        continue;
                    };
                    if !all && !key.starts_with(&prefix) {
                        continue;
                    }
                    let full = told(owner, name, volume);
                    if passes(&full, req)? {
                        listed.push(match req.recursion() {
                            0 => json!(format!("{at}/{name}")),
                            _ => full,
                        });
                    }
                }
                Ok(Reply::ok(listed))
            }
            ("POST", ["custom"]) if !req.is_json() => self.import_volume(req, pool, &project),
            ("POST", ["custom"]) => self.post_volume(req, pool, &project),
            (_, ["custom", name]) => self.one_volume(req, pool, &project, name),
            (_, ["custom", name, "snapshots", rest @ ..]) => {
                self.volume_snapshots(req, pool, &project, name, rest)
            }
            (_, ["custom", name, "backups", rest @ ..]) => {
                self.volume_backups(req, pool, &project, name, rest)
            }
            ("GET", ["custom", name, "state"]) => {
                self.volume(pool, &format!("{project}/{name}"))?;
                // The driver `dir` cannot tell; 5.0.2 says so.
                match self.is_like(5, 21) {
                    true => Ok(Reply::ok(json!({"usage": {"used": 0, "total": 0}}))),
                    false => Err(Reply::error(500, "Not supported")),
                }
            }
            _ => Err(Reply::error(400, "Invalid storage volume type name")),
        }
    }

    fn post_volume(&mut self, req: &Req, pool: &str, project: &str) -> Result<Reply, Reply> {
        let body = req.json()?;
        let name = text(&body, "name");
        if name.contains('/') {
            return Err(Reply::error(
                400,
                "Storage volume names may not contain slashes",
            ));
        }
        if self.volume(pool, &format!("{project}/{name}")).is_ok() {
            return Err(Reply::error(409, "Volume by that name already exists"));
        }
        let source = &body["source"];
        if source["type"] == "copy" {
            let (from_pool, from) = (text(source, "pool"), text(source, "name"));
            let copied = self.volume(&from_pool, &format!("{project}/{from}"));
            let Ok(mut volume) = copied.cloned() else {
                let why = no_volume(&from_pool, project, &from);
                let why = format!("Failed generating volume copy config: {why}");
                let why = Failure::new(404, why);
                return Ok(self.failed(project, "Copying storage volume", why));
            };
            volume.backups.clear();
            self.add_volume(pool, project, &name, volume);
            let op = self.done(project, "Copying storage volume", &[]);
            return Ok(Reply::Async(op));
        }
        let config = config_of(&body);
        check_options(&name, &config)?;
        let volume = VolumeState {
            config,
            description: text(&body, "description"),
            content_type: match text(&body, "content_type") {
                c if c.is_empty() => "filesystem".into(),
                c => c,
            },
            ..VolumeState::default()
        };
        self.add_volume(pool, project, &name, volume);
        // Unlike everything else that is made: 200, `{}`, and no Location.
        Ok(Reply::empty())
    }

    fn import_volume(&mut self, req: &Req, pool: &str, project: &str) -> Result<Reply, Reply> {
        let name = req.headers.get("x-lxd-name").cloned().unwrap_or_default();
        let what = "Restoring custom volume backup";
        let paths = [("storage_volumes", format!("/1.0/storage_volumes/{name}"))];
        let Ok(volume) = serde_json::from_slice::<VolumeState>(&req.body) else {
            return Err(Reply::error(400, "Not a backup"));
        };
        if self.volume(pool, &format!("{project}/{name}")).is_ok() {
            let op = self.start(
                project,
                what,
                &paths,
                std::time::Duration::ZERO,
                super::jobs::Job::Nothing,
            );
            self.finish(&op, Err("Custom volume already exists".into()));
            return Ok(Reply::Async(op));
        }
        self.add_volume(pool, project, &name, volume);
        Ok(Reply::Async(self.done(project, what, &paths)))
    }

    /// The paths of the instances that have it as a disk.
    fn users_of(&self, pool: &str, project: &str, name: &str) -> Vec<String> {
        let Some(p) = self.state.projects.get(project) else {
            return Vec::new();
        };
        let is = |device: &crate::Config, key: &str, value: &str| {
            device.get(key).is_some_and(|v| v == value)
        };
        let uses = |record| {
            let (_, devices) = self.expanded(project, record);
            devices
                .values()
                .any(|d| is(d, "type", "disk") && is(d, "pool", pool) && is(d, "source", name))
        };
        let users = p.instances.iter().filter(|(_, record)| uses(record));
        users
            .map(|(user, _)| format!("/1.0/instances/{user}"))
            .collect()
    }

    fn one_volume(
        &mut self,
        req: &Req,
        pool: &str,
        project: &str,
        name: &str,
    ) -> Result<Reply, Reply> {
        let key = format!("{project}/{name}");
        let volume = self.volume(pool, &key)?;
        let tag = etag(&json!([volume.config, volume.description]));
        match req.method.as_str() {
            "GET" => {
                let mut told = told(project, name, volume);
                told["used_by"] = json!(self.users_of(pool, project, name));
                return Ok(Reply::Sync(told, Some(tag)));
            }
            "PUT" | "PATCH" => {
                req.matches(&tag)?;
                let body = req.json()?;
                let given = config_of(&body);
                check_options(&key, &given)?;
                if let Some(snapshot) = body["restore"].as_str() {
                    let Some(old) = volume.snapshots.get(snapshot).cloned() else {
                        return Err(self.no_snapshot(pool, project, name, snapshot));
                    };
                    volume.config = old;
                } else if req.method == "PUT" {
                    volume.config = given;
                    volume.description = text(&body, "description");
                } else {
                    lay_over(&mut volume.config, given);
                }
            }
            "POST" => {
                let to = text(&req.json()?, "name");
                let volume = volume.clone();
                if self.volume(pool, &format!("{project}/{to}")).is_ok() {
                    return Err(Reply::error(409, "Volume by that name already exists"));
                }
                if let Some(p) = self.state.pools.get_mut(pool) {
                    p.volumes.remove(&key);
                    p.volumes.insert(format!("{project}/{to}"), volume);
                }
                self.dirty = true;
                let path = format!("/1.0/storage-pools/{pool}/volumes/custom/{to}");
                return Ok(Reply::Created(path));
            }
            "DELETE" => {
                if !self.users_of(pool, project, name).is_empty() {
                    return Err(Reply::error(400, "The storage volume is still in use"));
                }
                if let Some(p) = self.state.pools.get_mut(pool) {
                    p.volumes.remove(&key);
                }
            }
            _ => return Err(Reply::not_found("")),
        }
        self.dirty = true;
        Ok(Reply::empty())
    }

    /// A snapshot (`VOLUME/SNAPSHOT`) that is not there: found at once, by the operation, or by
    /// what the operation would be of.
    fn misses_snapshot(
        &mut self,
        method: &str,
        pool: &str,
        project: &str,
        snapshot: &str,
    ) -> Result<Reply, Reply> {
        let what = match method {
            "POST" => "Renaming storage volume snapshot",
            "DELETE" if self.is_like(5, 21) => "Deleting storage volume snapshot",
            _ => return Err(Reply::not_found("Storage pool volume")),
        };
        if self.is_like(6, 0) {
            let at = snapshot.replace('/', "/snapshots/");
            let path = format!("/1.0/storage-pools/{pool}/volumes/custom/{at}");
            return Err(no_entity(what, &path));
        }
        let why = no_volume(pool, project, snapshot);
        Ok(self.failed(project, what, Failure::new(404, why)))
    }

    /// What is said where a volume is to be restored to a snapshot that it does not have.
    fn no_snapshot(&self, pool: &str, project: &str, name: &str, snapshot: &str) -> Reply {
        let why = no_volume(pool, project, &format!("{name}/{snapshot}"));
        match self.is_like(5, 21) {
            true => Reply::in_the_work(404, why),
            false => Reply::error(500, "Snapshot not found"),
        }
    }

    fn volume_snapshots(
        &mut self,
        req: &Req,
        pool: &str,
        project: &str,
        name: &str,
        rest: &[&str],
    ) -> Result<Reply, Reply> {
        let key = format!("{project}/{name}");
        let looks = self.is_like(5, 21) && !self.is_like(6, 0);
        if req.method == "GET" && rest.is_empty() && !looks && self.volume(pool, &key).is_err() {
            // Only 5.21.7 was seen to look whether there is such a volume.
            return Ok(Reply::ok(Vec::<()>::new()));
        }
        let volume = self.volume(pool, &key)?;
        if let [snapshot] = rest
            && !volume.snapshots.contains_key(*snapshot)
        {
            return self.misses_snapshot(&req.method, pool, project, &format!("{name}/{snapshot}"));
        }
        let snapshots = &mut volume.snapshots;
        let tell = |shown: &str, config: &crate::Config| {
            json!({
                "name": shown, "description": "", "config": config, "expires_at": null,
                "content_type": "", "created_at": "0001-01-01T00:00:00Z",
            })
        };
        let what = match (req.method.as_str(), rest) {
            ("GET", []) => {
                return Ok(Reply::ok(
                    snapshots
                        .iter()
                        .map(|(n, config)| match req.recursion() {
                            0 => json!(format!(
                                "/1.0/storage-pools/{pool}/volumes/custom/{name}/snapshots/{n}"
                            )),
                            // With the volume's name before its own, unlike a single one.
                            _ => tell(&format!("{name}/{n}"), config),
                        })
                        .collect::<Vec<_>>(),
                ));
            }
            ("POST", []) => {
                let new = text(&req.json()?, "name");
                if snapshots.contains_key(&new) {
                    return Err(Reply::error(
                        409,
                        format!("Snapshot {new:?} already in use"),
                    ));
                }
                snapshots.insert(new, volume.config.clone());
                "Creating storage volume snapshot"
            }
            (method, [snapshot]) => {
                let config = snapshots.get(*snapshot).cloned().unwrap_or_default();
                match method {
                    "GET" => {
                        let tag = etag(&json!(config));
                        return Ok(Reply::Sync(tell(snapshot, &config), Some(tag)));
                    }
                    "POST" => {
                        let to = text(&req.json()?, "name");
                        snapshots.remove(*snapshot);
                        snapshots.insert(to, config);
                        "Renaming storage volume snapshot"
                    }
                    "DELETE" => {
                        snapshots.remove(*snapshot);
                        "Deleting storage volume snapshot"
                    }
                    _ => return Err(Reply::not_found("")),
                }
            }
            _ => return Err(Reply::not_found("")),
        };
        let paths = [("storage_volumes", format!("/1.0/storage_volumes/{name}"))];
        Ok(Reply::Async(self.done(project, what, &paths)))
    }

    fn volume_backups(
        &mut self,
        req: &Req,
        pool: &str,
        project: &str,
        name: &str,
        rest: &[&str],
    ) -> Result<Reply, Reply> {
        let created = self.timestamp();
        let volume = self.volume(pool, &format!("{project}/{name}"))?;
        let missing = || Reply::not_found("Storage volume backup");
        let what = match (req.method.as_str(), rest) {
            ("GET", []) => {
                return Ok(Reply::ok(
                    volume
                        .backups
                        .iter()
                        .map(|(n, b)| match req.recursion() {
                            0 => json!(format!(
                                "/1.0/storage-pools/{pool}/volumes/custom/{name}/backups/{n}"
                            )),
                            _ => b.told(n, "volume_only"),
                        })
                        .collect::<Vec<_>>(),
                ));
            }
            ("POST", []) => {
                let body = req.json()?;
                let mut kept = volume.clone();
                kept.backups.clear();
                let backup = BackupState {
                    created,
                    alone: body["volume_only"].as_bool().unwrap_or(false),
                    content: serde_json::to_vec(&kept).unwrap_or_default(),
                };
                volume.backups.insert(text(&body, "name"), backup);
                "Creating custom volume backup"
            }
            ("GET", [backup]) => {
                let found = volume.backups.get(*backup).ok_or_else(missing)?;
                return Ok(Reply::ok(found.told(backup, "volume_only")));
            }
            ("GET", [backup, "export"]) => {
                let found = volume.backups.get(*backup).ok_or_else(missing)?;
                return Ok(Reply::bytes(found.content.clone()));
            }
            ("DELETE", [backup]) => {
                volume.backups.remove(*backup).ok_or_else(missing)?;
                "Deleting custom volume backup"
            }
            _ => return Err(Reply::not_found("")),
        };
        let paths = [("storage_volumes", format!("/1.0/storage_volumes/{name}"))];
        Ok(Reply::Async(self.done(project, what, &paths)))
    }
}
