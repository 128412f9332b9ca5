//! Requests as they come in, answers as they go out.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::answers::{Reply, Req};

pub(super) type Answered = Response<Full<Bytes>>;

pub(super) fn understand(
    parts: &http::request::Parts,
    body: Bytes,
    local: bool,
    certificate: Option<Vec<u8>>,
    upgrade: bool,
) -> Option<Req> {
    let rest = parts.uri.path().strip_prefix("/1.0")?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let path = rest
        .split('/')
        .filter(|s| !s.is_empty())
        .map(unescape)
        .collect();
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect();
    let headers = parts
        .headers
        .iter()
        .filter_map(|(k, v)| Some((k.as_str().to_owned(), v.to_str().ok()?.to_owned())))
        .collect();
    Some(Req {
        method: parts.method.to_string(),
        path,
        query,
        headers,
        body,
        certificate,
        local,
        upgrade,
    })
}

/// `%41` to `A`.
fn unescape(segment: &str) -> String {
    let raw = segment.as_bytes();
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let hex = (raw[at] == b'%')
            .then(|| segment.get(at + 1..at + 3))
            .flatten()
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(raw[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn document(status: u16, body: &Value, newline: bool) -> Answered {
    let mut text = body.to_string();
    text.push('\n');
    if newline {
        text.push('\n');
    }
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    answer
}

fn put(answer: &mut Answered, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

pub(super) fn accepted(id: &str, told: Value) -> Answered {
    let path = format!("/1.0/operations/{id}");
    let mut answer = document(
        202,
        &json!({
            "type": "async", "status": "Operation created", "status_code": 100,
            "operation": path, "error_code": 0, "error": "", "metadata": told,
        }),
        false,
    );
    put(&mut answer, header::LOCATION, &path);
    answer
}

pub(super) fn plain(reply: Reply) -> Answered {
    let sync = |metadata: Value| {
        json!({
            "type": "sync", "status": "Success", "status_code": 200, "operation": "",
            "error_code": 0, "error": "", "metadata": metadata,
        })
    };
    let error = |code: u16, message: &str| {
        json!({
            "type": "error", "status": "", "status_code": 0, "operation": "",
            "error_code": code, "error": message, "metadata": null,
        })
    };
    match reply {
        Reply::Sync(value, tag) => {
            let mut answer = document(200, &sync(value), false);
            if let Some(tag) = tag {
                put(&mut answer, header::ETAG, &format!("\"{tag}\""));
            }
            answer
        }
        Reply::Created(location) => {
            let mut answer = document(201, &sync(Value::Null), false);
            put(&mut answer, header::LOCATION, &location);
            answer
        }
        Reply::Error(code, message) => document(code, &error(code, &message), true),
        Reply::FailedWait(code, message) => document(200, &error(code, &message), true),
        Reply::Raw(headers, body) => {
            let mut answer = Response::new(Full::new(body));
            for (name, value) in headers {
                put(&mut answer, header::HeaderName::from_static(name), &value);
            }
            answer
        }
        Reply::Plain(code, text) => {
            let mut answer = Response::new(Full::new(text.into()));
            *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST);
            answer
        }
        Reply::InTheWork(..)
        | Reply::Async(_)
        | Reply::Wait(..)
        | Reply::Events { .. }
        | Reply::ExecSocket { .. } => document(500, &Value::Null, false),
    }
}
