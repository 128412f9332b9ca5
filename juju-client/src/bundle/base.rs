//! Bases: `ubuntu@22.04/stable`.

use crate::api::status::Base;
use crate::error::{Error, Result};

/// Reads `ubuntu@22.04` or `ubuntu@22.04/stable`; the risk is `stable` if none is given.
///
/// # Errors
/// No `@`, or nothing on one side of it.
pub fn parse(s: &str) -> Result<Base> {
    let bad = || {
        Error::invalid(
            format!("read the base {s:?}"),
            format!("expected base string to contain os and channel separated by '@', got {s:?}"),
        )
    };
    let (name, channel) = s.split_once('@').ok_or_else(bad)?;
    if name.is_empty() || channel.is_empty() || channel.contains('@') {
        return Err(bad());
    }
    Ok(Base {
        name: name.into(),
        channel: with_risk(channel),
    })
}

/// `22.04` as `22.04/stable`.
pub fn with_risk(channel: &str) -> String {
    if channel.is_empty() || channel.contains('/') {
        channel.to_owned()
    } else {
        format!("{channel}/stable")
    }
}

/// Whether two bases are the same but for a `stable` that one leaves out.
pub fn same(a: &Base, b: &Base) -> bool {
    a.name == b.name && with_risk(&a.channel) == with_risk(&b.channel)
}

/// The base of an Ubuntu series.
pub fn of_series(series: &str) -> Option<Base> {
    let channel = match series {
        "xenial" => "16.04",
        "bionic" => "18.04",
        "focal" => "20.04",
        "jammy" => "22.04",
        "kinetic" => "22.10",
        "lunar" => "23.04",
        "mantic" => "23.10",
        "noble" => "24.04",
        _ => return None,
    };
    Some(Base {
        name: "ubuntu".into(),
        channel: format!("{channel}/stable"),
    })
}

/// The Ubuntu series of a base, for facades that still speak of series.
pub fn series_of(base: &Base) -> Option<&'static str> {
    match base.channel.split('/').next()? {
        "16.04" => Some("xenial"),
        "18.04" => Some("bionic"),
        "20.04" => Some("focal"),
        "22.04" => Some("jammy"),
        "22.10" => Some("kinetic"),
        "23.04" => Some("lunar"),
        "23.10" => Some("mantic"),
        "24.04" => Some("noble"),
        _ => None,
    }
}
