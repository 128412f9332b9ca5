//! The default store: one SQLite file, durable at each write.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::{Entry, JOURNAL_VERSION, Lease, Record, StateStore};
use crate::engine::Error;

/// The version of the file's tables (`PRAGMA user_version`).
const SCHEMA: i64 = 1;

/// Marks the file as ours (`PRAGMA application_id`): "CBoo".
const APPLICATION: i64 = 0x4342_6f6f;

const TABLES: &str = "
    CREATE TABLE lease (
        deployment TEXT PRIMARY KEY,
        generation INTEGER NOT NULL,
        held INTEGER NOT NULL,
        lease TEXT NOT NULL
    ) STRICT;
    CREATE TABLE journal (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        deployment TEXT NOT NULL,
        generation INTEGER NOT NULL,
        version INTEGER NOT NULL,
        at TEXT NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX journal_of_deployment ON journal (deployment, seq);
";

/// Keeps journals and leases in a SQLite file (write-ahead log, `synchronous=FULL`).
///
/// Several processes of one machine may share the file. It must not lie on a network file system.
/// Clones share the connection.
#[derive(Clone)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Arc<Mutex<Connection>>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, and makes it (and its folder) where it is not there.
    ///
    /// # Errors
    /// When it cannot be opened or written, is no journal, is damaged, or was written by a later
    /// version. The error says what to do.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let opened = path.clone();
        let connection = blocking(move || open(&opened)).await?;
        Ok(Self {
            path,
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets the file grow to so many pages and no more: a full disk, for tests.
    #[cfg(test)]
    pub(in crate::engine) async fn limit_pages(&self, pages: u32) -> Result<(), Error> {
        let connection = Arc::clone(&self.connection);
        blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection
                .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
                .map_err(|e| Error::terminal("limit the pages", e.to_string()))
        })
        .await
    }

    /// Runs `work` in one transaction that has the write lock from its beginning.
    async fn transaction<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Error> {
        let (path, connection) = (self.path.clone(), Arc::clone(&self.connection));
        blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let run = || {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let done = work(&transaction)?;
                transaction.commit()?;
                Ok(done)
            };
            run().map_err(|failed| explain(what, &path, failed))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::terminal("use the journal", "its worker ended early").because(e))?
}

/// What goes wrong below the store.
enum Failed {
    Sqlite(rusqlite::Error),
    Json(serde_json::Error),
    Folder(io::Error),
    /// It is a file of something else.
    Foreign,
    /// It was written by a later version.
    Later(i64),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

fn open(path: &Path) -> Result<Connection, Error> {
    let run = || {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(Failed::Folder)?;
        }
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let number =
            |pragma: &str| transaction.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let (application, schema) = (number("application_id")?, number("user_version")?);
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        match (application, schema) {
            (0, 0) if tables == 0 => {
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.pragma_update(None, "user_version", SCHEMA)?;
            }
            (APPLICATION, SCHEMA) => {}
            (APPLICATION, later) => return Err(Failed::Later(later)),
            _ => return Err(Failed::Foreign),
        }
        transaction.commit()?;
        Ok(connection)
    };
    run().map_err(|failed| explain("open", path, failed))
}

