//! PostgreSQL: of this machine, over its unix socket as its superuser, or of any, over TCP as an administrator.
//!
//! Facts: root is refused by peer authentication as `postgres`, so a throwaway thread takes that user's ids, connects, and
//! hands the socket over (the process stays root); failing statements are logged by the server, so a password is hashed
//! here and never sent; 42710 and 42P04 say that a role or a database exists; a database with connections is dropped
//! `WITH (FORCE)` (13 and later).

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, Config, NoTls};

use super::{DatabaseSpec, DatabaseState, Password, Postgres};
use crate::host::error::{Error, Kind, Result};

/// How long a call may take, its connection included.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A PostgreSQL server.
#[derive(Debug, Clone)]
pub struct LocalPostgres {
    way: Way,
}

/// How it is reached.
#[derive(Debug, Clone)]
enum Way {
    /// The socket in a folder, as the user `postgres` of this machine.
    Socket(PathBuf),
    /// TCP, with a password (SCRAM: it does not travel).
    Tcp {
        host: String,
        port: u16,
        user: String,
        password: SecretString,
    },
}

/// The superuser that every cluster of Debian and Ubuntu has.
const SUPERUSER: &str = "postgres";

impl Default for LocalPostgres {
    fn default() -> Self {
        Self::at("/var/run/postgresql")
    }
}

impl LocalPostgres {
    /// The server whose socket lies in a folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        let way = Way::Socket(folder.into());
        Self { way }
    }

    /// A server at an address, as one of its roles that may make roles and databases. The connection is not encrypted:
    /// neither this role's password nor that of a role that is made travels in clear, statements do.
    pub fn over_tcp(
        host: impl Into<String>,
        port: u16,
        user: impl Into<String>,
        password: SecretString,
    ) -> Self {
        let (host, user) = (host.into(), user.into());
        let way = Way::Tcp {
            host,
            port,
            user,
            password,
        };
        Self { way }
    }

    fn absent(&self, operation: &str, why: &str) -> Error {
        match &self.way {
            Way::Socket(folder) => Error::new(
                Kind::Unavailable,
                operation,
                format!(
                    "no PostgreSQL server listens in {}: {why}",
                    folder.display()
                ),
            )
            .hint(
                "install the package that `postgres.version` names, or `systemctl start postgresql`",
            ),
            Way::Tcp { host, port, .. } => Error::new(
                Kind::Unavailable,
                operation,
                format!("no PostgreSQL server answers at {host}:{port}: {why}"),
            )
            .hint("look at postgres.host and postgres.port, and at the server's listen_addresses and pg_hba.conf"),
        }
    }

    async fn connect(&self, operation: &str) -> Result<(Client, Place)> {
        match &self.way {
            Way::Socket(folder) => {
                let (socket, port) =
                    socket_in(folder).map_err(|why| self.absent(operation, &why))?;
                let client = self.connect_socket(operation, socket).await?;
                let host = "127.0.0.1".to_owned();
                Ok((client, Place { host, port }))
            }
            Way::Tcp {
                host,
                port,
                user,
                password,
            } => {
                let mut config = Config::new();
                config
                    .host(host)
                    .port(*port)
                    .user(user)
                    .password(password.expose_secret())
                    .dbname("postgres")
                    .application_name("cloudboot")
                    .connect_timeout(Duration::from_secs(10));
                let (client, connection) = config.connect(NoTls).await.map_err(|e| {
                    if e.as_db_error().is_some() {
                        explain(operation, &e).hint("correct postgres.admin, the name and password of a role that may make roles and databases")
                    } else {
                        self.absent(operation, &innermost(&e))
                    }
                })?;
                tokio::spawn(async move {
                    // As below.
                    let _ = connection.await;
                });
                let (host, port) = (host.clone(), *port);
                Ok((client, Place { host, port }))
            }
        }
    }

    async fn connect_socket(&self, operation: &str, socket: PathBuf) -> Result<Client> {
        let joined = tokio::task::spawn_blocking(move || connect_as(&socket, SUPERUSER)).await;
        let stream = joined
            .map_err(|e| e.to_string())
            .and_then(|r| r.map_err(|e| e.to_string()))
            .map_err(|e| self.absent(operation, &e))?;
        stream
            .set_nonblocking(true)
            .map_err(|e| Error::io(operation, e))?;
        let stream =
            tokio::net::UnixStream::from_std(stream).map_err(|e| Error::io(operation, e))?;
        let mut config = Config::new();
        config
            .user(SUPERUSER)
            .dbname("postgres")
            .application_name("cloudboot");
        let (client, connection) = config
            .connect_raw(stream, NoTls)
            .await
            .map_err(|e| explain(operation, &e))?;
        tokio::spawn(async move {
            // It ends when the client is dropped; an error reaches the client's own call.
            let _ = connection.await;
        });
        Ok(client)
    }

    async fn run<T>(
        &self,
        operation: &str,
        work: impl AsyncFnOnce(Client, Place) -> Result<T>,
    ) -> Result<T> {
        let all = async {
            let (client, place) = self.connect(operation).await?;
            work(client, place).await
        };
        let late = || {
            Error::new(
                Kind::Timeout,
                operation,
                format!("PostgreSQL did not answer within {} s", TIMEOUT.as_secs()),
            )
        };
        tokio::time::timeout(TIMEOUT, all)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn statement(&self, operation: &str, sql: String) -> Result<()> {
        self.run(operation, async |client, _| {
            client
                .batch_execute(&sql)
                .await
                .map_err(|e| explain(operation, &e))
        })
        .await
    }
}

