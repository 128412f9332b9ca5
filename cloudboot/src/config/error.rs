//! Everything that is wrong in a configuration, said at once.

use std::fmt;

use super::value::Place;

/// What sort of fault it is, for programs; the text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The text is not YAML.
    Syntax,
    /// A file (the configuration, an overlay, a bundle, a certificate) cannot be read.
    Unreadable,
    /// A key that the schema does not know.
    UnknownKey,
    /// A key that stands twice in one map.
    DuplicateKey,
    /// A value that somebody left to be filled in: nothing, or `x.x.x.x`.
    Blank,
    /// A required key that is not there.
    Missing,
    /// A map where a list belongs, a word where a number belongs.
    WrongType,
    /// A value that is of the right type and cannot be right.
    Invalid,
    /// Two values that exclude each other.
    Conflict,
    /// A secret whose reference leads nowhere.
    Secret,
}

/// One fault: where, what was found, what is expected, and what to do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fault {
    /// The sort of fault.
    pub kind: FaultKind,
    /// The path in the document, such as `maas.dhcp.gateway` or `machines[2].bmc.address`; empty for a whole file.
    pub path: String,
    /// Where in which file. None where there is no file, such as for a key that is nowhere.
    pub place: Option<Place>,
    /// What was found; never a secret.
    pub found: String,
    /// What is expected.
    pub expected: String,
    /// What to do about it, often lines to add. May have several lines.
    pub help: Option<String>,
}

impl Fault {
    pub(crate) fn new(
        kind: FaultKind,
        path: impl Into<String>,
        place: Option<Place>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            path: path.into(),
            place,
            found: found.into(),
            expected: expected.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, self.path.is_empty()) {
            (Some(place), true) => writeln!(f, "{place}")?,
            (Some(place), false) => writeln!(f, "{} ({place})", self.path)?,
            (None, _) => writeln!(f, "{}", self.path)?,
        }
        writeln!(f, "    found     {}", self.found)?;
        write!(f, "    expected  {}", self.expected)?;
        if let Some(help) = &self.help {
            let mut lines = help.lines();
            if let Some(first) = lines.next() {
                write!(f, "\n    help      {first}")?;
            }
            for line in lines {
                if line.is_empty() {
                    writeln!(f)?;
                } else {
                    write!(f, "\n              {line}")?;
                }
            }
        }
        Ok(())
    }
}

/// All faults of a configuration, in the order of the files and lines in which they stand. Never empty.
#[derive(Debug, Clone)]
pub struct ConfigErrors {
    faults: Vec<Fault>,
}

impl ConfigErrors {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self { faults }
    }

    /// The faults.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.len() {
            1 => write!(f, "the configuration has a fault:")?,
            n => write!(f, "the configuration has {n} faults:")?,
        }
        for fault in &self.faults {
            write!(f, "\n\n{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Something that works and is probably not meant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Warning {
    /// The path in the document.
    pub path: String,
    /// Where.
    pub place: Option<Place>,
    /// What is odd about it, and what to do.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{} ({place}): {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}
