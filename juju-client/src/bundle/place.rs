//! Placements: `^(container:)?(app(/n)?|n|new)$`.

use super::names::{is_application, is_container, is_number, quoted};

/// A unit's placement, as a bundle says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// `lxd`, or empty.
    pub container: String,
    /// A machine's name, or `new`; empty if an application is named.
    pub machine: String,
    /// An application; empty if a machine is named.
    pub application: String,
    /// That application's unit, if one is named.
    pub unit: Option<u64>,
}

/// Reads a placement.
///
/// # Errors
/// The server's words for one that is none.
pub(super) fn parse(s: &str) -> Result<Placement, String> {
    let bad = || format!("invalid placement syntax {}", quoted(s));
    let (container, rest) = match s.split_once(':') {
        Some((c, _)) if !is_container(c) => return Err(bad()),
        Some((c, r)) => (c.to_owned(), r),
        None => (String::new(), s),
    };
    if rest == "new" || is_number(rest) {
        return Ok(Placement {
            container,
            machine: rest.to_owned(),
            ..Placement::default()
        });
    }
    let (application, unit) = match rest.split_once('/') {
        Some((a, u)) if is_number(u) && a != "new" => (a, Some(u.parse().unwrap_or(u64::MAX))),
        Some(_) => return Err(bad()),
        None => (rest, None),
    };
    if !is_application(application) {
        return Err(bad());
    }
    Ok(Placement {
        container,
        application: application.to_owned(),
        unit,
        ..Placement::default()
    })
}
