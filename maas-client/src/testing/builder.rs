//! What a region is built with.

use super::*;

/// The machine that the region and its rack run on.
#[derive(Clone, Debug)]
pub struct RackSpec {
    /// Its name.
    pub hostname: String,
    /// Its MAC address.
    pub mac: String,
    /// Its interface's name.
    pub interface: String,
    /// Its addresses with their prefix length, such as `10.42.0.1/16`: each makes a subnet.
    pub addresses: Vec<String>,
    /// Its cores.
    pub cores: u64,
    /// Its memory in MiB.
    pub memory_mb: u64,
}

impl Default for RackSpec {
    fn default() -> Self {
        Self {
            hostname: "vm".into(),
            mac: "7a:07:79:b5:5c:3f".into(),
            interface: "eth0".into(),
            addresses: vec!["10.70.0.1/24".into()],
            cores: 8,
            memory_mb: 15918,
        }
    }
}

impl FakeRegionBuilder {
    /// Listens here; by default on a free port of the loopback.
    #[must_use]
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// Takes its time from here; by default from the real clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long things last; by default no time at all.
    #[must_use]
    pub fn durations(mut self, durations: Durations) -> Self {
        self.durations = durations;
        self
    }

    /// Lets every request pass this.
    #[must_use]
    pub fn tap(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Is called after each change of state, before the answer goes out.
    #[must_use]
    pub fn changed(mut self, changed: Changed) -> Self {
        self.changed = Some(changed);
        self
    }

    /// Powers machines by this. Then machines boot only when [`FakeRegion::machine_booted`] says so.
    #[must_use]
    pub fn power(mut self, driver: Arc<dyn PowerDriver>) -> Self {
        self.power = Some(driver);
        self
    }

    /// Talks to VM hosts by this.
    #[must_use]
    pub fn vm_hosts(mut self, driver: Arc<dyn VmHostDriver>) -> Self {
        self.vm_hosts = Some(driver);
        self
    }

    /// Goes on from a [`FakeRegion::snapshot`].
    #[must_use]
    pub fn state(mut self, snapshot: Value) -> Self {
        self.state = Some(snapshot);
        self
    }

    /// Says that it is this version, such as `3.5.1`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Runs on this machine.
    #[must_use]
    pub fn rack(mut self, rack: RackSpec) -> Self {
        self.rack = rack;
        self
    }

    /// Begins before `maas init`: nothing is initialised and nothing answers until
    /// [`FakeRegion::initialise`] and [`FakeRegion::set_serving`].
    #[must_use]
    pub fn uninitialised(mut self) -> Self {
        self.asleep = true;
        self
    }

    /// Starts the region.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the snapshot is none.
    pub async fn start(self) -> std::io::Result<FakeRegion> {
        let listener = TcpListener::bind(self.addr).await?;
        let addr = listener.local_addr()?;
        let began = Instant::now();
        let clock = self
            .clock
            .unwrap_or_else(|| Arc::new(move || began.elapsed()));
        let restored = self.state.is_some();
        let mut state = match self.state {
            Some(value) => serde_json::from_value(value).map_err(std::io::Error::other)?,
            None => State::default(),
        };
        if let Some(version) = self.version {
            state.version = version;
        }
        if !restored {
            state.rack = state::Rack {
                hostname: self.rack.hostname.clone(),
                mac: self.rack.mac.clone(),
                interface: self.rack.interface.clone(),
                addresses: self.rack.addresses.iter().map(|a| (a.clone(), 0)).collect(),
                cores: self.rack.cores,
                memory_mb: self.rack.memory_mb,
                ..state::Rack::default()
            };
        }
        state.now = clock();
        let shared = Arc::new_cyclic(|me| Shared {
            state: Mutex::new(state),
            durations: Mutex::new(self.durations),
            clock,
            tap: Mutex::new(self.tap),
            changed: Mutex::new(self.changed),
            boots_itself: self.power.is_none(),
            power: self
                .power
                .unwrap_or_else(|| Arc::new(standin::AlwaysPower::default())),
            vm_hosts: self
                .vm_hosts
                .unwrap_or_else(|| Arc::new(standin::SpareHost::default())),
            allocating: tokio::sync::Mutex::new(()),
            in_flight: Mutex::new(BTreeSet::new()),
            me: me.clone(),
        });
        if !restored && !self.asleep {
            shared.initialise();
            let mut s = shared.lock();
            s.serving = true;
        }
        let tasks = vec![
            tokio::spawn(accept(listener, shared.clone())),
            tokio::spawn(run(shared.clone())),
        ];
        Ok(FakeRegion {
            shared,
            addr,
            tasks,
        })
    }
}
