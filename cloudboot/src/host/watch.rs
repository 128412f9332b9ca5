//! A host that tells what is asked of it, before it is asked: for logs, for dry looks, and for tests that end a run in the middle.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use super::error::Result;
use super::exec::{Cmd, Exec, Output};
use super::netplan::{Change, Netplan, TrialId};
use super::postgres::{DatabaseSpec, DatabaseState, Postgres};
use super::units::{UnitState, Units};
use super::{Files, Host, Snaps};

/// Something that a host is about to be asked or told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Deed<'a> {
    /// A program.
    Program(&'a Cmd),
    /// A change of a file: what ("write", "remove", "move", "set the mode of", "make the folder"), and where.
    File(&'static str, &'a Path),
    /// A call of netplan's service: "attempt", "confirm", "cancel", "current", "pending"; within `attempt` and the like each
    /// method of D-Bus where the service is the real one ("Config", "Set", "Try", "Apply").
    Netplan(&'a str),
    /// A call of systemd: what, and the unit.
    Unit(&'static str, &'a str),
    /// A call of the database server.
    Postgres(&'static str),
    /// A request to snapd: "POST /v2/snaps/maas".
    Snapd(&'a str),
}

/// Who is told.
pub type Watch = Arc<dyn Fn(&Deed<'_>) + Send + Sync>;

impl Host {
    /// The same host, with every deed told to `watch` first.
    #[must_use]
    pub fn watched(&self, watch: Watch) -> Self {
        let files: Files = self.files.clone().watched(watch.clone());
        let snaps: Snaps = self.snaps.clone().watched(watch.clone());
        let mut host = Self::assemble(
            Arc::new(Watched(self.exec.clone(), watch.clone())),
            files,
            snaps,
            Arc::new(Watched(self.postgres.clone(), watch.clone())),
            Arc::new(Watched(self.netplan.clone(), watch.clone())),
            Arc::new(Watched(self.units.clone(), watch)),
        );
        host.segment = self.segment.clone();
        host
    }
}

struct Watched<P: ?Sized>(Arc<P>, Watch);

impl<P: ?Sized + std::fmt::Debug> std::fmt::Debug for Watched<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watched").field(&self.0).finish()
    }
}

#[async_trait]
impl Exec for Watched<dyn Exec> {
    async fn run(&self, cmd: Cmd) -> Result<Output> {
        (self.1)(&Deed::Program(&cmd));
        self.0.run(cmd).await
    }

    fn is_root(&self) -> bool {
        self.0.is_root()
    }
}

#[async_trait]
impl Netplan for Watched<dyn Netplan> {
    async fn current(&self) -> Result<String> {
        (self.1)(&Deed::Netplan("current"));
        self.0.current().await
    }
    async fn attempt(&self, change: &Change, rollback: Duration) -> Result<TrialId> {
        (self.1)(&Deed::Netplan("attempt"));
        self.0.attempt(change, rollback).await
    }
    async fn pending(&self) -> Result<Vec<TrialId>> {
        (self.1)(&Deed::Netplan("pending"));
        self.0.pending().await
    }
    async fn confirm(&self, trial: &TrialId) -> Result<()> {
        (self.1)(&Deed::Netplan("confirm"));
        self.0.confirm(trial).await
    }
    async fn cancel(&self, trial: &TrialId) -> Result<()> {
        (self.1)(&Deed::Netplan("cancel"));
        self.0.cancel(trial).await
    }
}

#[async_trait]
impl Units for Watched<dyn Units> {
    async fn state(&self, unit: &str) -> Result<UnitState> {
        (self.1)(&Deed::Unit("state", unit));
        self.0.state(unit).await
    }
    async fn daemon_reload(&self) -> Result<()> {
        (self.1)(&Deed::Unit("daemon-reload", ""));
        self.0.daemon_reload().await
    }
    async fn enable(&self, unit: &str) -> Result<()> {
        (self.1)(&Deed::Unit("enable", unit));
        self.0.enable(unit).await
    }
    async fn disable(&self, unit: &str) -> Result<()> {
        (self.1)(&Deed::Unit("disable", unit));
        self.0.disable(unit).await
    }
    async fn start(&self, unit: &str) -> Result<()> {
        (self.1)(&Deed::Unit("start", unit));
        self.0.start(unit).await
    }
    async fn stop(&self, unit: &str) -> Result<()> {
        (self.1)(&Deed::Unit("stop", unit));
        self.0.stop(unit).await
    }
}

#[async_trait]
impl Postgres for Watched<dyn Postgres> {
    async fn version(&self) -> Result<u32> {
        (self.1)(&Deed::Postgres("version"));
        self.0.version().await
    }
    async fn observe(&self, wanted: &DatabaseSpec) -> Result<DatabaseState> {
        (self.1)(&Deed::Postgres("observe"));
        self.0.observe(wanted).await
    }
    async fn create_role(&self, role: &str, password: &SecretString, mark: &str) -> Result<()> {
        (self.1)(&Deed::Postgres("create role"));
        self.0.create_role(role, password, mark).await
    }
    async fn set_password(&self, role: &str, password: &SecretString) -> Result<()> {
        (self.1)(&Deed::Postgres("set password"));
        self.0.set_password(role, password).await
    }
    async fn create_database(&self, database: &str, owner: &str, mark: &str) -> Result<()> {
        (self.1)(&Deed::Postgres("create database"));
        self.0.create_database(database, owner, mark).await
    }
    async fn drop_database(&self, database: &str) -> Result<bool> {
        (self.1)(&Deed::Postgres("drop database"));
        self.0.drop_database(database).await
    }
    async fn drop_role(&self, role: &str) -> Result<bool> {
        (self.1)(&Deed::Postgres("drop role"));
        self.0.drop_role(role).await
    }
}
