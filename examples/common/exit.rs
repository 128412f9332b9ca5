//! How a program ends: the codes that `--help` documents, and what it says where it could not begin.

use std::fmt;
use std::process::ExitCode;

use cloudboot::config::ConfigErrors;
use cloudboot::engine::{Class, Error, Outcome};

/// The exit codes, for `--help`.
pub(crate) const CODES: &str = "\
Exit codes:
    0  done: everything that was asked for stands (with --plan: nothing is left to do)
    1  failed: the message says what was attempted, what came back and what to do next
    2  changes are pending (--plan)
    3  an operator is needed: an approval, or something that no program can make
  130  interrupted; the same command goes on";

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything that was asked for stands.
    Done,
    /// It failed.
    Failed,
    /// A plan with something left to do.
    Pending,
    /// A person is needed.
    Operator,
    /// It was interrupted.
    Interrupted,
}

impl Exit {
    /// The code that the system sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Pending => 2,
            Self::Operator => 3,
            Self::Interrupted => 130,
        }
    }

    /// How a run ended.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done { .. } => Self::Done,
            Outcome::NeedsOperator => Self::Operator,
            Outcome::Cancelled => Self::Interrupted,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a program could not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Problem {
    text: String,
    /// How the program ends.
    pub(crate) exit: Exit,
}

impl Problem {
    /// A failure, in a sentence.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            exit: Exit::Failed,
        }
    }

    /// A person must do something first, said in a sentence.
    pub(crate) fn operator(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::Operator,
            ..Self::new(text)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let exit = match error.class() {
            Class::NeedsOperator => Exit::Operator,
            Class::Cancelled => Exit::Interrupted,
            _ => Exit::Failed,
        };
        Self {
            text: error.to_string(),
            exit,
        }
    }
}

impl From<ConfigErrors> for Problem {
    fn from(errors: ConfigErrors) -> Self {
        Self::new(errors.to_string().trim_end())
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
