//! Constraints: `mem=6G cores=4 root-disk=20G tags=^compute`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::charm_url::ARCHITECTURES;
use super::names::is_space;
use crate::error::{Error, Result};

/// What a machine must have, in the wire's form and units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Constraints {
    /// `amd64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// `lxd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u64>,
    /// Hundredths of a standard core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_power: Option<u64>,
    /// Virtualization inside virtual machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nested_virtualization: Option<bool>,
    /// Memory in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<u64>,
    /// Root disk in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_disk: Option<u64>,
    /// Where the root disk comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_disk_source: Option<String>,
    /// Tags; one with `^` in front must not be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// The provider's machine type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Spaces; one with `^` in front must not be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spaces: Option<Vec<String>>,
    /// `virtual-machine`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virt_type: Option<String>,
    /// Zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<Vec<String>>,
    /// A public address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocate_public_ip: Option<bool>,
    /// The provider's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_role: Option<String>,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
}

impl Constraints {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tags that must be there.
    pub fn wanted_tags(&self) -> Vec<&str> {
        self.tags
            .iter()
            .flatten()
            .map(String::as_str)
            .filter(|t| !t.starts_with('^'))
            .collect()
    }

    /// Tags that must not be there, without their `^`.
    pub fn unwanted_tags(&self) -> Vec<&str> {
        self.tags
            .iter()
            .flatten()
            .filter_map(|t| t.strip_prefix('^'))
            .collect()
    }
}

/// `6G` in MiB; without suffix it is MiB. Fractions are rounded up.
fn mebibytes(s: &str) -> std::result::Result<u64, String> {
    let (number, factor) = match s.as_bytes().last() {
        Some(b'M') => (&s[..s.len() - 1], 1.0),
        Some(b'G') => (&s[..s.len() - 1], 1024.0),
        Some(b'T') => (&s[..s.len() - 1], 1024.0 * 1024.0),
        Some(b'P') => (&s[..s.len() - 1], 1024.0 * 1024.0 * 1024.0),
        _ => (s, 1.0),
    };
    if s.is_empty() {
        return Ok(0);
    }
    match number.parse::<f64>() {
        Ok(v) if v >= 0.0 && v.is_finite() => Ok((v * factor).ceil() as u64),
        _ => Err("must be a non-negative float with optional M/G/T/P suffix".to_owned()),
    }
}

/// Go's `strconv.ParseBool`; nothing is false.
fn boolean(s: &str) -> std::result::Result<bool, String> {
    match s {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be 'true' or 'false'".into()),
    }
}

fn whole(s: &str) -> std::result::Result<u64, String> {
    match s {
        "" => Ok(0),
        s if s.bytes().all(|b| b.is_ascii_digit()) => s
            .parse()
            .map_err(|_| "must be a non-negative integer".into()),
        _ => Err("must be a non-negative integer".into()),
    }
}

fn list(s: &str) -> Vec<String> {
    if s.is_empty() {
        Vec::new()
    } else {
        s.split(',').map(str::to_owned).collect()
    }
}

impl Constraints {
    fn set(&mut self, key: &str, value: &str, first: bool) -> std::result::Result<(), String> {
        let known = [
            "arch",
            "container",
            "cores",
            "cpu-power",
            "nested-virtualization",
            "mem",
            "root-disk",
            "root-disk-source",
            "tags",
            "instance-role",
            "instance-type",
            "spaces",
            "virt-type",
            "zones",
            "allocate-public-ip",
            "image-id",
        ];
        if !known.contains(&key) {
            return Err(format!("unknown constraint {key:?}"));
        }
        let done = if first {
            self.put(key, value)
        } else {
            Err("already set".into())
        };
        done.map_err(|m| format!("bad {key:?} constraint: {m}"))
    }

