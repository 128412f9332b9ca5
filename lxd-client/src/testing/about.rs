//! The server itself, and the machine under it.

use serde_json::{Value, json};

use super::answers::{Reply, Req, etag, lay_over};
use super::extensions::{GONE, NEWER, OF_5_0_2, OF_5_21_7};
use super::state::World;
use crate::Config;

const SERVER_KEYS: [&str; 12] = [
    "core.",
    "cluster.",
    "images.",
    "maas.",
    "backups.",
    "candid.",
    "rbac.",
    "storage.",
    "instances.",
    "network.",
    "acme.",
    "loki.",
];

/// Those of the keys that are numbers.
const NUMBERS: [&str; 4] = [
    "cluster.images_minimal_replica",
    "cluster.offline_threshold",
    "images.auto_update_interval",
    "images.remote_cache_expiry",
];

/// The version as numbers.
pub(super) fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

impl World {
    pub(super) fn addresses(&self) -> Vec<String> {
        if !self.state.config.contains_key("core.https_address") {
            return Vec::new();
        }
        if !self.advertised.is_empty() {
            return self.advertised.clone();
        }
        self.listening.iter().map(ToString::to_string).collect()
    }

    pub(super) fn extensions(&self) -> Vec<&'static str> {
        let by_now = |list: &'static [((u32, u32), &'static str)]| {
            list.iter()
                .filter(|((major, minor), _)| self.is_like(*major, *minor))
                .flat_map(|(_, names)| names.split(' '))
        };
        let long_term = match self.is_like(5, 21) && !self.is_like(6, 0) {
            true => OF_5_21_7,
            false => "",
        };
        let gone: Vec<&str> = by_now(GONE).collect();
        OF_5_0_2
            .split(' ')
            .chain(by_now(NEWER))
            .chain(long_term.split_terminator(' '))
            .filter(|e| !gone.contains(e) && !self.without.contains(*e))
            .collect()
    }

    fn server_json(&self, trusted: bool, project: &str) -> Value {
        let extensions = self.extensions();
        let mut told = json!({
            "api_extensions": extensions, "api_status": "stable", "api_version": "1.0",
            "auth": if trusted { "trusted" } else { "untrusted" }, "public": false,
            "auth_methods": ["tls"],
        });
        if trusted {
            let config: serde_json::Map<String, Value> = self
                .state
                .config
                .iter()
                .map(|(k, v)| match k.as_str() {
                    "core.trust_password" => (k.clone(), json!(true)),
                    _ => (k.clone(), json!(v)),
                })
                .collect();
            told["config"] = config.into();
            told["environment"] = json!({
                "addresses": self.addresses(), "architectures": ["x86_64", "i686"],
                "certificate": self.state.certificate_pem,
                "certificate_fingerprint": self.fingerprint, "driver": "lxc | qemu",
                "driver_version": "5.0.2 | 7.2", "firewall": "nftables", "kernel": "Linux",
                "kernel_architecture": "x86_64", "kernel_version": "6.1.0",
                "os_name": "Ubuntu", "os_version": "22.04", "project": project, "server": "lxd",
                "server_clustered": !self.state.cluster_name.is_empty(), "server_event_mode": "full-mesh",
                "server_name": self.machine.name, "server_pid": 1, "server_version": self.version,
                "storage": "dir", "storage_version": "1",
                "storage_supported_drivers": [{"Name": "dir", "Version": "1", "Remote": false}],
            });
        }
        told
    }

    pub(super) fn server(&mut self, req: &Req) -> Result<Reply, Reply> {
        let trusted = self.is_trusted(req);
        let tag = etag(&json!(self.state.config));
        match req.method.as_str() {
            "GET" => Ok(Reply::Sync(
                self.server_json(trusted, &req.project()),
                trusted.then_some(tag),
            )),
            "PUT" | "PATCH" => {
                req.matches(&tag)?;
                let body = req.raw_json()?;
                let mut given = Config::new();
                for (k, v) in body["config"].as_object().into_iter().flatten() {
                    match v {
                        Value::String(s) => {
                            given.insert(k.clone(), s.clone());
                        }
                        // A password that was read as `true` stays what it is.
                        Value::Bool(true) if k == "core.trust_password" => {
                            if let Some(old) = self.state.config.get(k) {
                                given.insert(k.clone(), old.clone());
                            }
                        }
                        _ => {
                            return Err(Reply::error(
                                400,
                                format!("cannot set '{k}': invalid type"),
                            ));
                        }
                    }
                }
                for (k, v) in &given {
                    let known =
                        SERVER_KEYS.iter().any(|p| k.starts_with(p)) || k.starts_with("user.");
                    let gone = k == "core.trust_password" && numbers(&self.version) >= (6, 1);
                    if !known || gone {
                        return Err(self.cannot_set(k, v, "unknown key"));
                    }
                    let number = NUMBERS.contains(&k.as_str());
                    if number && !v.is_empty() && v.parse::<i64>().is_err() {
                        return Err(self.cannot_set(k, v, "invalid integer"));
                    }
                }
                if req.method == "PUT" {
                    given.retain(|_, v| !v.is_empty());
                    // Keys of the user's stay, though they are left out.
                    self.state.config.retain(|k, _| k.starts_with("user."));
                    self.state.config.extend(given);
                } else {
                    lay_over(&mut self.state.config, given);
                }
                self.dirty = true;
                self.lifecycle("default", "config-updated", "/1.0", json!({}));
                Ok(Reply::empty())
            }
            _ => Err(Reply::not_found("")),
        }
    }

    fn cannot_set(&self, key: &str, value: &str, why: &str) -> Reply {
        let (head, tail) = why.split_at(1);
        let what = match self.is_like(5, 21) {
            true => format!(
                "Cannot set {key:?} to {value:?}: {}{tail}",
                head.to_uppercase()
            ),
            false => format!("cannot set '{key}' to '{value}': {why}"),
        };
        Reply::error(400, what)
    }

    pub(super) fn resources(&self) -> Reply {
        let m = &self.machine;
        Reply::ok(json!({
            "cpu": {"architecture": "x86_64", "sockets": [], "total": m.cores},
            "memory": {
                "nodes": null, "hugepages_total": 0, "hugepages_used": 0, "hugepages_size": 2_097_152,
                "used": m.memory / 16, "total": m.memory,
            },
            "gpu": {"cards": [], "total": 0},
            "network": {"cards": [], "total": 0},
            "storage": {
                "disks": [{"id": "sda", "device": "8:0", "type": "sata", "size": m.pool}], "total": 1,
            },
            "usb": {"devices": [], "total": 0}, "pci": {"devices": [], "total": 0},
            "system": {"uuid": "", "vendor": "", "product": "", "family": "", "type": "physical"},
        }))
    }
}
