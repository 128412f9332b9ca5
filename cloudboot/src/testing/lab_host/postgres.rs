//! The lab's database server: roles and databases, with PostgreSQL's own refusals.

use serde_json::{Value, json};

use super::state::{Database, Role, State};
use crate::host::postgres::{DatabaseState, Password};
use crate::host::{Error, Kind, Result};

/// Nothing answers before a server is installed.
pub(crate) fn running(installed: &[String], operation: &str) -> Result<()> {
    if installed.iter().any(|p| p.starts_with("postgresql")) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unavailable,
        operation,
        "no PostgreSQL server listens on /var/run/postgresql",
    )
    .hint("install the package that `postgres.version` names"))
}

pub(crate) fn observe(state: &State, role: &str, password: &str, database: &str) -> Result<Value> {
    let found = state.roles.get(role);
    let base = state.databases.get(database);
    json_of(&DatabaseState {
        role: found.is_some(),
        role_mark: found.and_then(|r| r.comment.clone()),
        password: match found {
            Some(r) if r.password == password => Password::Verified,
            Some(_) => Password::Wrong,
            None => Password::Unknown,
        },
        owner: base.map(|d| d.owner.clone()),
        database_mark: base.and_then(|d| d.comment.clone()),
    })
}

fn json_of(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|e| Error::new(Kind::Malformed, "observe the database", e.to_string()))
}

pub(crate) fn create_role(
    state: &mut State,
    role: String,
    password: String,
    mark: String,
) -> Result<Value> {
    if state.roles.contains_key(&role) {
        return Err(refused(
            Kind::Conflict,
            "create the role",
            format!("role \"{role}\" already exists"),
            "42710",
        ));
    }
    state.count(format!("role:{role}"));
    state.roles.insert(
        role,
        Role {
            password,
            comment: Some(mark),
        },
    );
    Ok(Value::Null)
}

pub(crate) fn set_password(state: &mut State, role: &str, password: String) -> Result<Value> {
    match state.roles.get_mut(role) {
        Some(r) => r.password = password,
        None => {
            return Err(refused(
                Kind::NotFound,
                "set the password",
                format!("role \"{role}\" does not exist"),
                "42704",
            ));
        }
    }
    Ok(Value::Null)
}

pub(crate) fn create_database(
    state: &mut State,
    database: String,
    owner: String,
    mark: String,
) -> Result<Value> {
    let operation = "create the database";
    if !state.roles.contains_key(&owner) {
        return Err(refused(
            Kind::NotFound,
            operation,
            format!("role \"{owner}\" does not exist"),
            "42704",
        ));
    }
    if state.databases.contains_key(&database) {
        return Err(refused(
            Kind::Conflict,
            operation,
            format!("database \"{database}\" already exists"),
            "42P04",
        ));
    }
    state.count(format!("database:{database}"));
    state.databases.insert(
        database,
        Database {
            owner,
            comment: Some(mark),
        },
    );
    Ok(Value::Null)
}

pub(crate) fn drop_role(state: &mut State, role: &str) -> Result<Value> {
    if let Some((name, _)) = state.databases.iter().find(|(_, d)| d.owner == role) {
        let detail = format!(
            "role \"{role}\" cannot be dropped because some objects depend on it: owner of database {name}"
        );
        return Err(refused(Kind::Conflict, "drop the role", detail, "2BP01"));
    }
    Ok(json!(state.roles.remove(role).is_some()))
}

fn refused(kind: Kind, operation: &str, detail: String, code: &str) -> Error {
    Error::new(kind, operation, detail).with_code(code)
}

/// Whether a `postgres://user:password@host/database` URI would let MAAS in; what libpq says if not.
pub(crate) fn login(state: &State, uri: &str) -> std::result::Result<(), String> {
    use sha2::{Digest, Sha256};
    let url = url::Url::parse(uri.trim()).map_err(|e| format!("Database URI is invalid: {e}"))?;
    let decode = |text: &str| percent_decode(text);
    let (user, password) = (
        decode(url.username()),
        decode(url.password().unwrap_or_default()),
    );
    let name = decode(url.path().trim_start_matches('/'));
    let digest = hex::encode(Sha256::digest(password.as_bytes()));
    if state.roles.get(&user).is_none_or(|r| r.password != digest) {
        return Err(format!(
            "FATAL:  password authentication failed for user \"{user}\""
        ));
    }
    if !state.databases.contains_key(&name) {
        return Err(format!("FATAL:  database \"{name}\" does not exist"));
    }
    Ok(())
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
