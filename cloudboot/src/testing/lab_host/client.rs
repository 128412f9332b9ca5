//! The ports of the lab's host, as the pipeline holds them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::wire::{Answer, Request};
use crate::host::exec::{ALLOWED, Cmd, Exec, Output};
use crate::host::netplan::{Change, Netplan, TrialId};
use crate::host::postgres::{DatabaseSpec, DatabaseState, Postgres};
use crate::host::units::{UnitState, Units};
use crate::host::{Error, Kind, Result};

/// The way to a lab's host.
#[derive(Debug)]
pub(crate) struct Line {
    socket: PathBuf,
}

impl Line {
    pub(crate) fn to(socket: PathBuf) -> Self {
        Self { socket }
    }

    async fn ask<T: DeserializeOwned>(&self, request: Request, timeout: Duration) -> Result<T> {
        let operation = request.title();
        let lost = |e: std::io::Error| {
            Error::new(
                Kind::Unavailable,
                operation.clone(),
                format!("the host cut the connection: {e}"),
            )
            .unclear()
        };
        let ask = async {
            let stream = UnixStream::connect(&self.socket).await.map_err(|e| {
                Error::new(
                    Kind::Unavailable,
                    operation.clone(),
                    format!("the lab's host does not answer: {e}"),
                )
            })?;
            let mut stream = BufReader::new(stream);
            let mut line = serde_json::to_string(&request)
                .map_err(|e| Error::new(Kind::Malformed, operation.clone(), e.to_string()))?;
            line.push('\n');
            stream.write_all(line.as_bytes()).await.map_err(lost)?;
            let mut answer = String::new();
            if stream.read_line(&mut answer).await.map_err(lost)? == 0 {
                return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
            }
            let answer: Answer = serde_json::from_str(&answer)
                .map_err(|e| Error::new(Kind::Malformed, operation.clone(), e.to_string()))?;
            let value = answer.into_result()?;
            serde_json::from_value(value)
                .map_err(|e| Error::new(Kind::Malformed, operation.clone(), e.to_string()))
        };
        tokio::time::timeout(timeout, ask)
            .await
            .unwrap_or_else(|_| {
                Err(Error::new(
                    Kind::Timeout,
                    operation.clone(),
                    format!("no answer within {} s", timeout.as_secs()),
                ))
            })
    }

    async fn quick<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        self.ask(request, Duration::from_secs(60)).await
    }
}

#[derive(Debug)]
pub(crate) struct LabExec(pub(crate) Arc<Line>);

#[async_trait]
impl Exec for LabExec {
    async fn run(&self, cmd: Cmd) -> Result<Output> {
        if !ALLOWED.contains(&cmd.program.as_str()) {
            let detail = format!("{} is not a program that cloudboot starts", cmd.program);
            return Err(Error::new(
                Kind::Unsupported,
                format!("run {}", cmd.title()),
                detail,
            ));
        }
        let stdin = cmd
            .stdin
            .as_ref()
            .map(|s| s.expose_secret().to_owned())
            .unwrap_or_default();
        let title = cmd.title();
        self.0
            .ask(
                Request::Exec {
                    program: cmd.program,
                    args: cmd.args,
                    stdin,
                    title,
                },
                cmd.timeout,
            )
            .await
    }

    fn is_root(&self) -> bool {
        true
    }
}

#[derive(Debug)]
pub(crate) struct LabPostgres(pub(crate) Arc<Line>);

/// The lab gets a digest where a real server gets a verifier.
fn digest(password: &SecretString) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(password.expose_secret().as_bytes()))
}

#[async_trait]
impl Postgres for LabPostgres {
    async fn version(&self) -> Result<u32> {
        self.0.quick(Request::PgVersion).await
    }

    async fn observe(&self, wanted: &DatabaseSpec) -> Result<DatabaseState> {
        let (role, database) = (wanted.role.clone(), wanted.database.clone());
        self.0
            .quick(Request::PgObserve {
                role,
                password: digest(&wanted.password),
                database,
            })
            .await
    }

