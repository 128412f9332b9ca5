//! What stands beside what is wanted: the difference in words, and as the requests that make it and
//! take it back.

use serde_json::Value;

use super::is_secret;
use super::plan::{PreseedChange, Step};
use crate::request::Request;
use crate::types::{Config, Devices, Server};
use crate::{Etag, Result};

/// Where an object lives, for the requests that make, change and delete it.
pub(super) struct Object {
    pub(super) label: String,
    pub(super) collection: String,
    pub(super) path: String,
    pub(super) project: String,
}

impl Object {
    fn scoped(&self, request: Request) -> Request {
        match self.project.as_str() {
            "" => request,
            project => request.query("project", project),
        }
    }

    pub(super) fn create(self, body: Value, differs: Vec<String>) -> Step {
        Step {
            forward: self.scoped(Request::post(&self.collection).json(body)),
            backward: Some(self.scoped(Request::delete(&self.path))),
            change: PreseedChange {
                object: self.label,
                create: true,
                differs,
            },
        }
    }

    pub(super) fn update(
        self,
        new: Value,
        old: Value,
        etag: Option<Etag>,
        differs: Vec<String>,
    ) -> Option<Step> {
        if differs.is_empty() {
            return None;
        }
        let mut forward = self.scoped(Request::put(&self.path).json(new));
        if let Some(etag) = etag {
            forward = forward.if_match(etag);
        }
        Some(Step {
            forward,
            backward: Some(self.scoped(Request::put(&self.path).json(old))),
            change: PreseedChange {
                object: self.label,
                create: false,
                differs,
            },
        })
    }
}

pub(super) fn found<T>(read: Result<crate::Versioned<T>>) -> Result<Option<(T, Option<Etag>)>> {
    match read {
        Ok(object) => {
            let etag = object.etag().cloned();
            Ok(Some((object.into_inner(), etag)))
        }
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) => Err(e),
    }
}

/// Sets what the preseed wants and leaves the rest; tells what differed.
pub(super) fn merge(within: &str, now: &mut Config, wanted: &Config) -> Vec<String> {
    let mut differs = Vec::new();
    for (key, value) in wanted {
        let standing = now.get(key).cloned().unwrap_or_default();
        if standing != *value {
            differs.push(difference(within, key, &standing, value));
            now.insert(key.clone(), value.clone());
        }
    }
    differs
}

pub(super) fn merge_devices(now: &mut Devices, wanted: &Devices) -> Vec<String> {
    let mut differs = Vec::new();
    for (name, device) in wanted {
        let standing = now.entry(name.clone()).or_default();
        differs.extend(merge(&format!("devices.{name}"), standing, device));
    }
    differs
}

pub(super) fn describe(now: &mut String, wanted: &str) -> Option<String> {
    if wanted.is_empty() || now == wanted {
        return None;
    }
    let line = format!("description: {now:?} -> {wanted:?}");
    wanted.clone_into(now);
    Some(line)
}

pub(super) fn difference(within: &str, key: &str, now: &str, wanted: &str) -> String {
    let show = |value: &str| match value {
        "" => "(unset)".to_owned(),
        _ if is_secret(key) => "(secret)".to_owned(),
        value => value.to_owned(),
    };
    format!("{within}.{key}: {} -> {}", show(now), show(wanted))
}

pub(super) fn labelled(kind: &str, name: &str, project: &str) -> String {
    match project {
        "" | "default" => format!("{kind} {name}"),
        project => format!("{kind} {name} of project {project}"),
    }
}

/// The server keys that this server can take. `core.trust_password` is gone from LXD 6.1 on,
/// where it would be refused as an unknown key and break the whole preseed.
pub(super) fn server_config(wanted: &Config, server: &Server, notes: &mut Vec<String>) -> Config {
    let mut wanted = wanted.clone();
    let version = &server.environment.server_version;
    if at_least(version, 6, 1) && wanted.remove("core.trust_password").is_some() {
        notes.push(format!(
            "core.trust_password is left out: LXD {version} has no trust password (removed in \
             6.1); clients are trusted by token"
        ));
    }
    wanted
}

fn at_least(version: &str, major: u32, minor: u32) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
}

/// A listen address as LXD understands it: no host is every address, no port is the default one.
pub(super) fn canonical(key: &str, value: &str) -> String {
    let default_port = match key {
        "core.https_address" | "cluster.https_address" => "8443",
        "core.metrics_address" => "9100",
        _ => return value.to_owned(),
    };
    if value.is_empty() {
        return String::new();
    }
    let (host, port) = match value.rsplit_once(':') {
        Some((host, port)) if host.is_empty() || host.ends_with(']') || !host.contains(':') => {
            (host, port)
        }
        _ => (value, default_port),
    };
    let host = match host.trim_matches(['[', ']']) {
        "" => "::",
        host => host,
    };
    format!("[{host}]:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses_are_compared_by_meaning() {
        let c = |v| canonical("core.https_address", v);
        assert_eq!(c("[::]:8443"), c(":8443"));
        assert_eq!(c("[::]"), c("[::]:8443"));
        assert_eq!(c("10.0.0.1"), c("10.0.0.1:8443"));
        assert_ne!(c("10.0.0.1"), c("10.0.0.1:9443"));
        assert_ne!(c(""), c(":8443"));
    }
}