#[async_trait]
impl Postgres for LocalPostgres {
    async fn version(&self) -> Result<u32> {
        let operation = "ask PostgreSQL for its version";
        self.run(operation, async |client, _| {
            server_version(&client, operation).await
        })
        .await
    }

    async fn observe(&self, wanted: &DatabaseSpec) -> Result<DatabaseState> {
        let operation = format!(
            "look for the database {} and the role {}",
            wanted.database, wanted.role
        );
        self.run(&operation, async |client, place| {
            let role = client
                .query_opt("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", &[&wanted.role])
                .await
                .map_err(|e| explain(&operation, &e))?;
            let database = client
                .query_opt(
                    "SELECT pg_get_userbyid(datdba)::text, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1",
                    &[&wanted.database],
                )
                .await
                .map_err(|e| explain(&operation, &e))?;
            let password = if role.is_some() { login(wanted, &place).await } else { Password::Unknown };
            Ok(DatabaseState {
                role_mark: role.as_ref().and_then(|r| mark(r.try_get(0).ok().flatten())),
                role: role.is_some(),
                password,
                owner: database.as_ref().and_then(|d| d.try_get(0).ok()),
                database_mark: database.as_ref().and_then(|d| mark(d.try_get(1).ok().flatten())),
            })
        })
        .await
    }

    async fn create_role(
        &self,
        role: &str,
        password: &SecretString,
        deployment: &str,
    ) -> Result<()> {
        let operation = format!("create the role {role}");
        let name = identifier(role, &operation)?;
        // One simple query is one transaction: never a role without its mark.
        let sql = format!(
            "CREATE ROLE {name} LOGIN PASSWORD {}; COMMENT ON ROLE {name} IS {}",
            literal(&verifier(password)),
            literal(&comment(deployment))
        );
        self.statement(&operation, sql).await
    }

    async fn set_password(&self, role: &str, password: &SecretString) -> Result<()> {
        let operation = format!("set the password of the role {role}");
        let sql = format!(
            "ALTER ROLE {} PASSWORD {}",
            identifier(role, &operation)?,
            literal(&verifier(password))
        );
        self.statement(&operation, sql).await
    }

    async fn create_database(&self, database: &str, owner: &str, deployment: &str) -> Result<()> {
        let operation = format!("create the database {database}");
        let (name, owner) = (
            identifier(database, &operation)?,
            identifier(owner, &operation)?,
        );
        // CREATE DATABASE refuses to be part of a transaction, so the mark is a second statement.
        self.run(&operation, async |client, _| {
            let create =
                format!("CREATE DATABASE {name} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0");
            client
                .batch_execute(&create)
                .await
                .map_err(|e| explain(&operation, &e))?;
            let comment = format!(
                "COMMENT ON DATABASE {name} IS {}",
                literal(&comment(deployment))
            );
            client
                .batch_execute(&comment)
                .await
                .map_err(|e| explain(&operation, &e))
        })
        .await
    }

    async fn drop_database(&self, database: &str) -> Result<bool> {
        let operation = format!("drop the database {database}");
        let name = identifier(database, &operation)?;
        self.run(&operation, async |client, _| {
            let query = "SELECT 1 FROM pg_database WHERE datname = $1";
            let there = client.query_opt(query, &[&database]).await.map_err(|e| explain(&operation, &e))?.is_some();
            if server_version(&client, &operation).await? >= 130_000 {
                client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.map_err(|e| explain(&operation, &e))?;
            } else {
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()";
                client.query(end, &[&database]).await.map_err(|e| explain(&operation, &e))?;
                client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.map_err(|e| explain(&operation, &e))?;
            }
            Ok(there)
        })
        .await
    }

    async fn drop_role(&self, role: &str) -> Result<bool> {
        let operation = format!("drop the role {role}");
        let name = identifier(role, &operation)?;
        self.run(&operation, async |client, _| {
            let query = "SELECT 1 FROM pg_roles WHERE rolname = $1";
            let there = client
                .query_opt(query, &[&role])
                .await
                .map_err(|e| explain(&operation, &e))?
                .is_some();
            client
                .batch_execute(&format!("DROP ROLE IF EXISTS {name}"))
                .await
                .map_err(|e| explain(&operation, &e))?;
            Ok(there)
        })
        .await
    }
}

