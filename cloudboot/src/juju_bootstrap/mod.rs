//! A Juju 4.x controller without a `juju` client: everything that a fresh Ubuntu machine needs to become one, as one
//! cloud-init user data.
//!
//! [`render`] is pure: no network, no clock, no chance. What it writes was read from the files of a real 4.0.15
//! controller that came up this way (`recorded/`), and is held to them by structure. [`agents`] finds the agent's archive in
//! Juju's streams, [`trouble`] says in a sentence why a controller did not come up.

pub mod agents;
mod files;
mod script;
pub mod trouble;
mod user_data;

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

pub use user_data::{File, UserData};

use crate::engine::Error;

/// Where Juju keeps everything on its machine.
pub const DATA: &str = "/var/lib/juju";
/// The controller's API port. Source: Juju's default `api-port`.
pub const PORT: u16 = 17070;
/// The first agent's nonce. Source: `official-agent.conf`; with any other the agent ends itself, with status 0.
pub const NONCE: &str = "user-admin:bootstrap";

/// A controller that is to be.
#[derive(Clone)]
#[non_exhaustive]
pub struct Bootstrap {
    /// Its name.
    pub name: String,
    /// Its UUID, in lower case.
    pub controller_uuid: String,
    /// The UUID of its model `controller`, in lower case. In MAAS the machine is allocated with it as `agent_name`:
    /// Juju looks for its own machine by it.
    pub model_uuid: String,
    /// The agent.
    pub agent: Agent,
    /// The cloud it lives on, and how it talks to it.
    pub cloud: Cloud,
    /// The name that the machine has there: MAAS's system id, or LXD's instance name.
    pub instance_id: String,
    /// The administrator's first password, 1 to 1024 bytes.
    pub password: SecretString,
    /// Where its keys come from.
    pub keys: Keys,
    /// The charm `juju-controller`.
    pub charm: Charm,
    /// A store in place of Charmhub.
    pub charmhub: Option<Url>,
    /// Public SSH keys that may log in to the controller model's machines.
    pub authorized_keys: Vec<String>,
    /// Further settings of the controller model: proxies, mirrors.
    pub settings: BTreeMap<String, Value>,
    /// Cores and memory (MiB) that the machine has.
    pub hardware: (u64, u64),
    /// The proxy through which the machine fetches the archive: for http and https.
    pub proxy: (Option<Url>, Option<Url>),
}

impl fmt::Debug for Bootstrap {
    /// Without the settings and the proxy, whose addresses may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bootstrap")
            .field("name", &self.name)
            .field("controller_uuid", &self.controller_uuid)
            .field("model_uuid", &self.model_uuid)
            .field("agent", &self.agent)
            .field("cloud", &self.cloud)
            .field("instance_id", &self.instance_id)
            .field("keys", &self.keys)
            .field("hardware", &self.hardware)
            .finish_non_exhaustive()
    }
}

impl Bootstrap {
    /// One with Charmhub's charm of the agent's own track, keys made on the machine, and no further settings.
    pub fn new(
        name: impl Into<String>,
        agent: Agent,
        cloud: Cloud,
        instance_id: impl Into<String>,
        password: SecretString,
        keys: Keys,
    ) -> Self {
        let uuid = || uuid::Uuid::new_v4().to_string();
        let charm = Charm::Store {
            track: agent.track(),
            risk: "stable".to_owned(),
        };
        Self {
            name: name.into(),
            controller_uuid: uuid(),
            model_uuid: uuid(),
            agent,
            cloud,
            instance_id: instance_id.into(),
            password,
            keys,
            charm,
            charmhub: None,
            authorized_keys: Vec::new(),
            settings: BTreeMap::new(),
            hardware: (2, 4096),
            proxy: (None, None),
        }
    }