    fn put(&mut self, key: &str, value: &str) -> std::result::Result<(), String> {
        match key {
            "arch" if !value.is_empty() && !ARCHITECTURES.contains(&value) => {
                return Err(format!("{value:?} not recognized"));
            }
            "arch" => self.arch = Some(value.into()),
            "container" if !matches!(value, "" | "none" | "lxd" | "kvm") => {
                return Err(format!("invalid container type {value:?}"));
            }
            "container" => self.container = Some(value.into()),
            "cores" => self.cores = Some(whole(value)?),
            "cpu-power" => self.cpu_power = Some(whole(value)?),
            "nested-virtualization" => self.nested_virtualization = Some(boolean(value)?),
            "mem" => self.mem = Some(mebibytes(value)?),
            "root-disk" => self.root_disk = Some(mebibytes(value)?),
            "root-disk-source" => self.root_disk_source = Some(value.into()),
            "tags" => self.tags = Some(list(value)),
            "instance-role" => self.instance_role = Some(value.into()),
            "instance-type" => self.instance_type = Some(value.into()),
            "spaces" => {
                let spaces = list(value);
                let bare = |s: &String| s.strip_prefix('^').unwrap_or(s).to_owned();
                if let Some(bad) = spaces.iter().map(bare).find(|s| !is_space(s)) {
                    return Err(format!("{bad:?} is not a valid space name"));
                }
                self.spaces = Some(spaces);
            }
            "virt-type" => self.virt_type = Some(value.into()),
            "zones" => self.zones = Some(list(value)),
            "allocate-public-ip" if value.is_empty() => {}
            "allocate-public-ip" => self.allocate_public_ip = Some(boolean(value)?),
            _ => self.image_id = Some(value.into()),
        }
        Ok(())
    }
}

impl FromStr for Constraints {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let bad = |m: String| Error::invalid(format!("read the constraints {s:?}"), m);
        let mut c = Self::default();
        let mut seen = std::collections::BTreeSet::new();
        // A space behind a backslash belongs to the value.
        for part in s.replace("\\ ", "\0").trim().split(' ') {
            let part = part.replace('\0', " ");
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let (key, value) = match part.split_once('=') {
                Some((k, v)) if !k.is_empty() => (k, v),
                _ => return Err(bad(format!("malformed constraint {part:?}"))),
            };
            let key = match key {
                "cpu-cores" => "cores",
                k => k,
            };
            c.set(key, value, seen.insert(key.to_owned()))
                .map_err(bad)?;
        }
        Ok(c)
    }
}

impl fmt::Display for Constraints {
    /// In the order and form of the official client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |v: u64| format!("{v}M");
        let mut parts: Vec<String> = Vec::new();
        let mut put = |k: &str, v: Option<String>| parts.extend(v.map(|v| format!("{k}={v}")));
        put(
            "allocate-public-ip",
            self.allocate_public_ip.map(|v| v.to_string()),
        );
        put("arch", self.arch.clone());
        put("container", self.container.clone());
        put("cores", self.cores.map(|v| v.to_string()));
        put("cpu-power", self.cpu_power.map(|v| v.to_string()));
        put("image-id", self.image_id.clone());
        put("instance-role", self.instance_role.clone());
        put("instance-type", self.instance_type.clone());
        put("mem", self.mem.map(size));
        put(
            "nested-virtualization",
            self.nested_virtualization.map(|v| v.to_string()),
        );
        put("root-disk", self.root_disk.map(size));
        put("root-disk-source", self.root_disk_source.clone());
        put("spaces", self.spaces.as_ref().map(|v| v.join(",")));
        put("tags", self.tags.as_ref().map(|v| v.join(",")));
        put("virt-type", self.virt_type.clone());
        put("zones", self.zones.as_ref().map(|v| v.join(",")));
        f.write_str(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::Constraints;

    #[test]
    fn thesis_machine() {
        let c: Constraints = "mem=6G cores=4 root-disk=20G tags=^compute"
            .parse()
            .unwrap();
        assert_eq!(
            (c.mem, c.cores, c.root_disk),
            (Some(6144), Some(4), Some(20480))
        );
        assert_eq!(c.unwanted_tags(), ["compute"]);
        assert!(c.wanted_tags().is_empty());
        assert_eq!(
            c.to_string(),
            "cores=4 mem=6144M root-disk=20480M tags=^compute"
        );
        assert!("mem=x".parse::<Constraints>().is_err());
        assert!("nope=1".parse::<Constraints>().is_err());
    }
}
