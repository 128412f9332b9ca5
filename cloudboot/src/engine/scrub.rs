//! Secrets that passed through a run are cut out of all that is told, journalled and reported.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Error, SecretStore};

/// What is shorter may stand in a text by chance.
const SHORTEST: usize = 8;

/// The secret store of a run: it remembers what passed through it.
pub(super) struct Scrubber {
    store: Arc<dyn SecretStore>,
    known: RwLock<BTreeMap<String, Vec<SecretString>>>,
}

impl Scrubber {
    pub(super) fn new(store: Arc<dyn SecretStore>) -> Self {
        Self {
            store,
            known: RwLock::default(),
        }
    }

    fn learn(&self, name: &str, value: &SecretString) {
        let text = value.expose_secret();
        // A secret of several lines may be told line by line.
        let parts = std::iter::once(text).chain(text.lines());
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let values = known.entry(name.to_owned()).or_default();
        for part in parts.map(str::trim).filter(|part| part.len() >= SHORTEST) {
            if !values.iter().any(|before| before.expose_secret() == part) {
                values.push(SecretString::from(part));
            }
        }
    }

    /// The text without the secrets that are known.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, values) in self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            for value in values {
                if text.contains(value.expose_secret()) {
                    text = text.replace(value.expose_secret(), &format!("[secret {name}]"));
                }
            }
        }
        text
    }

    /// The error without the secrets that are known; its source goes where it holds one.
    pub(super) fn clean_error(&self, error: Error) -> Error {
        error.map_texts(|text| self.clean(text))
    }

    /// Anything that is told, without the secrets that are known.
    pub(super) fn clean_all<T: Serialize + DeserializeOwned>(&self, told: T) -> T {
        if self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
        {
            return told;
        }
        let cleaned = serde_json::to_value(&told).ok().and_then(|mut value| {
            self.clean_value(&mut value)
                .then(|| serde_json::from_value(value).ok())
                .flatten()
        });
        cleaned.unwrap_or(told)
    }

    /// Says whether there was anything to clean.
    fn clean_value(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => {
                let clean = self.clean(text);
                let dirty = clean != *text;
                *text = clean;
                dirty
            }
            Value::Array(values) => values
                .iter_mut()
                .fold(false, |dirty, value| self.clean_value(value) | dirty),
            Value::Object(fields) => fields
                .values_mut()
                .fold(false, |dirty, value| self.clean_value(value) | dirty),
            _ => false,
        }
    }
}

#[async_trait]
impl SecretStore for Scrubber {
    async fn get(&self, name: &str) -> Result<Option<SecretString>, Error> {
        let value = self.store.get(name).await?;
        if let Some(value) = &value {
            self.learn(name, value);
        }
        Ok(value)
    }

    async fn put(&self, name: &str, value: &SecretString) -> Result<(), Error> {
        self.learn(name, value);
        self.store.put(name, value).await
    }

    async fn remove(&self, name: &str) -> Result<bool, Error> {
        self.store.remove(name).await
    }

    async fn names(&self) -> Result<Vec<String>, Error> {
        self.store.names().await
    }
}
