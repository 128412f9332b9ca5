//! What a fake is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::{Changed, Clock, Durations, Fake, InstanceWorld, Machine, Tap};
use crate::Result;

/// Prepares a [`Fake`].
#[non_exhaustive]
pub struct Builder {
    pub(super) socket: Option<PathBuf>,
    pub(super) https: SocketAddr,
    pub(super) clock: Clock,
    pub(super) tap: Option<Tap>,
    pub(super) changed: Option<Changed>,
    pub(super) world: Option<Arc<dyn InstanceWorld>>,
    pub(super) durations: Durations,
    pub(super) machine: Machine,
    pub(super) advertised: Vec<String>,
    pub(super) version: String,
    pub(super) without: Vec<String>,
    pub(super) disorder: bool,
    pub(super) state: Option<Value>,
}

impl Builder {
    /// Serves the unix socket here instead of in a temporary folder.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Where HTTPS listens once `core.https_address` is set, whatever that says. Default: a free
    /// port of 127.0.0.1.
    #[must_use]
    pub fn https_listen(mut self, address: SocketAddr) -> Self {
        self.https = address;
        self
    }

    /// The addresses (`host:port`) that the server tells of itself and puts in tokens. Default:
    /// where it listens.
    #[must_use]
    pub fn advertise<S: Into<String>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.advertised = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// The time. Default: real time since the start.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Asked about every request.
    #[must_use]
    pub fn tap(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Told after each change of the state.
    #[must_use]
    pub fn changed(mut self, changed: Changed) -> Self {
        self.changed = Some(changed);
        self
    }

    /// What runs inside the instances.
    #[must_use]
    pub fn world(mut self, world: Arc<dyn InstanceWorld>) -> Self {
        self.world = Some(world);
        self
    }

    /// How long things last.
    #[must_use]
    pub fn durations(mut self, durations: Durations) -> Self {
        self.durations = durations;
        self
    }

    /// What the machine under it has.
    #[must_use]
    pub fn machine(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Behaves as this version where later ones differ from 5.0.2, the default. It is held to real
    /// ones of 5.0.2, 5.21.7 and 6.9 (`tests/peer/data/observed.json`); those between behave as
    /// their API extensions say, and otherwise as the one held to before them. `like("6.9")` knows
    /// no `core.trust_password` (6.1), answers changes of volumes and profiles (6.6), the deletion
    /// of projects (6.7), changes of pools and networks (6.8) with operations, in which bad values
    /// are told too, a failed wait with an error document (5.20), and a duplicate instance or an
    /// unknown project at once (5.21).
    #[must_use]
    pub fn like(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Lacks these API extensions.
    #[must_use]
    pub fn without_extensions<S: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = S>,
    ) -> Self {
        self.without = names.into_iter().map(Into::into).collect();
        self
    }

    /// Tells an operation's end before its beginning, as the real one does every other time.
    #[must_use]
    pub fn events_out_of_order(mut self) -> Self {
        self.disorder = true;
        self
    }

    /// Goes on from a [`super::Handle::snapshot`]: its certificate included.
    #[must_use]
    pub fn restore(mut self, snapshot: Value) -> Self {
        self.state = Some(snapshot);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// If a socket cannot be opened or the snapshot cannot be read.
    pub async fn start(self) -> Result<Fake> {
        super::server::start(self).await
    }
}
