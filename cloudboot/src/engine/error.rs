//! The engine's one error: what was attempted, what came back, and what to do next.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an error means for the step that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// The same thing may well succeed later: it is tried again with backoff, a limited number of times.
    Transient,
    /// The request may or may not have been acted upon: the system is observed again, after it had
    /// time to settle, before anything is asked of it anew.
    Unclear,
    /// Trying again would fail the same way.
    Terminal,
    /// Only a person can go on: something is missing that no program can make.
    NeedsOperator,
    /// The run was asked to stop.
    Cancelled,
    /// Another runner holds the deployment's lease: this one may change nothing more.
    LeaseLost,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transient => "transient",
            Self::Unclear => "unclear",
            Self::Terminal => "terminal",
            Self::NeedsOperator => "needs operator",
            Self::Cancelled => "cancelled",
            Self::LeaseLost => "lease lost",
        })
    }
}

/// An error of a step or of the engine.
///
/// It reads `attempted: found; next: what to do`. None of the three may hold a secret: they are
/// shown, journalled and reported.
///
/// ```
/// use cloudboot::engine::{Class, Error};
///
/// let error = Error::needs_operator("unseal Vault", "it is initialised and its keys are not in the secret store")
///     .next("put the keys there, or give Vault a new, empty storage");
/// assert_eq!(error.class(), Class::NeedsOperator);
/// assert!(error.to_string().starts_with("unseal Vault: it is initialised"));
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    class: Class,
    attempted: String,
    found: String,
    next: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of the given class: what was attempted ("import the images") and what was found.
    pub fn new(class: Class, attempted: impl Into<String>, found: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            class,
            attempted: attempted.into(),
            found: found.into(),
            next: None,
            retry_after: None,
            source: None,
        }))
    }

    /// See [`Class::Transient`].
    pub fn transient(attempted: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Class::Transient, attempted, found)
    }

    /// See [`Class::Unclear`].
    pub fn unclear(attempted: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Class::Unclear, attempted, found)
    }

    /// See [`Class::Terminal`].
    pub fn terminal(attempted: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Class::Terminal, attempted, found)
    }

    /// See [`Class::NeedsOperator`].
    pub fn needs_operator(attempted: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Class::NeedsOperator, attempted, found)
    }

    /// See [`Class::Cancelled`].
    pub fn cancelled(attempted: impl Into<String>) -> Self {
        Self::new(Class::Cancelled, attempted, "the run was asked to stop")
            .next("run again: it goes on from what stands")
    }

    /// See [`Class::LeaseLost`].
    pub fn lease_lost(attempted: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Class::LeaseLost, attempted, found)
            .next("leave the deployment to the runner that holds it, and run again when that one has ended")
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Says what a person should do next.
    #[must_use]
    pub fn next(self, next: impl Into<String>) -> Self {
        let next = next.into();
        self.edit(|inner| inner.next = Some(next))
    }

    /// Says how long the system asked to be left alone (HTTP's Retry-After).
    #[must_use]
    pub fn retry_after(self, after: impl Into<Option<Duration>>) -> Self {
        let after = after.into();
        self.edit(|inner| inner.retry_after = after)
    }

    /// Attaches the error that caused this one.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source: Box<dyn StdError + Send + Sync> = source.into();
        self.edit(|inner| inner.source = Some(Arc::from(source)))
    }

    /// The same error with another class.
    #[must_use]
    pub fn with_class(self, class: Class) -> Self {
        self.edit(|inner| inner.class = class)
    }

    /// The same error with other texts. A source that holds what was cut out is left out.
    pub(super) fn map_texts(self, map: impl Fn(&str) -> String) -> Self {
        self.edit(|inner| {
            inner.attempted = map(&inner.attempted);
            inner.found = map(&inner.found);
            inner.next = inner.next.as_deref().map(&map);
            let mut at = inner
                .source
                .as_deref()
                .map(|source| source as &(dyn StdError + 'static));
            let mut tells = false;
            while let Some(source) = at {
                let text = source.to_string();
                tells |= map(&text) != text;
                at = source.source();
            }
            if tells {
                inner.source = None;
            }
        })
    }

    /// What the error means for the step that met it.
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// What was attempted.
    pub fn attempted(&self) -> &str {
        &self.0.attempted
    }

    /// What came back.
    pub fn found(&self) -> &str {
        &self.0.found
    }

    /// What a person should do next, where that is known.
    pub fn what_next(&self) -> Option<&str> {
        self.0.next.as_deref()
    }

    /// How long the system asked to be left alone.
    pub fn wait_before_retry(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether trying again later may succeed.
    pub fn is_transient(&self) -> bool {
        self.class() == Class::Transient
    }

    /// Whether the request may have been acted upon.
    pub fn is_unclear(&self) -> bool {
        self.class() == Class::Unclear
    }

    /// Whether a person is needed.
    pub fn is_needs_operator(&self) -> bool {
        self.class() == Class::NeedsOperator
    }

    /// Whether the run was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.class() == Class::Cancelled
    }

    /// Whether another runner holds the lease.
    pub fn is_lease_lost(&self) -> bool {
        self.class() == Class::LeaseLost
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.attempted, self.0.found)?;
        if let Some(next) = &self.0.next {
            write!(f, "; next: {next}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("class", &self.0.class)
            .field("attempted", &self.0.attempted)
            .field("found", &self.0.found)
            .field("next", &self.0.next)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
