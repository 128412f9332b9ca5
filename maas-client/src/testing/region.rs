//! What a test or a lab asks of a region, and causes in it.

use super::*;

impl FakeRegion {
    /// Sets one up.
    pub fn builder() -> FakeRegionBuilder {
        FakeRegionBuilder {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            clock: None,
            durations: Durations::default(),
            tap: None,
            changed: None,
            power: None,
            vm_hosts: None,
            state: None,
            version: None,
            rack: RackSpec::default(),
            asleep: false,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL, ending in `/MAAS/`.
    pub fn url(&self) -> String {
        format!("http://{}/MAAS/", self.addr)
    }

    /// The whole state.
    pub fn snapshot(&self) -> Value {
        self.shared.lock().to_value()
    }

    /// Takes a state in place of its own.
    ///
    /// # Errors
    /// When it is none.
    pub fn restore(&self, snapshot: Value) -> Result<(), serde_json::Error> {
        let state = serde_json::from_value(snapshot)?;
        *self.shared.lock() = state;
        Ok(())
    }

    /// How often each kind of thing was created.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.shared.lock().counts.clone()
    }

    /// Lets the time that has passed take effect now.
    pub async fn tick(&self) {
        self.shared.tick().await;
    }

    /// Changes how long things last from here on.
    pub fn set_durations(&self, durations: Durations) {
        *self
            .shared
            .durations
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = durations;
    }

    /// Lets every request pass this from here on, or nothing.
    pub fn set_tap(&self, tap: Option<Tap>) {
        *self
            .shared
            .tap
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = tap;
    }

    /// What `maas init` does: the region has its database, its rack and its networks.
    pub fn initialise(&self) {
        self.shared.initialise();
        self.shared.changed();
    }

    /// Whether that has happened.
    pub fn is_initialised(&self) -> bool {
        self.shared.lock().initialised
    }

    /// Starts (after `http_up`) or stops the HTTP server.
    pub fn set_serving(&self, serving: bool) {
        let up = self.shared.durations().http_up;
        {
            let mut s = self.shared.lock();
            if serving && !s.serving {
                s.serving_from = s.now + up;
            }
            s.serving = serving;
        }
        self.shared.changed();
    }

    /// Whether requests are answered at this moment.
    pub fn is_serving(&self) -> bool {
        self.shared.answers()
    }

    /// What `maas createadmin` does. False when there is a user of that name.
    pub fn create_admin(&self, user: &str, password: &str, email: &str) -> bool {
        let new = {
            let mut s = self.shared.lock();
            let new = s.user(user).is_none();
            basics::add_user(&mut s, user, email, password, true);
            new
        };
        self.shared.changed();
        new
    }

    /// Whether there is a user of that name.
    pub fn has_user(&self, user: &str) -> bool {
        self.shared.lock().user(user).is_some()
    }

    /// Whether an API key is one of a user's.
    pub fn holds_key(&self, user: &str, key: &str) -> bool {
        let s = self.shared.lock();
        s.tokens
            .iter()
            .any(|t| t.user == user && format!("{}:{}:{}", t.consumer, t.token, t.secret) == key)
    }

    /// What `maas apikey --username` prints: the user's first key, made when there is none.
    pub fn api_key(&self, user: &str) -> String {
        let t = {
            let mut s = self.shared.lock();
            let first = s.tokens.iter().find(|t| t.user == user).cloned();
            first.unwrap_or_else(|| basics::token(&mut s, user, "MAAS consumer", true))
        };
        self.shared.changed();
        format!("{}:{}:{}", t.consumer, t.token, t.secret)
    }

    /// A machine that MAAS does not know has booted from the network: it is New after a while.
    pub fn enlist(&self, spec: MachineSpec) {
        let lasts = self.shared.durations().enlist;
        {
            let mut s = self.shared.lock();
            let macs: Vec<String> = spec.macs.iter().map(|m| m.to_lowercase()).collect();
            let known = s
                .machines
                .iter()
                .flat_map(|m| &m.interfaces)
                .any(|i| macs.contains(&i.mac));
            let coming = s
                .enlisting
                .iter()
                .any(|e| e.spec.macs.iter().any(|m| macs.contains(&m.to_lowercase())));
            if known || coming {
                return;
            }
            let due = s.now + lasts;
            s.enlisting.push(state::Enlisting { due, spec });
        }
        self.shared.changed();
    }

    /// A machine has booted from the network: commissioning, testing, deployment or erasing goes on.
    /// False when MAAS does not know the MAC address: [`enlist`](Self::enlist) it.
    pub fn machine_booted(&self, mac: &str) -> bool {
        let durations = self.shared.durations();
        let known = {
            let mut s = self.shared.lock();
            let id = s
                .machines
                .iter()
                .find(|m| m.interfaces.iter().any(|i| i.mac.eq_ignore_ascii_case(mac)))
                .map(|m| m.system_id.clone());
            if let Some(id) = &id {
                progress::booted(&mut s, &durations, id);
            }
            id.is_some()
        };
        self.shared.changed();
        known
    }

    /// The DHCP server has leased an address: `op=ip_addresses` shows it.
    pub fn add_lease(&self, ip: &str, mac: &str) {
        {
            let mut s = self.shared.lock();
            let at = s.now;
            s.leases.retain(|l| l.ip != ip && l.mac != mac);
            s.leases.push(state::Lease {
                ip: ip.into(),
                mac: mac.into(),
                at,
            });
        }
        self.shared.changed();
    }

    /// Whether DHCP is served in the network of this address.
    pub fn serves_dhcp(&self, ip: &str) -> bool {
        let s = self.shared.lock();
        let Ok(ip) = ip.parse::<std::net::IpAddr>() else {
            return false;
        };
        s.subnets
            .iter()
            .filter(|n| {
                n.cidr
                    .parse::<ipnet::IpNet>()
                    .is_ok_and(|net| net.contains(&ip))
            })
            .any(|n| s.vlans.iter().any(|v| v.id == n.vlan && v.dhcp_on))
    }

    /// Whether the region has an image.
    pub fn has_images(&self) -> bool {
        !self.shared.lock().releases().is_empty()
    }

    /// The dynamic ranges, each as first and last address.
    pub fn dynamic_ranges(&self) -> Vec<(String, String)> {
        self.shared
            .lock()
            .ranges
            .iter()
            .filter(|r| r.kind == "dynamic")
            .map(|r| (r.start.clone(), r.end.clone()))
            .collect()
    }

    /// Lets the next import end without images, or (`stalled`) not end at all.
    pub fn fail_next_import(&self, stalled: bool) {
        self.shared.lock().fail_next_import =
            Some(if stalled { "stalled" } else { "failed" }.into());
        self.shared.changed();
    }

    /// Lets a machine's next commissioning, test or deployment fail. False when there is none of that id.
    pub fn fail_next(&self, system_id: &str) -> bool {
        let found = self
            .shared
            .lock()
            .machine_mut(system_id)
            .map(|m| m.fail_next = true)
            .is_some();
        self.shared.changed();
        found
    }

    /// For so long every power action on a machine is refused with 503 "another action is already in
    /// progress"; no time ends it. False when there is none of that id.
    pub fn set_power_busy(&self, system_id: &str, lasts: Duration) -> bool {
        let mut s = self.shared.lock();
        let until = s.now + lasts;
        let found = s
            .machine_mut(system_id)
            .map(|m| m.power_busy_until = until)
            .is_some();
        drop(s);
        self.shared.changed();
        found
    }

    /// Connects the rack to its region, or cuts it off.
    pub fn set_rack_connected(&self, connected: bool) {
        self.shared.lock().rack.connected = connected;
        self.shared.changed();
    }

    /// Has the images of a release at once, on region and rack: for tests that are not about the import.
    pub fn import_now(&self, release: &str, arches: &[&str]) {
        {
            let mut s = self.shared.lock();
            let source = s.sources.first().map_or(1, |b| b.id);
            let id = s.next_id("selection");
            s.selections.push(state::Selection {
                id,
                source,
                os: "ubuntu".into(),
                release: release.into(),
                arches: arches.iter().map(|a| (*a).to_owned()).collect(),
                subarches: vec!["*".into()],
                labels: vec!["*".into()],
            });
            s.import = Some(state::Import {
                ends: s.now,
                failing: false,
                stalled: false,
            });
            let none = Durations::default();
            boot::finish_import(&mut s, &none);
            boot::finish_sync(&mut s);
        }
        self.shared.changed();
    }

    /// The machines as they are.
    pub fn machines(&self) -> Vec<MachineView> {
        self.shared.lock().machines.iter().map(view).collect()
    }

    /// One machine.
    pub fn machine(&self, system_id: &str) -> Option<MachineView> {
        self.shared.lock().machine(system_id).map(view)
    }

    /// The machine with this MAC address.
    pub fn machine_by_mac(&self, mac: &str) -> Option<MachineView> {
        self.shared
            .lock()
            .machines
            .iter()
            .find(|m| m.interfaces.iter().any(|i| i.mac.eq_ignore_ascii_case(mac)))
            .map(view)
    }

    /// Takes a machine for a user, as `op=allocate` does; its id. The error is MAAS's status and text.
    ///
    /// # Errors
    /// 400 for constraints that MAAS does not know, 409 when nothing fits.
    pub async fn allocate_for(
        &self,
        user: &str,
        constraints: &Constraints,
    ) -> Result<String, (u16, String)> {
        self.shared.tick().await;
        let outcome = allocate::allocate(&self.shared, &constraints.0, user).await;
        self.shared.changed();
        outcome.map_err(said)
    }

    /// Deploys a machine, as `op=deploy` does.
    ///
    /// # Errors
    /// MAAS's status and text.
    pub async fn deploy(
        &self,
        system_id: &str,
        user: &str,
        series: &str,
        user_data: Option<&[u8]>,
    ) -> Result<(), (u16, String)> {
        use base64::Engine;
        let mut form = vec![("distro_series".to_owned(), series.to_owned())];
        if let Some(data) = user_data {
            form.push((
                "user_data".into(),
                base64::engine::general_purpose::STANDARD.encode(data),
            ));
        }
        self.machine_op(system_id, user, "deploy", form).await
    }

    /// Gives a machine back, as `op=release` does.
    ///
    /// # Errors
    /// MAAS's status and text.
    pub async fn release(&self, system_id: &str, user: &str) -> Result<(), (u16, String)> {
        self.machine_op(system_id, user, "release", Vec::new())
            .await
    }

    async fn machine_op(
        &self,
        id: &str,
        user: &str,
        op: &str,
        form: Vec<(String, String)>,
    ) -> Result<(), (u16, String)> {
        self.shared.tick().await;
        let req = reply::Req {
            method: http::Method::POST,
            path: String::new(),
            segments: vec!["machines".into(), id.into()],
            op: Some(op.into()),
            query: Vec::new(),
            form,
            json: false,
            user: user.into(),
            superuser: true,
        };
        let mut removals = Vec::new();
        let outcome = machines::machine(
            &mut self.shared.lock(),
            &self.shared.durations(),
            &req,
            id,
            &mut removals,
        );
        self.shared.remove(removals);
        self.shared.changed();
        outcome.map(|_| ()).map_err(said)
    }
}

pub(super) fn said(reply: reply::Reply) -> (u16, String) {
    (
        reply.status,
        String::from_utf8_lossy(&reply.body).into_owned(),
    )
}

pub(super) fn view(m: &state::Machine) -> MachineView {
    use base64::Engine;
    MachineView {
        system_id: m.system_id.clone(),
        hostname: m.hostname.clone(),
        status: m.status,
        tags: m.tags.iter().cloned().collect(),
        macs: m
            .interfaces
            .iter()
            .filter(|i| i.kind == "physical")
            .map(|i| i.mac.clone())
            .collect(),
        ip_addresses: render::addresses(m),
        owner_data: m.owner_data.clone(),
        user_data: m
            .user_data
            .as_ref()
            .and_then(|d| base64::engine::general_purpose::STANDARD.decode(d).ok()),
        agent_name: m.agent_name.clone(),
        cores: m.hardware.cores,
        memory_mb: m.hardware.memory_mb,
        disks: m.hardware.disks.clone(),
        zone: m.zone.clone(),
        vm_host: m.vm_host,
        instance: m.instance.clone(),
        interfaces: m
            .interfaces
            .iter()
            .map(|i| InterfaceView {
                name: i.name.clone(),
                kind: i.kind.clone(),
                mac: i.mac.clone(),
                addresses: i.links.iter().filter_map(|l| l.ip.clone()).collect(),
            })
            .collect(),
        power_type: m.power_type.clone(),
        power_parameters: m.power_parameters.clone(),
    }
}
