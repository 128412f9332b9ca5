//! `postgres`, `ssh`: what stands on the controller itself.

use std::path::{Path, PathBuf};

use crate::config::kinds::{NAME, PORT};
use crate::config::reader::{Scalar, Section};
use crate::config::value::Secret;

/// `postgres`: the database under MAAS, on the controller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Postgres {
    /// `database`: the database's name. Default `maas`.
    pub database: String,
    /// `username`: the role that owns it. Default `maas`.
    pub username: String,
    /// `password` of that role.
    pub password: Secret,
    /// `version`: the package to install, `postgresql-14`. MAAS needs at least 12 up to 3.7, 14 after.
    pub version: String,
    /// `port` on localhost. Default 5432.
    pub port: u16,
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
        Some(Self {
            database: database?,
            username: username?,
            password: password?,
            version: version?,
            port: port?,
        })
    }
}

const PACKAGE: Scalar<String> = Scalar {
    expected: "PostgreSQL's package, postgresql-12 or later, such as postgresql-14",
    parse: |text| {
        let major: u32 = text
            .strip_prefix("postgresql-")
            .unwrap_or(text)
            .parse()
            .ok()?;
        (12..100)
            .contains(&major)
            .then(|| format!("postgresql-{major}"))
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
