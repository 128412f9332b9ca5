//! Commands as they are asked for, and what they leave.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

/// A command to run inside an instance.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exec {
    /// The program and its arguments; no shell is in between.
    pub command: Vec<String>,
    /// Environment variables beside LXD's own.
    pub environment: BTreeMap<String, String>,
    /// What it reads; empty is an immediate end.
    pub stdin: Bytes,
    /// As whom, numbered inside the instance; LXD's default is root.
    pub user: Option<u32>,
    /// As which group.
    pub group: Option<u32>,
    /// In which directory; LXD's default is the user's home.
    pub cwd: Option<String>,
    /// On a terminal of this many columns and rows: stderr then comes on stdout. Of a command that
    /// ends at once, LXD 5.0 loses the output on a terminal every now and then (in the daemon, if
    /// its reader looks between the exit and the closing of the terminal): run those without one.
    pub terminal: Option<(u16, u16)>,
}

impl Exec {
    /// A program and its arguments.
    pub fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            stdin: Bytes::new(),
            user: None,
            group: None,
            cwd: None,
            terminal: None,
        }
    }

    /// A line for the instance's `/bin/sh`.
    pub fn shell(line: impl Into<String>) -> Self {
        Self::new(["/bin/sh".to_owned(), "-c".to_owned(), line.into()])
    }

    /// Sets what it reads.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Bytes>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(key.into(), value.into());
        self
    }

    /// Runs it in this directory.
    #[must_use]
    pub fn cwd(mut self, at: impl Into<String>) -> Self {
        self.cwd = Some(at.into());
        self
    }

    /// Runs it as this user and group, numbered inside the instance.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.user = Some(uid);
        self.group = Some(gid);
        self
    }

    /// Runs it on a terminal.
    #[must_use]
    pub fn terminal(mut self, columns: u16, rows: u16) -> Self {
        self.terminal = Some((columns, rows));
        self
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "command": self.command,
            "environment": self.environment,
            "wait-for-websocket": true,
            "interactive": self.terminal.is_some(),
        });
        if let Some((columns, rows)) = self.terminal {
            body["width"] = columns.into();
            body["height"] = rows.into();
        }
        if let Some(user) = self.user {
            body["user"] = user.into();
        }
        if let Some(group) = self.group {
            body["group"] = group.into();
        }
        if let Some(cwd) = &self.cwd {
            body["cwd"] = cwd.clone().into();
        }
        body
    }
}

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// Its exit code: 127 if there is no such command, 128 + n if signal n killed it.
    pub code: i32,
    /// What it wrote (with a terminal: both streams).
    pub stdout: Bytes,
    /// What it wrote to stderr.
    pub stderr: Bytes,
}

impl ExecOutput {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }
}

/// Signals that can be sent to a running command, by Linux's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// 1.
    Hangup,
    /// 2.
    Interrupt,
    /// 9.
    Kill,
    /// 15.
    Terminate,
    /// Any other.
    Other(u8),
}

impl Signal {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Kill => 9,
            Self::Terminate => 15,
            Self::Other(n) => n,
        }
    }
}
