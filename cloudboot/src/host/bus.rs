//! The system bus: one connection a host, made at the first call, with a timeout on every one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use zbus::Connection;
use zbus::zvariant::DynamicType;

use super::error::{Error, Kind, Result};
use super::watch::{Deed, Watch};

/// A bus, connected when it is first needed.
#[derive(Clone)]
pub(super) struct Bus {
    peer: Peer,
    address: Option<String>,
    connection: Arc<Mutex<Option<Connection>>>,
    /// Told each method before it is called.
    pub(super) watch: Option<Watch>,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("address", &self.address)
            .finish()
    }
}

/// Whom to call on a bus.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// "io.netplan.Netplan".
    pub(super) service: &'static str,
    /// What to do when the bus does not know it.
    pub(super) hint: &'static str,
}

impl Bus {
    /// The way to a peer on the bus at an address of D-Bus's form; on the system's without one.
    pub(super) fn of(peer: Peer, address: Option<String>) -> Self {
        Self {
            peer,
            address,
            connection: Arc::default(),
            watch: None,
        }
    }

    async fn connection(&self, operation: &str) -> Result<Connection> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref() {
            return Ok(connection.clone());
        }
        let builder = match &self.address {
            Some(address) => zbus::connection::Builder::address(address.as_str()),
            None => zbus::connection::Builder::system(),
        };
        let connect = async { builder?.build().await };
        let connection = match tokio::time::timeout(Duration::from_secs(10), connect).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(e)) => {
                return Err(Error::new(
                    Kind::Unavailable,
                    operation,
                    format!("the system bus does not answer: {e}"),
                )
                .hint("the controller needs systemd and dbus"));
            }
            Err(_) => {
                return Err(Error::new(
                    Kind::Unavailable,
                    operation,
                    "the system bus did not answer within 10 s",
                ));
            }
        };
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// Calls a method and decodes its answer.
    pub(super) async fn call<B, R>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
        timeout: Duration,
        operation: &str,
    ) -> Result<R>
    where
        B: serde::Serialize + DynamicType + Sync,
        R: serde::de::DeserializeOwned + zbus::zvariant::Type,
    {
        let peer = self.peer;
        let connection = self.connection(operation).await?;
        if let Some(watch) = &self.watch {
            watch(&Deed::Netplan(method));
        }
        let call = connection.call_method(Some(peer.service), path, Some(interface), method, body);
        let reply = match tokio::time::timeout(timeout, call).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(e)) => {
                let error = refusal(peer, operation, &e);
                if error.kind() == Kind::Unavailable {
                    // A bus that was restarted needs a new connection.
                    self.connection.lock().await.take();
                }
                return Err(error);
            }
            Err(_) => {
                return Err(Error::new(
                    Kind::Timeout,
                    operation,
                    format!(
                        "{} did not answer {method} within {} s",
                        peer.service,
                        timeout.as_secs()
                    ),
                ));
            }
        };
        reply.body().deserialize().map_err(|e| {
            Error::new(
                Kind::Malformed,
                operation,
                format!(
                    "{} answered {method} with something else: {e}",
                    peer.service
                ),
            )
        })
    }
}

fn refusal(peer: Peer, operation: &str, error: &zbus::Error) -> Error {
    let zbus::Error::MethodError(name, message, _) = error else {
        return Error::new(
            Kind::Unavailable,
            operation,
            format!("{} cannot be asked: {error}", peer.service),
        )
        .unclear();
    };
    let name = name.as_str();
    let kind = match name.rsplit('.').next().unwrap_or_default() {
        "ServiceUnknown" | "NameHasNoOwner" => Kind::Unavailable,
        "UnknownObject" | "NoSuchUnit" | "UnknownMethod" | "UnknownInterface" => Kind::NotFound,
        "AccessDenied" | "InteractiveAuthorizationRequired" | "AuthFailed" => Kind::Denied,
        "NoReply" | "TimedOut" | "Timeout" => Kind::Timeout,
        _ => Kind::Failed,
    };
    let detail = message.clone().unwrap_or_else(|| name.to_owned());
    let error = Error::new(kind, operation, detail).with_code(name);
    match kind {
        Kind::Unavailable => error.hint(peer.hint),
        Kind::Denied => error.hint("run as root"),
        _ => error,
    }
}
