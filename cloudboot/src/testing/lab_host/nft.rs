//! nftables as far as the pipeline speaks it: `nft -j -f -` and `nft -j list ...`.

use serde_json::{Value, json};

use super::state::State;
use crate::host::exec::Output;

fn output(status: i32, stdout: String, stderr: &str) -> Output {
    Output {
        status,
        stdout: stdout.into_bytes(),
        stderr: stderr.as_bytes().to_vec(),
    }
}

fn is_table(item: &Value, family: &Value, name: &Value) -> bool {
    item.get("table")
        .is_some_and(|t| t.get("family") == Some(family) && t.get("name") == Some(name))
}

fn in_table(item: &Value, family: &Value, name: &Value) -> bool {
    ["chain", "rule", "set"]
        .iter()
        .filter_map(|k| item.get(*k))
        .any(|o| o.get("family") == Some(family) && o.get("table") == Some(name))
}

/// One transaction: all or nothing.
pub(crate) fn load(state: &mut State, text: &str) -> Output {
    let mut items = state.nft.clone();
    let mut made = 0;
    let commands = serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|v| v.get("nftables")?.as_array().cloned());
    let Some(commands) = commands else {
        return output(
            1,
            String::new(),
            "internal:0:0-0: Error: Parsing JSON failed",
        );
    };
    for command in &commands {
        if let Some(object) = command.get("add") {
            let (kind, body) = match object.as_object().and_then(|o| o.iter().next()) {
                Some((kind, body))
                    if ["table", "chain", "rule", "set"].contains(&kind.as_str()) =>
                {
                    (kind.as_str(), body)
                }
                _ => return output(1, String::new(), "internal:0:0-0: Error: Unknown object"),
            };
            let family = body.get("family").cloned().unwrap_or_default();
            if kind == "table" {
                let name = body.get("name").cloned().unwrap_or_default();
                if !items.iter().any(|i| is_table(i, &family, &name)) {
                    items.push(json!({"table": body}));
                    made += 1;
                }
                continue;
            }
            let table = body.get("table").cloned().unwrap_or_default();
            if !items.iter().any(|i| is_table(i, &family, &table)) {
                return output(
                    1,
                    String::new(),
                    "internal:0:0-0: Error: Could not process rule: No such file or directory",
                );
            }
            if kind == "rule"
                || !items.iter().any(|i| {
                    i.get(kind).is_some_and(|o| {
                        o.get("name") == body.get("name") && o.get("table") == body.get("table")
                    })
                })
            {
                items.push(json!({kind: body}));
            }
        } else if let Some(table) = command.pointer("/delete/table") {
            let (family, name) = (
                table.get("family").cloned().unwrap_or_default(),
                table.get("name").cloned().unwrap_or_default(),
            );
            if !items.iter().any(|i| is_table(i, &family, &name)) {
                return output(
                    1,
                    String::new(),
                    "internal:0:0-0: Error: Could not process rule: No such file or directory",
                );
            }
            items.retain(|i| !is_table(i, &family, &name) && !in_table(i, &family, &name));
        } else if command.get("metainfo").is_none() {
            return output(1, String::new(), "internal:0:0-0: Error: Unknown command");
        }
    }
    let had = state.nft.iter().any(|i| i.get("table").is_some());
    // "add, delete, add" of a table that stood replaces it: that is no second creation.
    if made > 0 && !had {
        state.count("nat-table");
    }
    state.nft = items;
    output(0, String::new(), "")
}

/// `nft -j list table FAMILY NAME` and `nft -j list ruleset`.
pub(crate) fn list(state: &State, args: &[String]) -> Output {
    let words: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let mut found = vec![
        json!({"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}),
    ];
    match words.as_slice() {
        ["list", "ruleset"] => found.extend(state.nft.iter().cloned()),
        ["list", "table", family, name] => {
            let (family, name) = (json!(family), json!(name));
            if !state.nft.iter().any(|i| is_table(i, &family, &name)) {
                return output(
                    1,
                    String::new(),
                    "Error: No such file or directory\nlist table\n           ^^^^\n",
                );
            }
            found.extend(
                state
                    .nft
                    .iter()
                    .filter(|i| is_table(i, &family, &name) || in_table(i, &family, &name))
                    .cloned(),
            );
        }
        _ => return output(1, String::new(), "Error: syntax error, unexpected string"),
    }
    output(0, format!("{}\n", json!({"nftables": found})), "")
}
