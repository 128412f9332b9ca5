//! A fake Juju controller over real TLS websockets, of both families: 3.x with `AllWatcher`, 4.x without.
//!
//! Its world moves in virtual time ([`Clock`]): machines are asked of a [`Provider`], units go through the states that a real
//! controller was seen to show, actions are answered by a hook ([`Actions`]).

mod archive;
mod https;
mod logs;
mod serve;
mod state;
mod world;

mod action_calls;
mod answer;
mod app_calls;
mod calls;
mod calls_app;
mod calls_more;
mod charm_calls;
mod charms;
mod machine_calls;
mod relation_calls;
mod repository_calls;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use state::VaultState;

use crate::bundle::Constraints;
use crate::error::Result;
use crate::store::{ControllerAccess, Store};

/// Virtual time since the world began; never goes back.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Where a call is when the tap sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before it is acted upon.
    Before,
    /// After it was acted upon, before its answer.
    After,
}

/// What the tap wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Cut the connection without an answer.
    Drop,
    /// Answer with an error instead: the body is its text.
    Answer(u16, Vec<(String, String)>, bytes::Bytes),
}

/// Sees every call, as `Facade.Method`.
pub type Tap = Arc<dyn Fn(Phase, &str) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// Called after each change of the state, before the answer goes out.
pub type Changed = Arc<dyn Fn() + Send + Sync>;

/// How long things last, in virtual time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Durations {
    /// From the first application's submission until everything that waits for nothing else is active and idle.
    pub bundle: Duration,
    /// From the first application's submission until vault's unit says that it needs to be initialised.
    pub vault_blocked: Duration,
    /// From a compute unit's machine being started until the unit is active.
    pub compute: Duration,
    /// From a subordinate's principal being active until the subordinate is.
    pub integrations: Duration,
    /// Vault's own: from its root CA until the certificates have reached everybody.
    pub certificates: Duration,
    /// From an instance being there until its agent is started.
    pub agent: Duration,
    /// Between two tries to get a machine; the real one takes 10 s.
    pub retry: Duration,
    /// How many tries per machine before it is given up; the real one takes 11 a zone. 0: never given up.
    pub tries: u32,
    /// How long an action takes, by its name.
    pub actions: BTreeMap<String, Duration>,
    /// Destroying a model or the controller.
    pub destroy: Duration,
}

impl Default for Durations {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            bundle: ms(300),
            vault_blocked: ms(50),
            compute: ms(50),
            integrations: ms(10),
            certificates: ms(20),
            agent: ms(10),
            retry: ms(50),
            tries: 0,
            actions: BTreeMap::new(),
            destroy: ms(20),
        }
    }
}

/// What is asked of a cloud.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StartInstance {
    /// The model; Juju's `agent_name` in MAAS.
    pub model_uuid: String,
    /// The model's name.
    pub model_name: String,
    /// `0`.
    pub machine_id: String,
    /// What it must have.
    pub constraints: Constraints,
    /// A provider's directive, `system-id=abc`.
    pub placement: Option<String>,
    /// `ubuntu@22.04/stable`.
    pub base: String,
}

/// What a cloud gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The provider's id.
    pub system_id: String,
    /// Its name.
    pub hostname: String,
    /// Its addresses.
    pub addresses: Vec<String>,
}

/// A cloud. Asked for one machine after another; a refusal is asked again after [`Durations::retry`].
///
/// A start whose answer was lost (the process was killed) is asked again for the same model and machine:
/// the provider gives the same instance then.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Allocates and deploys. Need not wait until it runs.
    async fn start_instance(&self, start: StartInstance) -> std::result::Result<Instance, String>;
    /// Gives it back.
    async fn stop_instance(&self, system_id: &str) -> std::result::Result<(), String>;
    /// Whether it is deployed and runs.
    async fn instance_running(&self, system_id: &str) -> bool;
}

/// Charms' actions.
#[async_trait]
pub trait Actions: Send + Sync {
    /// What an action logs while it runs, evenly over its time.
    fn log(&self, unit: &str, name: &str) -> Vec<String> {
        let _ = (unit, name);
        Vec::new()
    }

    /// Runs an action when its time has come. `Err` fails it with this message.
    async fn run(
        &self,
        unit: &str,
        name: &str,
        params: &Map<String, Value>,
    ) -> std::result::Result<Map<String, Value>, String>;
}