async fn server_version(client: &Client, operation: &str) -> Result<u32> {
    let row = client
        .query_one("SELECT current_setting('server_version_num')::int", &[])
        .await
        .map_err(|e| explain(operation, &e))?;
    let number: i32 = row.try_get(0).map_err(|e| explain(operation, &e))?;
    u32::try_from(number).map_err(|e| Error::new(Kind::Malformed, operation, e.to_string()))
}

/// Where the server listens to TCP.
struct Place {
    host: String,
    port: u16,
}

/// The socket in a folder; the lowest port is the first cluster.
fn socket_in(folder: &Path) -> std::result::Result<(PathBuf, u16), String> {
    let entries = std::fs::read_dir(folder).map_err(|e| e.to_string())?;
    let ports = entries.flatten().filter_map(|e| {
        let name = e.file_name();
        name.to_str()?.strip_prefix(".s.PGSQL.")?.parse().ok()
    });
    let port: u16 = ports.min().ok_or("no server has its socket there")?;
    Ok((folder.join(format!(".s.PGSQL.{port}")), port))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

/// Whether the role gets in over TCP with this password, as MAAS will.
async fn login(wanted: &DatabaseSpec, place: &Place) -> Password {
    let mut config = Config::new();
    config
        .host(&place.host)
        .port(place.port)
        .user(&wanted.role)
        .password(wanted.password.expose_secret())
        .dbname("postgres");
    config
        .application_name("cloudboot")
        .connect_timeout(Duration::from_secs(10));
    match config.connect(NoTls).await {
        Ok(_) => Password::Verified,
        Err(e) => match e.code().map(|c| c.code()) {
            Some("28P01") => Password::Wrong,
            // The password was right, the rest was not.
            Some("3D000" | "42501" | "53300") => Password::Verified,
            _ => Password::Unknown,
        },
    }
}

/// A connection that the server sees coming from `user`. Only the calling thread changes its ids, and it ends here.
fn connect_as(socket: &Path, user: &str) -> std::io::Result<UnixStream> {
    if !rustix::process::geteuid().is_root() {
        return UnixStream::connect(socket);
    }
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    let ids = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&user)).then(|| {
            Some((
                fields.get(2)?.parse::<u32>().ok()?,
                fields.get(3)?.parse::<u32>().ok()?,
            ))
        })?
    });
    let (uid, gid) =
        ids.ok_or_else(|| std::io::Error::other(format!("this host has no user {user}")))?;
    let socket = socket.to_owned();
    let thread = std::thread::Builder::new()
        .name("connect-as".into())
        .spawn(move || {
            let (uid, gid) = (
                rustix::thread::Uid::from_raw(uid),
                rustix::thread::Gid::from_raw(gid),
            );
            rustix::thread::set_thread_groups(&[gid])?;
            rustix::thread::set_thread_res_gid(gid, gid, gid)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid)?;
            UnixStream::connect(socket)
        })?;
    thread
        .join()
        .map_err(|_| std::io::Error::other("the connecting thread died"))?
}

fn verifier(password: &SecretString) -> String {
    postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes())
}

fn comment(deployment: &str) -> String {
    format!("managed by cloudboot: {deployment}")
}

fn mark(comment: Option<String>) -> Option<String> {
    comment?
        .strip_prefix("managed by cloudboot: ")
        .map(str::to_owned)
}

/// A quoted identifier. What PostgreSQL would cut silently is refused.
fn identifier(name: &str, operation: &str) -> Result<String> {
    if name.is_empty() || name.len() > 63 || name.contains('\0') {
        return Err(Error::new(
            Kind::Unsupported,
            operation,
            format!("{name:?} is no name for PostgreSQL: 1 to 63 bytes"),
        ));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// A quoted literal, whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    format!(
        "E'{}'",
        text.replace('\\', "\\\\")
            .replace('\'', "''")
            .replace('\0', "")
    )
}

fn explain(operation: &str, error: &tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        return Error::new(
            Kind::Unavailable,
            operation,
            format!("the connection to PostgreSQL broke: {error}"),
        )
        .unclear();
    };
    let code = db.code().code();
    let kind = match code {
        "42710" | "42P04" | "2BP01" => Kind::Conflict,
        "42704" | "3D000" => Kind::NotFound,
        "55006" | "53300" | "55P03" => Kind::Busy,
        "28000" | "28P01" | "42501" => Kind::Denied,
        c if c.starts_with("57P") => Kind::Unavailable,
        _ => Kind::Failed,
    };
    // Only the message: the statement and its details could hold what was given.
    Error::new(kind, operation, db.message()).with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(identifier("a\"; DROP", "x").unwrap(), "\"a\"\"; DROP\"");
        assert!(identifier(&"x".repeat(64), "x").is_err());
        assert_eq!(literal("it's \\ here"), "E'it''s \\\\ here'");
    }

    #[test]
    fn the_verifier_holds_no_password() {
        let v = verifier(&SecretString::from("some_password"));
        assert!(v.starts_with("SCRAM-SHA-256$4096:") && !v.contains("some_password"));
    }
}
