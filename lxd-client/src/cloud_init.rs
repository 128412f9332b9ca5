//! Cloud-init user data from typed parts, so that no indentation can go wrong.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{Error, Result};

/// What a machine does at its first boot: a `#cloud-config` document
/// (cloud-init's reference, "Modules").
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct CloudInit {
    /// The machine's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Refresh the package lists first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_update: Option<bool>,
    /// Upgrade what is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_upgrade: Option<bool>,
    /// Packages to install.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Keys that may log in as the default user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<String>,
    /// Files to write, before packages are installed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_files: Vec<WriteFile>,
    /// Snaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snap: Option<Snap>,
    /// Commands at the end, each a program with its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runcmd: Vec<Vec<String>>,
    /// Any other module, by its key.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A file that cloud-init writes.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct WriteFile {
    /// Where.
    pub path: String,
    /// What.
    pub content: String,
    /// Octal digits as text, such as `0600` (a YAML number would be read otherwise).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub permissions: String,
    /// `user:group`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// How `content` is written, such as `b64`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encoding: String,
    /// Add to what is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub append: bool,
    /// Write it at the end, when packages (and their users) are there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub defer: bool,
}

impl WriteFile {
    /// A file with these permission bits (such as `0o600`).
    pub fn new(path: impl Into<String>, content: impl Into<String>, mode: u32) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
            permissions: format!("{mode:04o}"),
            ..Self::default()
        }
    }
}

/// The snap module.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Snap {
    /// Arguments of `snap`, each command a list, such as `["install", "juju", "--channel=3.1"]`.
    pub commands: Vec<Vec<String>>,
}

impl CloudInit {
    /// Installs packages.
    #[must_use]
    pub fn packages<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.packages.extend(names.into_iter().map(Into::into));
        self
    }

    /// Writes a file.
    #[must_use]
    pub fn write_file(mut self, file: WriteFile) -> Self {
        self.write_files.push(file);
        self
    }

    /// Installs a snap from a channel.
    #[must_use]
    pub fn snap(mut self, name: &str, channel: &str) -> Self {
        self.snap
            .get_or_insert_with(Snap::default)
            .commands
            .push(vec![
                "install".into(),
                name.into(),
                format!("--channel={channel}"),
            ]);
        self
    }

    /// Runs a program with its arguments at the end.
    #[must_use]
    pub fn run<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.runcmd
            .push(command.into_iter().map(Into::into).collect());
        self
    }

    /// Runs a line of shell at the end.
    #[must_use]
    pub fn run_shell(self, line: impl Into<String>) -> Self {
        self.run(["sh".to_owned(), "-c".to_owned(), line.into()])
    }

    /// The document, `#cloud-config` line included.
    ///
    /// # Errors
    /// If a value of `extra` cannot be written as YAML.
    pub fn to_user_data(&self) -> Result<String> {
        let yaml = serde_saphyr::to_string(self)
            .map_err(|e| Error::invalid("writing cloud-init user data", e.to_string()))?;
        Ok(format!("#cloud-config\n{yaml}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_meant() {
        let script = "#!/bin/sh\nset -e\n\ttab: yes\n  indented\n\n";
        let tricky = [
            "yes", "0755", "1e3", ": x", "a: b", "- c", "null", "#!x", " lead", "é\n",
        ];
        let doc = CloudInit::default()
            .packages(["zfsutils-linux"])
            .snap("juju", "3.1/stable")
            .write_file(WriteFile::new("/root/run.sh", script, 0o600))
            .run(tricky)
            .run_shell("/root/run.sh && touch /root/done");
        let text = doc.to_user_data().unwrap();
        assert!(text.starts_with("#cloud-config\n"));
        let back: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back["write_files"][0]["content"], script);
        assert_eq!(back["write_files"][0]["permissions"], "0600");
        assert_eq!(back["snap"]["commands"][0][2], "--channel=3.1/stable");
        assert_eq!(back["runcmd"][0], serde_json::json!(tricky));
    }
}
