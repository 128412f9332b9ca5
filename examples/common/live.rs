//! Progress on a terminal: a line for each step under way, what it waits for and for how long.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudboot::engine::{Clock, Event, RunKind, StepId, say};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::plain::Words;
use super::progress::Show;
use super::say as words;

/// A line without a known end, one with, and the line of the whole.
const SPINNER: &str = "{spinner:.cyan} {prefix:20.bold} {wide_msg}";
const WHOLE: &str = "{prefix:22} [{bar:20.green}] {pos}/{len} steps  {wide_msg}";
const BAR: &str = "{spinner:.cyan} {prefix:20.bold} [{bar:20.cyan}] {percent:>3} %  {wide_msg}";

/// Draws on standard error.
pub(crate) struct Live {
    multi: MultiProgress,
    whole: ProgressBar,
    lines: BTreeMap<StepId, Line>,
    words: Words,
    clock: Arc<dyn Clock>,
    began: Option<Timestamp>,
    paused: bool,
}

/// A step under way.
struct Line {
    bar: ProgressBar,
    /// What it does or waits for.
    text: String,
    since: Timestamp,
    measured: bool,
}

impl Live {
    /// `clock` is the engine's: what is shown is its time.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            multi: MultiProgress::new(),
            whole: ProgressBar::hidden(),
            lines: BTreeMap::new(),
            words: Words::default(),
            clock,
            began: None,
            paused: false,
        }
    }

    fn start(&mut self, at: Timestamp, step: &StepId, about: &str) {
        let bar = ProgressBar::new(100);
        bar.set_style(style(SPINNER));
        let bar = self.multi.insert_before(&self.whole, bar);
        bar.set_prefix(step.to_string());
        let line = Line {
            bar,
            text: about.to_owned(),
            since: at,
            measured: false,
        };
        self.lines.insert(step.clone(), line);
    }

    fn update(
        &mut self,
        step: &StepId,
        text: String,
        since: Option<Timestamp>,
        progress: Option<f32>,
    ) {
        let Some(line) = self.lines.get_mut(step) else {
            return;
        };
        line.text = text;
        line.since = since.unwrap_or(line.since);
        if line.measured != progress.is_some() {
            line.measured = progress.is_some();
            line.bar
                .set_style(style(if line.measured { BAR } else { SPINNER }));
        }
        if let Some(part) = progress {
            line.bar
                .set_position((part.clamp(0.0, 1.0) * 100.0).round() as u64);
        }
    }

    fn finish(&mut self, step: &StepId) {
        if let Some(line) = self.lines.remove(step) {
            line.bar.finish_and_clear();
            self.multi.remove(&line.bar);
            self.whole.inc(1);
        }
    }
}

impl Show for Live {
    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStarted {
                at, kind, steps, ..
            } => {
                self.began = Some(*at);
                self.whole.finish_and_clear();
                self.whole = self.multi.add(ProgressBar::new(*steps as u64));
                self.whole.set_style(style(WHOLE));
                self.whole.set_prefix(match kind {
                    RunKind::Teardown => "taking back",
                    _ => "deploying",
                });
            }
            Event::Started { at, step, about } => self.start(*at, step, about),
            Event::Applying { step, why, .. } => self.update(step, why.clone(), None, None),
            Event::Waiting {
                step,
                what,
                since,
                state,
                progress,
                ..
            } => {
                self.update(
                    step,
                    format!("waits for {what}: {state}"),
                    Some(*since),
                    *progress,
                );
            }
            Event::Progress {
                step,
                text,
                progress,
                ..
            } => self.update(step, text.clone(), None, *progress),
            Event::NeedsApproval { step, question, .. } => {
                self.update(step, format!("asks: {question}"), None, None)
            }
            Event::Retried {
                step, after, error, ..
            } => {
                self.update(
                    step,
                    format!("tries again in {}: {error}", say(*after)),
                    None,
                    None,
                );
            }
            Event::Finished { step, .. }
            | Event::Failed { step, .. }
            | Event::Undone { step, .. } => self.finish(step),
            Event::RunEnded { .. } => self.end(),
            _ => {}
        }
        // The lines above the bars stay; a start is shown by its bar.
        let shown = self.words.of(event);
        if let Some(text) = shown.filter(|_| !matches!(event, Event::Started { .. })) {
            let _ = self.multi.println(text);
        }
    }

    fn tick(&mut self) {
        if self.paused {
            return;
        }
        if self.began.is_none() && self.whole.is_hidden() {
            self.whole = self.multi.add(ProgressBar::new_spinner());
            self.whole.set_message("looking at the systems");
        }
        let now = self.clock.timestamp();
        for line in self.lines.values() {
            let waited = say(words::between(line.since, now));
            line.bar
                .set_message(format!("{waited}  {}", words::cut(&line.text, 400)));
            line.bar.tick();
        }
        if let Some(began) = self.began {
            self.whole
                .set_message(words::clock(words::between(began, now)));
        }
        self.whole.tick();
    }

    fn end(&mut self) {
        for (_, line) in std::mem::take(&mut self.lines) {
            line.bar.finish_and_clear();
        }
        self.whole.finish_and_clear();
    }

    fn aside(&mut self, text: &str) {
        if self.paused {
            super::out::error(format!("\n{text}"));
        } else {
            let _ = self.multi.println(text);
        }
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
        if paused {
            let _ = self.multi.clear();
            self.multi.set_draw_target(ProgressDrawTarget::hidden());
        } else {
            self.multi.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
