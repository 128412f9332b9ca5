//! MAAS REST 2.0 client: machines, networks, images, VM hosts; with a fake region for tests.
//!
//! ```no_run
//! # async fn demo() -> maas_client::Result<()> {
//! use maas_client::{ApiKey, Client, MachineFilter};
//!
//! let maas = Client::builder("http://10.0.0.1:5240/MAAS/").api_key(ApiKey::from_env("MAAS_API_KEY")?).build()?;
//! for machine in maas.machines().list(&MachineFilter::new()).await? {
//!     println!("{} {} {}", machine.system_id, machine.hostname, machine.status);
//! }
//! # Ok(()) }
//! ```
//!
//! What the client knows of MAAS was observed on a region of version 3.4.10. A request that failed
//! in a way that leaves open whether it was acted upon ([`Error::is_unclear`]) is never repeated.

mod api;
mod auth;
mod call;
mod client;
mod error;
mod ids;
mod macros;
pub mod model;
mod params;
mod shared;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod wait;

pub use api::*;
pub use auth::ApiKey;
pub use call::{Call, decode};
pub use client::{Client, ClientBuilder, Retry};
pub use error::{Error, ErrorKind, FieldErrors, Result};
pub use ids::*;
pub use model::*;
pub use params::{FormValue, Pairs, Params, PowerParameters};
pub use shared::Shared;
pub use text::Text;
pub use wait::*;
