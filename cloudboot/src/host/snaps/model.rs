//! What snapd tells: snaps, their services, and its changes with their tasks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::host::error::{Error, Kind, Result};

/// What snapd tells of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SystemInfo {
    /// snapd's own version.
    #[serde(default)]
    pub version: String,
    /// "16" for the classic series.
    #[serde(default)]
    pub series: String,
}

/// An installed snap.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Snap {
    /// Its name.
    pub name: String,
    /// "active" or "installed" (present but disabled).
    #[serde(default)]
    pub status: String,
    /// Its version, as its publisher writes it ("3.4.2-14353-g.5a5221d57").
    #[serde(default)]
    pub version: String,
    /// Its revision in the store; "x1" for a sideloaded one.
    #[serde(default)]
    pub revision: String,
    /// The channel that it was installed from.
    #[serde(default)]
    pub channel: String,
    /// The channel that it follows at refreshes.
    #[serde(default)]
    pub tracking_channel: String,
    /// Until when refreshes are held (RFC 3339).
    #[serde(default)]
    pub hold: Option<String>,
    /// Its apps and services.
    #[serde(default)]
    pub apps: Vec<App>,
}

impl Snap {
    /// Whether it follows `channel`: `3.4` is `3.4/stable`, `stable` is `latest/stable`.
    pub fn follows(&self, channel: &str) -> bool {
        normal_channel(self.followed()) == normal_channel(channel)
    }

    /// The channel that it follows. Where snapd names none (one that was sideloaded), the one that it was installed from, of which
    /// the store says the risk alone.
    pub fn followed(&self) -> &str {
        if self.tracking_channel.is_empty() {
            &self.channel
        } else {
            &self.tracking_channel
        }
    }

    /// It is there and enabled.
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }
}

/// One app of a snap; a service if `daemon` says how it is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct App {
    /// The snap's name (only in `/v2/apps`).
    #[serde(default)]
    pub snap: String,
    /// The app's name.
    pub name: String,
    /// "simple", "forking", ... for a service.
    #[serde(default)]
    pub daemon: Option<String>,
    /// It starts with the machine.
    #[serde(default)]
    pub enabled: bool,
    /// It runs.
    #[serde(default)]
    pub active: bool,
}

/// The id of a change that snapd is making or has made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeId(pub String);

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What snapd is doing, with its tasks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// Its id.
    pub id: ChangeId,
    /// "install-snap", "remove-snap", ...
    #[serde(default)]
    pub kind: String,
    /// In snapd's words: `Install "maas" snap from "3.4/stable" channel`.
    #[serde(default)]
    pub summary: String,
    /// "Doing", "Done", "Error", "Hold", "Wait", ...
    #[serde(default)]
    pub status: String,
    /// It has ended, well or not.
    #[serde(default)]
    pub ready: bool,
    /// Why it failed.
    #[serde(default)]
    pub err: Option<String>,
    /// Its parts.
    #[serde(default)]
    pub tasks: Vec<Task>,
}

/// A part of a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// "download-snap", "mount-snap", ...
    #[serde(default)]
    pub kind: String,
    /// In snapd's words.
    #[serde(default)]
    pub summary: String,
    /// "Do", "Doing", "Done", "Error", "Undone", "Hold".
    #[serde(default)]
    pub status: String,
    /// The last lines of its log, errors among them.
    #[serde(default)]
    pub log: Vec<String>,
    /// How far it is.
    #[serde(default)]
    pub progress: Progress,
}

/// How far a task is: bytes of a download, or 0 of 1.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// What is being counted.
    #[serde(default)]
    pub label: String,
    /// Done so far.
    #[serde(default)]
    pub done: u64,
    /// Of how many.
    #[serde(default)]
    pub total: u64,
}

impl Change {
    /// What it is doing right now, for a person: `Download snap "maas" (42 %)`.
    pub fn progress(&self) -> String {
        let done = self.tasks.iter().filter(|t| t.status == "Done").count();
        match self.tasks.iter().find(|t| t.status == "Doing") {
            Some(t) if t.progress.total > 1 => {
                let percent = t.progress.done.saturating_mul(100) / t.progress.total;
                format!("{} ({percent} %)", t.summary)
            }
            Some(t) => t.summary.clone(),
            None => format!(
                "{}: {} of {} tasks done, {}",
                self.summary,
                done,
                self.tasks.len(),
                self.status
            ),
        }
    }

    /// `Ok(true)` when it has ended well, `Ok(false)` while it goes on, its failure with the failed task's log otherwise.
    pub fn outcome(&self) -> Result<bool> {
        if !self.ready {
            return Ok(false);
        }
        if self.status == "Done" {
            return Ok(true);
        }
        let task = self.tasks.iter().find(|t| t.status == "Error");
        let mut detail = self
            .err
            .clone()
            .unwrap_or_else(|| format!("the change ended as {}", self.status));
        let line = task
            .and_then(|t| t.log.last())
            .filter(|l| !detail.contains(l.as_str()));
        if let Some(line) = line {
            detail = format!("{detail}; {line}");
        }
        Err(Error::new(
            Kind::Failed,
            self.summary.clone(),
            detail.replace('\n', " "),
        )
        .with_code(self.status.clone())
        .hint(format!("`snap change {}` shows its tasks", self.id)))
    }
}

/// `track/risk[/branch]` of a channel as people write it: `3.4` is `3.4/stable`, `edge` is `latest/edge`.
pub fn normal_channel(channel: &str) -> String {
    const RISKS: [&str; 4] = ["stable", "candidate", "beta", "edge"];
    let parts: Vec<&str> = channel.split('/').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        [] => "latest/stable".to_owned(),
        [one] if RISKS.contains(one) => format!("latest/{one}"),
        [one] => format!("{one}/stable"),
        [first, ..] if RISKS.contains(first) => format!("latest/{}", parts.join("/")),
        _ => parts.join("/"),
    }
}

/// What to do with services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceAction {
    /// Start them, now and with the machine.
    Start,
    /// Stop them, now and with the machine.
    Stop,
    /// Stop and start them.
    Restart,
}

impl ServiceAction {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}