/// Keys, certificate, password and UUIDs of a controller that does not run yet, as its bootstrap makes them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// The controller's UUID.
    pub controller_uuid: String,
    /// The controller model's UUID.
    pub model_uuid: String,
    /// The CA's certificate in PEM.
    pub ca_cert: String,
    /// The CA's key in PEM.
    pub ca_key: String,
    /// The server's certificate in PEM.
    pub cert: String,
    /// The server's key in PEM.
    pub key: String,
    /// The administrator's password.
    pub password: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("controller_uuid", &self.controller_uuid)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// The keys cannot be made.
    pub fn generate() -> Result<Self> {
        tls::generate(None)
    }

    /// A new one whose certificate proves its CA to whoever holds `key`
    /// ([`first_contact`](crate::first_contact)): what a machine that makes its own keys serves.
    ///
    /// # Errors
    /// The keys cannot be made.
    pub fn generate_with_proof(key: &[u8]) -> Result<Self> {
        tls::generate(Some(key))
    }
}

/// The controller. Stops when the last handle is dropped.
#[derive(Clone)]
pub struct FakeController {
    pub(crate) inner: Arc<state::Shared>,
    _stop: Arc<Stop>,
}

struct Stop(tokio_util::sync::CancellationToken);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What a controller is made of.
#[derive(Clone, Default)]
pub struct Builder {
    version: Option<String>,
    name: Option<String>,
    cloud: Option<(String, String)>,
    identity: Option<Identity>,
    clock: Option<Clock>,
    durations: Option<Durations>,
    provider: Option<Arc<dyn Provider>>,
    actions: Option<Arc<dyn Actions>>,
    tap: Option<Tap>,
    changed: Option<Changed>,
    state: Option<Value>,
    listen: Option<SocketAddr>,
    advertise: Vec<String>,
}

impl Builder {
    /// `3.1.8`, `3.6.9`, `4.0.15`: chooses the facades. Default 3.6.9.
    #[must_use]
    pub fn version(mut self, v: impl Into<String>) -> Self {
        self.version = Some(v.into());
        self
    }

    /// The controller's name in the client store. Default `controller`.
    #[must_use]
    pub fn name(mut self, n: impl Into<String>) -> Self {
        self.name = Some(n.into());
        self
    }

    /// The cloud that the controller lives on: name and MAAS URL.
    #[must_use]
    pub fn cloud(mut self, name: impl Into<String>, endpoint: impl Into<String>) -> Self {
        self.cloud = Some((name.into(), endpoint.into()));
        self
    }

    /// With these keys and this password. Default: new ones.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Virtual time. Default: real time since the start.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long things last.
    #[must_use]
    pub fn durations(mut self, d: Durations) -> Self {
        self.durations = Some(d);
        self
    }

    /// Where machines come from. Default: every one is given at once.
    #[must_use]
    pub fn provider(mut self, p: Arc<dyn Provider>) -> Self {
        self.provider = Some(p);
        self
    }

    /// Who answers actions. Default: they succeed without results, and vault's move its state.
    #[must_use]
    pub fn actions(mut self, a: Arc<dyn Actions>) -> Self {
        self.actions = Some(a);
        self
    }

    /// Sees every call.
    #[must_use]
    pub fn tap(mut self, t: Tap) -> Self {
        self.tap = Some(t);
        self
    }

    /// Called after each change, before the answer.
    #[must_use]
    pub fn changed(mut self, c: Changed) -> Self {
        self.changed = Some(c);
        self
    }

    /// A state as [`FakeController::snapshot`] gave it; identity and version come from it.
    #[must_use]
    pub fn state(mut self, s: Value) -> Self {
        self.state = Some(s);
        self
    }

    /// Listen here. Default: a free port on loopback.
    #[must_use]
    pub fn listen(mut self, a: SocketAddr) -> Self {
        self.listen = Some(a);
        self
    }

    /// Addresses (`10.42.0.7:17070`) that the store and logins name instead of the one listened on.
    #[must_use]
    pub fn advertise<S: Into<String>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.advertise = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// The port is taken, a state does not decode.
    pub async fn start(self) -> Result<FakeController> {
        let (inner, stop) = serve::start(self).await?;
        Ok(FakeController {
            inner,
            _stop: Arc::new(Stop(stop)),
        })
    }
}

