//! What is shown while a run is under way, whoever looks: bars on a terminal, lines in a pipe, JSON for programs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloudboot::engine::{Engine, Event};

use super::live::Live;
use super::out;
use super::plain::Plain;

/// A reader of the events.
pub(crate) trait Show: Send {
    /// Something happened.
    fn event(&mut self, event: &Event);

    /// Time passed.
    fn tick(&mut self) {}

    /// A line beside the progress.
    fn aside(&mut self, text: &str) {
        out::error(text);
    }

    /// Nothing more is going to happen.
    fn end(&mut self) {}

    /// Leaves the terminal to a question, or takes it back.
    fn pause(&mut self, paused: bool) {
        let _ = paused;
    }
}

/// The one place that shows progress. Clones are the same.
#[derive(Clone)]
pub(crate) struct Screen(Arc<Mutex<Box<dyn Show>>>);

impl Screen {
    /// Bars on a terminal, else lines. `clock` is the engine's.
    pub(crate) fn for_people(clock: Arc<dyn cloudboot::engine::Clock>) -> Self {
        if out::watched() {
            Self::new(Live::new(clock))
        } else {
            Self::new(Plain::default())
        }
    }

    /// Shows by `show`.
    pub(crate) fn new(show: impl Show + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(show))))
    }

    fn with<T>(&self, f: impl FnOnce(&mut dyn Show) -> T) -> T {
        f(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut())
    }

    /// A line beside the progress.
    pub(crate) fn aside(&self, text: &str) {
        self.with(|show| show.aside(text));
    }

    /// Leaves the terminal to a question until the guard is dropped.
    pub(crate) fn pause(&self) -> Paused {
        self.with(|show| show.pause(true));
        Paused(self.clone())
    }

    /// Shows what happens in `engine` while `work` is under way.
    pub(crate) async fn follow<T>(&self, engine: &Engine, work: impl Future<Output = T>) -> T {
        let mut events = engine.events();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut work = std::pin::pin!(work);
        let result = loop {
            tokio::select! {
                biased;
                Some(event) = events.next() => self.with(|show| show.event(&event)),
                result = &mut work => break result,
                _ = ticks.tick() => self.with(|show| show.tick()),
            }
        };
        while let Some(event) = events.try_next() {
            self.with(|show| show.event(&event));
        }
        self.with(|show| show.end());
        result
    }
}

/// The terminal belongs to a question.
pub(crate) struct Paused(Screen);

impl Drop for Paused {
    fn drop(&mut self) {
        self.0.with(|show| show.pause(false));
    }
}
