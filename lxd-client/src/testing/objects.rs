//! The server, projects, profiles, networks, storage pools, resources.

use serde_json::{Value, json};

use super::answers::{Reply, Req, check_instance_keys, config_of, devices_of, etag, text};
use super::state::{NetworkState, PoolState, ProfileState, ProjectState, VolumeState, World};
use crate::Config;

/// The extensions of 5.0.2 that anyone here asks about, and a few more.
const EXTENSIONS: &[&str] = &[
    "etag",
    "patch",
    "network",
    "profile_usedby",
    "container_push",
    "container_exec_recording",
    "certificate_update",
    "container_exec_signal_handling",
    "storage",
    "file_delete",
    "file_append",
    "image_create_aliases",
    "entity_description",
    "resources",
    "console",
    "network_leases",
    "operation_description",
    "clustering",
    "event_lifecycle",
    "projects",
    "container_full",
    "container_backup",
    "storage_api_volume_snapshots",
    "event_location",
    "directory_manipulation",
    "file_symlinks",
    "instances",
    "virtual-machines",
    "api_filtering",
    "image_types",
    "image_profiles",
    "custom_block_volumes",
    "network_state",
    "network_type_ovn",
    "projects_networks",
    "instance_bulk_state_change",
    "network_acl",
    "certificate_project",
    "warnings",
    "projects_images_auto_update",
    "clustering_join_token",
    "network_forward",
    "metrics",
    "image_source_project",
    "instance_all_projects",
    "cloud_init",
    "instance_get_full",
    "event_project",
    "certificate_token",
    "instance_file_head",
    "cpu_hotplug",
    "init_preseed",
    "remote_token_expiry",
];

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

