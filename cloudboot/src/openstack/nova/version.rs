//! Microversions: `2.93` is a feature set, not a decimal number.

use std::fmt;
use std::str::FromStr;

use http::Method;
use serde::Deserialize;
use url::Url;

use crate::openstack::Keystone;
use crate::rest::{Error, ErrorKind, Result};

/// A microversion of Nova's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion {
    /// 2, ever since there are microversions.
    pub major: u16,
    /// The feature set.
    pub minor: u16,
}

impl Microversion {
    /// The oldest that this client can work with: services and hypervisors have UUIDs (Pike).
    pub const OLDEST: Self = Self {
        major: 2,
        minor: 53,
    };
    /// The newest that it asks for. From 2.95 on an evacuated server is left shut off; at 2.93 it runs again.
    pub const NEWEST: Self = Self {
        major: 2,
        minor: 93,
    };
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Microversion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let (major, minor) = parsed.ok_or_else(|| {
            Error::new(
                ErrorKind::Unexpected,
                "Nova: read a microversion",
                format!("{text:?} is not one (2.93 would be)"),
            )
        })?;
        Ok(Self { major, minor })
    }
}

/// The newest microversion that both sides know, from the version document (`GET /v2.1/`).
pub(super) async fn negotiate(keystone: &Keystone, endpoint: &Url) -> Result<Microversion> {
    #[derive(Deserialize)]
    struct Doc {
        version: Version,
    }
    #[derive(Deserialize)]
    struct Version {
        #[serde(default)]
        version: String,
        #[serde(default)]
        min_version: String,
    }
    // An endpoint may carry the project's id after the version: the document stands at the version.
    let mut url = endpoint.clone();
    let path: Vec<_> = endpoint.path().trim_matches('/').split('/').collect();
    let upto = path
        .iter()
        .position(|s| s.starts_with("v2"))
        .map_or(path.len(), |at| at + 1);
    url.set_path(&format!("/{}/", path[..upto].join("/")));
    let answer = keystone.send(Method::GET, url, &[], None).await?;
    let Doc { version } = answer.json()?;
    let (newest, oldest): (Microversion, Microversion) =
        (version.version.parse()?, version.min_version.parse()?);
    if newest < Microversion::OLDEST || oldest > Microversion::NEWEST {
        return Err(Error::new(
            ErrorKind::Unexpected,
            answer.operation,
            format!(
                "it speaks microversions {oldest} to {newest}; {} to {} are understood here",
                Microversion::OLDEST,
                Microversion::NEWEST
            ),
        )
        .advice("Nova older than Pike cannot be worked with"));
    }
    Ok(newest.min(Microversion::NEWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microversions_are_not_decimals() {
        let v = |t: &str| t.parse::<Microversion>().unwrap();
        assert!(v("2.100") > v("2.93") && v("2.9") < v("2.53"));
        assert_eq!(v("2.93").to_string(), "2.93");
        assert!(
            "".parse::<Microversion>().is_err()
                && "2".parse::<Microversion>().is_err()
                && "2.x".parse::<Microversion>().is_err()
        );
    }
}
