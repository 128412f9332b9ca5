//! Bases: `ubuntu@22.04/stable`.

use crate::api::status::Base;
use crate::error::{Error, Result};

/// Reads `ubuntu@22.04` or `ubuntu@22.04/stable`; the risk is `stable` if none is given.
///
/// # Errors
/// No `@`, no track, a risk that is none, more than two parts.
pub fn parse(s: &str) -> Result<Base> {
    let bad = |m: String| Error::invalid(format!("read the base {s:?}"), m);
    let parts: Vec<&str> = s.split('@').collect();
    let [name, channel] = parts[..] else {
        return Err(bad(
            "expected base string to contain os and channel separated by '@'".into(),
        ));
    };
    if name.is_empty() || channel.is_empty() {
        return Err(bad("empty channel not valid".into()));
    }
    match channel.split('/').collect::<Vec<_>>()[..] {
        [track] | [track, _] if track.is_empty() => {
            return Err(bad(format!("track in channel {channel:?} not valid")));
        }
        [_] => {}
        [_, risk] if is_risk(risk) => {}
        [_, _] => return Err(bad(format!("risk in channel {channel:?} not valid"))),
        _ => {
            return Err(bad(format!(
                "channel is malformed and has too many components {channel:?}"
            )));
        }
    }
    Ok(Base {
        name: name.into(),
        channel: with_risk(channel),
    })
}

fn is_risk(s: &str) -> bool {
    matches!(s, "stable" | "candidate" | "beta" | "edge")
}

/// Whether a bundle's verification takes it for a base: Ubuntu, with a channel as charms have them (`track/risk/branch`).
pub(crate) fn is_charm_base(s: &str) -> bool {
    let parts: Vec<&str> = s.split('@').collect();
    let [name, channel] = parts[..] else {
        return false;
    };
    name.eq_ignore_ascii_case("ubuntu")
        && match channel.split('/').collect::<Vec<_>>()[..] {
            [one] => !one.is_empty(),
            [risk, branch] if is_risk(risk) => !branch.is_empty(),
            [track, risk] => !track.is_empty() && is_risk(risk),
            [track, risk, branch] => !track.is_empty() && is_risk(risk) && !branch.is_empty(),
            _ => false,
        }
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
