//! How an answer's body is taken in and read.

use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::error::{self, Error, ErrorKind, Result};

/// The body in one piece. (`Response::bytes` keeps all its pieces until it has copied them: twice the memory of
/// a list of thousands.)
pub(crate) async fn whole(mut response: reqwest::Response) -> reqwest::Result<Bytes> {
    /// A length is only announced: so much is reserved for it at once.
    const AT_ONCE: u64 = 64 << 20;
    let announced = response.content_length().unwrap_or(0).min(AT_ONCE);
    let announced = usize::try_from(announced).unwrap_or(0);
    let Some(first) = response.chunk().await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = response.chunk().await? else {
        return Ok(first);
    };
    let mut body = Vec::with_capacity(announced.max(first.len() + second.len()));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    drop((first, second));
    while let Some(next) = response.chunk().await? {
        body.extend_from_slice(&next);
    }
    Ok(body.into())
}

/// A successful answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Reads its JSON; `safe` says that the request changed nothing, `secret` that no error may keep any of it.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        operation: &str,
        safe: bool,
        secret: bool,
    ) -> Result<T> {
        let body = Body {
            status: self.status,
            content_type: &self.content_type,
            bytes: &self.body,
        };
        body.read(operation, safe, secret)
    }
}

/// Reads the body of an answer as the client does: for those that send requests by their own means
/// ([`Call::bytes`](crate::Call::bytes)), for benchmarks and for fuzzing.
///
/// # Errors
/// [`ErrorKind::Decode`] when it is not JSON, or lacks what makes up a `T` (its id, say).
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let whole = Body {
        status: StatusCode::OK,
        content_type: "application/json",
        bytes: body,
    };
    whole.read("read an answer", true, false)
}

/// What is read of it.
struct Body<'a> {
    status: StatusCode,
    content_type: &'a str,
    bytes: &'a [u8],
}

impl Body<'_> {
    fn read<T: DeserializeOwned>(&self, operation: &str, safe: bool, secret: bool) -> Result<T> {
        crate::shared::sharing(|| self.read_shared(operation, safe, secret))
    }

    fn read_shared<T: DeserializeOwned>(
        &self,
        operation: &str,
        safe: bool,
        secret: bool,
    ) -> Result<T> {
        // One look at the whole text is faster than one at every string of it, and where a fault lies is
        // worth its time only when there is one.
        if let Ok(text) = std::str::from_utf8(self.bytes)
            && let Ok(value) = serde_json::from_str(text)
        {
            return Ok(value);
        }
        let again = || {
            let mut de = serde_json::Deserializer::from_slice(self.bytes);
            let value = serde_path_to_error::deserialize(&mut de).map_err(|e| e.to_string())?;
            de.end().map_err(|e| e.to_string())?;
            Ok::<T, String>(value)
        };
        // One field of another type than expected, in one of a thousand machines of a MAAS that is newer
        // than this crate, must not hide the rest: what is no id takes its default, and the log says so.
        let reason = match again() {
            Ok(value) => return Ok(value),
            Err(_) if secret => "it is kept secret".to_owned(),
            Err(reason) => reason,
        };
        if let Ok(value) = crate::macros::leniently(again) {
            tracing::warn!(operation, %reason, "a field of the answer could not be read and is left out");
            return Ok(value);
        }
        let text = String::from_utf8_lossy(self.bytes);
        let what = if self.bytes.is_empty() {
            "an empty body".to_owned()
        } else if self.content_type.starts_with("text/html") || text.trim_start().starts_with('<') {
            format!("a web page: {}", error::cut(&error::html_text(&text), 200))
        } else if self.content_type.is_empty() {
            format!("a body that cannot be read: {reason}")
        } else {
            format!("{} that cannot be read: {reason}", self.content_type)
        };
        let status = self.status.as_u16();
        let kept = if secret { "" } else { &*text };
        Err(Error::new(
            ErrorKind::Decode,
            operation,
            format!("HTTP {status} with {what}"),
        )
        .with_response(status, kept)
        .with_hint(
            "something between here and MAAS may have answered in its place (a proxy?), \
                     or this MAAS is not one this client knows",
        )
        .with_unclear(!safe))
    }
}
