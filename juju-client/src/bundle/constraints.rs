//! Constraints: `mem=6G cores=4 root-disk=20G tags=^compute`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

impl FromStr for Constraints {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let bad = |m: String| Error::invalid(format!("read the constraints {s:?}"), m);
        let mut c = Self::default();
        let mut seen = std::collections::BTreeSet::new();
        for part in s.split_whitespace() {
            let Some((key, value)) = part.split_once('=') else {
                return Err(bad(format!("malformed constraint {part:?}")));
            };
            let key = match key {
                "cpu-cores" => "cores",
                k => k,
            };
            if !seen.insert(key.to_owned()) {
                return Err(bad(format!("bad {key:?} constraint: already set")));
            }
            let number = || -> Result<u64> {
                if value.is_empty() {
                    Ok(0)
                } else {
                    value.parse().map_err(|_| {
                        bad(format!(
                            "bad {key:?} constraint: must be a non-negative integer"
                        ))
                    })
                }
            };
            let list = || -> Vec<String> {
                value
                    .split(',')
                    .filter(|v| !v.is_empty())
                    .map(str::to_owned)
                    .collect()
            };
            let size = || mebibytes(value).map_err(|m| bad(format!("bad {key:?} constraint: {m}")));
            match key {
                "arch" => c.arch = Some(value.into()),
                "container" => c.container = Some(value.into()),
                "cores" => c.cores = Some(number()?),
                "cpu-power" => c.cpu_power = Some(number()?),
                "mem" => c.mem = Some(size()?),
                "root-disk" => c.root_disk = Some(size()?),
                "root-disk-source" => c.root_disk_source = Some(value.into()),
                "tags" => c.tags = Some(list()),
                "instance-role" => c.instance_role = Some(value.into()),
                "instance-type" => c.instance_type = Some(value.into()),
                "spaces" => c.spaces = Some(list()),
                "virt-type" => c.virt_type = Some(value.into()),
                "zones" => c.zones = Some(list()),
                "allocate-public-ip" => {
                    c.allocate_public_ip = Some(value.parse().map_err(|_| {
                        bad(
                            "bad \"allocate-public-ip\" constraint: must be 'true' or 'false'"
                                .into(),
                        )
                    })?);
                }
                "image-id" => c.image_id = Some(value.into()),
                other => return Err(bad(format!("unknown constraint {other:?}"))),
            }
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
