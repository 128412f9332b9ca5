//! What an operation does when its time is over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::InstanceChange;
use super::state::{AliasState, FileEntry, ImageState, InstanceRecord, World, random_hex, uuid};
use crate::types::{InstanceKind, InstanceStatus};

/// The work of an operation; kept with the state, so that it goes on after a restore.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Job {
    CreateInstance {
        name: String,
        record: Box<InstanceRecord>,
        /// An image to be fetched first: server, protocol, alias.
        remote: Option<(String, String, String)>,
    },
    DeleteInstance(String),
    UpdateInstance {
        name: String,
        record: Box<InstanceRecord>,
    },
    RenameInstance {
        name: String,
        to: String,
    },
    /// To another pool or project; empty is the one that it is in.
    Relocate {
        name: String,
        pool: String,
        to: String,
    },
    SetState {
        name: String,
        action: String,
    },
    Snapshot {
        name: String,
        snapshot: String,
    },
    DeleteSnapshot {
        name: String,
        snapshot: String,
    },
    Restore {
        name: String,
        snapshot: String,
    },
    AddImage {
        fingerprint: String,
        image: Box<ImageState>,
        aliases: Vec<(String, String)>,
    },
    DeleteImage(String),
    /// Waits for something else to end it.
    Nothing,
}

pub(super) type Outcome = Result<Option<Value>, Failure>;

/// Why an operation failed, and the status that the `/wait` of 5.20 and later, and the operation
/// itself from 6.8 on, tell with it.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) code: u16,
    pub(super) why: String,
}

impl Failure {
    pub(super) fn new(code: u16, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { code, why }
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::new(500, why)
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        Self::new(500, why)
    }
}

impl Job {
    pub(super) fn progress_key(&self) -> Option<&'static str> {
        match self {
            Self::CreateInstance {
                remote: Some(_), ..
            } => Some("download_progress"),
            Self::CreateInstance { .. } => Some("create_instance_from_image_unpack_progress"),
            Self::AddImage { image, .. } if image.source.is_some() => Some("download_progress"),
            _ => None,
        }
    }

    pub(super) fn run(self, world: &mut World, project: &str) -> Outcome {
        world.dirty = true;
        match self {
            Self::CreateInstance {
                name,
                record,
                remote,
            } => world.create_instance(project, &name, *record, remote),
            Self::DeleteInstance(name) => world.remove_instance(project, &name),
            Self::UpdateInstance { name, record } => {
                world.replace_instance(project, &name, *record)
            }
            Self::RenameInstance { name, to } => world.move_instance(project, &name, &to),
            Self::Relocate { name, pool, to } => world.relocated(project, &name, &pool, &to),
            Self::SetState { name, action } => world.act(project, &name, &action),
            Self::Snapshot { name, snapshot } => world.take_snapshot(project, &name, snapshot),
            Self::DeleteSnapshot { name, snapshot } => {
                if let Some(record) = world.record(project, &name) {
                    record.snapshots.remove(&snapshot);
                }
                Ok(None)
            }
            Self::Restore { name, snapshot } => {
                let Some(now) = world.record(project, &name) else {
                    return Err("Instance not found".into());
                };
                let Some(mut old) = now.snapshots.get(&snapshot).cloned() else {
                    let why = format!("Snapshot {name}/{snapshot} does not exist");
                    return Err(Failure::new(400, why));
                };
                old.snapshots = std::mem::take(&mut now.snapshots);
                old.status = now.status.clone();
                *now = old;
                Ok(None)
            }
            Self::AddImage {
                fingerprint,
                image,
                aliases,
            } => world.add_image(project, &fingerprint, *image, &aliases),
            Self::DeleteImage(fingerprint) => {
                if let Some(p) = world.state.projects.get_mut(project) {
                    p.images.remove(&fingerprint);
                    p.aliases.retain(|_, a| a.target != fingerprint);
                }
                let source = format!("/1.0/images/{fingerprint}");
                world.lifecycle(project, "image-deleted", &source, json!({}));
                Ok(None)
            }
            Self::Nothing => Ok(None),
        }
    }
}