    /// What a real agent would stumble over, told beforehand.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str, next: &str| {
            Err(Error::terminal(
                format!("prepare the controller {}", self.name),
                what.to_owned(),
            )
            .next(next.to_owned()))
        };
        for uuid in [&self.controller_uuid, &self.model_uuid] {
            let sound = uuid::Uuid::parse_str(uuid).is_ok_and(|read| read.to_string() == *uuid);
            if !sound {
                return wrong(
                    "a UUID is not one in lower case with dashes",
                    "let it be made anew",
                );
            }
        }
        if !(1..=1024).contains(&self.password.expose_secret().len()) {
            return wrong(
                "the first password is empty or longer than 1024 bytes",
                "give one of 1 to 1024 bytes",
            );
        }
        self.agent
            .check()
            .or_else(|what| wrong(&what, "take it from Juju's streams"))?;
        if self.instance_id.is_empty() {
            return wrong(
                "the machine has no id in its cloud",
                "give MAAS's system id",
            );
        }
        match &self.cloud {
            Cloud::Maas(maas) => {
                if maas.api_key.expose_secret().split(':').count() != 3 {
                    return wrong(
                        "MAAS's key does not have three parts",
                        "give it as MAAS shows it: three words with colons between",
                    );
                }
                if !maas
                    .endpoint
                    .path()
                    .trim_end_matches('/')
                    .ends_with("/MAAS")
                {
                    return wrong(
                        "MAAS's address does not end in /MAAS",
                        "set the cloud's endpoint to http://...:5240/MAAS",
                    );
                }
            }
            Cloud::Lxd(_) => {
                let wanted = lxd_instance_name(&self.model_uuid);
                if self.instance_id != wanted {
                    return wrong(
                        &format!(
                            "on LXD its machine must be called {wanted}: Juju looks for its machines by that prefix"
                        ),
                        "name the instance so",
                    );
                }
            }
        }
        if let Keys::Given(keys) = &self.keys {
            keys.check().or_else(|what| {
                wrong(&what, "give keys as PKCS#8: `openssl pkcs8 -topk8 -nodes`")
            })?;
        }
        Ok(())
    }
}

/// The name that a controller's instance must have on LXD. Source: Juju's namespace, `juju-<last 6 of the model's UUID>-<machine>`.
pub fn lxd_instance_name(model_uuid: &str) -> String {
    let tail = model_uuid.get(model_uuid.len().saturating_sub(6)..);
    format!("juju-{}-0", tail.unwrap_or(model_uuid))
}

/// The agent's archive.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Agent {
    /// Its version, `4.0.15`. It must be what `jujud` in it says of itself, to the patch.
    pub version: String,
    /// Where it is.
    pub url: Url,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("version", &self.version)
            .field("url", &crate::rest::shown(&self.url))
            .field("sha256", &self.sha256)
            .field("size", &self.size)
            .finish()
    }
}

impl Agent {
    /// An archive.
    pub fn new(version: impl Into<String>, url: Url, sha256: impl Into<String>, size: u64) -> Self {
        Self {
            version: version.into(),
            url,
            sha256: sha256.into(),
            size,
        }
    }

    /// `4.0` of `4.0.15`: the track of the charm that goes with it.
    pub fn track(&self) -> String {
        let mut parts = self.version.split('.');
        match (parts.next(), parts.next()) {
            (Some(major), Some(minor)) => {
                let minor: String = minor.chars().take_while(char::is_ascii_digit).collect();
                format!("{major}.{minor}")
            }
            _ => self.version.clone(),
        }
    }

    fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if self.version.is_empty() || !self.version.chars().all(plain) {
            return Err(format!("`{}` is no version of Juju", self.version));
        }
        if self.sha256.len() != 64 || !self.sha256.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err("the agent archive's SHA-256 is not 64 hexadecimal digits".to_owned());
        }
        if self.size == 0 {
            return Err("the agent archive's size is not known".to_owned());
        }
        Ok(())
    }
}

/// The cloud that a controller lives on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cloud {
    /// A MAAS region.
    Maas(MaasCloud),
    /// An LXD server.
    Lxd(LxdCloud),
}

/// MAAS, as the controller sees it.
#[derive(Clone)]
pub struct MaasCloud {
    /// The cloud's name in Juju.
    pub name: String,
    /// Its address as the machine reaches it, with `/MAAS`.
    pub endpoint: Url,
    /// The credential's name in Juju.
    pub credential: String,
    /// The first key: to be replaced after the first login.
    pub api_key: SecretString,
}

