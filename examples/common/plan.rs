//! A plan as a table: what stands, what is to be done, what hinders.

use cloudboot::engine::{Plan, PlanState, Report, StepResult, say};
use comfy_table::{ContentArrangement, Table, presets};

use super::say::count;

/// The plan of a run.
pub(crate) fn table(plan: &Plan) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["step", "", "what"]);
    for step in &plan.steps {
        let (state, mut what) = in_words(&step.state, &step.about);
        if let Some(question) = &step.approval {
            what = format!("{what} (will ask: {question})");
        }
        table.add_row([step.id.as_str(), state, &what]);
    }
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    format!("{}\n\n{}", lines.join("\n"), conclusion(plan))
}

fn in_words(state: &PlanState, about: &str) -> (&'static str, String) {
    match state {
        PlanState::Stands => ("stands", about.to_owned()),
        PlanState::ToDo { why } => ("to do", format!("{about}: {why}")),
        PlanState::Drifted { what, destructive } => {
            let state = if *destructive { "DRIFTED" } else { "drifted" };
            let note = if *destructive {
                " (mending it destroys something)"
            } else {
                ""
            };
            (state, format!("{about}: {}{note}", what.join("; ")))
        }
        PlanState::Blocked { by, operator } => {
            let state = if *operator { "OPERATOR" } else { "blocked" };
            (state, format!("{about}: {by}"))
        }
        PlanState::Pending { waits_for } => {
            let names: Vec<_> = waits_for.iter().map(|id| id.as_str()).collect();
            ("pending", format!("{about}, after {}", names.join(", ")))
        }
        _ => ("?", about.to_owned()),
    }
}

fn conclusion(plan: &Plan) -> String {
    let left = plan
        .steps
        .iter()
        .filter(|step| step.state != PlanState::Stands)
        .count();
    if left == 0 {
        return format!(
            "nothing to do: all {} stand",
            count(plan.steps.len(), "step")
        );
    }
    let mut text = format!("{left} of {} to do", count(plan.steps.len(), "step"));
    if !plan.time_left.is_zero() {
        text.push_str(&format!(", about {} left", say(plan.time_left)));
    }
    text
}

/// What a teardown would take back.
pub(crate) fn takedown(report: &Report) -> String {
    let mut lines = Vec::new();
    for step in &report.steps {
        if let StepResult::WouldUndo { intents } = &step.result {
            lines.push(format!(
                "would take back {}: it meant to {}",
                step.id,
                intents.join(", ")
            ));
        }
    }
    if lines.is_empty() {
        lines.push(
            "nothing to take back: the journal knows of nothing that this deployment made"
                .to_owned(),
        );
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::json::tests::plan;

    #[test]
    fn a_plan_says_what_is_left() {
        insta::assert_snapshot!(table(&plan()));
    }
}