/// What a simplestreams server is known to have: Ubuntu's releases.
pub(super) fn ubuntu_release(alias: &str) -> Option<(&'static str, &'static str)> {
    let name = alias.split('/').next().unwrap_or_default();
    Some(match name {
        "20.04" | "focal" | "f" => ("20.04", "focal"),
        "22.04" | "jammy" | "j" => ("22.04", "jammy"),
        "24.04" | "noble" | "n" | "lts" | "default" => ("24.04", "noble"),
        _ => return None,
    })
}

/// The image that a remote has under an alias.
pub(super) fn fetched(
    server: &str,
    protocol: &str,
    alias: &str,
    created: String,
) -> Result<(String, ImageState), String> {
    let Some((version, release)) = ubuntu_release(alias) else {
        return Err(format!(
            "Failed getting image info: Failed getting remote image info: The requested image \
             couldn't be found for fingerprint \"{alias}\""
        ));
    };
    let fingerprint = hex::encode(Sha256::digest(format!("{server} {release}")));
    let properties = [
        ("architecture", "amd64"),
        ("os", "ubuntu"),
        ("release", release),
        ("version", version),
        ("label", "release"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    let image = ImageState {
        content: format!("image {release}").into_bytes(),
        kind: "container".into(),
        properties,
        created,
        source: Some((server.into(), protocol.into(), alias.into())),
        ..ImageState::default()
    };
    Ok((fingerprint, image))
}

/// The file system of a fresh container.
pub(super) fn fresh_root(name: &str) -> BTreeMap<String, FileEntry> {
    let mut files: BTreeMap<String, FileEntry> = [
        "/",
        "/bin",
        "/dev",
        "/etc",
        "/home",
        "/mnt",
        "/opt",
        "/proc",
        "/run",
        "/srv",
        "/sys",
        "/usr",
        "/usr/bin",
        "/usr/local",
        "/usr/local/bin",
        "/var",
        "/var/lib",
        "/var/log",
    ]
    .iter()
    .map(|d| ((*d).to_owned(), FileEntry::directory(0o755)))
    .collect();
    files.insert("/root".into(), FileEntry::directory(0o700));
    files.insert("/tmp".into(), FileEntry::directory(0o1777));
    let hostname = FileEntry::file(format!("{name}\n").into_bytes(), 0o644);
    files.insert("/etc/hostname".into(), hostname);
    files
}

impl World {
    pub(super) fn create_instance(
        &mut self,
        project: &str,
        name: &str,
        mut record: InstanceRecord,
        remote: Option<(String, String, String)>,
    ) -> Outcome {
        let now = self.timestamp();
        let home = self.effective(project, "images");
        if let Some((server, protocol, alias)) = remote {
            let (fingerprint, mut image) = fetched(&server, &protocol, &alias, now.clone())?;
            image.cached = true;
            record
                .config
                .insert("volatile.base_image".into(), fingerprint.clone());
            for (k, v) in &image.properties {
                record.config.insert(format!("image.{k}"), v.clone());
            }
            if let Some(p) = self.state.projects.get_mut(&home)
                && !p.images.contains_key(&fingerprint)
            {
                p.images.insert(fingerprint.clone(), image);
                self.count("image", &fingerprint);
            }
            record.files = Some(fresh_root(name));
        }
        let Some(p) = self.state.projects.get_mut(project) else {
            return Err("Project not found".into());
        };
        if p.instances.contains_key(name) {
            return Err(Failure::new(
                409,
                "Failed creating instance record: Add instance info to the database: This \
                 \"instances\" entry already exists",
            ));
        }
        if let Some(why) = self.unknown_key(&record.config) {
            return Err(format!("Failed creating instance record: {why}").into());
        }
        let (_, devices) = self.expanded(project, &record);
        let mut pools = devices.values().filter_map(|d| d.get("pool"));
        if pools.any(|pool| !self.state.pools.contains_key(pool)) {
            return Err(Failure::new(
                404,
                "Failed creating instance record: Failed initialising instance: Failed loading \
                 storage pool: Storage pool not found",
            ));
        }
        if !devices.values().any(|d| {
            d.get("type").is_some_and(|t| t == "disk") && d.get("path").is_some_and(|p| p == "/")
        }) {
            return Err(
                "Failed creating instance record: Failed initialising instance: Invalid devices: \
                 Failed detecting root disk device: No root device could be found"
                    .into(),
            );
        }
        for (device, keys) in &devices {
            if keys.get("type").is_some_and(|t| t == "nic") && !keys.contains_key("hwaddr") {
                let raw = random_hex(3);
                let mac = format!("00:16:3e:{}:{}:{}", &raw[0..2], &raw[2..4], &raw[4..6]);
                record
                    .config
                    .entry(format!("volatile.{device}.hwaddr"))
                    .or_insert(mac);
            }
        }
        record
            .config
            .insert("volatile.cloud-init.instance-id".into(), uuid());
        record
            .config
            .entry("volatile.uuid".into())
            .or_insert_with(uuid);
        record.created = now;
        record.last_used = "1970-01-01T00:00:00Z".into();
        let kind = record.kind.clone();
        if let Some(p) = self.state.projects.get_mut(project) {
            p.instances.insert(name.to_owned(), record);
        }
        self.count("instance", name);
        let source = format!("/1.0/instances/{name}");
        self.lifecycle(
            project,
            "instance-created",
            &source,
            json!({"type": kind, "location": "none", "storage-pool": "default"}),
        );
        self.tell(project, name, InstanceChange::Created);
        Ok(None)
    }

    fn remove_instance(&mut self, project: &str, name: &str) -> Outcome {
        let Some(mut view) = self.view(project, name, InstanceChange::Deleted) else {
            return Err("Instance not found".into());
        };
        if view.status != InstanceStatus::Stopped {
            return Err("Instance is running".into());
        }
        if let Some(p) = self.state.projects.get_mut(project) {
            p.instances.remove(name);
        }
        view.status = InstanceStatus::Stopped;
        self.notes.push(super::state::Note::Instance(view));
        let source = format!("/1.0/instances/{name}");
        self.lifecycle(project, "instance-deleted", &source, json!({}));
        Ok(None)
    }

    fn replace_instance(&mut self, project: &str, name: &str, new: InstanceRecord) -> Outcome {
        let unknown = self.unknown_key(&new.config);
        let Some(record) = self.record(project, name) else {
            return Err("Instance not found".into());
        };
        if let Some(why) = unknown {
            return Err(format!("Invalid config: {why}").into());
        }
        // A writer that drops a volatile key would take the instance's identity away.
        let lost = record
            .config
            .keys()
            .find(|k| k.starts_with("volatile.") && !new.config.contains_key(*k));
        if let Some(key) = lost {
            return Err(format!("Volatile key {key:?} is missing").into());
        }
        record.config = new.config;
        record.devices = new.devices;
        record.profiles = new.profiles;
        record.description = new.description;
        record.ephemeral = new.ephemeral;
        let source = format!("/1.0/instances/{name}");
        self.lifecycle(project, "instance-updated", &source, json!({}));
        self.tell(project, name, InstanceChange::Updated);
        Ok(None)
    }

    fn take_snapshot(&mut self, project: &str, name: &str, snapshot: String) -> Outcome {
        let now = self.timestamp();
        let Some(record) = self.record(project, name) else {
            return Err("Instance not found".into());
        };
        if record.snapshots.contains_key(&snapshot) {
            let why = format!(
                "Failed creating instance snapshot record {snapshot:?}: Add snapshot info to the \
                 database: This \"instances_snapshots\" entry already exists"
            );
            return Err(Failure::new(409, why));
        }
        let mut kept = record.clone();
        kept.snapshots.clear();
        kept.last_used = now;
        record.snapshots.insert(snapshot, kept);
        Ok(None)
    }

    fn move_instance(&mut self, project: &str, name: &str, to: &str) -> Outcome {
        let Some(p) = self.state.projects.get_mut(project) else {
            return Err("Project not found".into());
        };
        if p.instances.contains_key(to) {
            let why = format!("Name \"{to}\" already in use");
            return Err(Failure::new(409, why));
        }
        match p.instances.remove(name) {
            Some(record) if record.status == InstanceStatus::Stopped => {
                p.instances.insert(to.to_owned(), record);
                let source = format!("/1.0/instances/{to}");
                let context = json!({"old_name": name});
                self.lifecycle(project, "instance-renamed", &source, context);
                Ok(None)
            }
            Some(record) => {
                p.instances.insert(name.to_owned(), record);
                Err("Renaming of running instance not allowed".into())
            }
            None => Err("Instance not found".into()),
        }
    }

    fn act(&mut self, project: &str, name: &str, action: &str) -> Outcome {
        let parents = self.missing_parents(project, name);
        let now = self.timestamp();
        let Some(record) = self.record(project, name) else {
            return Err("Instance not found".into());
        };
        let (wanted, event, change) = match action {
            "start" => (
                InstanceStatus::Running,
                "instance-started",
                InstanceChange::Started,
            ),
            "restart" => (
                InstanceStatus::Running,
                "instance-restarted",
                InstanceChange::Started,
            ),
            "stop" => (
                InstanceStatus::Stopped,
                "instance-stopped",
                InstanceChange::Stopped,
            ),
            "freeze" => (
                InstanceStatus::Frozen,
                "instance-paused",
                InstanceChange::Updated,
            ),
            _ => (
                InstanceStatus::Running,
                "instance-resumed",
                InstanceChange::Updated,
            ),
        };
        match (action, &record.status) {
            ("start", InstanceStatus::Running) => {
                return Err(Failure::new(400, "The instance is already running"));
            }
            ("stop", InstanceStatus::Stopped) => {
                return Err(Failure::new(400, "The instance is already stopped"));
            }
            ("restart" | "freeze", InstanceStatus::Stopped) => {
                return Err(Failure::new(400, "The instance is not running"));
            }
            _ => {}
        }
        if matches!(action, "start" | "restart") {
            if let Some((device, parent)) = parents {
                let why = format!(
                    "Failed to start device \"{device}\": Parent device \"{parent}\" doesn't exist"
                );
                return Err(why.into());
            }
            if record.files.is_none() && record.kind == InstanceKind::Container {
                return Err("Failed to run: the container has no root file system".into());
            }
            record.last_used = now;
        }
        record.status = wanted;
        let gone = action == "stop" && record.ephemeral;
        let source = format!("/1.0/instances/{name}");
        self.lifecycle(project, event, &source, json!({}));
        self.tell(project, name, change);
        if gone {
            return self.remove_instance(project, name);
        }
        Ok(None)
    }

    /// A network device whose parent is no interface, where that is looked at.
    fn missing_parents(&self, project: &str, name: &str) -> Option<(String, String)> {
        if !self.machine.check_parents {
            return None;
        }
        let record = self.state.projects.get(project)?.instances.get(name)?;
        let managed = |n: &str| {
            self.state
                .projects
                .values()
                .any(|p| p.networks.contains_key(n))
        };
        self.expanded(project, record)
            .1
            .into_iter()
            .filter_map(|(device, keys)| Some((device, keys.get("parent")?.clone())))
            .find(|(_, parent)| !self.machine.interfaces.contains_key(parent) && !managed(parent))
    }

    fn add_image(
        &mut self,
        project: &str,
        fingerprint: &str,
        image: ImageState,
        aliases: &[(String, String)],
    ) -> Outcome {
        let size = image.content.len() + image.rootfs.len();
        let Some(p) = self.state.projects.get_mut(project) else {
            return Err("Project not found".into());
        };
        if p.images.contains_key(fingerprint) && image.source.is_none() {
            return Err("Image with same fingerprint already exists".into());
        }
        if let Some((taken, _)) = aliases.iter().find(|(a, _)| p.aliases.contains_key(a)) {
            return Err(format!("Alias already exists: {taken}").into());
        }
        let kind = image.kind.clone();
        let new = p.images.insert(fingerprint.to_owned(), image).is_none();
        for (name, description) in aliases {
            let alias = AliasState {
                description: description.clone(),
                target: fingerprint.to_owned(),
            };
            p.aliases.insert(name.clone(), alias);
        }
        if new {
            self.count("image", fingerprint);
        }
        let source = format!("/1.0/images/{fingerprint}");
        self.lifecycle(project, "image-created", &source, json!({"type": kind}));
        Ok(Some(
            json!({"fingerprint": fingerprint, "size": size.to_string()}),
        ))
    }
}
