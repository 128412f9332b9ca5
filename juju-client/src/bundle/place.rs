//! Placements: `^(container:)?(app(/n)?|n|new)$`.

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
    let bad = || format!("invalid placement syntax {s:?}");
    let (container, rest) = match s.split_once(':') {
        Some((c, r)) => {
            if c.is_empty() || !c.chars().all(|c| c.is_ascii_lowercase()) {
                return Err(bad());
            }
            (c.to_owned(), r)
        }
        None => (String::new(), s),
    };
    if rest.contains(':') || rest.is_empty() {
        return Err(bad());
    }
    if rest == "new" || is_number(rest) {
        return Ok(Placement {
            container,
            machine: rest.to_owned(),
            ..Placement::default()
        });
    }
    let (application, unit) = match rest.split_once('/') {
        Some((a, u)) if is_number(u) => (a, Some(u.parse().map_err(|_| bad())?)),
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

/// `0` or digits without a leading zero.
pub(crate) fn is_number(s: &str) -> bool {
    !s.is_empty() && s.chars().all(|c| c.is_ascii_digit()) && (s == "0" || !s.starts_with('0'))
}

/// `[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*`.
pub(crate) fn is_application(s: &str) -> bool {
    let mut parts = s.split('-');
    let first = parts.next().unwrap_or_default();
    first.starts_with(|c: char| c.is_ascii_lowercase())
        && first
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && parts.all(|p| {
            p.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
                && p.contains(|c: char| c.is_ascii_lowercase())
        })
}
