//! The end of a run: what failed and what it blocks, how to go on, the way into the cloud.

use std::path::Path;

use cloudboot::engine::{By, Failure, Outcome, Report, RunKind, StepId, StepResult, Undo};
use cloudboot::openstack::Access;

use super::say::count;
use super::times;

/// The end of a run or a teardown, for people.
pub(crate) fn text(report: &Report) -> String {
    let mut parts = Vec::new();
    if report.kind == RunKind::Run {
        match nothing_to_do(report) {
            Some(sentence) => parts.push(sentence),
            None => parts.push(times::table(report)),
        }
    } else {
        parts.push(taken_back(report));
    }
    for (id, error) in report.failures() {
        parts.push(failure(report, id, error));
    }
    parts.extend(report.notes.iter().map(|note| format!("note: {note}")));
    match (&report.outcome, &report.next) {
        (Outcome::Cancelled, _) => parts.push(
            "interrupted; run the same command again: it goes on from what stands".to_owned(),
        ),
        (Outcome::Done { .. }, _) | (_, None) => {}
        (_, Some(next)) => parts.push(format!("to go on: {next}")),
    }
    parts.join("\n\n")
}

/// Where a run found that everything stood.
fn nothing_to_do(report: &Report) -> Option<String> {
    let stands = |by: By| {
        report
            .steps
            .iter()
            .filter(|step| step.result == StepResult::Stands { by })
            .count()
    };
    let all = report.steps.len();
    (stands(By::AlreadyStood) == all && !report.steps.iter().any(|step| step.changed))
        .then(|| format!("nothing to do: all {} stand", count(all, "step")))
}

/// The error's sentence, and what it keeps from going on.
fn failure(report: &Report, id: &StepId, error: &Failure) -> String {
    let mut text = format!(
        "{id} failed ({}):\n  {}: {}",
        error.class, error.attempted, error.found
    );
    if let Some(next) = &error.next {
        text.push_str(&format!("\n  next: {next}"));
    }
    let blocked = blocked_by(report, id);
    if !blocked.is_empty() {
        text.push_str(&format!("\n  it blocks: {}", blocked.join(", ")));
    }
    text
}

/// The steps that were not begun and need the failed one, directly or not.
fn blocked_by<'a>(report: &'a Report, failed: &'a StepId) -> Vec<&'a str> {
    let mut behind = vec![failed];
    let mut blocked = Vec::new();
    loop {
        let more: Vec<_> = report
            .steps
            .iter()
            .filter(|step| matches!(step.result, StepResult::Skipped { .. }))
            .filter(|step| {
                !behind.contains(&&step.id) && step.needs.iter().any(|need| behind.contains(&need))
            })
            .collect();
        if more.is_empty() {
            // As the mission goes, however they were found.
            blocked.sort_by_key(|id| report.steps.iter().position(|step| step.id.as_str() == *id));
            return blocked;
        }
        for step in more {
            behind.push(&step.id);
            blocked.push(step.id.as_str());
        }
    }
}

/// What a teardown took back and what it left.
fn taken_back(report: &Report) -> String {
    let mut lines = Vec::new();
    for step in &report.steps {
        match &step.result {
            StepResult::Undone {
                undo: Undo::Removed { what },
            } => lines.push(format!("taken back {}: {}", step.id, what.join(", "))),
            StepResult::Undone {
                undo: Undo::Kept { why },
            } => lines.push(format!("kept {}: {why}", step.id)),
            StepResult::Skipped { because } => lines.push(format!("left {}: {because}", step.id)),
            _ => {}
        }
    }
    if lines.is_empty() {
        lines.push("nothing to take back".to_owned());
    }
    lines.join("\n")
}

/// The way into the cloud. The password is not among it; where it is, is.
pub(crate) fn access(access: &Access, folder: &Path) -> String {
    let openrc = folder.join("openrc");
    format!(
        "The cloud is yours:
  dashboard  {}
  Keystone   {}
  user       {} (domain {}, project {})
  password   in {openrc}; show it: grep OS_PASSWORD {openrc}
  clients    {}
  root CA    {}",
        access.dashboard,
        access.auth_url,
        access.user,
        access.user_domain,
        access.project,
        folder.join("clouds.yaml").display(),
        folder.join("ca.pem").display(),
        openrc = openrc.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::json::tests::{failed, report};

    #[test]
    fn a_failure_says_what_it_blocks_and_how_to_go_on() {
        let text = text(&failed());
        let end = text
            .split_once("\n● ")
            .unwrap()
            .1
            .split_once("\n\n")
            .unwrap()
            .1;
        insta::assert_snapshot!(end, @r"
        juju.controller failed (terminal):
          bootstrap Juju: the container ended with status 1
          next: read the log of the container juju-bootstrap
          it blocks: juju.model, cloud.bundle

        to go on: `juju.controller`: read the log of the container juju-bootstrap
        ");
    }

    #[test]
    fn a_second_run_has_nothing_to_do() {
        let mut second = report();
        second.outcome = Outcome::Done { changed: 0 };
        for step in &mut second.steps {
            step.changed = false;
            step.result = StepResult::Stands {
                by: By::AlreadyStood,
            };
        }
        assert_eq!(
            text(&second),
            format!("nothing to do: all {} steps stand", second.steps.len())
        );
    }

    #[test]
    fn the_way_into_the_cloud_does_not_show_the_password() {
        let parameters = Access {
            dashboard: "https://10.42.0.21/horizon".parse().unwrap(),
            auth_url: "https://10.42.0.7:5000/v3".parse().unwrap(),
            user: "admin".into(),
            user_domain: "admin_domain".into(),
            password: "s3cret".into(),
            project: "admin".into(),
            project_domain: "admin_domain".into(),
            region: "RegionOne".into(),
            ca_pem: String::new(),
        };
        let text = access(&parameters, Path::new("/tmp/access"));
        assert!(!text.contains("s3cret"));
        assert!(text.contains("grep OS_PASSWORD /tmp/access/openrc"));
    }
}
