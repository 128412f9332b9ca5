//! The server's own message, out of the shapes that these services use.

use http::StatusCode;
use serde_json::Value;

/// The longest message that is kept, in characters.
const LONGEST: usize = 500;

/// What the server said: `{"errors": ["..."]}` (Vault), `{"error": {"message"}}` (Keystone), `{"badRequest": {"message"}}` (Nova),
/// `{"errors": [{"detail"}]}` (Placement, microversions); otherwise the body's beginning, or the status's name.
pub(crate) fn server_message(status: StatusCode, body: &[u8]) -> String {
    let name = || {
        status
            .canonical_reason()
            .unwrap_or("without a message")
            .to_owned()
    };
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(json) => from_json(&json).unwrap_or_else(name),
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            let text = text.trim();
            if text.is_empty() || text.starts_with('<') {
                name()
            } else {
                text.to_owned()
            }
        }
    };
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match said.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", &said[..cut]),
        None => said,
    }
}

fn from_json(json: &Value) -> Option<String> {
    if let Some(errors) = json.get("errors").and_then(Value::as_array) {
        let said: Vec<_> = errors
            .iter()
            .filter_map(|e| {
                e.as_str()
                    .or_else(|| e.get("detail")?.as_str())
                    .or_else(|| e.get("title")?.as_str())
            })
            .filter(|s| !s.is_empty())
            .collect();
        return (!said.is_empty()).then(|| said.join("; "));
    }
    json.get("error")
        .and_then(|e| e.as_str().or_else(|| e.get("message")?.as_str()))
        .or_else(|| {
            json.as_object()?
                .values()
                .find_map(|v| v.get("message")?.as_str())
        })
        .or_else(|| json.get("message")?.as_str())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_heard() {
        let said = |body: &str| server_message(StatusCode::BAD_REQUEST, body.as_bytes());
        assert_eq!(
            said(r#"{"errors":["Vault is already initialized"]}"#),
            "Vault is already initialized"
        );
        assert_eq!(
            said(
                r#"{"error":{"code":401,"message":"The request you have made requires authentication."}}"#
            ),
            "The request you have made requires authentication."
        );
        assert_eq!(
            said(
                r#"{"badRequest":{"code":400,"message":"Compute service of node1 is still in use."}}"#
            ),
            "Compute service of node1 is still in use."
        );
        assert_eq!(
            said(r#"{"errors":[{"status":404,"title":"Not Found","detail":"No such provider"}]}"#),
            "No such provider"
        );
        assert_eq!(said(r#"{"errors":[]}"#), "Bad Request");
        assert_eq!(said("<html>proxy</html>"), "Bad Request");
        assert_eq!(said("null"), "Bad Request");
        assert_eq!(said("no\n such   host"), "no such host");
        assert_eq!(said(&"é".repeat(600)).chars().count(), 503);
    }
}
