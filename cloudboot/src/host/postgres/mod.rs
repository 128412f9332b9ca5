//! The database server: a role, its database, and nothing in clear text.

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::Result;

/// What is wanted, or asked for.
#[derive(Debug, Clone)]
pub struct DatabaseSpec {
    /// The role's name (MAAS's user).
    pub role: String,
    /// The role's password; only its SCRAM verifier is ever sent.
    pub password: SecretString,
    /// The database's name.
    pub database: String,
}

/// Whether a role's password is the one that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Password {
    /// A SCRAM login over TCP with it succeeded.
    Verified,
    /// The server refused it.
    Wrong,
    /// It could not be tried (the role is absent, or no TCP login is allowed).
    Unknown,
}

/// What stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseState {
    /// The role exists.
    pub role: bool,
    /// Who marked the role (its comment).
    pub role_mark: Option<String>,
    /// Whether the password is right.
    pub password: Password,
    /// The database's owner, if the database exists.
    pub owner: Option<String>,
    /// Who marked the database (its comment).
    pub database_mark: Option<String>,
}

/// The database server of the host, as its superuser.
#[async_trait]
pub trait Postgres: Send + Sync + fmt::Debug {
    /// The server's version as a number: 140011 is 14.11. MAAS needs 12 up to its 3.7, 14 after.
    async fn version(&self) -> Result<u32>;
    /// What stands of a role and its database. Changes nothing.
    async fn observe(&self, wanted: &DatabaseSpec) -> Result<DatabaseState>;
    /// Creates a role that may log in, with a SCRAM verifier and a mark in its comment.
    /// One that exists is [`super::Kind::Conflict`] (42710).
    async fn create_role(&self, role: &str, password: &SecretString, mark: &str) -> Result<()>;
    /// Gives a role another password.
    async fn set_password(&self, role: &str, password: &SecretString) -> Result<()>;
    /// Creates a database with an owner and a mark in its comment. One that exists is [`super::Kind::Conflict`] (42P04).
    async fn create_database(&self, database: &str, owner: &str, mark: &str) -> Result<()>;
    /// Drops a database and ends its connections. Tells whether it was there.
    async fn drop_database(&self, database: &str) -> Result<bool>;
    /// Drops a role. Tells whether it was there.
    async fn drop_role(&self, role: &str) -> Result<bool>;
}

mod local;

pub use local::LocalPostgres;
