//! The shared store: one PostgreSQL database for several controllers.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, Transaction};

use super::{Entry, JOURNAL_VERSION, Lease, Record, StateStore};
use crate::engine::Error;

/// How long a connection, and each use of it, may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One writer at a time makes or migrates the tables ("cboo" as a number).
const MIGRATION_LOCK: i64 = 0x6362_6f6f;

const TABLES: &str = "
    CREATE SCHEMA IF NOT EXISTS cloudboot;
    CREATE TABLE IF NOT EXISTS cloudboot.version (one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one), version INT NOT NULL);
    INSERT INTO cloudboot.version (version) VALUES (1) ON CONFLICT DO NOTHING;
    CREATE TABLE IF NOT EXISTS cloudboot.lease (
        deployment TEXT PRIMARY KEY,
        generation BIGINT NOT NULL,
        held BOOLEAN NOT NULL,
        lease TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS cloudboot.journal (
        seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        deployment TEXT NOT NULL,
        generation BIGINT NOT NULL,
        version INT NOT NULL,
        at TEXT NOT NULL,
        record TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS journal_of_deployment ON cloudboot.journal (deployment, seq);
";

/// The version of the tables that this version knows.
const SCHEMA: i32 = 1;

/// Keeps journals and leases in the schema `cloudboot` of a PostgreSQL database (9.5 or later: it
/// needs `ON CONFLICT`; 10 or later for identity columns).
///
/// It speaks no TLS: reach the server by its Unix socket, on loopback or through a tunnel. A
/// connection that was lost is made anew at the next use.
pub struct PostgresStore {
    config: Config,
    place: String,
    client: Mutex<Option<Client>>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration may hold a password.
        f.debug_struct("PostgresStore")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects, and makes the tables where they are not there. `config` is a connection string of
    /// libpq ("host=/run/postgresql user=cloudboot dbname=cloudboot" or a `postgresql://` URL).
    ///
    /// # Errors
    /// When the string cannot be read, the server cannot be reached or refuses, or a later version
    /// made the tables.
    pub async fn connect(config: &str) -> Result<Self, Error> {
        // The error of a string that cannot be read may quote a password: it is not passed on.
        let mut config: Config = config.parse().map_err(|_| {
            Error::needs_operator(
                "connect to the journal's PostgreSQL",
                "its connection string cannot be read",
            )
            .next("write it as \"host=... user=... dbname=...\" or postgresql://user@host/database")
        })?;
        config
            .connect_timeout(PATIENCE)
            .application_name("cloudboot");
        let hosts: Vec<_> = config
            .get_hosts()
            .iter()
            .map(|host| match host {
                tokio_postgres::config::Host::Tcp(name) => name.clone(),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let database = config
            .get_dbname()
            .or(config.get_user())
            .unwrap_or("postgres");
        let place = format!("the PostgreSQL database {database} on {}", hosts.join(", "));
        let store = Self {
            config,
            place,
            client: Mutex::new(None),
        };
        store.transaction("open", async |_| Ok(())).await?;
        Ok(store)
    }

    async fn open(&self) -> Result<Client, Failed> {
        let (mut client, connection) = self.config.connect(NoTls).await?;
        let place = self.place.clone();
        // It ends when the client is dropped.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, %place, "the journal's connection ended");
            }
        });
        client
            .batch_execute("SET synchronous_commit = on; SET statement_timeout = '25s'")
            .await?;
        let transaction = client.transaction().await?;
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
            .await?;
        // CREATE SCHEMA asks for a right even where the schema is there.
        let there = transaction
            .query_one("SELECT to_regclass('cloudboot.version') IS NOT NULL", &[])
            .await?;
        if !there.try_get::<_, bool>(0)? {
            transaction.batch_execute(TABLES).await?;
        }
        let version: i32 = transaction
            .query_one("SELECT version FROM cloudboot.version", &[])
            .await?
            .try_get(0)?;
        if version != SCHEMA {
            return Err(Failed::Later(version));
        }
        transaction.commit().await?;
        Ok(client)
    }

    /// Runs `work` in one transaction, under a time limit.
    async fn transaction<T>(
        &self,
        what: &str,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, Failed>,
    ) -> Result<T, Error> {
        let run = async {
            let mut place = self.client.lock().await;
            if place.as_ref().is_none_or(Client::is_closed) {
                *place = Some(self.open().await?);
            }
            let Some(client) = place.as_mut() else {
                return Err(Failed::Late);
            };
            let transaction = client.transaction().await?;
            let done = work(&transaction).await?;
            transaction.commit().await?;
            Ok(done)
        };
        limited(run)
            .await
            .map_err(|failed| self.explain(what, failed))
    }

    /// Says what happened and what to do about it.
    fn explain(&self, what: &str, failed: Failed) -> Error {
        let attempted = format!("{what} the journal in {}", self.place);
        let error = match failed {
            Failed::Late => {
                return Error::transient(
                    attempted,
                    format!("it did not answer within {} s", PATIENCE.as_secs()),
                )
                .next("see whether the server answers, then run again");
            }
            Failed::Later(version) => {
                let found = format!(
                    "a later version made its tables ({version}, this version knows {SCHEMA})"
                );
                return Error::needs_operator(attempted, found).next("use the later version");
            }
            Failed::Json(error) => {
                return Error::needs_operator(
                    attempted,
                    format!("a record cannot be read: {error}"),
                )
                .next("restore the schema cloudboot of that database, or use another database");
            }
            Failed::Postgres(error) => error,
        };
        let told = match error.as_db_error() {
            Some(db) => db.message().to_owned(),
            None => error.to_string(),
        };
        let code = error.code().cloned();
        let told = match code {
            Some(SqlState::DISK_FULL) => Error::needs_operator(attempted, "the server's disk is full")
                .next("make room there and run again: it goes on from what stands"),
            Some(SqlState::INSUFFICIENT_PRIVILEGE) => Error::needs_operator(attempted, told)
                .next("let that user create the schema cloudboot in that database, or make it the schema's owner"),
            Some(SqlState::READ_ONLY_SQL_TRANSACTION) => {
                Error::needs_operator(attempted, told).next("name the primary server, not a standby")
            }
            Some(
                SqlState::INVALID_PASSWORD
                | SqlState::INVALID_AUTHORIZATION_SPECIFICATION
                | SqlState::INVALID_CATALOG_NAME,
            ) => Error::needs_operator(attempted, told).next("mend the connection string, or make the user and database"),
            // Connections, resources, interventions, locks and clashes (the classes of SQLSTATE).
            Some(code) if !["08", "40", "53", "55", "57"].iter().any(|class| code.code().starts_with(class)) => {
                Error::needs_operator(attempted, told).next("see what the server's log says of it, then run again")
            }
            _ => Error::transient(attempted, told).next("see whether the server is well, then run again"),
        };
        told.because(error)
    }
}

async fn limited<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or(Err(Failed::Late))
}

