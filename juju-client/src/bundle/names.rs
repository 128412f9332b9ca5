//! Which names are names, by the patterns of Juju's `names` package, and how Juju quotes what it complains of.

/// Go's `%q`.
pub(crate) fn quoted(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                out.push_str(&format!("\\x{:02x}", c as u32))
            }
            '\u{80}'..='\u{a0}'
            | '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Go's `%q` of a list.
pub(crate) fn quoted_list(all: &[String]) -> String {
    let all: Vec<String> = all.iter().map(|s| quoted(s)).collect();
    format!("[{}]", all.join(" "))
}

fn lower(b: u8) -> bool {
    b.is_ascii_lowercase()
}

fn lower_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// `0` or digits without a leading zero.
pub(crate) fn is_number(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) && (s == "0" || !s.starts_with('0'))
}

/// `[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*`: applications, offers, storages, devices, charms.
pub(crate) fn is_application(s: &str) -> bool {
    s.bytes().next().is_some_and(lower)
        && s.split('-').enumerate().all(|(i, part)| {
            part.bytes().all(lower_or_digit)
                && (i == 0 && !part.is_empty() || part.bytes().any(lower))
        })
}

/// `[a-z][a-z0-9]*([_-][a-z0-9]+)*`: endpoints.
pub(crate) fn is_endpoint(s: &str) -> bool {
    s.bytes().next().is_some_and(lower)
        && s.split(['_', '-'])
            .all(|part| !part.is_empty() && part.bytes().all(lower_or_digit))
}

/// `[a-z0-9]+(-[a-z0-9]+)*`.
pub(crate) fn is_space(s: &str) -> bool {
    s.split('-')
        .all(|part| !part.is_empty() && part.bytes().all(lower_or_digit))
}

/// `[a-z]+`: kinds of containers.
pub(crate) fn is_container(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(lower)
}

/// `[a-z0-9]+[a-z0-9-]*`.
fn is_model(s: &str) -> bool {
    s.bytes().next().is_some_and(lower_or_digit)
        && s.bytes().all(|b| lower_or_digit(b) || b == b'-')
}

/// A user's name, with a domain behind `@` perhaps.
fn is_user(s: &str) -> bool {
    let part = |s: &str| {
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        s.len() >= 2
            && edge(s.bytes().next())
            && edge(s.bytes().next_back())
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-'))
    };
    let (name, domain) = s.split_once('@').map_or((s, None), |(n, d)| (n, Some(d)));
    part(name) && domain.is_none_or(part)
}

/// `[controller:][user/]model.application[:endpoint]`.
pub(crate) fn is_offer_url(url: &str) -> bool {
    if url.starts_with(':') {
        return false;
    }
    let parts: Vec<&str> = url.split(':').collect();
    let rest = match &parts[..] {
        [_, path, endpoint] => format!("{path}:{endpoint}"),
        [_, endpoint]
            if !endpoint.is_empty() && endpoint.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            url.to_owned()
        }
        [_, path] => (*path).to_owned(),
        _ => url.to_owned(),
    };
    let rest = rest.strip_prefix('/').unwrap_or(&rest);
    let (user, rest) = match rest.split_once('/') {
        Some((user, rest)) if !user.is_empty() => (Some(user), rest),
        _ => (None, rest),
    };
    let Some((model, application)) = rest.split_once('.') else {
        return false;
    };
    let name = application.split(':').next().unwrap_or_default();
    !application.is_empty()
        && !application.contains('/')
        && is_model(model)
        && user.is_none_or(is_user)
        && (name.is_empty() || is_application(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_others() {
        for s in ["a", "web", "web-db", "a1-2b", "nova-compute"] {
            assert!(is_application(s), "{s}");
        }
        for s in ["", "1a", "A", "a-", "a-1", "a_b", "a--b", "-a", "web-10"] {
            assert!(!is_application(s), "{s}");
        }
        for s in ["db", "db-admin", "shared_db", "a-1"] {
            assert!(is_endpoint(s), "{s}");
        }
        for s in ["", "db-", "a--b", "a_-b", "1", "Db"] {
            assert!(!is_endpoint(s), "{s}");
        }
        for s in [
            "admin/default.mysql",
            "default.mysql",
            "c:admin/default.mysql",
            "c:admin/default.mysql:db",
            "admin/m.db:server",
        ] {
            assert!(is_offer_url(s), "{s}");
        }
        for s in [
            "mysql",
            ":admin/m.db",
            "admin/m",
            "a/b/c.d",
            "admin/.db",
            "admin/m.",
            "admin/M.db",
            "admin/m.D",
        ] {
            assert!(!is_offer_url(s), "{s}");
        }
        assert_eq!(quoted("a\"\\\u{1}\n\u{e9}"), "\"a\\\"\\\\\\x01\\n\u{e9}\"");
    }
}
