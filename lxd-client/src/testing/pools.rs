//! `/1.0/storage-pools`.

use serde_json::{Value, json};

use super::answers::{Reply, Req, config_of, etag, lay_over, text, unknown_key};
use super::state::{PoolState, World};

/// The keys of the drivers that there are, by their beginnings.
const KEYS: [&str; 9] = [
    "source",
    "size",
    "rsync.",
    "btrfs.",
    "lvm.",
    "volume.",
    "volatile.",
    "user.",
    "zfs.",
];

fn unknown_option(config: &crate::Config) -> Option<String> {
    let key = unknown_key(config, &KEYS)?;
    Some(format!("Invalid option {key:?}"))
}

impl World {
    fn pool_json(&self, name: &str) -> Option<Value> {
        let pool = self.state.pools.get(name)?;
        let mut used = Vec::new();
        for (p, state) in &self.state.projects {
            let suffix = if p == "default" {
                String::new()
            } else {
                format!("?project={p}")
            };
            let uses = |devices: &crate::Devices| {
                devices
                    .values()
                    .any(|d| d.get("pool").is_some_and(|x| x == name))
            };
            for (n, record) in &state.instances {
                if uses(&self.expanded(p, record).1) {
                    used.push(format!("/1.0/instances/{n}{suffix}"));
                }
            }
            for (n, profile) in &state.profiles {
                if uses(&profile.devices) {
                    used.push(format!("/1.0/profiles/{n}{suffix}"));
                }
            }
        }
        used.extend(
            pool.volumes
                .keys()
                .filter_map(|k| k.split_once('/'))
                .map(|(_, v)| format!("/1.0/storage-pools/{name}/volumes/custom/{v}")),
        );
        Some(json!({
            "config": pool.config, "description": pool.description, "name": name,
            "driver": pool.driver, "used_by": if used.is_empty() { Value::Null } else { json!(used) },
            "status": "Created", "locations": ["none"],
        }))
    }

    pub(super) fn pools(&mut self, req: &Req) -> Result<Reply, Reply> {
        let parts: Vec<&str> = req.path.iter().skip(1).map(String::as_str).collect();
        match (req.method.as_str(), parts.as_slice()) {
            ("GET", []) => Ok(Reply::ok(
                self.state
                    .pools
                    .keys()
                    .map(|n| match req.recursion() {
                        0 => json!(format!("/1.0/storage-pools/{n}")),
                        _ => self.pool_json(n).unwrap_or_default(),
                    })
                    .collect::<Vec<_>>(),
            )),
            ("POST", []) => {
                let body = req.json()?;
                let (name, driver) = (text(&body, "name"), text(&body, "driver"));
                if name.is_empty() {
                    return Err(Reply::error(400, "No name provided"));
                }
                if name.contains('/') {
                    let what = "Storage pool names may not contain slashes";
                    return Err(Reply::error(400, what));
                }
                if self.state.pools.contains_key(&name) {
                    let what = format!("Storage pool {name:?} already exists");
                    return Err(Reply::in_the_work(409, what));
                }
                if !matches!(driver.as_str(), "dir" | "btrfs" | "lvm") {
                    let what = match driver.as_str() {
                        "zfs" => "Required tool 'zpool' is missing",
                        _ => "Unknown driver",
                    };
                    return Err(Reply::in_the_work(500, what));
                }
                let mut config = config_of(&body);
                if let Some(why) = unknown_option(&config) {
                    return Err(Reply::in_the_work(500, why));
                }
                config
                    .entry("source".into())
                    .or_insert_with(|| format!("/var/snap/lxd/common/lxd/storage-pools/{name}"));
                let pool = PoolState {
                    config,
                    description: text(&body, "description"),
                    driver,
                    ..PoolState::default()
                };
                self.state.pools.insert(name.clone(), pool);
                self.count("storage-pool", &name);
                let path = format!("/1.0/storage-pools/{name}");
                self.lifecycle("default", "storage-pool-created", &path, json!({}));
                Ok(Reply::Created(path))
            }
            (method, [name, rest @ ..]) => {
                let told = self
                    .pool_json(name)
                    .ok_or_else(|| Reply::not_found("Storage pool"))?;
                let tag = etag(&json!([
                    told["driver"],
                    told["description"],
                    told["config"]
                ]));
                match (method, rest) {
                    // 5.0.2 does not tell the ETag that it asks for.
                    ("GET", []) if !self.is_like(5, 21) => Ok(Reply::ok(told)),
                    ("GET", []) => Ok(Reply::Sync(told, Some(tag))),
                    ("GET", ["resources"]) => Ok(Reply::ok(json!({
                        "space": {"used": self.machine.pool / 16, "total": self.machine.pool},
                        "inodes": {"used": 100_000, "total": 16_777_216},
                    }))),
                    ("PUT" | "PATCH", []) => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        let given = config_of(&body);
                        if let Some(why) = unknown_option(&given) {
                            return Err(Reply::in_the_work(400, why));
                        }
                        if let Some(p) = self.state.pools.get_mut(*name) {
                            lay_over(&mut p.config, given);
                            if let Some(d) = body["description"].as_str() {
                                p.description = d.to_owned();
                            }
                        }
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    ("DELETE", []) => {
                        if !told["used_by"].is_null() {
                            return Err(Reply::error(400, "The storage pool is currently in use"));
                        }
                        self.state.pools.remove(*name);
                        self.dirty = true;
                        let path = format!("/1.0/storage-pools/{name}");
                        self.lifecycle("default", "storage-pool-deleted", &path, json!({}));
                        Ok(Reply::empty())
                    }
                    (_, ["volumes", rest @ ..]) => self.volumes(req, name, rest),
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }
}
