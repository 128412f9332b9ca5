//! The kill test: the pipeline dies at every outgoing call in turn, before the call is acted upon and after it was,
//! and whoever runs it again comes to the same end, with nothing made twice.
//!
//! A sample of the calls is run always; `CLOUDBOOT_KILL=all` runs all of them.

#![allow(unreachable_pub)]

mod child;
mod killer;
mod reopen;

use std::collections::{BTreeMap, BTreeSet};

use cloudboot::engine::{Outcome, Report};
use cloudboot::testing::{Durations, Lab};
use killer::{Killer, Points};

/// Virtual seconds a real second. The token that authorises Vault's charm lives for 600 of them.
const SPEED: f64 = 100.0;

/// Started by the tests of this file, never by itself.
#[test]
#[ignore = "it is the process that the other tests kill"]
fn child() {
    child::obey();
}

/// What a run came to.
struct End {
    state: String,
    counts: BTreeMap<String, u64>,
    calls: BTreeSet<String>,
}

/// A run that nobody disturbs.
async fn undisturbed() -> End {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::builder(folder.path().join("lab"))
        .speed(SPEED)
        .durations(Durations::instant())
        .start()
        .await
        .unwrap();
    child::assert_done(&child::run_on(&lab).await);
    End {
        state: lab.end_state(),
        counts: lab.counts(),
        calls: lab.calls().keys().map(|call| killer::name(call)).collect(),
    }
}

/// One world, in which the pipeline is killed at each of the points and started again, until it ends by itself.
async fn killed_at(points: Points) -> (End, Report, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let killer = Killer::new(points);
    let lab = Lab::builder(folder.path().join("lab"))
        .speed(SPEED)
        .durations(Durations::instant())
        .on_call(killer.hook())
        .start()
        .await
        .unwrap();
    let report = killer.run_to_the_end(&lab, folder.path()).await;
    let end = End {
        state: lab.end_state(),
        counts: lab.counts(),
        calls: BTreeSet::new(),
    };
    (end, report, killer.kills())
}

/// What may be made once more by a run that was killed, and why that is right.
const MAY_REPEAT: &[(&str, &str)] = &[
    (
        "vault/token",
        "Vault shows a token once: one whose answer was lost ends by itself after ten minutes, unused",
    ),
    (
        "juju/action:get-admin-password",
        "it only reads; asking again is right when its answer was lost",
    ),
    ("juju/action", "the one above is counted in it"),
];

fn assert_the_same(calm: &End, disturbed: &End) {
    assert_eq!(disturbed.state, calm.state);
    let more: Vec<String> = disturbed
        .counts
        .iter()
        .filter(|(what, times)| {
            **times > calm.counts.get(*what).copied().unwrap_or(0)
                && !MAY_REPEAT.iter().any(|(known, _)| known == what)
                && !cloudboot_tests::mission::is_made_up(what)
        })
        .map(|(what, times)| {
            format!(
                "{what}: {times} times, undisturbed {}",
                calm.counts.get(what).copied().unwrap_or(0)
            )
        })
        .collect();
    assert!(more.is_empty(), "made more than once: {more:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_is_killed_at_its_calls_ends_as_if_it_was_not() {
    let all = std::env::var("CLOUDBOOT_KILL").is_ok_and(|what| what == "all");
    let calm = undisturbed().await;
    if std::env::var_os("SHOW").is_some() {
        println!("{:#?}\n{:#?}", calm.calls, calm.counts);
    }
    let (end, report, kills) = killed_at(if all { Points::all() } else { Points::sample() }).await;
    println!("{} kills:\n{}", kills.len(), kills.join("\n"));
    // Calls are made side by side: where one of them kills, the other's answer finds nobody, and it is not made again.
    let least = if all { 300 } else { killer::SAMPLE.len() - 3 };
    assert!(kills.len() >= least, "only {} kills", kills.len());
    child::assert_done(&report);
    assert_the_same(&calm, &end);
}

fn without_addresses(line: &str) -> String {
    let word = |word: &str| match word.split_once("http://10.42.") {
        Some((before, rest)) => {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            format!("{before}http://ADDRESS{rest}")
        }
        None => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_vault_s_initialisation_and_its_keys_needs_an_operator() {
    let (_, report, kills) = killed_at(Points::the("vault PUT /v1/sys/init", "after")).await;
    assert_eq!(kills.len(), 1, "{kills:?}");
    assert_eq!(report.outcome, Outcome::NeedsOperator);
    let told: Vec<String> = report
        .failures()
        .map(|(step, error)| format!("{step}: {error}"))
        .collect();
    // The unit's address depends on the order in which its machines were made.
    let told: Vec<String> = told.iter().map(|line| without_addresses(line)).collect();
    insta::assert_snapshot!(told.join("\n"));
}
