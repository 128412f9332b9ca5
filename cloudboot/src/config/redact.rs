//! What of a free-form value may be shown: everything but what is called a secret.

use serde_json::Value;

const HIDDEN: &str = "***";

/// A copy with the values of keys that sound like secrets hidden. `{password}` and references may stay.
pub(crate) fn redacted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        Value::Object(map) => {
            let hide = |key: &str, value: &Value| match value {
                Value::String(text) if sounds_secret(key) && !is_reference(text) => HIDDEN.into(),
                Value::Number(_) if sounds_secret(key) => HIDDEN.into(),
                other => redacted(other),
            };
            Value::Object(
                map.iter()
                    .map(|(key, value)| (key.clone(), hide(key, value)))
                    .collect(),
            )
        }
        Value::String(text) => Value::String(without_login(text)),
        other => other.clone(),
    }
}

/// What stands for a plain secret, and for nothing else.
pub(crate) fn hidden(text: &str) -> String {
    if is_reference(text) {
        text.to_owned()
    } else {
        HIDDEN.to_owned()
    }
}

fn is_reference(text: &str) -> bool {
    text.is_empty() || text == "{password}" || text.starts_with("env:") || text.starts_with("file:")
}

fn sounds_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    [
        "password",
        "passwd",
        "secret",
        "token",
        "private",
        "credential",
        "oauth",
    ]
    .iter()
    .any(|word| key.contains(word))
        || key.ends_with("-key")
        || key.ends_with("_key")
        || key == "key"
}

/// A URL's user and password hidden; other text as it is.
fn without_login(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at && !text[scheme + 3..at].contains('/') => {
            format!("{}{HIDDEN}{}", &text[..scheme + 3], &text[at..])
        }
        _ => text.to_owned(),
    }
}
