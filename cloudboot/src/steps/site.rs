//! Where the mission happens: the configuration, the controller host, and how the cloud's addresses are reached.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::Config;
use crate::engine::Deadline;
use crate::host::Host;
use crate::host::postgres::LocalPostgres;

/// What every step shares.
#[derive(Debug)]
#[non_exhaustive]
pub struct Site {
    /// The user's configuration.
    pub config: Config,
    /// The controller machine.
    pub host: Host,
}

/// The path of LXD's unix socket on a host that has it as a snap.
/// Source: `lxd` snap, `SNAP_COMMON/lxd/unix.socket`.
const LXD_SOCKET: &str = "/var/snap/lxd/common/lxd/unix.socket";

impl Site {
    /// A site. A database server that stands elsewhere is asked in place of the host's own.
    pub fn new(config: Config, mut host: Host) -> Self {
        let postgres = &config.postgres;
        if let (Some(at), Some(admin)) = (&postgres.host, &postgres.admin) {
            let password = admin.password.value().clone();
            let server = LocalPostgres::over_tcp(at, postgres.port, &admin.username, password);
            host.postgres = Arc::new(server);
        }
        Self { config, host }
    }

    /// The HTTP proxy through which this program reaches the cloud's addresses.
    pub fn proxy(&self) -> Option<&Url> {
        self.config.reach.proxy.as_ref()
    }

    /// How the services inside the cloud are reached, without a CA.
    pub(super) fn reach(&self) -> crate::rest::Reach {
        crate::rest::Reach {
            proxy: self.proxy().cloned(),
            ..Default::default()
        }
    }

    /// The deadline of a step: the configuration's, else its own.
    pub(super) fn deadline(&self, step: &str, own: Deadline) -> Deadline {
        self.config
            .deadlines
            .get(step)
            .map_or(own, |set| Deadline::new(set.stall, set.total))
    }

    /// LXD on the controller, through its socket.
    ///
    /// # Errors
    /// The client can't be built.
    pub(super) fn lxd(&self) -> Result<lxd_client::Client, lxd_client::Error> {
        lxd_client::Client::unix(self.host.files.resolve(LXD_SOCKET))
            .request_timeout(Duration::from_secs(60))
            .build()
    }
}
