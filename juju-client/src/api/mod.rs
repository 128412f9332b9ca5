//! The typed calls, by facade. Everything else is reached with [`Client::call`](crate::Client::call).

pub mod actions;
pub mod annotations;
pub mod application;
pub mod backups;
pub mod charms;
pub mod cloud;
pub mod controller;
pub mod keys;
pub mod logs;
pub mod machines;
pub mod models;
pub(crate) mod object;
pub mod offers;
pub mod progress;
pub mod repository;
pub mod resources;
pub mod secrets;
pub mod spaces;
pub mod status;
pub mod storage;
pub mod watcher;

use serde::Deserialize;

use crate::error::{Error, Result};

/// An error inside a result.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireError {
    pub(crate) message: String,
    pub(crate) code: String,
    pub(crate) info: Option<serde_json::Value>,
}

impl WireError {
    pub(crate) fn into_error(self, operation: &str) -> Error {
        Error::server(operation, &self.message, &self.code, self.info)
    }
}

/// `{"results":[..]}`, which may be null or absent.
#[derive(Debug, Deserialize)]
pub(crate) struct Results<T> {
    #[serde(default = "Option::default", alias = "Results")]
    pub(crate) results: Option<Vec<T>>,
}

/// `{"error":{..}}` or nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorResult {
    pub(crate) error: Option<WireError>,
}

impl ErrorResult {
    pub(crate) fn check(self, operation: &str) -> Result<()> {
        match self.error {
            Some(e) if !e.message.is_empty() => Err(e.into_error(operation)),
            _ => Ok(()),
        }
    }
}

/// `{"result":{..}}` or `{"error":{..}}`.
#[derive(Debug, Deserialize)]
pub(crate) struct OneResult<T> {
    #[serde(default = "Option::default")]
    pub(crate) result: Option<T>,
    #[serde(default = "Option::default")]
    pub(crate) error: Option<WireError>,
}

impl<T> OneResult<T> {
    pub(crate) fn take(self, operation: &str) -> Result<T> {
        match (self.result, self.error) {
            (_, Some(e)) if !e.message.is_empty() => Err(e.into_error(operation)),
            (Some(r), _) => Ok(r),
            (None, _) => Err(Error::new(
                crate::ErrorKind::Protocol,
                operation,
                "the answer holds neither a result nor an error",
            )),
        }
    }
}

/// The only result of a call that was about one thing.
pub(crate) fn single<T>(results: Results<T>, operation: &str) -> Result<T> {
    results
        .results
        .and_then(|r| r.into_iter().next())
        .ok_or_else(|| {
            Error::new(
                crate::ErrorKind::Protocol,
                operation,
                "the answer holds no result",
            )
        })
}

/// All must be without error; the first one counts.
pub(crate) fn all_ok(results: Results<ErrorResult>, operation: &str) -> Result<()> {
    results
        .results
        .unwrap_or_default()
        .into_iter()
        .try_for_each(|r| r.check(operation))
}

/// A list that may be `null`.
pub(crate) fn nullable<'de, D, T>(d: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}
