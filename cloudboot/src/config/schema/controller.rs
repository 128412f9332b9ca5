//! `postgres`, `ssh`: what stands on the controller itself.

use std::path::PathBuf;

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
