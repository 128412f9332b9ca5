//! A real Vault in place of the lab's: the mission's steps meet the server itself, the rest of the lab meets what it says.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use url::Url;

use crate::testing::ca::RootCa;
use crate::vault::{Client, Reach};

/// The real one, and what was last seen of it.
pub(super) struct RealVault {
    client: Client,
    pub(super) addr: SocketAddr,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    initialised: bool,
    sealed: bool,
    /// The charm's own: Vault's PKI is behind the charm's action, which the lab plays.
    ca: Option<RootCa>,
}

impl RealVault {
    /// The Vault at a URL on this machine.
    ///
    /// # Errors
    /// The URL has no socket address.
    pub(super) fn at(url: &Url) -> Result<Self, String> {
        let addr = url
            .socket_addrs(|| None)
            .map_err(|error| error.to_string())?;
        let addr = addr
            .first()
            .copied()
            .ok_or_else(|| format!("{url} has no address"))?;
        let client =
            Client::new(url.clone(), &Reach::default()).map_err(|error| error.to_string())?;
        let seen = Seen {
            sealed: true,
            ..Seen::default()
        };
        Ok(Self {
            client,
            addr,
            seen: Mutex::new(seen),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at it. One that does not answer is as it was.
    pub(super) async fn look(&self) {
        if let Ok(status) = self.client.seal_status().await {
            let mut seen = self.seen();
            (seen.initialised, seen.sealed) = (status.initialized, status.sealed);
        }
    }

    pub(super) fn is_initialised(&self) -> bool {
        self.seen().initialised
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.seen().sealed
    }

    /// Whether it knows a token.
    pub(super) async fn accepts(&self, token: &str) -> bool {
        self.client
            .lookup_self(&token.to_owned().into())
            .await
            .is_ok()
    }

    /// The root CA, once it was generated.
    pub(super) fn ca(&self) -> Option<RootCa> {
        self.seen().ca.clone()
    }

    /// The root CA, generated at the first asking.
    pub(super) fn generate(&self) -> Result<RootCa, String> {
        let mut seen = self.seen();
        if let Some(ca) = &seen.ca {
            return Ok(ca.clone());
        }
        let ca = RootCa::generate("Vault Root Certificate Authority (charm-pki-local)")
            .map_err(|error| error.to_string())?;
        seen.ca = Some(ca.clone());
        Ok(ca)
    }
}
