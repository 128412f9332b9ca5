//! Nova (with Placement beside it), as Nova 26 with two fake-driver computes was seen to behave: microversions 2.53 to 2.93, moves that
//! are accepted with 202 and fail later, evacuations that want their source fenced.

mod api;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::ca::{Leaf, RootCa};
use super::hooks::Hooks;
use super::keystone::TokenCheck;
use super::serve::{Server, local_url};
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

/// Starts a [`Fake`].
#[must_use]
pub struct Builder {
    hooks: Hooks,
    port: u16,
    tokens: TokenCheck,
    durations: Durations,
    saved: Option<Value>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nova::Builder")
    }
}

impl Builder {
    /// Time, tap and listener.
    pub fn hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = hooks;
        self
    }

    /// The port on 127.0.0.1 (0: a free one).
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

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

    /// Starts with a state that [`Fake::snapshot`] gave.
    pub fn restore(mut self, saved: Value) -> Self {
        self.saved = Some(saved);
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
        let leaf = state.leaf.clone();
        let core = Arc::new(Core {
            state: Mutex::new(state),
            hooks: self.hooks.clone(),
            tokens: self.tokens,
            durations: self.durations,
        });
        let answer = Arc::clone(&core);
        let server = Server::start(
            self.port,
            self.hooks,
            Arc::new(move |ask| answer.answer(ask)),
        )
        .await?;
        server.set_tls(leaf.as_ref())?;
        Ok(Fake { core, server })
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
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

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

/// A running fake. It stops when dropped.
pub struct Fake {
    core: Arc<Core>,
    server: Server,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("nova::Fake")
            .field("url", &self.url().as_str())
            .finish_non_exhaustive()
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

    /// Where it listens. Placement answers there as well.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Nova's URL on loopback, with its `/v2.1`; Placement's is the same without it.
    pub fn url(&self) -> Url {
        let mut url = local_url(
            if self.server.is_tls() {
                "https"
            } else {
                "http"
            },
            self.addr(),
        );
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

    /// Serves https with a certificate of `ca` for these addresses (Nova's and Placement's) from the next connection on.
    ///
    /// # Errors
    /// When the certificate cannot be made or used.
    pub fn serve_tls(&self, ca: &RootCa, addresses: &[IpAddr]) -> io::Result<()> {
        let leaf = ca.issue(addresses)?;
        self.server.set_tls(Some(&leaf))?;
        self.core.change(|_, s| s.leaf = Some(leaf));
        Ok(())
    }

    /// Whether it serves https.
    pub fn is_tls(&self) -> bool {
        self.server.is_tls()
    }

    /// How often each thing was made: `host`, `server`, `migration`, `evacuation`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.core.lock().counts.clone()
    }

    /// The whole state.
    pub fn snapshot(&self) -> Value {
        serde_json::to_value(&*self.core.lock()).unwrap_or_default()
    }

    /// Puts a state that [`Fake::snapshot`] gave in the place of the present one.
    ///
    /// # Errors
    /// When it is not such a state.
    pub fn restore(&self, saved: Value) -> io::Result<()> {
        let state: State = serde_json::from_value(saved)?;
        self.server.set_tls(state.leaf.as_ref())?;
        *self.core.lock() = state;
        Ok(())
    }

    /// Lets everything happen that is due at `now`.
    pub fn advance(&self, now: Duration) {
        self.core.lock().world.advance(now, &self.core.durations);
    }

    /// Stops and waits until the port is free.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}
