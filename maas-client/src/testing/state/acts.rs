//! How a world begins, and what is asked of it.

use super::*;

impl Default for State {
    fn default() -> Self {
        let mut config = BTreeMap::new();
        for (name, value) in super::super::defaults::CONFIG {
            config.insert(
                (*name).to_owned(),
                serde_json::from_str(value).unwrap_or(Value::Null),
            );
        }
        let releases = [
            ("bionic", "18.04", &["amd64", "arm64"][..]),
            ("focal", "20.04", &["amd64", "arm64"]),
            ("jammy", "22.04", &["amd64", "arm64"]),
            ("noble", "24.04", &["amd64", "arm64"]),
        ];
        Self {
            serving: false,
            serving_from: Duration::ZERO,
            initialised: false,
            version: "3.4.10".into(),
            epoch: std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0)),
            now: Duration::ZERO,
            seed: 7,
            next: BTreeMap::new(),
            counts: BTreeMap::new(),
            rack: Rack::default(),
            users: Vec::new(),
            tokens: Vec::new(),
            nonces: VecDeque::new(),
            config,
            ssh_keys: Vec::new(),
            tags: vec![Tag {
                name: "virtual".into(),
                ..Tag::default()
            }],
            zones: vec![Named {
                id: 1,
                name: "default".into(),
                description: String::new(),
            }],
            pools: vec![Named {
                id: 0,
                name: "default".into(),
                description: "Default pool".into(),
            }],
            domains: vec![Named {
                id: 0,
                name: "maas".into(),
                description: String::new(),
            }],
            spaces: Vec::new(),
            fabrics: vec![Fabric {
                id: 0,
                name: "fabric-0".into(),
                class_type: None,
            }],
            vlans: vec![Vlan {
                id: 1,
                fabric: 0,
                vid: 0,
                name: "untagged".into(),
                mtu: 1500,
                ..Vlan::default()
            }],
            subnets: Vec::new(),
            ranges: Vec::new(),
            routes: Vec::new(),
            leases: Vec::new(),
            reserved: Vec::new(),
            dns: Vec::new(),
            sources: Vec::new(),
            selections: Vec::new(),
            resources: Vec::new(),
            import: None,
            fail_next_import: None,
            rack_synced: true,
            rack_sync_due: None,
            rack_images: Vec::new(),
            machines: Vec::new(),
            enlisting: Vec::new(),
            vm_hosts: Vec::new(),
            events: Vec::new(),
            results: Vec::new(),
            catalogue: releases
                .iter()
                .map(|(release, version, arches)| Release {
                    os: "ubuntu".into(),
                    release: (*release).into(),
                    version: (*version).into(),
                    arches: arches.iter().map(|a| (*a).to_owned()).collect(),
                })
                .collect(),
        }
    }
}

impl State {
    /// The next id of a kind of object, from 1 unless it was set.
    pub(crate) fn next_id(&mut self, kind: &str) -> i64 {
        let next = self.next.entry(kind.to_owned()).or_insert(1);
        let id = *next;
        *next += 1;
        id
    }

    /// Makes the next id of a kind be at least this.
    pub(crate) fn reserve_id(&mut self, kind: &str, used: i64) {
        let next = self.next.entry(kind.to_owned()).or_insert(1);
        *next = (*next).max(used + 1);
    }

    /// Counts a creation.
    pub(crate) fn count(&mut self, key: impl Into<String>) {
        *self.counts.entry(key.into()).or_default() += 1;
    }

    /// A number that is the same in every run of the same world.
    pub(crate) fn random(&mut self) -> u64 {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Text of so many letters and digits.
    pub(crate) fn random_text(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 55] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789";
        (0..length)
            .map(|_| {
                let at = usize::try_from(self.random() % LETTERS.len() as u64).unwrap_or(0);
                char::from(LETTERS[at])
            })
            .collect()
    }

    pub(crate) fn new_system_id(&mut self) -> String {
        loop {
            let mut n = self.random();
            let id: String = (0..6)
                .map(|_| {
                    let at = usize::try_from(n % 24).unwrap_or(0);
                    n /= 24;
                    char::from(ID_LETTERS[at])
                })
                .collect();
            if id != self.rack.system_id && !self.machines.iter().any(|m| m.system_id == id) {
                return id;
            }
        }
    }

    /// A name such as MAAS makes up.
    pub(crate) fn new_hostname(&mut self) -> String {
        const FIRST: [&str; 12] = [
            "alive", "actual", "wired", "trusty", "brave", "calm", "eager", "fast", "keen",
            "lucky", "merry", "solid",
        ];
        const SECOND: [&str; 12] = [
            "raptor", "bream", "rhino", "seal", "otter", "lynx", "heron", "ibex", "koala", "moth",
            "newt", "quail",
        ];
        loop {
            let n = usize::try_from(self.random() % 144).unwrap_or(0);
            let name = format!("{}-{}", FIRST[n / 12], SECOND[n % 12]);
            let taken = self.machines.iter().any(|m| m.hostname == name)
                || self.vm_hosts.iter().any(|v| v.name == name);
            if !taken {
                return name;
            }
            if self.machines.len() > 100 {
                let n = self.next_id("hostname");
                return format!("{name}-{n}");
            }
        }
    }