/// What goes wrong below the store.
enum Failed {
    Postgres(tokio_postgres::Error),
    Json(serde_json::Error),
    /// It took too long.
    Late,
    /// A later version made the tables.
    Later(i32),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

/// Lets one transaction at a time see and change a deployment's lease, and append under it.
async fn alone(transaction: &Transaction<'_>, deployment: &str) -> Result<(), Failed> {
    transaction
        .execute(
            "SELECT pg_advisory_xact_lock(hashtext('cloudboot'), hashtext($1))",
            &[&deployment],
        )
        .await?;
    Ok(())
}

async fn lease_of(
    transaction: &Transaction<'_>,
    deployment: &str,
) -> Result<Option<Lease>, Failed> {
    let row = transaction
        .query_opt(
            "SELECT lease FROM cloudboot.lease WHERE deployment = $1",
            &[&deployment],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(serde_json::from_str(row.try_get(0)?)?))
}

/// PostgreSQL's integers are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[async_trait]
impl StateStore for PostgresStore {
    fn describe(&self) -> String {
        format!("the journal in {}", self.place)
    }

    async fn lease(&self, deployment: &str) -> Result<Option<Lease>, Error> {
        self.transaction("read", async |transaction| {
            lease_of(transaction, deployment).await
        })
        .await
    }

    async fn swap_lease(
        &self,
        deployment: &str,
        expected: Option<&Lease>,
        new: &Lease,
    ) -> Result<bool, Error> {
        self.transaction("write", async |transaction| {
            alone(transaction, deployment).await?;
            if lease_of(transaction, deployment).await?.as_ref() != expected {
                return Ok(false);
            }
            let text = serde_json::to_string(new)?;
            transaction
                .execute(
                    "INSERT INTO cloudboot.lease (deployment, generation, held, lease) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (deployment) DO UPDATE SET generation = $2, held = $3, lease = $4",
                    &[&deployment, &signed(new.generation), &new.holder.is_some(), &text],
                )
                .await?;
            Ok(true)
        })
        .await
    }

    async fn append(
        &self,
        deployment: &str,
        generation: u64,
        at: Timestamp,
        record: &Record,
    ) -> Result<bool, Error> {
        self.transaction("write", async |transaction| {
            alone(transaction, deployment).await?;
            let (version, record) = (i32::try_from(JOURNAL_VERSION).unwrap_or(i32::MAX), serde_json::to_string(record)?);
            let appended = transaction
                .execute(
                    "INSERT INTO cloudboot.journal (deployment, generation, version, at, record)
                     SELECT $1, $2, $3, $4, $5
                     WHERE EXISTS (SELECT 1 FROM cloudboot.lease WHERE deployment = $1 AND generation = $2 AND held)",
                    &[&deployment, &signed(generation), &version, &at.to_string(), &record],
                )
                .await?;
            Ok(appended == 1)
        })
        .await
    }

    async fn read(&self, deployment: &str) -> Result<Vec<Entry>, Error> {
        self.transaction("read", async |transaction| {
            let rows = transaction
                .query(
                    "SELECT seq, generation, version, at, record FROM cloudboot.journal
                     WHERE deployment = $1 ORDER BY seq",
                    &[&deployment],
                )
                .await?;
            let mut entries = Vec::new();
            for row in rows {
                entries.push(Entry {
                    seq: unsigned(row.try_get(0)?),
                    generation: unsigned(row.try_get(1)?),
                    version: u32::try_from(row.try_get::<_, i32>(2)?).unwrap_or(0),
                    at: row
                        .try_get::<_, &str>(3)?
                        .parse()
                        .unwrap_or(Timestamp::UNIX_EPOCH),
                    record: serde_json::from_str(row.try_get(4)?)?,
                });
            }
            Ok(entries)
        })
        .await
    }
}
