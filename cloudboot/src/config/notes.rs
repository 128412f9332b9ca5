//! What is gathered while a configuration is read: faults, warnings, and which keys there are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{Fault, FaultKind, Warning};
use super::nearest::nearest;
use super::reader::cut;
use super::value::Place;

/// The environment variables, or a test's idea of them.
pub(crate) type Env = dyn Fn(&str) -> Option<String>;

/// What is gathered while a configuration is read.
pub(crate) struct Notes<'a> {
    pub(crate) env: &'a Env,
    pub(crate) faults: RefCell<Vec<Fault>>,
    pub(crate) warnings: RefCell<Vec<Warning>>,
    /// Each key that was asked for, list indices and free names left open, and whether it was there once.
    pub(crate) asked: RefCell<BTreeMap<String, bool>>,
    /// Paths of values that must not be shown.
    pub(crate) secrets: RefCell<Vec<String>>,
    /// Paths of secrets in clear, by the file that everybody may read.
    pub(crate) open_secrets: RefCell<BTreeMap<PathBuf, Vec<(String, Place)>>>,
    pub(crate) unknown: RefCell<Vec<Unknown>>,
}

/// A key that no reader asked for.
pub(crate) struct Unknown {
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) siblings: Vec<String>,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(env: &'a Env) -> Self {
        Self {
            env,
            faults: RefCell::default(),
            warnings: RefCell::default(),
            asked: RefCell::default(),
            secrets: RefCell::default(),
            open_secrets: RefCell::default(),
            unknown: RefCell::default(),
        }
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    pub(crate) fn warn(&self, path: &str, place: Option<Place>, message: impl Into<String>) {
        let warning = Warning {
            path: path.to_owned(),
            place,
            message: message.into(),
        };
        self.warnings.borrow_mut().push(warning);
    }

    /// Says which files should not be open to everybody: one warning a file.
    pub(crate) fn report_open_secrets(&self) {
        for (file, secrets) in self.open_secrets.take() {
            let Some((first, place)) = secrets.first() else {
                continue;
            };
            let more = match secrets.len() - 1 {
                0 => String::new(),
                more => format!(" ({more} more in this file)"),
            };
            let message = format!(
                "a secret in clear{more}, and anybody on this machine may read {}: chmod 600 it, or write env:NAME or file:PATH",
                file.display()
            );
            self.warn(first, Some(place.clone()), message);
        }
    }

    /// Says the unknown keys, now that every known one has been asked for.
    pub(crate) fn report_unknown(&self) {
        let asked = self.asked.borrow();
        for unknown in self.unknown.borrow_mut().drain(..) {
            let expected = match nearest(&unknown.key, &unknown.siblings) {
                Some(near) => format!("a key of the schema; the nearest is `{near}`"),
                None => format!("one of: {}", unknown.siblings.join(", ")),
            };
            let mut fault = Fault::new(
                FaultKind::UnknownKey,
                unknown.path.clone(),
                Some(unknown.place),
                format!("an unknown key, `{}`", cut(&unknown.key)),
                expected,
            );
            let elsewhere: Vec<&str> = asked
                .keys()
                .filter(|known| known.rsplit('.').next() == Some(&unknown.key))
                .map(String::as_str)
                .take(3)
                .collect();
            if !elsewhere.is_empty() {
                fault = fault.help(format!(
                    "there is {}: is it indented wrongly?",
                    elsewhere.join(", ")
                ));
            }
            self.fault(fault);
        }
    }
}
