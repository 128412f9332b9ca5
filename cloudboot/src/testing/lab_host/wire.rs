//! What goes over `run/lab-host.socket`: a line of JSON there, a line of JSON back, one a connection.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::host::netplan::Change;
use crate::host::{Error, Kind};

#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub(crate) enum Request {
    Exec {
        program: String,
        args: Vec<String>,
        stdin: String,
        title: String,
    },
    PgVersion,
    PgObserve {
        role: String,
        password: String,
        database: String,
    },
    PgCreateRole {
        role: String,
        password: String,
        mark: String,
    },
    PgSetPassword {
        role: String,
        password: String,
    },
    PgCreateDatabase {
        database: String,
        owner: String,
        mark: String,
    },
    PgDropDatabase {
        database: String,
    },
    PgDropRole {
        role: String,
    },
    NetplanCurrent,
    NetplanAttempt {
        change: Change,
        rollback_ms: u64,
    },
    NetplanPending,
    NetplanConfirm {
        trial: String,
    },
    NetplanCancel {
        trial: String,
    },
    UnitState {
        unit: String,
    },
    UnitReload,
    UnitEnable {
        unit: String,
    },
    UnitDisable {
        unit: String,
    },
    UnitStart {
        unit: String,
    },
    UnitStop {
        unit: String,
    },
}

impl Request {
    /// How taps and counters name it.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Exec { title, .. } => format!("exec {title}"),
            Self::PgVersion => "postgres version".into(),
            Self::PgObserve { .. } => "postgres observe".into(),
            Self::PgCreateRole { .. } => "postgres CREATE ROLE".into(),
            Self::PgSetPassword { .. } => "postgres ALTER ROLE".into(),
            Self::PgCreateDatabase { .. } => "postgres CREATE DATABASE".into(),
            Self::PgDropDatabase { .. } => "postgres DROP DATABASE".into(),
            Self::PgDropRole { .. } => "postgres DROP ROLE".into(),
            Self::NetplanCurrent => "netplan Get".into(),
            Self::NetplanAttempt { .. } => "netplan Try".into(),
            Self::NetplanPending => "netplan Introspect".into(),
            Self::NetplanConfirm { .. } => "netplan Apply".into(),
            Self::NetplanCancel { .. } => "netplan Cancel".into(),
            Self::UnitState { unit } => format!("systemd LoadUnit {unit}"),
            Self::UnitReload => "systemd Reload".into(),
            Self::UnitEnable { unit } => format!("systemd EnableUnitFiles {unit}"),
            Self::UnitDisable { unit } => format!("systemd DisableUnitFiles {unit}"),
            Self::UnitStart { unit } => format!("systemd StartUnit {unit}"),
            Self::UnitStop { unit } => format!("systemd StopUnit {unit}"),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Ok(Value),
    Error {
        kind: Kind,
        operation: String,
        detail: String,
        code: Option<String>,
        hint: Option<String>,
    },
}

impl From<Result<Value, Error>> for Answer {
    fn from(result: Result<Value, Error>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(e) => Self::Error {
                kind: e.kind(),
                operation: e.operation().into(),
                detail: e.detail().into(),
                code: e.code().map(Into::into),
                hint: e.next().map(Into::into),
            },
        }
    }
}

impl Answer {
    pub(crate) fn into_result(self) -> Result<Value, Error> {
        match self {
            Self::Ok(value) => Ok(value),
            Self::Error {
                kind,
                operation,
                detail,
                code,
                hint,
            } => {
                let mut error = Error::new(kind, operation, detail);
                if let Some(code) = code {
                    error = error.with_code(code);
                }
                if let Some(hint) = hint {
                    error = error.hint(hint);
                }
                Err(error)
            }
        }
    }
}
