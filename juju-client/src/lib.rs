//! Juju's RPC, natively: models, bundles, actions, convergence and the client store, without the `juju` command.
//!
//! A [`Client`] is one logged-in websocket connection, to a controller or to one of its models. It is cheap to clone;
//! one task owns the socket, answers come in any order, a lost connection is made again with backoff.
//!
//! ```no_run
//! # async fn f() -> juju_client::Result<()> {
//! use juju_client::{Client, Credentials, Endpoint, Options};
//! let endpoint = Endpoint::new(["10.0.0.2:17070"]).ca_cert("-----BEGIN CERTIFICATE-----...");
//! let controller = Client::connect(endpoint, Credentials::new("admin", "secret"), Options::default()).await?;
//! for model in controller.models().list().await? {
//!     println!("{} {}", model.uuid, model.name);
//! }
//! # Ok(()) }
//! ```
//!
//! Juju 3.1 to 3.6, 4.0 and 4.1 are spoken: the version of each facade is the highest that both sides have.

pub mod api;
pub mod bundle;
pub mod connect;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wait;

mod client;
mod error;
mod facades;
mod ids;
mod json;
mod rpc;

pub use api::status::FullStatus;
pub use bundle::{Bundle, Plan};
pub use client::{Client, ConnectionEvent, Session};
pub use compact_str::CompactString;
pub use connect::{Credentials, Endpoint, Options, first_contact};
pub use error::{Error, ErrorKind, Result};
pub use facades::Supported;
pub use ids::{ActionId, ModelUuid, application_tag, machine_tag, unit_tag};
pub use litemap::LiteMap;
pub use rpc::{Call, Incoming, Reply, Rpc, RpcError};
pub use store::{ControllerAccess, Store};
pub use wait::{Converged, wait_for};
