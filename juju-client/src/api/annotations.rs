//! The facade `Annotations`: the place for an owner's mark.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{ErrorResult, Results, nullable};
use crate::client::Client;
use crate::error::Result;

/// The facade, as [`Client::annotations`] gives it.
#[derive(Debug, Clone)]
pub struct Annotations(Client);

#[derive(Deserialize)]
struct One {
    #[serde(default)]
    entity: String,
    #[serde(default, deserialize_with = "nullable")]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    error: Option<ErrorResult>,
}

impl Client {
    /// Annotations of the model and what is in it.
    pub fn annotations(&self) -> Annotations {
        Annotations(self.clone())
    }
}

impl Annotations {
    /// Those of one thing, by its tag (`application-vault`, `machine-0`, `model-<uuid>`).
    ///
    /// # Errors
    /// An unknown thing.
    pub async fn get(&self, tag: &str) -> Result<BTreeMap<String, String>> {
        self.get_many(&[tag.to_owned()])
            .await?
            .into_iter()
            .next()
            .map_or_else(|| Ok(BTreeMap::new()), |(_, r)| r)
    }

    /// Those of many things in one call, each with its own outcome.
    ///
    /// # Errors
    /// As every call.
    pub async fn get_many(
        &self,
        tags: &[String],
    ) -> Result<Vec<(String, Result<BTreeMap<String, String>>)>> {
        let entities: Vec<_> = tags.iter().map(|t| json!({"tag": t})).collect();
        let r: Results<One> = self
            .0
            .read("Annotations", "Get", json!({"entities": entities}))
            .await?;
        Ok(r.results
            .unwrap_or_default()
            .into_iter()
            .map(|one| {
                let outcome = one
                    .error
                    .unwrap_or_default()
                    .check("Annotations.Get")
                    .map(|()| one.annotations);
                (one.entity, outcome)
            })
            .collect())
    }

    /// Sets some; an empty value takes an annotation away.
    ///
    /// # Errors
    /// An unknown thing; a key with a dot in it.
    pub async fn set(&self, tag: &str, annotations: &BTreeMap<String, String>) -> Result<()> {
        let params = json!({"annotations": [{"entity": tag, "annotations": annotations}]});
        let r: Results<ErrorResult> = self.0.call("Annotations", "Set", params).await?;
        super::all_ok(r, "Annotations.Set")
    }
}
