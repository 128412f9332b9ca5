//! Secrets by reference: `env:NAME`, `file:PATH`, `plain:TEXT`, or the text itself.

use std::path::{Path, PathBuf};

use super::error::FaultKind;
use super::reader::{Section, Value};
use super::value::{Secret, SecretSource};

const EXPECTED: &str = "a secret: env:NAME, file:PATH, or the text itself";

impl Section<'_> {
    pub(crate) fn secret(&self, key: &str) -> Option<Secret> {
        self.required_value(key, EXPECTED)?.secret()
    }

    /// Outer `None`: it is wrong. Inner `None`: it is not there.
    #[allow(clippy::option_option)] // The two absences are what the caller must tell apart.
    pub(crate) fn optional_secret(&self, key: &str) -> Option<Option<Secret>> {
        match self.value(key) {
            Some(value) => value.secret().map(Some),
            None => Some(None),
        }
    }
}

impl Value<'_> {
    pub(crate) fn secret(&self) -> Option<Secret> {
        self.notes.secrets.borrow_mut().push(self.path.clone());
        if self.is_blank() {
            // Without showing it: somebody's password may look like a blank.
            self.fault(FaultKind::Blank, "a blank to be filled in", EXPECTED);
            return None;
        }
        let text = self.text(EXPECTED)?;
        let secret = |source, value: &str| Some(Secret::new(source, value.into()));
        if let Some(name) = text.strip_prefix("env:") {
            return match (self.notes.env)(name) {
                Some(value) if !value.is_empty() => {
                    secret(SecretSource::Env(name.to_owned()), &value)
                }
                found => {
                    let state = if found.is_some() { "empty" } else { "not set" };
                    self.fault(
                        FaultKind::Secret,
                        format!("`env:{name}`, and {name} is {state}"),
                        format!("the environment variable {name} with the secret"),
                    );
                    None
                }
            };
        }
        if let Some(path) = text.strip_prefix("file:") {
            let path = self.dir().join(path);
            return match std::fs::read_to_string(&path) {
                Ok(content) if !content.trim_end_matches(['\r', '\n']).is_empty() => {
                    if world_readable(&path) {
                        let message = format!(
                            "anybody on this machine may read {}: chmod 600 it",
                            path.display()
                        );
                        self.notes
                            .warn(&self.path, Some(self.place.clone()), message);
                    }
                    secret(
                        SecretSource::File(path),
                        content.trim_end_matches(['\r', '\n']),
                    )
                }
                found => {
                    let state = match found {
                        Ok(_) => "it is empty".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    self.fault(
                        FaultKind::Secret,
                        format!("a reference to {}, and {state}", path.display()),
                        "a readable file with the secret in it",
                    );
                    None
                }
            };
        }
        let plain = text.strip_prefix("plain:").unwrap_or(text);
        if plain.is_empty() {
            self.fault(FaultKind::Blank, "nothing", EXPECTED);
            return None;
        }
        let file = &self.node.place.file;
        if world_readable(file) {
            let mut open = self.notes.open_secrets.borrow_mut();
            open.entry(file.to_path_buf())
                .or_default()
                .push((self.path.clone(), self.place.clone()));
        }
        secret(SecretSource::Plain, plain)
    }

    /// A path, relative to the file where it stands.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        let text = self.text("a path, relative to this file")?;
        Some(self.dir().join(text))
    }

    /// The path of a file that is there.
    pub(crate) fn existing_file(&self, what: &str) -> Option<PathBuf> {
        let path = self.path()?;
        let found = match std::fs::metadata(&path) {
            Ok(file) if file.is_file() => return Some(path),
            Ok(_) => format!("{}, which is no file", path.display()),
            Err(error) => format!("{}: {error}", path.display()),
        };
        self.fault(FaultKind::Unreadable, found, what);
        None
    }
}

#[cfg(unix)]
fn world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn world_readable(_: &Path) -> bool {
    false
}
