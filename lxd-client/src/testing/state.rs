//! What the fake knows, all of which can be kept and brought back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::jobs::Job;
use super::{Durations, InstanceChange, InstanceView, Machine};
use crate::types::{Config, Devices, InstanceKind, InstanceStatus};
use crate::{Error, ErrorKind, Result};

/// Bytes as base64 in JSON.
pub(super) mod base64_bytes {
    use super::*;
    pub(in super::super) fn serialize<S: Serializer>(b: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(b))
    }
    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// Everything the fake knows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct State {
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
    /// Wall-clock milliseconds at virtual time zero.
    pub(super) epoch_ms: i64,
    pub(super) config: Config,
    pub(super) certificates: BTreeMap<String, TrustedCert>,
    pub(super) projects: BTreeMap<String, ProjectState>,
    pub(super) pools: BTreeMap<String, PoolState>,
    pub(super) operations: BTreeMap<String, Op>,
    pub(super) counts: BTreeMap<String, u64>,
    /// This server's name in its cluster; empty while it is alone.
    pub(super) cluster_name: String,
    pub(super) cluster_members: BTreeMap<String, Value>,
    pub(super) warnings: BTreeMap<String, Value>,
    /// Images that may be fetched by whoever knows a secret: project and fingerprint by secret.
    pub(super) image_secrets: BTreeMap<String, (String, String)>,
    /// Numbers addresses of bridges.
    pub(super) serial: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct TrustedCert {
    pub(super) name: String,
    pub(super) pem: String,
    pub(super) restricted: bool,
    pub(super) projects: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ProjectState {
    pub(super) config: Config,
    pub(super) description: String,
    pub(super) profiles: BTreeMap<String, ProfileState>,
    pub(super) networks: BTreeMap<String, NetworkState>,
    pub(super) acls: BTreeMap<String, Value>,
    pub(super) images: BTreeMap<String, ImageState>,
    pub(super) aliases: BTreeMap<String, AliasState>,
    pub(super) instances: BTreeMap<String, InstanceRecord>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ProfileState {
    pub(super) config: Config,
    pub(super) description: String,
    pub(super) devices: Devices,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct NetworkState {
    pub(super) config: Config,
    pub(super) description: String,
    pub(super) kind: String,
    /// By the address that they listen on.
    pub(super) forwards: BTreeMap<String, Value>,
}

/// A backup: what it is made of, as JSON instead of a tarball.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct BackupState {
    pub(super) created: String,
    pub(super) alone: bool,
    #[serde(with = "base64_bytes")]
    pub(super) content: Vec<u8>,
}

impl BackupState {
    pub(super) fn told(&self, name: &str, alone: &str) -> Value {
        json!({
            "name": name, "created_at": self.created, "expires_at": "0001-01-01T00:00:00Z",
            alone: self.alone, "optimized_storage": false,
        })
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PoolState {
    pub(super) config: Config,
    pub(super) description: String,
    pub(super) driver: String,
    /// Custom volumes by `project/name`.
    pub(super) volumes: BTreeMap<String, VolumeState>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct VolumeState {
    pub(super) config: Config,
    pub(super) description: String,
    pub(super) content_type: String,
    /// The configuration when each was taken.
    pub(super) snapshots: BTreeMap<String, Config>,
    pub(super) backups: BTreeMap<String, BackupState>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ImageState {
    #[serde(with = "base64_bytes")]
    pub(super) content: Vec<u8>,
    /// Of an image of two files; `content` is the metadata's then.
    #[serde(with = "base64_bytes")]
    pub(super) rootfs: Vec<u8>,
    pub(super) kind: String,
    pub(super) properties: Config,
    pub(super) public: bool,
    pub(super) auto_update: bool,
    pub(super) cached: bool,
    pub(super) filename: String,
    pub(super) created: String,
    /// Where it came from: server, protocol, alias.
    pub(super) source: Option<(String, String, String)>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct AliasState {
    pub(super) description: String,
    pub(super) target: String,
}

/// A file, directory or link inside an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileEntry {
    /// `file`, `directory` or `symlink`.
    pub kind: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// A file's bytes, or where a link points.
    #[serde(with = "base64_bytes")]
    pub content: Vec<u8>,
}

impl FileEntry {
    /// A file of root's.
    pub fn file(content: Vec<u8>, mode: u32) -> Self {
        Self {
            kind: "file".into(),
            mode,
            content,
            ..Self::default()
        }
    }

    /// A directory of root's.
    pub fn directory(mode: u32) -> Self {
        Self {
            kind: "directory".into(),
            mode,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct InstanceRecord {
    pub(super) kind: InstanceKind,
    pub(super) status: InstanceStatus,
    pub(super) architecture: String,
    pub(super) description: String,
    pub(super) ephemeral: bool,
    pub(super) config: Config,
    pub(super) devices: Devices,
    pub(super) profiles: Vec<String>,
    pub(super) created: String,
    pub(super) last_used: String,
    /// `None` where it was made from nothing: there is no file system yet.
    pub(super) files: Option<BTreeMap<String, FileEntry>>,
    pub(super) console: String,
    /// What it was when a snapshot was taken, by name.
    pub(super) snapshots: BTreeMap<String, InstanceRecord>,
    pub(super) backups: BTreeMap<String, BackupState>,
    /// `metadata.yaml`, where it was changed.
    pub(super) metadata: Value,
    pub(super) templates: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Op {
    pub(super) class: String,
    pub(super) description: String,
    pub(super) project: String,
    pub(super) created: String,
    pub(super) resources: BTreeMap<String, Vec<String>>,
    pub(super) metadata: Value,
    /// 103 while it runs.
    pub(super) code: u16,
    pub(super) err: String,
    /// The status of the failure.
    pub(super) err_code: u16,
    pub(super) may_cancel: bool,
    pub(super) job: Option<Job>,
    pub(super) began: Duration,
    pub(super) due: Duration,
    /// The key under which it tells its progress.
    pub(super) progress: Option<String>,
}

/// The state with what surrounds it, behind one lock.
pub(super) struct World {
    pub(super) state: State,
    pub(super) machine: Machine,
    pub(super) durations: Durations,
    pub(super) version: String,
    pub(super) without: BTreeSet<String>,
    pub(super) advertised: Vec<String>,
    pub(super) listening: Option<std::net::SocketAddr>,
    pub(super) fingerprint: String,
    pub(super) disorder: bool,
    pub(super) now: Duration,
    /// Changed since it was last kept.
    pub(super) dirty: bool,
    /// To be told once the lock is open.
    pub(super) notes: Vec<Note>,
    /// By their operations; they do not outlive the daemon, as its operations do not.
    pub(super) migrations: BTreeMap<String, super::migration::Migration>,
    /// To be opened once the lock is open.
    pub(super) dials: Vec<super::migration::Dial>,
    /// When operations ended, in real time: they are forgotten five real seconds later, however
    /// fast the virtual time runs.
    pub(super) ended: BTreeMap<String, std::time::Instant>,
}

/// Something to tell once the lock is open.
pub(super) enum Note {
    Event {
        kind: &'static str,
        project: String,
        text: String,
    },
    Instance(InstanceView),
}

/// Random hexadecimal digits.
pub(super) fn random_hex(bytes: usize) -> String {
    let mut raw = vec![0u8; bytes];
    rand::rng().fill_bytes(&mut raw);
    hex::encode(raw)
}

/// A random UUID.
pub(super) fn uuid() -> String {
    let h = random_hex(16);
    format!(
        "{}-{}-4{}-a{}-{}",
        &h[0..8],
        &h[8..12],
        &h[13..16],
        &h[17..20],
        &h[20..32]
    )
}

impl World {
    /// The wall-clock time that the virtual time stands for.
    pub(super) fn timestamp(&self) -> String {
        let ms = i64::try_from(self.now.as_millis()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(self.state.epoch_ms.saturating_add(ms))
            .map(|t| t.to_string())
            .unwrap_or_default()
    }

    /// Counts something made.
    pub(super) fn count(&mut self, kind: &str, name: &str) {
        *self.state.counts.entry(kind.to_owned()).or_default() += 1;
        *self
            .state
            .counts
            .entry(format!("{kind}:{name}"))
            .or_default() += 1;
        self.dirty = true;
    }

    /// Whose profiles, images or networks a project uses: its own, or the default one's.
    pub(super) fn effective(&self, project: &str, feature: &str) -> String {
        let own = self
            .state
            .projects
            .get(project)
            .and_then(|p| p.config.get(&format!("features.{feature}")))
            .is_some_and(|v| v == "true");
        if own {
            project.to_owned()
        } else {
            "default".to_owned()
        }
    }

    /// An instance's configuration and devices with its profiles'.
    pub(super) fn expanded(&self, project: &str, record: &InstanceRecord) -> (Config, Devices) {
        let home = self.effective(project, "profiles");
        let (mut config, mut devices) = (Config::new(), Devices::new());
        for name in &record.profiles {
            if let Some(p) = self
                .state
                .projects
                .get(&home)
                .and_then(|p| p.profiles.get(name))
            {
                config.extend(p.config.clone());
                devices.extend(p.devices.clone());
            }
        }
        config.extend(record.config.clone());
        devices.extend(record.devices.clone());
        (config, devices)
    }

    pub(super) fn record(&mut self, project: &str, name: &str) -> Option<&mut InstanceRecord> {
        self.state
            .projects
            .get_mut(project)?
            .instances
            .get_mut(name)
    }

    pub(super) fn view(
        &self,
        project: &str,
        name: &str,
        change: InstanceChange,
    ) -> Option<InstanceView> {
        let record = self.state.projects.get(project)?.instances.get(name)?;
        let (config, devices) = self.expanded(project, record);
        Some(InstanceView {
            name: name.to_owned(),
            project: project.to_owned(),
            kind: record.kind.clone(),
            config,
            devices,
            status: record.status.clone(),
            change,
        })
    }

    pub(super) fn views(&self) -> Vec<InstanceView> {
        let names: Vec<(String, String)> = self
            .state
            .projects
            .iter()
            .flat_map(|(p, s)| s.instances.keys().map(move |n| (p.clone(), n.clone())))
            .collect();
        names
            .iter()
            .filter_map(|(p, n)| self.view(p, n, InstanceChange::Seen))
            .collect()
    }

    /// Tells the world outside of an instance.
    pub(super) fn tell(&mut self, project: &str, name: &str, change: InstanceChange) {
        if let Some(view) = self.view(project, name, change) {
            self.notes.push(Note::Instance(view));
        }
    }

    fn inside(&mut self, project: &str, instance: &str) -> Result<&mut InstanceRecord> {
        self.record(project, instance).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("the fake's instance {instance} of project {project}"),
                "there is none",
            )
        })
    }

    pub(super) fn put_inside(
        &mut self,
        project: &str,
        instance: &str,
        path: &str,
        file: FileEntry,
    ) -> Result<()> {
        let record = self.inside(project, instance)?;
        let files = record.files.get_or_insert_with(BTreeMap::new);
        let path = super::files::normal(path);
        let mut above = path.as_str();
        while let Some((up, _)) = above.rsplit_once('/') {
            let dir = if up.is_empty() { "/" } else { up };
            files
                .entry(dir.to_owned())
                .or_insert_with(|| FileEntry::directory(0o755));
            above = up;
        }
        files.insert(path, file);
        self.dirty = true;
        Ok(())
    }

    pub(super) fn look_inside(
        &self,
        project: &str,
        instance: &str,
        path: &str,
    ) -> Option<&FileEntry> {
        let record = self.state.projects.get(project)?.instances.get(instance)?;
        record.files.as_ref()?.get(&super::files::normal(path))
    }

    pub(super) fn set_status(
        &mut self,
        project: &str,
        instance: &str,
        status: InstanceStatus,
    ) -> Result<()> {
        self.inside(project, instance)?.status = status.clone();
        self.dirty = true;
        let action = match status {
            InstanceStatus::Running => "instance-started",
            InstanceStatus::Stopped => "instance-shutdown",
            _ => return Ok(()),
        };
        self.lifecycle(
            project,
            action,
            &format!("/1.0/instances/{instance}"),
            json!({}),
        );
        Ok(())
    }
}
