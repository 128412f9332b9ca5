//! The mission, one file a stage: the only place where two systems meet.
//!
//! | | step | what |
//! |---|---|---|
//! | | `preflight`, [`capacity`] | all that the mission will need ([`Site::preflight`]); the controller can hold the VMs |
//! | 1 | [`install`] | snaps MAAS and LXD, package PostgreSQL |
//! | 2 | [`database`] | role, database, owner |
//! | 3, 4 | [`region`] | `maas init`, the HTTP server, the administrator and an API key |
//! | 5 | [`first_config`] | DNS, image selection, SSH key, dynamic range, DHCP, gateway |
//! | 6 | [`images`] | the image imported, and synced to a healthy rack |
//! | 7 | [`pxe`] | the PXE loader, where the configuration asks for it |
//! | 8 | [`power`] | the BMCs found, the machines booted from the network |
//! | 9 | [`nodes`] | the machines named, tagged, commissioned |
//! | 10 | [`bridges`] | bridges on the compute nodes |
//! | 11 | [`controller_bridge`], [`vm_host`] | the controller's bridge, LXD, the VM host |
//! | 12 | [`juju_machine`] | the Juju machine |
//! | 13 | [`nat`] | forwarding and NAT |
//! | 14 | [`controller`], [`model`] | the Juju controller and the model |
//! | 15 | [`bundle`] | the bundle in the model |
//! | 16 | [`vault`] | Vault initialised, unsealed, authorised, its root CA |
//! | 17 | [`converge`] | every unit active and idle |
//! | 18 | [`access`] | the access parameters |
//!
//! The numbers are names; [`Mission::new`] says what needs what.

pub mod access;
mod attempt;
mod bootstrap;
pub mod bridges;
pub mod bundle;
pub mod capacity;
mod client_store;
pub mod controller;
mod controller_access;
pub mod controller_bridge;
pub mod converge;
pub mod database;
pub mod first_config;
pub mod images;
pub mod install;
pub mod juju_machine;
mod mission;
pub mod model;
pub mod nat;
mod native;
mod native_machine;
mod native_takeover;
pub mod nodes;
pub mod power;
mod preflight;
mod preflight_bmcs;
mod preflight_ways;
pub mod pxe;
pub mod region;
mod site;
pub mod vault;
pub mod vm_host;

pub use attempt::Attempt;
pub use mission::{Handles, Mission};
pub use site::Site;

use crate::engine::{Context, Error, Undo};

/// Says that something is about to be created. What is created this way, and only that, `undo` may take away.
async fn create(cx: &Context, what: &str) -> Result<(), Error> {
    cx.intend(format!("create {what}")).await
}

/// Whether this deployment set out to create it.
fn created(cx: &Context, what: &str) -> bool {
    let intent = format!("create {what}");
    cx.own_intents().iter().any(|known| known.what == intent)
}

/// What an undo came to.
fn removed(what: Vec<String>) -> Undo {
    if what.is_empty() {
        Undo::NothingToDo
    } else {
        Undo::Removed { what }
    }
}

/// Creates a tag of MAAS where it is missing. A filter by a tag that MAAS does not know is an error.
async fn ensure_tag(
    maas: &maas_client::Client,
    cx: &Context,
    tag: &str,
    params: &maas_client::TagParams,
) -> Result<(), Error> {
    match maas.tags().read(tag).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => {
            create(cx, &format!("tag {tag}")).await?;
            maas.tags()
                .create(tag, params)
                .await
                .attempt(&format!("create the tag {tag}"))
                .map(drop)
        }
        Err(error) => Err(error).attempt(&format!("read the tag {tag}")),
    }
}
