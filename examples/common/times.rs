//! The table of times: the thesis's rows beside our steps, the critical path marked.

use std::time::Duration;

use cloudboot::engine::{By, Report, StepReport, StepResult};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::say::clock;
use super::table1::{Here, PRINTED_TOTAL, ROWS};

/// The mark of the critical path.
const CRITICAL: &str = "●";

/// The table of a run's times, with what its marks mean.
pub(crate) fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["The thesis's Table 1", "there", "here", "", "our steps"]);
    let mut shown: Vec<&str> = Vec::new();
    // A run of a part is not held against rows that it has nothing of.
    let whole = report.step("cloud.converged").is_some();
    for row in &ROWS {
        let there = clock(Duration::from_secs(row.seconds));
        match row.here {
            Here::Gone(_) if !whole => {}
            Here::Gone(why) => {
                table.add_row([row.name, &there, "-", "", why]);
            }
            Here::Steps(names) => {
                let steps: Vec<_> = names.iter().filter_map(|name| report.step(*name)).collect();
                shown.extend(names);
                if whole || !steps.is_empty() {
                    table.add_row([
                        row.name,
                        &there,
                        &time(&steps),
                        critical(&steps),
                        &names.join(", "),
                    ]);
                }
            }
        }
    }
    for step in report
        .steps
        .iter()
        .filter(|step| !shown.contains(&step.id.as_str()))
    {
        let steps = [step];
        table.add_row([
            "(not in Table 1)",
            "",
            &time(&steps),
            critical(&steps),
            step.id.as_str(),
        ]);
    }
    table.add_row([
        "Total",
        &clock(PRINTED_TOTAL),
        &clock(report.total),
        "",
        &compared(report),
    ]);
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    format!(
        "{}\n\nThe thesis prints that total; its rows sum to a second less.\n{CRITICAL} on the critical path: {} took {} of {}",
        lines.join("\n"),
        super::say::count(report.critical_path.len(), "step"),
        clock(report.critical_time),
        clock(report.total)
    )
}

/// The time that any of the steps was under way: what overlaps counts once.
fn time(steps: &[&StepReport]) -> String {
    if steps.iter().all(|step| skipped(step)) {
        return "-".to_owned();
    }
    if steps.iter().all(|step| stood(step)) {
        return "stood".to_owned();
    }
    clock(under_way(steps.iter().map(|step| (step.start, step.end()))))
}

fn under_way(spans: impl Iterator<Item = (Duration, Duration)>) -> Duration {
    let mut spans: Vec<_> = spans.collect();
    spans.sort();
    let (mut sum, mut until) = (Duration::ZERO, Duration::ZERO);
    for (start, end) in spans {
        sum += end.saturating_sub(start.max(until));
        until = until.max(end);
    }
    sum
}

fn critical(steps: &[&StepReport]) -> &'static str {
    if steps.iter().any(|step| step.critical) {
        CRITICAL
    } else {
        ""
    }
}

/// The whole against the thesis's, where this run did the whole.
fn compared(report: &Report) -> String {
    let in_line = clock(report.in_line());
    let done_now = |id: &str| {
        report
            .step(id)
            .is_some_and(|step| !stood(step) && !skipped(step))
    };
    let whole = report.outcome.is_done() && done_now("host.maas") && done_now("cloud.converged");
    let saved = (1.0 - report.total.as_secs_f64() / PRINTED_TOTAL.as_secs_f64()) * 100.0;
    if whole && saved > 0.0 {
        format!("{saved:.0} % less than there; one after another our steps take {in_line}")
    } else {
        format!("of this run; its steps one after another take {in_line}")
    }
}

fn stood(step: &StepReport) -> bool {
    matches!(
        step.result,
        StepResult::Stands {
            by: By::AlreadyStood
        }
    )
}

fn skipped(step: &StepReport) -> bool {
    matches!(step.result, StepResult::Skipped { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::json::tests::report;

    #[test]
    fn the_table_has_the_thesis_beside_us() {
        insta::assert_snapshot!(table(&report()));
    }

    #[test]
    fn what_overlaps_counts_once() {
        let s = Duration::from_secs;
        assert_eq!(
            under_way([(s(0), s(10)), (s(5), s(8)), (s(9), s(12)), (s(20), s(21))].into_iter()),
            s(13)
        );
        assert_eq!(under_way(std::iter::empty()), Duration::ZERO);
    }
}
