//! From a system's error to the engine's: what was attempted, what came back, and whether trying again helps.

use crate::engine::{Class, Error};

/// Says what was attempted when it failed.
pub trait Attempt<T> {
    /// The same result with the engine's error. `attempted` is a verb phrase: "select the image".
    ///
    /// # Errors
    /// The system's error, classified: unclear where the request may have been acted upon, transient where
    /// trying again may help, an operator's where only new credentials do, terminal otherwise.
    fn attempt(self, attempted: &str) -> Result<T, Error>;
}

/// What the systems' errors have in common.
trait Failure: std::error::Error + Send + Sync + 'static {
    fn unclear(&self) -> bool;
    fn retryable(&self) -> bool;
    fn after(&self) -> Option<std::time::Duration>;
    /// What only an operator can mend, as the step that does so.
    fn for_operator(&self) -> Option<&'static str> {
        None
    }
}

impl<T, E: Failure> Attempt<T> for Result<T, E> {
    fn attempt(self, attempted: &str) -> Result<T, Error> {
        self.map_err(|error| {
            let for_operator = error.for_operator();
            let class = if for_operator.is_some() {
                Class::NeedsOperator
            } else if error.unclear() {
                Class::Unclear
            } else if error.retryable() {
                Class::Transient
            } else {
                Class::Terminal
            };
            let mut told =
                Error::new(class, attempted, error.to_string()).retry_after(error.after());
            if let Some(next) = for_operator {
                told = told.next(next);
            }
            told.because(error)
        })
    }
}

macro_rules! failures {
    ($($error:ty: $after:expr),*) => {$(
        impl Failure for $error {
            fn unclear(&self) -> bool {
                self.is_unclear()
            }
            fn retryable(&self) -> bool {
                self.is_retryable()
            }
            fn after(&self) -> Option<std::time::Duration> {
                let after: fn(&Self) -> Option<std::time::Duration> = $after;
                after(self)
            }
        }
    )*};
}

failures!(
    maas_client::Error: Self::retry_after,
    lxd_client::Error: Self::retry_after,
    juju_client::Error: Self::retry_after,
    crate::host::Error: Self::retry_after,
    crate::rest::Error: Self::retry_after
);

impl Failure for ipmi_lan::Error {
    fn unclear(&self) -> bool {
        self.is_unclear()
    }
    fn retryable(&self) -> bool {
        self.is_retryable()
    }
    fn after(&self) -> Option<std::time::Duration> {
        None
    }
    fn for_operator(&self) -> Option<&'static str> {
        self.needs_operator().then_some(
            "put the BMC's own user, password, key, suites and privilege under `ipmi`, or under its entry of `machines`, then run again",
        )
    }
}
