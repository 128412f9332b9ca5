//! The schema, one file a section: the public struct with the meaning of each key, and below it how it is read.

mod controller;
mod juju;
mod juju_controller;
mod lxd;
mod maas;
mod machines;
mod model;
mod native;
mod network;
mod run;

pub use controller::{Postgres, PostgresAdmin, Ssh};
pub use juju::{Juju, JujuBootstrap, JujuCloud, JujuCredential};
pub use juju_controller::{
    Adopt, ClientStore, ContainerImage, ControllerMode, JujuController, Told,
};
pub use lxd::{Compute, ComputeBridge, JujuVm, Lxd, VmHost};
pub use maas::{Dhcp, IpRange, Maas, PxeLoaderFix};
pub use machines::{Bmc, BmcRange, Ipmi, Machine, Privilege};
pub use model::{Bundle, JujuModel};
pub use native::{AgentArchive, CharmFile, ControllerKeys};
pub use network::{ImageMirror, Mirrors, NetFix, Proxy, Reach};
pub use run::{Access, Capacity, Deadline, Deadlines, Limits, VaultKeys};

pub(crate) use juju::JujuDefaults;
