//! `postgres`, `ssh`: what stands on the controller itself.

use std::path::{Path, PathBuf};

use crate::config::error::FaultKind;
use crate::config::kinds::{NAME, PORT};
use crate::config::reader::{Scalar, Section};
use crate::config::value::Secret;

/// `postgres`: the database under MAAS, on the controller or beside it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Postgres {
    /// `database`: the database's name. Default `maas`.
    pub database: String,
    /// `username`: the role that owns it. Default `maas`.
    pub username: String,
    /// `password` of that role.
    pub password: Secret,
    /// `version`: the package to install, `postgresql-14`, or one version of it, `postgresql-14=14.11-0ubuntu0.22.04.1`.
    /// MAAS needs at least 12 up to 3.7, 14 after.
    pub version: String,
    /// `host` where a server stands already; nothing is installed then. None: the controller itself.
    pub host: Option<String>,
    /// `port` of the server. Default 5432.
    pub port: u16,
    /// `admin`: who makes the role and the database on `host`; there if `host` is.
    pub admin: Option<PostgresAdmin>,
}

/// `postgres.admin`: a role that may make roles and databases.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PostgresAdmin {
    /// `username`. Default `postgres`.
    pub username: String,
    /// `password`.
    pub password: Secret,
}

impl Postgres {
    /// The package, without its version.
    pub fn package(&self) -> &str {
        self.version.split('=').next().unwrap_or_default()
    }

    /// The one version of it that is wanted, if any.
    pub fn pinned(&self) -> Option<&str> {
        self.version.split_once('=').map(|(_, version)| version)
    }
}

/// `ssh`: the key with which machines can be logged in to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ssh {
    /// `maas_key`: the private key's file; the public one stands beside it with `.pub`. A bare name (the thesis's
    /// `maaskey`) lies in `<state_dir>/ssh`, a path is relative to the configuration. Made (Ed25519) if it is not
    /// there, used if it is. Default `maaskey`.
    pub maas_key: PathBuf,
}

impl Postgres {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let postgres = root.section("postgres");
        let database = postgres.or("database", &NAME, "maas".to_owned());
        let username = postgres.or("username", &NAME, "maas".to_owned());
        let password = postgres.secret("password");
        let version = postgres.or("version", &PACKAGE, "postgresql-14".to_owned());
        let port = postgres.or("port", &PORT, 5432);
        let host = postgres.optional("host", &HOST);
        let admin = match postgres.has("host") {
            true => {
                let admin = postgres.section("admin");
                let username = admin.or("username", &NAME, "postgres".to_owned());
                let password = admin.secret("password");
                match (username, password) {
                    (Some(username), Some(password)) => {
                        Some(Some(PostgresAdmin { username, password }))
                    }
                    _ => None,
                }
            }
            false if postgres.has("admin") => {
                let admin = postgres.section("admin");
                let _ = (admin.value("username"), admin.value("password"));
                let found = "an administrator, and no `host`";
                let expected =
                    "postgres.host beside it; the controller's own server needs no administrator";
                postgres.fault("admin", FaultKind::Conflict, found, expected);
                None
            }
            false => Some(None),
        };
        Some(Self {
            database: database?,
            username: username?,
            password: password?,
            version: version?,
            host: host?,
            port: port?,
            admin: admin?,
        })
    }
}

const PACKAGE: Scalar<String> = Scalar {
    expected: "PostgreSQL's package, postgresql-12 or later, such as postgresql-14, or postgresql-14=VERSION",
    parse: |text| {
        let (package, version) = match text.split_once('=') {
            Some((package, version)) => (package, Some(version)),
            None => (text, None),
        };
        let major: u32 = package
            .strip_prefix("postgresql-")
            .unwrap_or(package)
            .parse()
            .ok()?;
        // Debian's policy manual, 5.6.12.
        let plain = |c: char| c.is_ascii_alphanumeric() || ".+-:~".contains(c);
        let sound = version.is_none_or(|version| {
            version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(plain)
        });
        let pin = version.map(|version| format!("={version}"));
        ((12..100).contains(&major) && sound)
            .then(|| format!("postgresql-{major}{}", pin.unwrap_or_default()))
    },
};

const HOST: Scalar<String> = Scalar {
    expected: "a host's name or address, without a port",
    parse: |text| {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        let sound = text.chars().all(plain) && !text.starts_with('-');
        let name = !text.contains(':') || text.parse::<std::net::Ipv6Addr>().is_ok();
        (sound && name).then(|| text.to_owned())
    },
};

impl Ssh {
    pub(crate) fn read(root: &Section<'_>, state_dir: Option<&Path>) -> Option<Self> {
        let ssh = root.section("ssh");
        let state_dir = state_dir.unwrap_or(Path::new("."));
        let maas_key = match ssh.value("maas_key") {
            None => state_dir.join("ssh/maaskey"),
            Some(value) => match value.text("a key's name, or a path to it")? {
                name if name.contains('/') => value.path()?,
                name => state_dir.join("ssh").join(name),
            },
        };
        Some(Self { maas_key })
    }
}
