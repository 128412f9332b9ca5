//! Charms' URLs, as bundles write them and as Juju reads them (`internal/charm/url.go`, on Go's `net/url`).

use std::fmt;

use super::names::{is_application, quoted};

/// A charm's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CharmUrl {
    pub(crate) schema: String,
    pub(crate) arch: Option<String>,
    /// Of older URLs.
    pub(crate) series: Option<String>,
    pub(crate) name: String,
    pub(crate) revision: Option<i64>,
}

/// The machine architectures that Juju knows.
pub(crate) const ARCHITECTURES: [&str; 5] = ["amd64", "arm64", "ppc64el", "s390x", "riscv64"];

impl fmt::Display for CharmUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.schema)?;
        for part in [&self.arch, &self.series].into_iter().flatten() {
            write!(f, "{part}/")?;
        }
        f.write_str(&self.name)?;
        self.revision.map_or(Ok(()), |r| write!(f, "-{r}"))
    }
}

/// What Go's `net/url` makes of a text.
struct Url<'a> {
    scheme: String,
    opaque: bool,
    path: &'a str,
}

impl<'a> Url<'a> {
    fn parse(s: &'a str) -> Option<Self> {
        if s.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return None;
        }
        let colon = s.find(':');
        let valid = |p: &str| {
            p.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
                && p.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        };
        let (scheme, rest) = match colon {
            Some(0) => return None,
            Some(i) if valid(&s[..i]) => (s[..i].to_ascii_lowercase(), &s[i + 1..]),
            _ => (String::new(), s),
        };
        if !scheme.is_empty() && !rest.starts_with('/') {
            return Some(Self {
                scheme,
                opaque: true,
                path: rest,
            });
        }
        let first = rest.split('/').next().unwrap_or_default();
        if scheme.is_empty() && first.contains(':') {
            return None;
        }
        let escapes = rest
            .split('%')
            .skip(1)
            .all(|e| e.len() >= 2 && e.bytes().take(2).all(|b| b.is_ascii_hexdigit()));
        escapes.then_some(Self {
            scheme,
            opaque: false,
            path: rest,
        })
    }
}

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if self.opaque {
            return f.write_str(self.path);
        }
        for b in self.path.bytes() {
            if b.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@%!'()*".contains(&b) {
                write!(f, "{}", b as char)?;
            } else {
                write!(f, "%{b:02X}")?;
            }
        }
        Ok(())
    }
}

/// `web-3` as `web` and 3.
fn name_and_revision(s: &str) -> (&str, Option<i64>) {
    match s.rsplit_once('-') {
        Some((n, r)) if !n.is_empty() && !r.is_empty() && r.bytes().all(|b| b.is_ascii_digit()) => {
            r.parse().map_or((s, None), |r| (n, Some(r)))
        }
        _ => (s, None),
    }
}

impl CharmUrl {
    /// `keystone`, `ch:keystone`, `ch:amd64/keystone-1101`, `local:web-3`.
    pub(crate) fn parse(s: &str) -> Result<Self, String> {
        let (before, fragment) = s.split_once('#').unwrap_or((s, ""));
        let (path, query) = before.split_once('?').unwrap_or((before, ""));
        let url = Url::parse(path)
            .ok_or_else(|| format!("cannot parse charm or bundle URL: {}", quoted(s)))?;
        if !fragment.is_empty() || !query.is_empty() {
            return Err(format!(
                "charm or bundle URL {} has unrecognized parts",
                quoted(s)
            ));
        }
        if url.opaque && !url.path.is_empty() && url.scheme != "ch" {
            return Self::local(&url, s);
        }
        let shown = || quoted(&url.to_string());
        let parts: Vec<&str> = url.path.trim_matches('/').split('/').collect();
        if parts.len() > 3 {
            return Err(format!("charm or bundle URL {} malformed", shown()));
        }
        if parts[0].starts_with('~') {
            return Err(format!(
                "charmhub charm or bundle URL with user name: {} not valid",
                shown()
            ));
        }
        let known = |a: &str| ARCHITECTURES.contains(&a);
        let text = |s: &&str| Some((*s).to_owned());
        let (arch, series, last) = match &parts[..] {
            [arch, series, last] => {
                if !known(arch) {
                    return Err(format!(
                        "in URL {}: architecture name {} not valid",
                        shown(),
                        quoted(arch)
                    ));
                }
                (text(arch), text(series), *last)
            }
            [arch, last] if known(arch) => (text(arch), None, *last),
            [series, last] => (None, text(series), *last),
            other => (None, None, other.last().copied().unwrap_or_default()),
        };
        let (name, revision) = name_and_revision(last);
        if !is_application(name) {
            return Err(format!(
                "cannot parse name and/or revision in URL {}: name {} not valid",
                shown(),
                quoted(name)
            ));
        }
        Ok(Self {
            schema: "ch".into(),
            arch,
            series,
            name: name.into(),
            revision,
        })
    }

    fn local(url: &Url<'_>, original: &str) -> Result<Self, String> {
        let shown = quoted(&url.to_string());
        if url.scheme != "local" {
            return Err(format!(
                "cannot parse URL {shown}: schema {} not valid",
                quoted(&url.scheme)
            ));
        }
        let parts: Vec<&str> = url.path.split('/').collect();
        let form = |what: &str| Err(format!("{what}: {}", quoted(original)));
        if parts.len() > 4 {
            return form("charm or bundle URL has invalid form");
        }
        if parts[0].starts_with('~') {
            return form("local charm or bundle URL with user name");
        }
        let (series, last) = match &parts[..] {
            [last] => (None, *last),
            [series, last] => (Some((*series).to_owned()), *last),
            _ => return form("charm or bundle URL has invalid form"),
        };
        let (name, revision) = name_and_revision(last);
        if !is_application(name) {
            return Err(format!(
                "cannot parse URL {shown}: name {} not valid",
                quoted(name)
            ));
        }
        Ok(Self {
            schema: "local".into(),
            arch: None,
            series,
            name: name.into(),
            revision,
        })
    }
}
