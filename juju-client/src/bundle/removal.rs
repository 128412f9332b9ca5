//! Removing what a model has beyond its bundle: only ever when asked.

use serde_json::Value;

use super::plan::Change;
use crate::client::Client;
use crate::error::Result;

/// Carries removals out, in their order. What has gone meanwhile is gone.
pub(super) async fn remove(client: &Client, removals: &[Change]) -> Result<usize> {
    let apps = client.applications();
    for c in removals {
        let text = |k: &str| c.arg(k).unwrap_or_default();
        let done = match c.method.as_str() {
            "removeRelation" => {
                apps.destroy_relation(text("endpoint1"), text("endpoint2"))
                    .await
            }
            "unexpose" => apps.unexpose(text("application")).await,
            "removeUnits" => {
                let units: Vec<&str> = c
                    .args
                    .get("units")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                apps.destroy_units(&units, false).await
            }
            _ => apps.destroy(text("application"), false).await,
        };
        match done {
            Err(e) if !e.is_not_found() => {
                let operation = format!("{} ({})", c.description, e.operation());
                return Err(e.with_operation(operation));
            }
            _ => {}
        }
    }
    Ok(removals.len())
}
