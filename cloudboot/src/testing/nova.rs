//! Nova (with Placement beside it), as Nova 26 with two fake-driver computes was seen to behave: microversions 2.53 to 2.93, moves that
//! are accepted with 202 and fail later, evacuations that want their source fenced.

mod api;
mod world;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::ca::Leaf;
use super::hooks::Hooks;
use super::keystone::TokenCheck;

use world::World;

/// How long things last, in virtual time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Durations {
    /// From a new compute service to its hypervisor.
    pub hypervisor: Duration,
    /// From asking for a server to its running.
    pub boot: Duration,
    /// From asking for a live migration to its running.
    pub prepare: Duration,
    /// A live migration, once it runs.
    pub migrate: Duration,
    /// An evacuation.
    pub evacuate: Duration,
}

impl Default for Durations {
    fn default() -> Self {
        let soon = Duration::from_millis(20);
        Self {
            hypervisor: soon,
            boot: soon,
            prepare: soon,
            migrate: soon * 2,
            evacuate: soon,
        }
    }
}

super::fake::alike!("nova");

/// Starts a [`Fake`].
#[must_use]
pub struct Builder {
    hooks: Hooks,
    port: u16,
    tokens: TokenCheck,
    durations: Durations,
    saved: Option<Value>,
}

impl Builder {
    /// Which tokens are accepted: [`keystone::Fake::token_check`](super::keystone::Fake::token_check). Any, without it.
    pub fn tokens(mut self, check: TokenCheck) -> Self {
        self.tokens = check;
        self
    }

    /// How long things last.
    pub fn durations(mut self, durations: Durations) -> Self {
        self.durations = durations;
        self
    }

    /// Starts it: without any host, on plain http, unless restored.
    ///
    /// # Errors
    /// When the port is taken or the saved state is not one.
    pub async fn start(self) -> io::Result<Fake> {
        let state: State = self
            .saved
            .map(serde_json::from_value)
            .transpose()?
            .unwrap_or_default();
        let core = Core {
            state: Mutex::new(state),
            hooks: self.hooks,
            tokens: self.tokens,
            durations: self.durations,
        };
        Fake::serve(self.port, core, Core::answer).await
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    world: World,
    leaf: Option<Leaf>,
    counts: BTreeMap<String, u64>,
}

struct Core {
    state: Mutex<State>,
    hooks: Hooks,
    tokens: TokenCheck,
    durations: Durations,
}

impl Core {
    /// The state as it is now: what was due has happened.
    fn now(&self) -> (Duration, MutexGuard<'_, State>) {
        let now = (self.hooks.clock)();
        let mut state = self.lock();
        state.world.advance(now, &self.durations);
        (now, state)
    }

    fn change<T>(&self, change: impl FnOnce(Duration, &mut State) -> T) -> T {
        let (now, mut state) = self.now();
        let made = change(now, &mut state);
        drop(state);
        (self.hooks.changed)();
        made
    }
}

impl Fake {
    /// A fake to be started.
    pub fn builder() -> Builder {
        let tokens: TokenCheck = Arc::new(|_| true);
        Builder {
            hooks: Hooks::default(),
            port: 0,
            tokens,
            durations: Durations::default(),
            saved: None,
        }
    }

    /// Nova's URL on loopback, with its `/v2.1`; Placement's is the same without it.
    pub fn url(&self) -> Url {
        let mut url = self.server.url();
        url.set_path("/v2.1");
        url
    }

    /// A compute host has come: its service at once, its hypervisor and resource provider a little later. Once only for a name.
    pub fn add_host(&self, name: &str) {
        let wait = self.core.durations.hypervisor;
        self.core.change(|now, s| {
            if s.world.add_host(name, now + wait) {
                *s.counts.entry("host".into()).or_default() += 1;
            }
        });
    }

    /// A host has died (its power is gone): its service is down, its servers do not run though Nova does not know.
    pub fn kill_host(&self, name: &str) {
        self.core.change(|_, s| s.world.set_alive(name, false));
    }

    /// A host has come back. It tidies up after evacuations; its service stays down while it is forced down.
    pub fn revive_host(&self, name: &str) {
        self.core.change(|_, s| s.world.set_alive(name, true));
    }

    /// How often each thing was made: `host`, `server`, `migration`, `evacuation`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.core.lock().counts.clone()
    }

    /// Lets everything happen that is due at `now`.
    pub fn advance(&self, now: Duration) {
        self.core.lock().world.advance(now, &self.core.durations);
    }
}
