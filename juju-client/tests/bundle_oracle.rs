//! The planner against what a real 4.0.15 controller planned: `Bundle.GetChangesMapArgs`, 72 bundles.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use juju_client::Bundle;
use serde_json::Value;

const ORACLE: &str = include_str!("fixtures/recordings/bundle_oracle.jsonl");

/// Order among unused machines is by chance on the server.
fn sorted(mut v: Vec<String>) -> Vec<String> {
    v.sort();
    v
}

fn judge(case: &Value) -> Result<(), String> {
    let yaml = case["yaml"].as_str().unwrap();
    // The server looked for charms in its own folder.
    let dir = Path::new("<WORK>");
    if let Some(error) = case["error"].as_str() {
        let ours = match Bundle::parse_with(yaml, &[], Some(dir)).and_then(|b| b.changes()) {
            Ok(_) => return Err(format!("taken, but the server says {error:?}")),
            Err(e) => e.message().to_owned(),
        };
        return if ours == error {
            Ok(())
        } else {
            Err(format!("ours {ours:?}\nserver {error:?}"))
        };
    }
    let errors: Vec<String> = case["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e.as_str().unwrap().to_owned())
        .collect();
    let ours = Bundle::problems(yaml, &[], Some(dir)).map_err(|e| e.to_string())?;
    let ours: Vec<String> = ours.into_iter().map(|p| p.message).collect();
    if sorted(ours.clone()) != sorted(errors.clone()) {
        return Err(format!("ours {ours:#?}\nserver {errors:#?}"));
    }
    let Some(wanted) = case["changes"].as_array() else {
        return Ok(());
    };
    let plan = Bundle::parse(yaml)
        .and_then(|b| b.changes())
        .map_err(|e| e.to_string())?;
    for (i, want) in wanted.iter().enumerate() {
        let Some(c) = plan.changes.get(i) else {
            return Err(format!("no change {i}, the server has {want}"));
        };
        let ours = serde_json::json!({"id": c.id, "method": c.method, "args": c.args, "requires": c.requires});
        if ours != *want {
            return Err(format!("change {i}:\nours   {ours}\nserver {want}"));
        }
    }
    if plan.changes.len() != wanted.len() {
        return Err(format!(
            "{} changes, the server has {}",
            plan.changes.len(),
            wanted.len()
        ));
    }
    Ok(())
}

#[test]
fn every_recorded_bundle_is_planned_as_the_server_does() {
    let (mut same, mut wrong) = (0, Vec::new());
    for line in ORACLE.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        match judge(&case) {
            Ok(()) => same += 1,
            Err(e) => wrong.push(format!("{}: {e}", case["name"])),
        }
    }
    println!(
        "planned as the server does: {same} of {}",
        same + wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
