//! A plan: changes in an order that works, as data and as text.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// `deploy-1`. Other changes name its outcome as `$deploy-1`.
    pub id: String,
    /// `addCharm`, `deploy`, `addMachines`, `addRelation`, `addUnit`, `expose`, `setAnnotations`, `upgradeCharm`, `setOptions`,
    /// `setConstraints`, `scale`, `createOffer`, `consumeOffer`, `grantOfferAccess`; and of ours `setBindings`.
    pub method: String,
    /// What the method is given, in the official planner's form.
    pub args: Map<String, Value>,
    /// Ids of what must be done before.
    pub requires: Vec<String>,
    /// A line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl Change {
    /// An argument as text.
    pub fn arg(&self, name: &str) -> Option<&str> {
        self.args.get(name).and_then(Value::as_str)
    }
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// In an order that works.
    pub changes: Vec<Change>,
    /// What the model has and the bundle does not, in words: told, and left alone unless removing is asked.
    pub extra: Vec<String>,
    /// The same as changes (`removeRelation`, `unexpose`, `removeUnits`, `removeApplication`), which are made only when asked.
    #[serde(default)]
    pub removals: Vec<Change>,
}

impl Plan {
    /// Whether the model holds the bundle.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            f.write_str("no changes: the model holds the bundle")?;
        }
        for (i, c) in self.changes.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "- {}", c.description)?;
        }
        for e in &self.extra {
            write!(f, "\n  (not in the bundle and left alone: {e})")?;
        }
        Ok(())
    }
}

/// `Bundle.GetChangesMapArgs`.
pub(crate) async fn from_server(client: &Client, yaml: &str) -> Result<Vec<Change>> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default, deserialize_with = "crate::api::nullable")]
        changes: Vec<Change>,
        #[serde(default, deserialize_with = "crate::api::nullable")]
        errors: Vec<String>,
    }
    let w: Wire = client
        .read(
            "Bundle",
            "GetChangesMapArgs",
            json!({"yaml": yaml, "bundleURL": ""}),
        )
        .await?;
    let errors: Vec<String> = w.errors.into_iter().filter(|e| !e.is_empty()).collect();
    if errors.is_empty() {
        Ok(w.changes)
    } else {
        Err(Error::new(
            ErrorKind::Bundle,
            "Bundle.GetChangesMapArgs",
            errors.join("; "),
        ))
    }
}