impl fmt::Debug for MaasCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaasCloud")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint.as_str())
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// LXD, as the controller sees it.
#[derive(Clone)]
pub struct LxdCloud {
    /// The cloud's name in Juju.
    pub name: String,
    /// Its address as the machine reaches it, `https://host:8443`.
    pub endpoint: Url,
    /// The credential's name in Juju.
    pub credential: String,
    /// The client's certificate, PEM.
    pub client_cert: String,
    /// The client's key, PEM.
    pub client_key: SecretString,
    /// LXD's own certificate, PEM: it is pinned.
    pub server_cert: String,
}

impl fmt::Debug for LxdCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LxdCloud")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint.as_str())
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// Where a controller's keys come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Keys {
    /// The machine makes them; the user data holds none. Its certificate proves by this one-time key that it is the
    /// machine that we mean (`juju_client::first_contact`).
    OnMachine(ProofKey),
    /// They are handed over.
    Given(Box<GivenKeys>),
}

/// A one-time key, 32 bytes.
#[derive(Clone)]
pub struct ProofKey([u8; 32]);

impl ProofKey {
    /// A new one, by chance.
    pub fn new() -> Self {
        Self(rand::random())
    }

    /// From its hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).ok()?;
        Some(Self(key))
    }

    /// Its bytes. Say them to the machine and to nobody else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Default for ProofKey {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey([redacted])")
    }
}

/// CA, certificate and keys of a controller, PEM.
#[derive(Clone)]
pub struct GivenKeys {
    /// The CA's certificate.
    pub ca_cert: String,
    /// The CA's key, PKCS#8.
    pub ca_key: SecretString,
    /// The server's certificate, for `juju-apiserver`, `localhost` and `anything`.
    pub cert: String,
    /// The server's key, PKCS#8.
    pub key: SecretString,
}

impl GivenKeys {
    fn check(&self) -> Result<(), String> {
        for (what, pem) in [("CA", &self.ca_cert), ("server's certificate", &self.cert)] {
            if !pem.contains("-----BEGIN CERTIFICATE-----") {
                return Err(format!("the {what} is no certificate in PEM"));
            }
        }
        for (what, pem) in [("CA's key", &self.ca_key), ("server's key", &self.key)] {
            let pem = pem.expose_secret();
            if pem.contains("BEGIN EC PRIVATE KEY") {
                return Err(format!(
                    "the {what} is a SEC1 key (`EC PRIVATE KEY`), which kills Juju's agent"
                ));
            }
            if !pem.contains("-----BEGIN PRIVATE KEY-----") {
                return Err(format!("the {what} is no PKCS#8 key in PEM"));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for GivenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenKeys([redacted])")
    }
}

/// Where the charm `juju-controller` comes from.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Charm {
    /// The store.
    Store {
        /// `4.0`.
        track: String,
        /// `stable`.
        risk: String,
    },
    /// A file that the machine fetches beforehand, so that it needs no store.
    File {
        /// Where it is: http, https, or `file:` on the machine itself.
        url: Url,
        /// Its SHA-256 in hexadecimal.
        sha256: String,
    },
}

impl fmt::Debug for Charm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { track, risk } => write!(f, "juju-controller {track}/{risk}"),
            Self::File { url, .. } => write!(f, "juju-controller at {}", crate::rest::shown(url)),
        }
    }
}

/// All that a fresh Ubuntu machine needs to become the controller.
pub fn render(bootstrap: &Bootstrap) -> UserData {
    UserData::new(vec![
        File::new(
            format!("{DATA}/agents/machine-0/agent.conf"),
            0o600,
            files::agent_conf(bootstrap),
        ),
        File::new(
            format!("{DATA}/bootstrap-params"),
            0o600,
            files::bootstrap_params(bootstrap),
        ),
        File::new(
            format!(
                "{DATA}/tools/{}/downloaded-tools.txt",
                files::tools(&bootstrap.agent)
            ),
            0o644,
            files::downloaded_tools(&bootstrap.agent),
        ),
        File::new(
            "/etc/systemd/system/jujud-machine-0.service",
            0o644,
            files::UNIT.to_owned(),
        ),
        File::new(script::PATH, 0o700, script::script(bootstrap)),
    ])
    .run(vec![script::PATH.to_owned()])
}

#[cfg(test)]
mod tests;
