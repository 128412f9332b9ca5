//! The mission on the lab as these tests drive it, and its outcome in words that stay the same.

use std::collections::BTreeMap;

use cloudboot::config::Loader;
use cloudboot::engine::{Approvals, Engine, EngineBuilder, Error, Report};
use cloudboot::steps::{Mission, Site};
use cloudboot::testing::{Durations, Lab, LabBuilder};
use tempfile::TempDir;

/// A folder for a lab, short enough for the sockets inside.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A lab whose systems answer at once.
pub(crate) fn builder(folder: &TempDir) -> LabBuilder {
    Lab::builder(folder.path().join("lab"))
        .speed(600.0)
        .durations(Durations::instant())
}

/// The mission's engine, with a further overlay as YAML, to be changed before it is built.
pub(crate) async fn try_prepare(lab: &Lab, overlay: &str) -> Result<EngineBuilder, Error> {
    let operator = lab.operator();
    let mut loader = Loader::new();
    for path in &operator.overlays {
        loader = loader.overlay(path);
    }
    if !overlay.is_empty() {
        loader = loader.overlay_text(overlay, &operator.folder);
    }
    let config = loader.load(&operator.config).unwrap();
    let engine = Mission::new(Site::new(config, lab.host()))?
        .engine()
        .await?;
    Ok(engine.clock(lab.clock()).approvals(Approvals::AllowAll))
}

pub(crate) async fn prepare(lab: &Lab, overlay: &str) -> EngineBuilder {
    try_prepare(lab, overlay).await.unwrap()
}

pub(crate) async fn engine(lab: &Lab, overlay: &str) -> Engine {
    prepare(lab, overlay).await.build().unwrap()
}

/// Runs the whole mission.
pub(crate) async fn run(lab: &Lab, overlay: &str) -> Report {
    engine(lab, overlay).await.run().await.unwrap()
}

/// Runs the mission up to a step.
pub(crate) async fn until(lab: &Lab, overlay: &str, step: &str) -> Report {
    engine(lab, overlay).await.run_until(step).await.unwrap()
}

/// How the run ended, what failed in which words, and the advice, without what differs from run to run.
pub(crate) fn told(lab: &Lab, report: &Report) -> String {
    let mut outcome = serde_json::to_value(&report.outcome).unwrap();
    let mut text = format!("outcome: {}\n", outcome["result"].take().as_str().unwrap());
    let mut failures: Vec<String> = report
        .failures()
        .map(|(step, failure)| sentence(lab, &format!("`{step}` ({})", failure.class), failure))
        .collect();
    failures.sort();
    text.push_str(&failures.concat());
    // Where several fail at once, whose advice comes first is chance.
    let alone = report.failures().count() < 2;
    if let Some(next) = report.next.as_ref().filter(|_| alone) {
        text.push_str(&format!("next: {}\n", redact(lab, next)));
    }
    text
}

/// An error of the engine in the same form.
pub(crate) fn said(lab: &Lab, error: &Error) -> String {
    let failure = cloudboot::engine::Failure::from(error);
    sentence(lab, &format!("({})", failure.class), &failure)
}

fn sentence(lab: &Lab, head: &str, failure: &cloudboot::engine::Failure) -> String {
    let mut text = format!("{head}\n  attempted: {}\n", redact(lab, &failure.attempted));
    text.push_str(&format!("  found: {}\n", redact(lab, &failure.found)));
    if let Some(next) = &failure.next {
        text.push_str(&format!("  next: {}\n", redact(lab, next)));
    }
    text
}

/// Leaves out the lab's folder, ports of loopback and lengths of time.
pub(crate) fn redact(lab: &Lab, text: &str) -> String {
    let folder = lab.operator().folder.parent().unwrap();
    let text = text.replace(&folder.display().to_string(), "<lab>");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        out.push_str(before);
        let end = number
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(number.len());
        let (digits, after) = number.split_at(end);
        let word = out
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '-');
        let unit = [" s", " min", " h", " ms", "s", "ms", "min", "h"]
            .into_iter()
            .find(|unit| {
                after.strip_prefix(unit).is_some_and(|rest| {
                    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_')
                })
            });
        if let (false, Some(unit)) = (word, unit) {
            if !out.ends_with("<time>") && !out.ends_with("<time> ") {
                out.push_str("<time>");
            } else if out.ends_with(' ') {
                out.pop();
            }
            rest = &after[unit.len()..];
        } else if out.ends_with("127.0.0.1:") {
            out.push_str("<port>");
            rest = after;
        } else {
            out.push_str(digits);
            rest = after;
        }
    }
    out.push_str(rest);
    out.split_inclusive([' ', '\n', ',', ';', '(', ')'])
        .map(|word| {
            let bare = word.trim_end_matches([' ', '\n', ',', ';', '(', ')']);
            let id = bare.trim_matches(['[', ']', '\'']);
            if id.len() == 36 && id.matches('-').count() == 4 {
                return word.replace(id, "<uuid>");
            }
            let rest = &word[bare.len()..];
            match bare.parse::<jiff::Timestamp>() {
                Ok(_) => format!("<date>{rest}"),
                Err(_) => word.to_owned(),
            }
        })
        .collect()
}

/// What was created, how often, but for made-up names.
pub(crate) fn counts(lab: &Lab) -> BTreeMap<String, u64> {
    let mut counts = lab.counts();
    counts.retain(|what, _| !cloudboot_tests::mission::is_made_up(what));
    counts
}
