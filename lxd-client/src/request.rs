//! A request as it is described before it is sent.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::answer::Etag;
use crate::transfer::Moved;

/// A request to any endpoint. Endpoints that have a call of their own need none of this.
#[derive(Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) if_match: Option<Etag>,
    pub(crate) body: Body,
    pub(crate) limit: Option<Duration>,
}

pub(crate) enum Body {
    Empty,
    Json(Value),
    Bytes(Bytes),
    /// With when it last moved.
    Stream(reqwest::Body, Moved),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bodies hold passwords and tokens: only their kind is shown.
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Json(_) => "Json",
            Self::Bytes(_) => "Bytes",
            Self::Stream(..) => "Stream",
        })
    }
}

impl Request {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            if_match: None,
            body: Body::Empty,
            limit: None,
        }
    }

    /// GET. The path begins with `/1.0`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// HEAD.
    pub fn head(path: impl Into<String>) -> Self {
        Self::new(Method::HEAD, path)
    }

    /// POST.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// PUT.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// PATCH.
    pub fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path)
    }

    /// DELETE.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((key.into(), value.into()));
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    /// Sets a body of raw bytes (`application/octet-stream`).
    #[must_use]
    pub fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        /// What any line carries within a request's time.
        const SMALL: usize = 1 << 20;
        let body = body.into();
        if body.len() > SMALL {
            return self.stream(crate::transfer::pieces(body));
        }
        self.body = Body::Bytes(body);
        self
    }

    /// Sets a body that is sent piece by piece (`application/octet-stream`). It may take as long
    /// as it keeps moving: the request timeout then limits silence.
    #[must_use]
    pub fn stream<S, E>(mut self, content: S) -> Self
    where
        S: futures_core::Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let (body, moved) = crate::transfer::watched(content);
        self.body = Body::Stream(body, moved);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Only if the object still is what was read with this ETag.
    #[must_use]
    pub fn if_match(mut self, etag: Etag) -> Self {
        self.if_match = Some(etag);
        self
    }

    /// How long the answer may take, instead of the client's request timeout.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn is_mutating(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }

    /// When its body last moved, if that is what limits it.
    pub(crate) fn moved(&self) -> Option<Moved> {
        match &self.body {
            Body::Stream(_, moved) => Some(moved.clone()),
            _ => None,
        }
    }

    /// The method and path, without the query (which may hold a secret).
    pub(crate) fn describe(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// One segment of a path, escaped.
pub(crate) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for b in name.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(b as char);
            }
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    // `.` and `..` would be eaten by URL normalisation, and with them the segment before.
    if out.chars().all(|c| c == '.') {
        out = out.replace('.', "%2E");
    }
    out
}
