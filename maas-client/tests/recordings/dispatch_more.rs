//! The typed calls beside the pipeline's.

use maas_client::*;
use serde_json::Value;

use super::dispatch::Asked;

pub async fn call(_: &Client, _: &Asked) -> Option<Result<Value>> {
    None
}
