//! Values that a configuration is made of and that need more than a string: channels, secrets, places.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

/// Where a value stands: file, line and column, both counted from 1; 0 where the whole file is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Place {
    /// The file as it was named by whoever loaded it.
    pub file: Arc<Path>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.file.display()),
            (line, column) => write!(f, "{}:{line}:{column}", self.file.display()),
        }
    }
}

/// How stable a snap or charm channel is.
/// Source: snapd's `snap/channel/channel.go`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Risk {
    /// Released.
    Stable,
    /// About to be released.
    Candidate,
    /// Feature complete.
    Beta,
    /// Whatever was built last.
    Edge,
}

impl Risk {
    /// The word that snapd and Charmhub use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Candidate => "candidate",
            Self::Beta => "beta",
            Self::Edge => "edge",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "stable" => Self::Stable,
            "candidate" => Self::Candidate,
            "beta" => Self::Beta,
            "edge" => Self::Edge,
            _ => return None,
        })
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A snap's channel, `track/risk/branch`. What is left out is `latest` and `stable`: `3.4` means `3.4/stable`,
/// `edge` means `latest/edge`. Displayed in full, as snapd reports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Channel {
    /// The track, a line of versions: `3.4`, `latest`.
    pub track: String,
    /// How stable.
    pub risk: Risk,
    /// A short-lived branch of the risk, seldom there.
    pub branch: Option<String>,
}

impl Channel {
    /// The track's leading number: 3 for `3.4/stable`, none for `latest/edge`.
    pub fn major(&self) -> Option<u32> {
        self.track.split('.').next()?.parse().ok()
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            "a channel: track, track/risk or track/risk/branch (risk: stable, candidate, beta, edge), such as 3.4/stable".to_owned()
        };
        let parts: Vec<&str> = text.split('/').collect();
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c))
        };
        if !parts.iter().all(|part| plain(part)) {
            return Err(wrong());
        }
        let make = |track: &str, risk, branch: Option<&str>| Self {
            track: track.to_owned(),
            risk,
            branch: branch.map(str::to_owned),
        };
        match parts.as_slice() {
            [one] => Ok(match Risk::parse(one) {
                Some(risk) => make("latest", risk, None),
                None => make(one, Risk::Stable, None),
            }),
            [first, second] => match (Risk::parse(first), Risk::parse(second)) {
                (_, Some(risk)) if Risk::parse(first).is_none() => Ok(make(first, risk, None)),
                (Some(risk), None) => Ok(make("latest", risk, Some(second))),
                _ => Err(wrong()),
            },
            [track, risk, branch] if Risk::parse(track).is_none() => match Risk::parse(risk) {
                Some(risk) => Ok(make(track, risk, Some(branch))),
                None => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.track, self.risk)?;
        match &self.branch {
            Some(branch) => write!(f, "/{branch}"),
            None => Ok(()),
        }
    }
}

/// Where a secret was taken from. Safe to print: it never holds the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// It stands in the configuration itself.
    Plain,
    /// An environment variable, `env:NAME`.
    Env(String),
    /// The first line of a file, `file:PATH`.
    File(PathBuf),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// A secret of the configuration: its value, read when the configuration was loaded, and the reference that it
/// came from. `Debug` shows the reference only.
#[derive(Clone)]
pub struct Secret {
    source: SecretSource,
    value: SecretString,
}

impl Secret {
    /// A secret with the place that it came from.
    pub fn new(source: SecretSource, value: SecretString) -> Self {
        Self { source, value }
    }

    /// Where it came from.
    pub fn source(&self) -> &SecretSource {
        &self.source
    }

    /// The value, still guarded: for whoever takes a [`SecretString`].
    pub fn value(&self) -> &SecretString {
        &self.value
    }

    /// The value in clear. Say it to the system that asks for it and to nothing else.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

impl From<&str> for Secret {
    /// A plain secret: for tests and for programs that build their configuration themselves.
    fn from(value: &str) -> Self {
        Self::new(SecretSource::Plain, value.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.source)
    }
}