    pub(crate) fn event(&mut self, node: &str, level: &str, kind: &str, description: &str) {
        let id = self.next_id("event");
        let hostname = self
            .machines
            .iter()
            .find(|m| m.system_id == node)
            .map_or_else(String::new, |m| m.hostname.clone());
        let at = self.now;
        self.events.push(Event {
            id,
            node: node.to_owned(),
            hostname,
            username: "unknown".into(),
            level: level.to_owned(),
            at,
            kind: kind.to_owned(),
            description: description.to_owned(),
        });
        // The region keeps more; a fake that runs for days must not grow without end.
        if self.events.len() > 5000 {
            self.events.drain(..1000);
        }
    }

    pub(crate) fn machine(&self, id: &str) -> Option<&Machine> {
        self.machines.iter().find(|m| m.system_id == id)
    }

    pub(crate) fn machine_mut(&mut self, id: &str) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|m| m.system_id == id)
    }

    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|u| u.username == name)
    }

    /// Architectures of which images are there.
    pub(crate) fn architectures(&self) -> Vec<String> {
        let set: BTreeSet<String> = self
            .resources
            .iter()
            .filter_map(|r| r.architecture.split('/').next())
            .map(|a| format!("{a}/generic"))
            .collect();
        set.into_iter().collect()
    }

    /// Releases of which images are there.
    pub(crate) fn releases(&self) -> Vec<String> {
        let set: BTreeSet<String> = self
            .resources
            .iter()
            .filter_map(|r| r.name.strip_prefix("ubuntu/"))
            .map(str::to_owned)
            .collect();
        set.into_iter().collect()
    }

    /// Whether machines can be booted to be commissioned.
    pub(crate) fn can_commission(&self) -> bool {
        let series = self
            .config
            .get("commissioning_distro_series")
            .and_then(Value::as_str)
            .unwrap_or("focal");
        self.rack.connected
            && self
                .resources
                .iter()
                .any(|r| r.name == format!("ubuntu/{series}") && self.rack_images.contains(&r.id))
    }

    pub(crate) fn series_to_commission(&self) -> &str {
        self.config
            .get("commissioning_distro_series")
            .and_then(Value::as_str)
            .unwrap_or("focal")
    }

    /// Every address that something has, or is kept for something.
    pub(crate) fn address_taken(&self, ip: std::net::IpAddr) -> bool {
        let text = ip.to_string();
        self.rack.addresses.iter().any(|(a, _)| *a == text)
            || self.leases.iter().any(|l| l.ip == text)
            || self.reserved.iter().any(|r| r.ip == text)
            || self.dns.iter().any(|d| d.ips.contains(&text))
            || self
                .subnets
                .iter()
                .any(|s| s.gateway_ip.as_deref() == Some(&text) || s.dns_servers.contains(&text))
            || self
                .machines
                .iter()
                .flat_map(|m| &m.interfaces)
                .flat_map(|i| &i.links)
                .any(|l| l.ip.as_deref() == Some(&text))
            || self.ranges.iter().any(|r| {
                match (
                    r.start.parse::<std::net::IpAddr>(),
                    r.end.parse::<std::net::IpAddr>(),
                ) {
                    (Ok(start), Ok(end)) => start <= ip && ip <= end,
                    _ => false,
                }
            })
    }

    /// Some free address of a subnet: MAAS does not take the lowest first, and neither is that promised here.
    pub(crate) fn free_address(&mut self, subnet: i64) -> Option<String> {
        let net: ipnet::Ipv4Net = self
            .subnets
            .iter()
            .find(|s| s.id == subnet)?
            .cidr
            .parse()
            .ok()?;
        let hosts = 1u64 << (32 - u32::from(net.prefix_len())).min(31);
        let start = self.random() % hosts;
        (0..hosts.min(70_000))
            .map(|i| (start + i) % hosts)
            .find_map(|offset| {
                if offset == 0 || offset == hosts - 1 {
                    return None;
                }
                let ip = std::net::Ipv4Addr::from(
                    u32::from(net.network()) + u32::try_from(offset).ok()?,
                );
                (!self.address_taken(ip.into())).then(|| ip.to_string())
            })
    }

    /// Adds a set of results to a node.
    pub(crate) fn new_results(&mut self, node: &str, kind: i64) -> i64 {
        let id = self.next_id("results");
        let names: &[&str] = match kind {
            0 => super::super::defaults::COMMISSIONING_SCRIPTS,
            1 => &["/tmp/install.log"],
            _ => &["smartctl-validate"],
        };
        let scripts = names
            .iter()
            .map(|n| (self.next_id("result"), (*n).to_owned()))
            .collect();
        self.results.push(ResultSet {
            id,
            node: node.to_owned(),
            kind,
            scripts,
            ..ResultSet::default()
        });
        id
    }

    pub(crate) fn results_mut(&mut self, id: Option<i64>) -> Option<&mut ResultSet> {
        self.results.iter_mut().find(|r| Some(r.id) == id)
    }

    pub(crate) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({}))
    }
}
