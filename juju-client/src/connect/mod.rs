//! Reaching a controller: where it is, who logs in, and with which limits.

mod contact;
mod dial;
mod http;
mod login;

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use contact::{PROOF_DOMAIN, first_contact, proof_name};
pub(crate) use dial::{Socket, dial, side_socket};
pub(crate) use http::{HttpAnswer, basic, request as http_request};
pub(crate) use login::login;
pub use login::{FacadeVersions, LoginResult};

use crate::ids::ModelUuid;

/// Where a controller (or one of its models) is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Endpoint {
    /// API addresses, `host:port`; they are raced.
    pub addresses: Vec<String>,
    /// The controller's CA in PEM. The server is verified as `juju-apiserver` against it alone.
    pub ca_cert: Option<String>,
    /// The controller's public name, if it has one; then public roots count as well, for that name.
    pub public_hostname: Option<String>,
    /// The model to log in to; none: the controller itself.
    pub model: Option<ModelUuid>,
    /// An HTTP proxy through which everything is reached (`CONNECT`). Without it the environment's variables count.
    pub proxy: Option<Url>,
}

impl Endpoint {
    /// A controller at these addresses.
    pub fn new<S: Into<String>>(addresses: impl IntoIterator<Item = S>) -> Self {
        Self {
            addresses: addresses.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// The controller's CA in PEM.
    #[must_use]
    pub fn ca_cert(mut self, pem: impl Into<String>) -> Self {
        self.ca_cert = Some(pem.into());
        self
    }

    /// The controller's public name.
    #[must_use]
    pub fn public_hostname(mut self, name: impl Into<String>) -> Self {
        self.public_hostname = Some(name.into());
        self
    }

    /// Log in to this model.
    #[must_use]
    pub fn model(mut self, model: ModelUuid) -> Self {
        self.model = Some(model);
        self
    }

    /// Through this proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: Option<Url>) -> Self {
        self.proxy = proxy;
        self
    }

    pub(crate) fn path(&self) -> String {
        match &self.model {
            Some(m) => format!("/model/{m}/api"),
            None => "/api".to_owned(),
        }
    }
}

/// A local user of the controller.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user's name without `user-`.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

impl Credentials {
    /// A user and a password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: SecretString::from(password.into()),
        }
    }
}

/// Limits and intervals.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// TCP, TLS, websocket and login together.
    pub connect_timeout: Duration,
    /// One call, unless it says otherwise.
    pub call_timeout: Duration,
    /// Time between `Pinger.Ping` calls; official clients take 60 s.
    pub ping_interval: Duration,
    /// How long a ping may take before the connection counts as lost; official clients take 30 s.
    pub ping_timeout: Duration,
    /// The largest message that is taken, in bytes.
    pub max_frame: usize,
    /// First pause before a lost connection is made again; it doubles.
    pub reconnect_min: Duration,
    /// The longest such pause.
    pub reconnect_max: Duration,
    /// Whether a lost connection is made again at all.
    pub reconnect: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(120),
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(30),
            max_frame: 256 << 20,
            reconnect_min: Duration::from_millis(200),
            reconnect_max: Duration::from_secs(10),
            reconnect: true,
        }
    }
}