/// Says what happened to the file and what to do about it.
fn explain(what: &str, path: &Path, failed: Failed) -> Error {
    let attempted = format!("{what} the journal {}", path.display());
    let aside = format!(
        "move {} aside and run again: what stands is observed anew, only teardown no longer knows what was ours",
        path.display()
    );
    let (found, next, source): (String, String, Option<rusqlite::Error>) = match failed {
        Failed::Foreign => (
            "the file is a database of something else".to_owned(),
            "give the journal a path of its own".to_owned(),
            None,
        ),
        Failed::Later(schema) => (
            format!("a later version wrote it (tables {schema}, this version knows {SCHEMA})"),
            "use the later version".to_owned(),
            None,
        ),
        Failed::Json(error) => (format!("a record cannot be read: {error}"), aside, None),
        Failed::Folder(error) => (
            format!("its folder cannot be made: {error}"),
            "run as a user that may write there, or give the journal another path".to_owned(),
            None,
        ),
        Failed::Sqlite(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                ("the file is damaged, or no journal".to_owned(), aside, Some(error))
            }
            Some(ErrorCode::DiskFull) => (
                "the file system is full".to_owned(),
                "make room there and run again: it goes on from what stands".to_owned(),
                Some(error),
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
                format!("it cannot be written ({error})"),
                "run as a user that may write the file and its folder, or give the journal another path".to_owned(),
                Some(error),
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                return Error::transient(attempted, "another process keeps it locked")
                    .next("see what else has the file open, then run again")
                    .because(error);
            }
            _ => (
                error.to_string(),
                "look at the file and its file system, then run again".to_owned(),
                Some(error),
            ),
        },
    };
    let error = Error::needs_operator(attempted, found).next(next);
    match source {
        Some(source) => error.because(source),
        None => error,
    }
}

fn lease_of(transaction: &Transaction<'_>, deployment: &str) -> Result<Option<Lease>, Failed> {
    let text: Option<String> = transaction
        .query_row(
            "SELECT lease FROM lease WHERE deployment = ?1",
            [deployment],
            |row| row.get(0),
        )
        .optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// SQLite's integers are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[async_trait]
impl StateStore for SqliteStore {
    fn describe(&self) -> String {
        format!("the journal {}", self.path.display())
    }

    async fn lease(&self, deployment: &str) -> Result<Option<Lease>, Error> {
        let deployment = deployment.to_owned();
        self.transaction("read", move |transaction| {
            lease_of(transaction, &deployment)
        })
        .await
    }

    async fn swap_lease(
        &self,
        deployment: &str,
        expected: Option<&Lease>,
        new: &Lease,
    ) -> Result<bool, Error> {
        let (deployment, expected, new) = (deployment.to_owned(), expected.cloned(), new.clone());
        self.transaction("write", move |transaction| {
            if lease_of(transaction, &deployment)? != expected {
                return Ok(false);
            }
            transaction.execute(
                "INSERT INTO lease (deployment, generation, held, lease) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (deployment) DO UPDATE SET generation = ?2, held = ?3, lease = ?4",
                params![
                    deployment,
                    signed(new.generation),
                    new.holder.is_some(),
                    serde_json::to_string(&new)?
                ],
            )?;
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
        let (deployment, record) = (deployment.to_owned(), record.clone());
        self.transaction("write", move |transaction| {
            let appended = transaction.execute(
                "INSERT INTO journal (deployment, generation, version, at, record)
                 SELECT ?1, ?2, ?3, ?4, ?5
                 WHERE EXISTS (SELECT 1 FROM lease WHERE deployment = ?1 AND generation = ?2 AND held)",
                params![
                    deployment,
                    signed(generation),
                    JOURNAL_VERSION,
                    at.to_string(),
                    serde_json::to_string(&record)?
                ],
            )?;
            Ok(appended == 1)
        })
        .await
    }

    async fn read(&self, deployment: &str) -> Result<Vec<Entry>, Error> {
        let deployment = deployment.to_owned();
        self.transaction("read", move |transaction| {
            let mut select = transaction.prepare(
                "SELECT seq, generation, version, at, record FROM journal WHERE deployment = ?1 ORDER BY seq",
            )?;
            let mut rows = select.query([deployment])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let at: String = row.get(3)?;
                entries.push(Entry {
                    seq: unsigned(row.get(0)?),
                    generation: unsigned(row.get(1)?),
                    version: row.get(2)?,
                    at: at.parse().unwrap_or(Timestamp::UNIX_EPOCH),
                    record: serde_json::from_str(&row.get::<_, String>(4)?)?,
                });
            }
            Ok(entries)
        })
        .await
    }
}
