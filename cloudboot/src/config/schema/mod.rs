//! The schema, one file a section: the public struct with the meaning of each key, and below it how it is read.

mod controller;
mod juju;
mod lxd;
mod maas;
mod machines;
mod network;
mod run;

pub use controller::{Postgres, Ssh};
pub use juju::{
    Adopt, Bundle, ContainerImage, ControllerMode, Juju, JujuBootstrap, JujuCloud, JujuController,
    JujuCredential, JujuModel,
};
pub use lxd::{Compute, ComputeBridge, JujuVm, Lxd, VmHost};
pub use maas::{Dhcp, IpRange, Maas, PxeLoaderFix};
pub use machines::{Bmc, BmcRange, Ipmi, Machine, Privilege};
pub use network::{ImageMirror, Mirrors, NetFix, Proxy, Reach};
pub use run::{Access, Capacity, Deadline, Deadlines, Limits, VaultKeys};