/// The version as numbers.
fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Keys given replace, empty ones unset.
fn lay_over(config: &mut Config, given: Config) {
    for (k, v) in given {
        if v.is_empty() {
            config.remove(&k);
        } else {
            config.insert(k, v);
        }
    }
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

    fn server_json(&self, trusted: bool, project: &str) -> Value {
        let extensions: Vec<&&str> = EXTENSIONS
            .iter()
            .filter(|e| !self.without.contains(**e))
            .collect();
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
                "server_clustered": false, "server_event_mode": "full-mesh",
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
                        return Err(Reply::error(
                            400,
                            format!("cannot set '{k}' to '{v}': unknown key"),
                        ));
                    }
                }
                if req.method == "PUT" {
                    given.retain(|_, v| !v.is_empty());
                    self.state.config = given;
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

    // ---- projects

    fn project_json(&self, name: &str) -> Option<Value> {
        let p = self.state.projects.get(name)?;
        let suffix = if name == "default" {
            String::new()
        } else {
            format!("?project={name}")
        };
        let mut used: Vec<String> = p
            .instances
            .keys()
            .map(|n| format!("/1.0/instances/{n}{suffix}"))
            .collect();
        used.extend(
            p.profiles
                .keys()
                .map(|n| format!("/1.0/profiles/{n}{suffix}")),
        );
        used.extend(p.images.keys().map(|n| format!("/1.0/images/{n}{suffix}")));
        Some(json!({
            "config": p.config, "description": p.description, "name": name, "used_by": used,
        }))
    }

    pub(super) fn projects(&mut self, req: &Req) -> Result<Reply, Reply> {
        match (req.method.as_str(), req.path.get(1).map(String::as_str)) {
            ("GET", None) => Ok(Reply::ok(
                self.state
                    .projects
                    .keys()
                    .map(|n| match req.recursion() {
                        0 => json!(format!("/1.0/projects/{n}")),
                        _ => self.project_json(n).unwrap_or_default(),
                    })
                    .collect::<Vec<_>>(),
            )),
            ("POST", None) => {
                let body = req.json()?;
                let name = text(&body, "name");
                if name.is_empty() {
                    return Err(Reply::error(400, "No name provided"));
                }
                if self.state.projects.contains_key(&name) {
                    return Err(Reply::error(
                        409,
                        format!(
                            "Failed creating project \"{name}\": Failed adding database record: \
                             This \"projects\" entry already exists"
                        ),
                    ));
                }
                let mut config = config_of(&body);
                check_project_keys(&config)?;
                for feature in ["images", "profiles", "storage.volumes"] {
                    config
                        .entry(format!("features.{feature}"))
                        .or_insert_with(|| "true".into());
                }
                let mut project = ProjectState {
                    config,
                    description: text(&body, "description"),
                    ..ProjectState::default()
                };
                if project.config["features.profiles"] == "true" {
                    let profile = ProfileState {
                        description: format!("Default LXD profile for project {name}"),
                        ..ProfileState::default()
                    };
                    project.profiles.insert("default".into(), profile);
                }
                self.state.projects.insert(name.clone(), project);
                self.count("project", &name);
                let path = format!("/1.0/projects/{name}");
                self.lifecycle("default", "project-created", &path, json!({}));
                Ok(Reply::Created(path))
            }
            (method, Some(name)) => {
                let told = self
                    .project_json(name)
                    .ok_or_else(|| Reply::not_found("Project"))?;
                let tag = etag(&json!([told["config"], told["description"]]));
                match method {
                    "GET" => Ok(Reply::Sync(told, Some(tag))),
                    "PUT" | "PATCH" => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        let given = config_of(&body);
                        check_project_keys(&given)?;
                        if let Some(p) = self.state.projects.get_mut(name) {
                            if method == "PUT" {
                                p.config = given;
                                p.description = text(&body, "description");
                            } else {
                                lay_over(&mut p.config, given);
                            }
                        }
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    "DELETE" => {
                        if name == "default" {
                            return Err(Reply::error(
                                403,
                                "The 'default' project cannot be deleted",
                            ));
                        }
                        let p = &self.state.projects[name];
                        let empty = p.instances.is_empty()
                            && p.images.is_empty()
                            && p.networks.is_empty()
                            && p.profiles.keys().all(|n| n == "default");
                        if !empty {
                            return Err(Reply::error(400, "Only empty projects can be removed"));
                        }
                        self.state.projects.remove(name);
                        self.dirty = true;
                        let path = format!("/1.0/projects/{name}");
                        self.lifecycle("default", "project-deleted", &path, json!({}));
                        Ok(Reply::empty())
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }

    // ---- profiles

    fn profile_json(&self, project: &str, home: &str, name: &str) -> Option<Value> {
        let profile = self.state.projects.get(home)?.profiles.get(name)?;
        let used: Vec<String> = self
            .state
            .projects
            .iter()
            .filter(|(p, _)| self.effective(p, "profiles") == home)
            .flat_map(|(p, s)| s.instances.iter().map(move |(n, r)| (p, n, r)))
            .filter(|(_, _, r)| r.profiles.iter().any(|x| x == name))
            .map(|(p, n, _)| match p.as_str() {
                "default" => format!("/1.0/instances/{n}"),
                p => format!("/1.0/instances/{n}?project={p}"),
            })
            .collect();
        let _ = project;
        Some(json!({
            "config": profile.config, "description": profile.description,
            "devices": profile.devices, "name": name, "used_by": used,
        }))
    }

    pub(super) fn profiles(&mut self, req: &Req) -> Result<Reply, Reply> {
        let project = req.project();
        if !self.state.projects.contains_key(&project) {
            return Err(Reply::error(
                404,
                format!("Failed loading project \"{project}\": Project not found"),
            ));
        }
        let home = self.effective(&project, "profiles");
        let suffix = if project == "default" {
            String::new()
        } else {
            format!("?project={project}")
        };
        match (req.method.as_str(), req.path.get(1).map(String::as_str)) {
            ("GET", None) => Ok(Reply::ok(
                self.state.projects[&home]
                    .profiles
                    .keys()
                    .map(|n| match req.recursion() {
                        0 => json!(format!("/1.0/profiles/{n}{suffix}")),
                        _ => self.profile_json(&project, &home, n).unwrap_or_default(),
                    })
                    .collect::<Vec<_>>(),
            )),
            ("POST", None) => {
                let body = req.json()?;
                let name = text(&body, "name");
                let config = config_of(&body);
                check_instance_keys(&config)?;
                if self.state.projects[&home].profiles.contains_key(&name) {
                    return Err(Reply::error(
                        500,
                        format!(
                            "Error inserting \"{name}\" into database: The profile already exists"
                        ),
                    ));
                }
                let profile = ProfileState {
                    config,
                    description: text(&body, "description"),
                    devices: devices_of(&body),
                };
                if let Some(p) = self.state.projects.get_mut(&home) {
                    p.profiles.insert(name.clone(), profile);
                }
                self.count("profile", &name);
                let path = format!("/1.0/profiles/{name}");
                self.lifecycle(&project, "profile-created", &path, json!({}));
                Ok(Reply::Created(path))
            }
            (method, Some(name)) => {
                let Some(told) = self.profile_json(&project, &home, name) else {
                    return Err(Reply::error(
                        404,
                        match method {
                            "DELETE" => "Profile not found",
                            _ => "Fetch profile: Profile not found",
                        },
                    ));
                };
                let tag = etag(&json!([
                    told["config"],
                    told["description"],
                    told["devices"]
                ]));
                match method {
                    "GET" => Ok(Reply::Sync(told, Some(tag))),
                    "PUT" | "PATCH" => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        let given = config_of(&body);
                        check_instance_keys(&given)?;
                        if let Some(p) = self
                            .state
                            .projects
                            .get_mut(&home)
                            .and_then(|p| p.profiles.get_mut(name))
                        {
                            if method == "PUT" {
                                p.config = given;
                                p.devices = devices_of(&body);
                                p.description = text(&body, "description");
                            } else {
                                lay_over(&mut p.config, given);
                                p.devices.extend(devices_of(&body));
                            }
                        }
                        self.dirty = true;
                        let path = format!("/1.0/profiles/{name}");
                        self.lifecycle(&project, "profile-updated", &path, json!({}));
                        Ok(Reply::empty())
                    }
                    "DELETE" => {
                        if name == "default" {
                            return Err(Reply::error(
                                403,
                                "The 'default' profile cannot be deleted",
                            ));
                        }
                        if told["used_by"].as_array().is_some_and(|u| !u.is_empty()) {
                            return Err(Reply::error(400, "Profile is currently in use"));
                        }
                        if let Some(p) = self.state.projects.get_mut(&home) {
                            p.profiles.remove(name);
                        }
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }

    // ---- networks

    fn network_json(&self, home: &str, name: &str) -> Option<Value> {
        if let Some(n) = self.state.projects.get(home)?.networks.get(name) {
            return Some(json!({
                "config": n.config, "description": n.description, "name": name, "type": n.kind,
                "used_by": null, "managed": true, "status": "Created", "locations": ["none"],
            }));
        }
        let kind = self.machine.interfaces.get(name)?;
        Some(json!({
            "config": {}, "description": "", "name": name, "type": kind, "used_by": null,
            "managed": false, "status": "", "locations": null,
        }))
    }

    pub(super) fn networks(&mut self, req: &Req) -> Result<Reply, Reply> {
        let home = self.effective(&req.project(), "networks");
        let rest = req.path.get(2).map(String::as_str);
        match (
            req.method.as_str(),
            req.path.get(1).map(String::as_str),
            rest,
        ) {
            ("GET", None, _) => {
                let names = self.state.projects[&home]
                    .networks
                    .keys()
                    .chain(self.machine.interfaces.keys());
                Ok(Reply::ok(
                    names
                        .map(|n| match req.recursion() {
                            0 => json!(format!("/1.0/networks/{n}")),
                            _ => self.network_json(&home, n).unwrap_or_default(),
                        })
                        .collect::<Vec<_>>(),
                ))
            }
            ("POST", None, _) => {
                let body = req.json()?;
                let name = text(&body, "name");
                let mut config = config_of(&body);
                let taken = self.state.projects[&home].networks.contains_key(&name)
                    || self.machine.interfaces.contains_key(&name);
                if taken {
                    return Err(Reply::error(400, "The network already exists"));
                }
                check_address(&name, &config)?;
                self.state.serial += 1;
                let n = self.state.serial;
                let auto = |v: Option<&String>| v.is_none_or(|v| v == "auto");
                if auto(config.get("ipv4.address")) {
                    config.insert("ipv4.address".into(), format!("10.208.{}.1/24", n % 250));
                    config
                        .entry("ipv4.nat".into())
                        .or_insert_with(|| "true".into());
                }
                if auto(config.get("ipv6.address")) {
                    config.insert("ipv6.address".into(), format!("fd42:0:0:{n:x}::1/64"));
                    config
                        .entry("ipv6.nat".into())
                        .or_insert_with(|| "true".into());
                }
                let network = NetworkState {
                    config,
                    description: text(&body, "description"),
                    kind: match text(&body, "type") {
                        k if k.is_empty() => "bridge".into(),
                        k => k,
                    },
                };
                if let Some(p) = self.state.projects.get_mut(&home) {
                    p.networks.insert(name.clone(), network);
                }
                self.count("network", &name);
                let path = format!("/1.0/networks/{name}");
                self.lifecycle(&home, "network-created", &path, json!({}));
                Ok(Reply::Created(path))
            }
            (method, Some(name), rest) => {
                let told = self
                    .network_json(&home, name)
                    .ok_or_else(|| Reply::not_found("Network"))?;
                let tag = etag(&json!([told["config"], told["description"]]));
                let managed = told["managed"] == true;
                match (method, rest) {
                    ("GET", None) => Ok(Reply::Sync(told, Some(tag))),
                    ("GET", Some("state")) => Ok(Reply::ok(network_state(&told))),
                    ("GET", Some("leases")) => Ok(Reply::ok(leases(&told))),
                    ("PUT" | "PATCH", None) if managed => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        let given = config_of(&body);
                        check_address(name, &given)?;
                        if let Some(n) = self
                            .state
                            .projects
                            .get_mut(&home)
                            .and_then(|p| p.networks.get_mut(name))
                        {
                            if method == "PUT" {
                                n.config = given;
                                n.description = text(&body, "description");
                            } else {
                                lay_over(&mut n.config, given);
                            }
                        }
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    ("DELETE", None) if managed => {
                        if let Some(p) = self.state.projects.get_mut(&home) {
                            p.networks.remove(name);
                        }
                        self.dirty = true;
                        let path = format!("/1.0/networks/{name}");
                        self.lifecycle(&home, "network-deleted", &path, json!({}));
                        Ok(Reply::empty())
                    }
                    ("PUT" | "PATCH" | "DELETE", None) => {
                        Err(Reply::error(400, "Only managed networks can be modified"))
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }

    // ---- storage

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
                if self.state.pools.contains_key(&name) {
                    return Err(Reply::error(
                        409,
                        "The storage pool already exists: The record already exists",
                    ));
                }
                if !matches!(driver.as_str(), "dir" | "btrfs" | "lvm") {
                    return Err(Reply::error(
                        500,
                        format!(
                            "Error loading \"{driver}\" module: Failed to run: modprobe -b {driver}"
                        ),
                    ));
                }
                let mut config = config_of(&body);
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
                match (method, rest) {
                    // Pools have no ETag in 5.0.2.
                    ("GET", []) => Ok(Reply::ok(told)),
                    ("GET", ["resources"]) => Ok(Reply::ok(json!({
                        "space": {"used": self.machine.pool / 16, "total": self.machine.pool},
                        "inodes": {"used": 100_000, "total": 16_777_216},
                    }))),
                    ("PUT" | "PATCH", []) => {
                        let body = req.json()?;
                        let given = config_of(&body);
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

    fn volumes(&mut self, req: &Req, pool: &str, rest: &[&str]) -> Result<Reply, Reply> {
        let project = self.effective(&req.project(), "storage.volumes");
        let Some(state) = self.state.pools.get_mut(pool) else {
            return Err(Reply::not_found("Storage pool"));
        };
        let tell = |key: &str, v: &VolumeState| {
            json!({
                "config": v.config, "description": v.description,
                "name": key.split_once('/').map_or(key, |(_, n)| n), "type": "custom",
                "used_by": [], "location": "none", "content_type": v.content_type,
                "project": project,
            })
        };
        match (req.method.as_str(), rest) {
            ("GET", [] | ["custom"]) => {
                let prefix = format!("{project}/");
                let mine = state.volumes.iter().filter(|(k, _)| k.starts_with(&prefix));
                Ok(Reply::ok(
                    mine.map(|(k, v)| match req.recursion() {
                        0 => json!(format!(
                            "/1.0/storage-pools/{pool}/volumes/custom/{}",
                            &k[prefix.len()..]
                        )),
                        _ => tell(k, v),
                    })
                    .collect::<Vec<_>>(),
                ))
            }
            ("POST", ["custom"]) => {
                let body = req.json()?;
                let name = text(&body, "name");
                let key = format!("{project}/{name}");
                if state.volumes.contains_key(&key) {
                    return Err(Reply::error(409, "Volume by that name already exists"));
                }
                let volume = VolumeState {
                    config: config_of(&body),
                    description: text(&body, "description"),
                    content_type: match text(&body, "content_type") {
                        c if c.is_empty() => "filesystem".into(),
                        c => c,
                    },
                };
                state.volumes.insert(key, volume);
                self.count("storage-volume", &name);
                Ok(Reply::Created(format!(
                    "/1.0/storage-pools/{pool}/volumes/custom/{name}"
                )))
            }
            (method, ["custom", name]) => {
                let key = format!("{project}/{name}");
                let Some(volume) = state.volumes.get_mut(&key) else {
                    return Err(Reply::not_found("Storage volume"));
                };
                let told = tell(&key, volume);
                let tag = etag(&json!([told["config"], told["description"]]));
                match method {
                    "GET" => Ok(Reply::Sync(told, Some(tag))),
                    "PUT" => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        volume.config = config_of(&body);
                        volume.description = text(&body, "description");
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    "DELETE" => {
                        state.volumes.remove(&key);
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }
}

fn check_project_keys(config: &Config) -> Result<(), Reply> {
    for key in config.keys() {
        let known = [
            "features.",
            "limits.",
            "restricted",
            "user.",
            "images.",
            "backups.",
        ]
        .iter()
        .any(|p| key.starts_with(p));
        if !known {
            return Err(Reply::error(
                400,
                format!("Invalid project configuration key \"{key}\""),
            ));
        }
    }
    Ok(())
}

fn check_address(name: &str, config: &Config) -> Result<(), Reply> {
    for key in ["ipv4.address", "ipv6.address"] {
        let Some(value) = config.get(key) else {
            continue;
        };
        let fine = matches!(value.as_str(), "" | "auto" | "none")
            || value.split_once('/').is_some_and(|(a, bits)| {
                a.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok()
            });
        if !fine {
            return Err(Reply::error(
                500,
                format!(
                    "Invalid value for network \"{name}\" option \"{key}\": invalid CIDR address: \
                     {value}"
                ),
            ));
        }
    }
    Ok(())
}

fn addresses(told: &Value) -> Vec<(&'static str, String, String)> {
    [("inet", "ipv4.address"), ("inet6", "ipv6.address")]
        .iter()
        .filter_map(|(family, key)| {
            let (address, bits) = told["config"][*key].as_str()?.split_once('/')?;
            Some((*family, address.to_owned(), bits.to_owned()))
        })
        .collect()
}

fn network_state(told: &Value) -> Value {
    let addresses: Vec<Value> = addresses(told)
        .into_iter()
        .map(|(family, address, netmask)| {
            json!({"family": family, "address": address, "netmask": netmask, "scope": "global"})
        })
        .collect();
    json!({
        "addresses": addresses, "hwaddr": "00:16:3e:00:00:01", "mtu": 1500, "state": "up",
        "counters": {"bytes_received": 0, "bytes_sent": 0, "packets_received": 0, "packets_sent": 0},
        "type": "broadcast", "bond": null, "bridge": null, "vlan": null, "ovn": null,
    })
}

fn leases(told: &Value) -> Vec<Value> {
    let name = told["name"].as_str().unwrap_or_default();
    addresses(told)
        .into_iter()
        .map(|(_, address, _)| {
            json!({
                "hostname": format!("{name}.gw"), "hwaddr": "", "address": address,
                "type": "gateway", "location": "",
            })
        })
        .collect()
}
