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
//! What the client knows of MAAS was observed on a region of version 3.4.10.
//!
//! # Connecting
//!
//! [`Client::builder`] takes the region's URL in any spelling; the [`ApiKey`] comes from a text, a
//! [file](ApiKey::from_file) or the [environment](ApiKey::from_env), or is had for a user's name and password by
//! [`Client::authenticate`]. [`ca`](ClientBuilder::ca) trusts a CA, or the region's own certificate where it signed
//! itself; [`proxy`](ClientBuilder::proxy) leads everything through a bastion. A [`Client`] is cheap to clone, and all
//! clones share their connections; [`with_api_key`](Client::with_api_key) is the same region as another user.
//!
//! # Calls
//!
//! Each part of the API has a handle: `maas.machines()`, `maas.subnets()`, `maas.boot_sources()`. What a call needs is
//! an argument; what it may be given is a struct of parameters, of which only what is set is sent:
//!
//! ```no_run
//! # async fn demo(maas: maas_client::Client, id: maas_client::SystemId) -> maas_client::Result<()> {
//! use maas_client::DeployParams;
//!
//! let noble = DeployParams::new().distro_series("noble").extra("what_is_newer", "1");
//! let machine = maas.machines().deploy(&id, &noble).await?;
//! println!("{} {}", machine.hostname, machine.status);
//! // What has no method of its own yet:
//! let list: Vec<maas_client::Machine> = maas.raw(http::Method::GET, "machines/").op("newest").json().await?;
//! # Ok(()) }
//! ```
//!
//! A state, a kind or a mode that this crate does not know is kept as it was sent (`Unknown`); a field of another type
//! than expected takes its default, and the log says so. An id is never made up: an answer without it is an error.
//!
//! # Waiting
//!
//! [`Machines::wait`] waits for one machine or for thousands with one list call a round, and ends at once when one of
//! them can no longer come to the goal; [`Error::machine_failure`] then holds its scripts' results and last events.
//! [`Client::wait_for_images`] knows an image that is imported and synced from one that is only named.
//! [`MachineGoal::judge`] and [`ImportObservation::judge`] are what they decide by, for those who look by themselves.
//!
//! # When it fails
//!
//! An [`Error`] says what was attempted, what came back and what to do next; it holds no secret.
//!
//! | What happened | How it is told | Repeated by the client |
//! |---|---|---|
//! | nobody listens there | [`is_connect`](Error::is_connect) | yes: nothing was sent |
//! | a read was cut, or met a 502, 503, 504 | [`is_retryable`](Error::is_retryable) | yes |
//! | a change was cut, or met a 500, 502, 504 | [`is_unclear`](Error::is_unclear): look before doing it again | never |
//! | 503 "another action is already in progress" | [`is_busy`](Error::is_busy) | yes, after a second |
//! | 503 with `Retry-After` | [`retry_after`](Error::retry_after) | yes, when it is not too long |
//! | 503 "No more IPs available" | [`ErrorKind::Exhausted`] | no |
//! | the 409 page that promises success | [`is_false_conflict`](Error::is_false_conflict) | no: it never comes |
//! | 400 with field errors | [`field_errors`](Error::field_errors) | no |
//! | what was to be made is there | [`is_already_exists`](Error::is_already_exists) | no |
//! | no machine fits an `allocate` | [`is_no_machine`](Error::is_no_machine) | no |
//! | 401, and the clocks differ | the hint says by how much | no |
//!
//! [`Retry`] says how often and how long; each try is signed afresh, as MAAS refuses a nonce that it has seen.
//!
//! # Testing
//!
//! With the feature `testing`, `testing::FakeRegion` is a region over a real socket, held to what was recorded of a
//! real one.

mod answer;
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
mod tls;
mod wait;

pub use answer::decode;
pub use api::*;
pub use auth::ApiKey;
pub use call::Call;
pub use client::{Client, ClientBuilder, Retry};
/// A text as the models hold it: up to 24 bytes lie in the value itself. It is a `&str` wherever one is wanted, and becomes a `String` by `into()`.
pub use compact_str::CompactString;
pub use error::{Error, ErrorKind, FieldErrors, Result};
pub use ids::*;
pub use model::*;
pub use params::{FormValue, Pairs, Params, PowerParameters};
pub use shared::Shared;
pub use wait::*;
