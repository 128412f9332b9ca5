//! What has no network API of its own: the controller's snaps, packages, database, network, firewall, units and files.
//!
//! A [`Host`] is a handful of small ports. [`Host::local`] drives this machine; the lab has one whose files lie in a
//! folder and whose programs are played. Only `apt-get`, `nft`, `ip`, `netplan generate`, `maas init` and
//! `maas createadmin` start a process, all of them in [`exec`]; the rest speaks sockets, D-Bus and files.

use std::sync::Arc;

pub mod bridge;
mod bus;
mod error;
pub mod exec;
pub mod files;
pub mod keys;
pub mod maas_cli;
pub mod machine;
pub mod nat;
pub mod netplan;
pub mod packages;
pub mod postgres;
pub mod preflight;
pub mod pxe;
pub mod segment;
pub mod snaps;
pub mod sysctl;
pub mod units;
pub mod watch;

pub use error::{Error, Kind, Result};
pub use exec::{Cmd, Exec, LocalExec, Output};
pub use files::{Files, marked_by, owner_mark};
pub use maas_cli::MaasCli;
pub use nat::Nat;
pub use netplan::Netplan;
pub use packages::Packages;
pub use postgres::Postgres;
pub use snaps::Snaps;
pub use sysctl::Sysctl;
pub use units::Units;
pub use watch::{Deed, Watch};

/// The controller machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Host {
    /// Programs, the few that must be.
    pub exec: Arc<dyn Exec>,
    /// Files.
    pub files: Files,
    /// Snaps, through snapd's socket.
    pub snaps: Snaps,
    /// Debian packages.
    pub packages: Packages,
    /// The database server.
    pub postgres: Arc<dyn Postgres>,
    /// The network's configuration.
    pub netplan: Arc<dyn Netplan>,
    /// Address translation.
    pub nat: Nat,
    /// Kernel settings.
    pub sysctl: Sysctl,
    /// Services of systemd.
    pub units: Arc<dyn Units>,
    /// The two commands of MAAS that have no API.
    pub maas_cli: MaasCli,
    /// Who serves DHCP on its networks.
    pub segment: Arc<dyn segment::Segment>,
}

impl Host {
    /// This machine. Nothing is touched or connected before the first call; most calls need root.
    pub fn local() -> Self {
        Self::assemble(
            Arc::new(LocalExec),
            Files::system(),
            Snaps::at("/run/snapd.socket"),
            Arc::new(postgres::LocalPostgres::default()),
            Arc::new(netplan::DbusNetplan::system()),
            Arc::new(units::DbusUnits::system()),
        )
    }

    /// A host from its transports: what the lab and embedders with a remote controller use. Its segments are this machine's; see
    /// [`Host::with_segment`].
    pub fn assemble(
        exec: Arc<dyn Exec>,
        files: Files,
        snaps: Snaps,
        postgres: Arc<dyn Postgres>,
        netplan: Arc<dyn Netplan>,
        units: Arc<dyn Units>,
    ) -> Self {
        Self {
            packages: Packages::new(exec.clone(), files.clone()),
            nat: Nat::new(exec.clone(), files.clone(), units.clone()),
            sysctl: Sysctl::new(files.clone()),
            maas_cli: MaasCli::new(exec.clone(), files.clone()),
            segment: Arc::new(segment::LocalSegment),
            exec,
            files,
            snaps,
            postgres,
            netplan,
            units,
        }
    }

    /// With another way to ask its network segments.
    #[must_use]
    pub fn with_segment(mut self, segment: Arc<dyn segment::Segment>) -> Self {
        self.segment = segment;
        self
    }
}