    async fn create_role(&self, role: &str, password: &SecretString, mark: &str) -> Result<()> {
        self.0
            .quick(Request::PgCreateRole {
                role: role.into(),
                password: digest(password),
                mark: mark.into(),
            })
            .await
    }

    async fn set_password(&self, role: &str, password: &SecretString) -> Result<()> {
        self.0
            .quick(Request::PgSetPassword {
                role: role.into(),
                password: digest(password),
            })
            .await
    }

    async fn create_database(&self, database: &str, owner: &str, mark: &str) -> Result<()> {
        self.0
            .quick(Request::PgCreateDatabase {
                database: database.into(),
                owner: owner.into(),
                mark: mark.into(),
            })
            .await
    }

    async fn drop_database(&self, database: &str) -> Result<bool> {
        self.0
            .quick(Request::PgDropDatabase {
                database: database.into(),
            })
            .await
    }

    async fn drop_role(&self, role: &str) -> Result<bool> {
        self.0
            .quick(Request::PgDropRole { role: role.into() })
            .await
    }
}

#[derive(Debug)]
pub(crate) struct LabNetplan(pub(crate) Arc<Line>);

#[async_trait]
impl Netplan for LabNetplan {
    async fn current(&self) -> Result<String> {
        self.0.quick(Request::NetplanCurrent).await
    }

    async fn attempt(&self, change: &Change, rollback: Duration) -> Result<TrialId> {
        let rollback_ms = u64::try_from(rollback.as_millis()).unwrap_or(u64::MAX);
        self.0
            .quick(Request::NetplanAttempt {
                change: change.clone(),
                rollback_ms,
            })
            .await
            .map(TrialId)
    }

    async fn pending(&self) -> Result<Vec<TrialId>> {
        self.0.quick(Request::NetplanPending).await
    }

    async fn confirm(&self, trial: &TrialId) -> Result<()> {
        self.0
            .quick(Request::NetplanConfirm {
                trial: trial.0.clone(),
            })
            .await
    }

    async fn cancel(&self, trial: &TrialId) -> Result<()> {
        self.0
            .quick(Request::NetplanCancel {
                trial: trial.0.clone(),
            })
            .await
    }
}

#[derive(Debug)]
pub(crate) struct LabUnits(pub(crate) Arc<Line>);

#[async_trait]
impl Units for LabUnits {
    async fn state(&self, unit: &str) -> Result<UnitState> {
        self.0.quick(Request::UnitState { unit: unit.into() }).await
    }

    async fn daemon_reload(&self) -> Result<()> {
        self.0.quick(Request::UnitReload).await
    }

    async fn enable(&self, unit: &str) -> Result<()> {
        self.0
            .quick(Request::UnitEnable { unit: unit.into() })
            .await
    }

    async fn disable(&self, unit: &str) -> Result<()> {
        self.0
            .quick(Request::UnitDisable { unit: unit.into() })
            .await
    }

    async fn start(&self, unit: &str) -> Result<()> {
        self.0.quick(Request::UnitStart { unit: unit.into() }).await
    }

    async fn stop(&self, unit: &str) -> Result<()> {
        self.0.quick(Request::UnitStop { unit: unit.into() }).await
    }
}

/// Who else serves DHCP there: an address a line in `run/lab-dhcp-servers` below the host's folder.
#[derive(Debug)]
pub(crate) struct LabSegment(pub(crate) PathBuf);

#[async_trait]
impl crate::host::segment::Segment for LabSegment {
    async fn dhcp_servers(
        &self,
        _: std::net::Ipv4Addr,
        _: &str,
        _: Duration,
    ) -> Result<std::collections::BTreeSet<std::net::Ipv4Addr>> {
        let text = std::fs::read_to_string(self.0.join("run/lab-dhcp-servers")).unwrap_or_default();
        Ok(text
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect())
    }
}
