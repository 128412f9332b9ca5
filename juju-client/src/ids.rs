//! Names and ids in the forms that the wire wants.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A model's UUID, checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelUuid(String);

impl ModelUuid {
    /// The UUID in its text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `model-<uuid>`.
    pub fn tag(&self) -> String {
        format!("model-{}", self.0)
    }
}

impl FromStr for ModelUuid {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let s = s.strip_prefix("model-").unwrap_or(s);
        uuid::Uuid::parse_str(s)
            .map(|u| Self(u.hyphenated().to_string()))
            .map_err(|e| Error::invalid(format!("read the model UUID {s:?}"), e.to_string()))
    }
}

impl fmt::Display for ModelUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An action's number: `1` for `action-1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionId(pub String);

impl ActionId {
    /// `action-1`.
    pub fn tag(&self) -> String {
        format!("action-{}", self.0)
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `vault/0` as `unit-vault-0`.
pub fn unit_tag(unit: &str) -> String {
    format!("unit-{}", unit.replace('/', "-"))
}

/// `vault` as `application-vault`.
pub fn application_tag(application: &str) -> String {
    format!("application-{application}")
}

/// `0/lxd/1` as `machine-0-lxd-1`.
pub fn machine_tag(machine: &str) -> String {
    format!("machine-{}", machine.replace('/', "-"))
}

/// Names of models and clouds: lower-case letters, digits and hyphens. The server of 4.0.15 takes others and is poisoned by them.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let ok = !name.is_empty()
        && name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_'));
    if ok {
        Ok(())
    } else {
        Err(Error::invalid(format!("check the {what} name {name:?}"), "it is not valid")
            .hint("use lower-case letters, digits and hyphens, beginning and ending with a letter or digit"))
    }
}