impl FakeController {
    /// What a controller is made of.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.inner.addr
    }

    /// The CA in PEM.
    pub fn ca_cert(&self) -> String {
        self.inner.with(|s| s.identity.ca_cert.clone())
    }

    /// Its keys, password and UUIDs.
    pub fn identity(&self) -> Identity {
        self.inner.with(|s| s.identity.clone())
    }

    /// How a client reaches it, as administrator.
    pub fn access(&self) -> ControllerAccess {
        self.inner.with(|s| {
            let mut a = ControllerAccess::new(
                s.name.clone(),
                s.identity.controller_uuid.clone(),
                self.inner.addresses(s),
                s.identity.ca_cert.clone(),
                "admin",
                SecretString::from(s.password("admin").unwrap_or_default()),
            );
            a.cloud = s.controller_cloud.clone();
            a.agent_version = s.version.clone();
            a
        })
    }

    /// The client store that `juju bootstrap` would have left.
    pub fn store(&self) -> Store {
        let mut store = Store::default();
        let access = self.access();
        store.set_controller(&access, "maas");
        self.inner.with(|s| {
            for (name, cloud) in &s.clouds {
                store.set_cloud(name, cloud);
            }
            if let Ok(uuid) = s.identity.model_uuid.parse() {
                store.set_model(&access.name, "admin", "controller", &uuid);
            }
        });
        store
    }

    /// The state.
    pub fn snapshot(&self) -> Value {
        self.inner
            .with(|s| serde_json::to_value(s).unwrap_or_default())
    }

    /// Back to a state.
    ///
    /// # Errors
    /// It does not decode.
    pub fn restore(&self, state: Value) -> Result<()> {
        let state = serde_json::from_value(state)
            .map_err(|e| crate::Error::invalid("restore the fake controller", e.to_string()))?;
        self.inner.with(|s| *s = state);
        Ok(())
    }

    /// How often each thing was made: `model`, `machine`, `application`, `unit:vault`, `relation`, `action:generate-root-ca`...
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.inner.with(|s| s.counts.clone())
    }

    /// Every call that came, by `Facade.Method`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.inner
            .calls
            .lock()
            .map(|c| c.clone())
            .unwrap_or_default()
    }

    /// Tells vault's units how vault is.
    pub fn vault_state(&self, v: VaultState) {
        let now = (self.inner.clock)();
        self.inner.change(|s| s.set_vault(v, now));
    }

    /// How vault is.
    pub fn vault(&self) -> VaultState {
        self.inner.with(|s| s.vault)
    }

    /// Puts a unit in error (`hook failed: "<hook>"`), or takes it out again with `None`.
    pub fn unit_error(&self, unit: &str, hook: Option<&str>) {
        self.inner.change(|s| match hook {
            Some(h) => drop(s.unit_errors.insert(unit.to_owned(), h.to_owned())),
            None => drop(s.unit_errors.remove(unit)),
        });
    }

    /// Has a unit publish something in its relations: what the units at the other end read.
    pub fn relation_data(&self, unit: &str, key: &str, value: &str) {
        self.inner.change(|s| {
            s.relation_data
                .entry(unit.to_owned())
                .or_default()
                .insert(key.to_owned(), value.to_owned());
        });
    }

    /// Has no machine of this id given, whatever the provider says, with this text; `None` ends it.
    pub fn machine_refused(&self, machine: &str, why: Option<&str>) {
        self.inner.change(|s| match why {
            Some(w) => drop(s.machine_faults.insert(machine.to_owned(), w.to_owned())),
            None => drop(s.machine_faults.remove(machine)),
        });
    }

    /// Runs every transition that is due, now.
    pub async fn advance(&self) {
        world::advance(&self.inner).await;
    }

    /// Cuts every connection.
    pub fn disconnect_all(&self) {
        self.inner.cut.send_modify(|n| *n += 1);
    }

    /// Answers this call (`Client.FullStatus`) with this from now on, whatever the world is, past tap and counters: for whoever
    /// measures clients and wants the fake to cost next to nothing.
    pub fn always_answer(&self, call: &str, response: &Value) {
        if let Ok(mut r) = self.inner.ready.write() {
            r.insert(call.to_owned(), response.to_string().into());
        }
    }

    /// Other durations from now on.
    pub fn set_durations(&self, d: Durations) {
        self.inner.change(|s| s.durations = d);
    }
}
