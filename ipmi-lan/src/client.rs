//! The client: sockets, sessions, and handles to BMCs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::bmc::Bmc;
use crate::credentials::{Credentials, Protocol};
use crate::driver::Registry;
use crate::proto::{SessionConfig, Timing, Workarounds};
use crate::wire::crypto::CipherSuite;
use crate::wire::v15::AuthType;

/// Translates a BMC's address into the one that datagrams are sent to (a port forward, a lab).
pub(crate) type Route = Arc<dyn Fn(SocketAddr) -> SocketAddr + Send + Sync>;

pub(crate) struct Settings {
    pub(crate) deadline: Duration,
    pub(crate) protocol: Protocol,
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) auth_types: Vec<AuthType>,
    pub(crate) workarounds: Workarounds,
    pub(crate) timing: Timing,
    pub(crate) route: Option<Route>,
}

/// Talks to any number of BMCs. Clones share its sockets and sessions; sessions are closed when their last handle is dropped.
#[derive(Clone)]
pub struct Client {
    pub(crate) settings: Arc<Settings>,
    pub(crate) registry: Arc<Registry>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("deadline", &self.settings.deadline)
            .field("suites", &self.settings.suites)
            .finish_non_exhaustive()
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Client {
    /// A builder with the defaults: RMCP+, suite 17 then 3, 5 seconds a command.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            deadline: Duration::from_secs(5),
            protocol: Protocol::V2,
            suites: vec![CipherSuite::S17, CipherSuite::S3],
            auth_types: vec![AuthType::Md5],
            workarounds: Workarounds::default(),
            timing: Timing::default(),
            route: None,
        }
    }

    /// A handle to the BMC at `addr` (port 623 as a rule). Nothing is sent until the first command; handles with equal credentials share a session.
    #[must_use]
    pub fn bmc(&self, addr: SocketAddr, credentials: Credentials) -> Bmc {
        let config = SessionConfig {
            credentials,
            protocol: self.settings.protocol,
            suites: self.settings.suites.clone(),
            auth_types: self.settings.auth_types.clone(),
            workarounds: self.settings.workarounds,
            timing: self.settings.timing,
        };
        Bmc::new(self.clone(), addr, config)
    }

    /// The cipher suite that worked the last time with that BMC.
    #[must_use]
    pub fn remembered_suite(&self, addr: SocketAddr) -> Option<CipherSuite> {
        self.registry.suite(self.route(addr))
    }

    /// Closes every session and waits until the BMCs have said so, or two seconds. Later commands open new ones.
    pub async fn close(&self) {
        let mut all = Vec::new();
        for shard in self.registry.shards() {
            let (done, closed) = oneshot::channel();
            if shard.send(crate::driver::Op::CloseAll { done }).is_ok() {
                all.push(closed);
            }
        }
        let closed = futures_util::future::join_all(all);
        let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
    }

    pub(crate) fn route(&self, addr: SocketAddr) -> SocketAddr {
        self.settings
            .route
            .as_ref()
            .map_or(addr, |route| route(addr))
    }
}

/// Builds a [`Client`].
#[must_use]
pub struct ClientBuilder {
    deadline: Duration,
    protocol: Protocol,
    suites: Vec<CipherSuite>,
    auth_types: Vec<AuthType>,
    workarounds: Workarounds,
    timing: Timing,
    route: Option<Route>,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("deadline", &self.deadline)
            .field("suites", &self.suites)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// How long one command may take, its session's opening included (default 5 s).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Which protocol is spoken (default RMCP+).
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The cipher suites that are offered, the best first (default 17, 3). Naming [`CipherSuite::S0`] here is what allows it.
    pub fn suites(mut self, suites: impl IntoIterator<Item = CipherSuite>) -> Self {
        self.suites = suites.into_iter().collect();
        self
    }

    /// The authentication types of IPMI v1.5 that may be used, the best first (default MD5 alone). A straight password travels in the clear, and with none
    /// anybody is let in: naming [`AuthType::Password`] or [`AuthType::None`] here is what allows them.
    pub fn auth_types(mut self, types: impl IntoIterator<Item = AuthType>) -> Self {
        self.auth_types = types.into_iter().collect();
        self
    }

    /// What to tolerate of BMCs.
    pub fn workarounds(mut self, workarounds: Workarounds) -> Self {
        self.workarounds = workarounds;
        self
    }

    /// Bounds of retransmission, idle time and keepalive.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Sends to another address than the BMC's own: a bastion's port forwards, a lab. Errors name the BMC's own address.
    pub fn route(
        mut self,
        route: impl Fn(SocketAddr) -> SocketAddr + Send + Sync + 'static,
    ) -> Self {
        self.route = Some(Arc::new(route));
        self
    }

    /// The client. Sockets are bound when they are needed first.
    #[must_use]
    pub fn build(self) -> Client {
        Client {
            settings: Arc::new(Settings {
                deadline: self.deadline,
                protocol: self.protocol,
                suites: self.suites,
                auth_types: self.auth_types,
                workarounds: self.workarounds,
                timing: self.timing,
                route: self.route,
            }),
            registry: Arc::new(Registry::default()),
        }
    }
}
