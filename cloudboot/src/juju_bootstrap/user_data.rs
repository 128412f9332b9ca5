//! The cloud-init user data that carries the files.

use std::fmt;

use base64::Engine as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

/// A file that cloud-init writes.
#[derive(Clone)]
#[non_exhaustive]
pub struct File {
    /// Its path.
    pub path: String,
    /// Its mode.
    pub mode: u32,
    /// What is in it.
    pub content: SecretString,
}

impl File {
    pub(super) fn new(path: impl Into<String>, mode: u32, content: String) -> Self {
        Self {
            path: path.into(),
            mode,
            content: content.into(),
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:04o})", self.path, self.mode)
    }
}

/// Files, and the commands that run once they are there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserData {
    /// The files.
    pub files: Vec<File>,
    /// The commands, each an argument vector.
    pub commands: Vec<Vec<String>>,
}

impl UserData {
    pub(super) fn new(files: Vec<File>) -> Self {
        Self {
            files,
            commands: Vec::new(),
        }
    }

    #[must_use]
    pub(super) fn run(mut self, command: Vec<String>) -> Self {
        self.commands.push(command);
        self
    }

    /// The file of a path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// As cloud-init takes it: `#cloud-config`, then JSON, which is YAML with nothing that could be mis-indented.
    /// Source: `recorded/native-user-data.yaml`.
    pub fn to_cloud_config(&self) -> SecretString {
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let files: Vec<_> = self
            .files
            .iter()
            .map(|file| {
                json!({
                    "path": file.path,
                    "permissions": format!("{:04o}", file.mode),
                    "encoding": "b64",
                    "content": encode(file.content.expose_secret()),
                })
            })
            .collect();
        let config = json!({
            "package_update": false,
            "write_files": files,
            "runcmd": self.commands,
        });
        format!("#cloud-config\n{config:#}\n").into()
    }
}
