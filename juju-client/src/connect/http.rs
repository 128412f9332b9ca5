//! The HTTPS side of a controller: uploads, with the user's name and password.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;

use super::dial::{connect_tls, tls_config};
use super::{Credentials, Endpoint, Options};
use crate::error::{Error, ErrorKind, Result};

/// An answer of the HTTPS side.
#[derive(Debug, Clone)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

/// What an answer may hold at most: descriptions of charms and resources, and errors.
const MAX_ANSWER: usize = 16 << 20;

/// `Basic user-<name>:<password>`.
pub(crate) fn basic(credentials: &Credentials) -> String {
    let pair = format!(
        "user-{}:{}",
        credentials.user,
        credentials.password.expose_secret()
    );
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}

/// One request on a connection of its own, to the first address that answers.
pub(crate) async fn request(
    operation: &str,
    endpoint: &Endpoint,
    credentials: &Credentials,
    options: &Options,
    mut request: http::request::Builder,
    body: Bytes,
    timeout: Duration,
) -> Result<HttpAnswer> {
    let tls = tls_config(endpoint)?;
    let failed = |m: String| Error::new(ErrorKind::Connect, operation, m);
    let mut why = Vec::new();
    let mut stream = None;
    for address in &endpoint.addresses {
        let connect = connect_tls(address, endpoint, tls.clone());
        match tokio::time::timeout(options.connect_timeout, connect).await {
            Ok(Ok(s)) => {
                stream = Some((s, address));
                break;
            }
            Ok(Err(e)) => why.push(format!("{address}: {e}")),
            Err(_) => why.push(format!(
                "{address}: no answer within {:?}",
                options.connect_timeout
            )),
        }
    }
    let Some((stream, address)) = stream else {
        return Err(failed(why.join("; "))
            .hint("check that the controller runs and that its API port is reachable"));
    };
    if let Some(headers) = request.headers_mut() {
        for (name, value) in [
            (http::header::AUTHORIZATION, basic(credentials)),
            (http::header::HOST, address.clone()),
        ] {
            let value = http::HeaderValue::from_str(&value)
                .map_err(|_| Error::invalid(operation, format!("{name} cannot be sent")))?;
            headers.insert(name, value);
        }
    }
    let request = request
        .body(Full::new(body))
        .map_err(|e| Error::invalid(operation, e.to_string()))?;
    let unclear = |m: String| Error::new(ErrorKind::Closed, operation, m).unclear();
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| failed(e.to_string()))?;
        let driver = tokio::spawn(connection);
        let answer = async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(|e| unclear(e.to_string()))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER)
                .collect()
                .await
                .map_err(|e| unclear(e.to_string()))?
                .to_bytes();
            Ok(HttpAnswer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            })
        }
        .await;
        driver.abort();
        answer
    };
    tokio::time::timeout(timeout, exchange).await.map_err(|_| {
        Error::new(
            ErrorKind::Timeout,
            operation,
            format!("no answer within {timeout:?}"),
        )
        .unclear()
    })?
}

impl HttpAnswer {
    /// The answer's JSON, or the server's error: `{"error","error-code"}` of charms, `{"error":{"message","code"}}` of
    /// resources, plain text otherwise.
    pub(crate) fn json(&self, operation: &str) -> Result<serde_json::Value> {
        let json: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        if (200..300).contains(&self.status) {
            return json.ok_or_else(|| {
                Error::new(ErrorKind::Protocol, operation, "the answer is not JSON")
            });
        }
        let text = |v: &serde_json::Value| v.as_str().map(str::to_owned);
        let (message, code) = match &json {
            Some(v) if v["error"].is_string() => (text(&v["error"]), text(&v["error-code"])),
            Some(v) => (text(&v["error"]["message"]), text(&v["error"]["code"])),
            None => (None, None),
        };
        let message = message.unwrap_or_else(|| {
            String::from_utf8_lossy(&self.body[..self.body.len().min(300)])
                .trim()
                .to_owned()
        });
        let code = match code.filter(|c| !c.is_empty()) {
            Some(c) => c,
            None if self.status == 401 => "unauthorized access".into(),
            None => String::new(),
        };
        let e = Error::server(operation, &message, &code, None);
        Err(if self.status == 401 {
            e.hint("check the user's password")
        } else {
            e
        })
    }
}
