//! Runs an action and prints its results: `cargo run --example juju_action -- keystone/leader get-admin-password --controller c`.

#[path = "common/juju.rs"]
mod juju;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Parser as _;
use serde_json::Value;

#[derive(Debug, clap::Parser)]
struct Args {
    #[command(flatten)]
    at: juju::Where,
    /// `vault/0` or `vault/leader`.
    unit: String,
    /// The action's name.
    action: String,
    /// `key=value`; the value is JSON, or else text.
    parameters: Vec<String>,
    /// How long it may take, in seconds.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
}

#[tokio::main]
async fn main() -> Result<(), juju::Failure> {
    let args = Args::parse();
    let mut parameters: BTreeMap<String, Value> = BTreeMap::new();
    for p in &args.parameters {
        let (k, v) = p
            .split_once('=')
            .ok_or_else(|| format!("{p:?} is not key=value"))?;
        parameters.insert(
            k.to_owned(),
            serde_json::from_str(v).unwrap_or_else(|_| Value::String(v.to_owned())),
        );
    }
    let connected = args.at.connect(true).await?;
    let actions = connected.model.actions();
    let result = actions
        .run(
            &args.unit,
            &args.action,
            &parameters,
            Duration::from_secs(args.timeout),
        )
        .await?;
    println!("action {} on {}: {}", result.id, result.unit, result.status);
    for line in &result.log {
        println!("  {line}");
    }
    println!("{}", serde_json::to_string_pretty(&result.output)?);
    Ok(())
}
