//! What snapd refuses, in our kinds.

use serde_json::Value;

use crate::host::error::{Error, Kind};

/// snapd's error kinds, as its `client/errors` lists them.
pub(super) fn refusal(operation: &str, status: u16, result: &Value) -> Error {
    let message = result
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("no reason given");
    let code = result
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (kind, hint) = match code {
        "snap-not-found" | "snap-not-installed" => (Kind::NotFound, None),
        "snap-already-installed" | "snap-no-update-available" => (Kind::Conflict, None),
        "snap-change-conflict" => (
            Kind::Busy,
            Some("another change of this snap is going on; `snap changes` shows it"),
        ),
        "login-required" | "auth-cancelled" => (
            Kind::Denied,
            Some("run as root: snapd changes nothing for other users"),
        ),
        "network-timeout" | "dns-failure" => (
            Kind::Unavailable,
            Some("the store cannot be reached: check the route, DNS and `snap get system proxy`"),
        ),
        "snap-channel-not-available" | "snap-revision-not-available" => (
            Kind::NotFound,
            Some("`snap info` lists the channels that exist"),
        ),
        "snap-needs-classic" => (Kind::Unsupported, None),
        _ => match status {
            401 | 403 => (
                Kind::Denied,
                Some("run as root: snapd changes nothing for other users"),
            ),
            404 => (Kind::NotFound, None),
            409 => (Kind::Busy, None),
            500.. => (Kind::Failed, None),
            _ => (Kind::Failed, None),
        },
    };
    let error = Error::new(kind, operation, message).with_code(if code.is_empty() {
        status.to_string()
    } else {
        code.to_owned()
    });
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
