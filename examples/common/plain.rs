//! Progress as lines, for pipes and logs: one for each start, retry, finish and failure.

use cloudboot::engine::{By, Event, Undo, say};
use jiff::Timestamp;

use super::out;
use super::progress::Show;
use super::say as words;

/// Writes a line for each event that matters.
#[derive(Default)]
pub(crate) struct Plain {
    words: Words,
}

impl Show for Plain {
    fn event(&mut self, event: &Event) {
        if let Some(line) = self.words.of(event) {
            out::line(line);
        }
    }
}

/// Events in words, with the time since the run began.
#[derive(Debug, Default)]
pub(crate) struct Words {
    began: Option<Timestamp>,
    /// Steps of this run that were seen to stand already.
    stood: Vec<cloudboot::engine::StepId>,
}

impl Words {
    /// The line of an event; `None` for what only a bar can show.
    pub(crate) fn of(&mut self, event: &Event) -> Option<String> {
        if let Event::RunStarted { at, .. } = event {
            self.began = Some(*at);
        }
        let text = self.text(event)?;
        let since = match (self.began, event.at()) {
            (Some(began), Some(at)) => words::between(began, at),
            _ => std::time::Duration::ZERO,
        };
        Some(format!("[{}] {text}", words::clock(since)))
    }

    fn text(&mut self, event: &Event) -> Option<String> {
        let row = |verb: &str, step: &dyn std::fmt::Display, rest: &str| {
            Some(format!("{verb:<8} {step:<20} {rest}").trim_end().to_owned())
        };
        match event {
            Event::RunStarted {
                adopted: Some(holder),
                ..
            } => Some(format!("adopted  the run of {holder}, which is dead")),
            Event::Started { step, about, .. } => row("start", step, about),
            Event::Retried {
                step,
                attempt,
                after,
                error,
                ..
            } => row(
                "retry",
                step,
                &format!("in {} (attempt {attempt} failed): {error}", say(*after)),
            ),
            Event::Satisfied {
                step,
                by: By::AlreadyStood,
                ..
            } => {
                self.stood.push(step.clone());
                None
            }
            Event::Finished {
                step,
                took,
                changed,
                ..
            } => {
                let stood = self.stood.iter().position(|it| it == step);
                if let Some(at) = stood.filter(|_| !changed) {
                    self.stood.swap_remove(at);
                    return row("stands", step, "it stood already");
                }
                row("done", step, &say(*took))
            }
            Event::Failed { step, error, .. } => row("FAILED", step, &error.to_string()),
            Event::Skipped { step, because, .. } => row("skipped", step, because),
            Event::NeedsApproval { step, question, .. } => row("asks", step, question),
            Event::Undone { step, result, .. } => match result {
                Undo::NothingToDo => row("nothing", step, "there was nothing to take away"),
                Undo::Removed { what } => row("removed", step, &what.join(", ")),
                Undo::Kept { why } => row("kept", step, why),
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudboot::engine::{Failure, RunKind};
    use std::time::Duration;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_735_689_600 + second).unwrap()
    }

    #[test]
    fn each_start_retry_finish_and_failure_is_a_line() {
        let error = Failure::from(
            &cloudboot::engine::Error::transient("read the version", "503 Service Unavailable")
                .next("wait"),
        );
        let events = [
            Event::RunStarted {
                at: at(0),
                deployment: "lab".into(),
                kind: RunKind::Run,
                steps: 2,
                adopted: None,
            },
            Event::Started {
                at: at(52),
                step: "maas.http".into(),
                about: "wait for the region's HTTP server".into(),
            },
            Event::Progress {
                at: at(53),
                step: "maas.http".into(),
                text: "half".into(),
                progress: Some(0.5),
            },
            Event::Retried {
                at: at(60),
                step: "maas.http".into(),
                attempt: 1,
                after: Duration::from_secs(2),
                error: error.clone(),
            },
            Event::Satisfied {
                at: at(66),
                step: "maas.http".into(),
                by: By::Applied,
            },
            Event::Finished {
                at: at(66),
                step: "maas.http".into(),
                took: Duration::from_secs(14),
                changed: true,
            },
            Event::Satisfied {
                at: at(67),
                step: "maas.dns".into(),
                by: By::AlreadyStood,
            },
            Event::Finished {
                at: at(67),
                step: "maas.dns".into(),
                took: Duration::ZERO,
                changed: false,
            },
            Event::Failed {
                at: at(3700),
                step: "juju.model".into(),
                error,
            },
        ];
        let mut words = Words::default();
        let lines: Vec<_> = events.iter().filter_map(|event| words.of(event)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        [0:00:52] start    maas.http            wait for the region's HTTP server
        [0:01:00] retry    maas.http            in 2 s (attempt 1 failed): read the version: 503 Service Unavailable; next: wait
        [0:01:06] done     maas.http            14 s
        [0:01:07] stands   maas.dns             it stood already
        [1:01:40] FAILED   juju.model           read the version: 503 Service Unavailable; next: wait
        ");
    }
}
