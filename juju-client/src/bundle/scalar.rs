//! What a scalar is, by the rules of Juju's YAML reader (`juju/yaml`'s `resolve.go`): YAML 1.1's words, integers in Go's notations,
//! floats of which an exponent has a sign, timestamps as text.

use serde_json::{Number, Value};

/// `~`, `null`, nothing.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn word(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(false)
        }
        _ => None,
    }
}

/// What a scalar turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Infinity and what is no number: JSON has neither.
    NotFinite,
    Text(String),
}

/// Resolves a scalar as it is written.
pub(super) fn resolve(text: &str, plain: bool, tag: &str) -> Scalar {
    let resolvable = matches!(tag, "" | "!!bool" | "!!int" | "!!float" | "!!null");
    if !resolvable || (tag.is_empty() && !plain) {
        return Scalar::Text(match tag {
            "!!binary" => decoded(text),
            _ => text.to_owned(),
        });
    }
    match (tag, untagged(text)) {
        ("!!float", Scalar::Int(n)) => Scalar::Float(n as f64),
        (_, s) => s,
    }
}

fn decoded(text: &str) -> String {
    use base64::Engine as _;
    let packed: String = text.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD
        .decode(packed)
        .map_or_else(
            |_| text.to_owned(),
            |b| String::from_utf8_lossy(&b).into_owned(),
        )
}

fn untagged(text: &str) -> Scalar {
    if is_null(text) {
        return Scalar::Null;
    }
    if let Some(b) = word(text) {
        return Scalar::Bool(b);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Scalar::NotFinite;
    }
    match text.as_bytes().first() {
        Some(b'.') => float(text).map_or_else(|| Scalar::Text(text.to_owned()), finite),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            if is_timestamp(text) {
                return Scalar::Text(text.to_owned());
            }
            let packed = text.replace('_', "");
            if let Some(n) = integer(&packed) {
                return Scalar::Int(n);
            }
            if is_float(&packed)
                && let Some(f) = float(&packed)
            {
                return finite(f);
            }
            Scalar::Text(text.to_owned())
        }
        _ => Scalar::Text(text.to_owned()),
    }
}

fn finite(f: f64) -> Scalar {
    if f.is_finite() {
        Scalar::Float(f)
    } else {
        Scalar::NotFinite
    }
}

fn float(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['+', '-']);
    let number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    number
        .then(|| text.parse().ok())
        .flatten()
        .filter(|f: &f64| f.is_finite())
}

/// `[-+]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][-+][0-9]+)?`
fn is_float(text: &str) -> bool {
    let mut s = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
    let whole = if s.starts_with('0') { 1 } else { digits(s) };
    s = &s[whole..];
    if let Some(rest) = s.strip_prefix('.') {
        let n = digits(rest);
        if n == 0 {
            return false;
        }
        s = &rest[n..];
    }
    match s.strip_prefix(['e', 'E']) {
        Some(e) => e
            .strip_prefix(['+', '-'])
            .is_some_and(|e| !e.is_empty() && digits(e) == e.len()),
        None => s.is_empty(),
    }
}

/// Go's integer literals: `0x1f`, `0o17` and `017`, `0b11`, decimal; 64 bits, signed or not.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(d) = lower.strip_prefix("0x") {
        (16, d)
    } else if let Some(d) = lower.strip_prefix("0o") {
        (8, d)
    } else if let Some(d) = lower.strip_prefix("0b") {
        (2, d)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, &lower[..])
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let n = i128::from_str_radix(digits, radix).ok()?;
    let n = if negative { -n } else { n };
    let unsigned = !text.starts_with('-') && !text.starts_with('+') && n <= i128::from(u64::MAX);
    (i64::try_from(n).is_ok() || unsigned).then_some(n)
}

/// `2001-12-14`, `2001-12-14t21:59:43.10-05:00`: text to Juju.
fn is_timestamp(text: &str) -> bool {
    let mut parts = text.splitn(2, ['t', 'T', ' ']);
    let date: Vec<&str> = parts.next().unwrap_or_default().split('-').collect();
    let number = |s: &str, most: u32| {
        (1..=2).contains(&s.len()) && s.parse::<u32>().is_ok_and(|n| n <= most)
    };
    matches!(&date[..], [y, m, d] if y.len() == 4 && y.bytes().all(|b| b.is_ascii_digit()) && number(m, 12) && number(d, 31))
}

impl Scalar {
    /// As an option's value.
    pub(super) fn value(self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(b),
            Self::Int(n) => match (i64::try_from(n), u64::try_from(n)) {
                (Ok(n), _) => Value::from(n),
                (_, Ok(n)) => Value::from(n),
                _ => return None,
            },
            Self::Float(f) => Value::Number(Number::from_f64(f)?),
            Self::NotFinite => return None,
            Self::Text(t) => Value::String(t),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, resolve};

    #[test]
    fn scalars_are_what_juju_takes_them_for() {
        let plain = |s: &str| resolve(s, true, "");
        for (text, n) in [
            ("010", 8),
            ("0o17", 15),
            ("0x1F", 31),
            ("1_000", 1000),
            ("0b11", 3),
            ("+3", 3),
            ("-0", 0),
            ("0777", 511),
        ] {
            assert_eq!(plain(text), Scalar::Int(n), "{text}");
        }
        for text in [
            "1e3",
            "12e03",
            "1.",
            "0888",
            "12:30:45",
            "2001-01-01",
            "1.2.3",
            "0b2",
            "08",
            "1e",
            "x",
        ] {
            assert_eq!(plain(text), Scalar::Text(text.into()), "{text}");
        }
        for (text, f) in [
            ("1.0", 1.0),
            ("1e+3", 1000.0),
            (".5", 0.5),
            ("-1.5", -1.5),
            ("99999999999999999999", 1e20),
        ] {
            assert_eq!(plain(text), Scalar::Float(f), "{text}");
        }
        for text in ["y", "Yes", "on", "TRUE"] {
            assert_eq!(plain(text), Scalar::Bool(true), "{text}");
        }
        assert_eq!(resolve("yes", false, ""), Scalar::Text("yes".into()));
        assert_eq!(resolve("5", true, "!!str"), Scalar::Text("5".into()));
        assert_eq!(resolve("5", false, "!!int"), Scalar::Int(5));
        assert_eq!(plain(".inf"), Scalar::NotFinite);
        assert_eq!(plain("~"), Scalar::Null);
    }
}
