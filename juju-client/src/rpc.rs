//! The RPC without I/O: ids given, answers matched to what was asked. No sockets, no clock.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A request before it has an id.
#[derive(Debug, Clone)]
pub struct Call {
    /// The facade, `Application`.
    pub facade: String,
    /// Its version, as negotiated.
    pub version: u32,
    /// The id of a watcher or pinger on the server; empty otherwise.
    pub id: String,
    /// The method, `Deploy`.
    pub method: String,
    /// The parameters.
    pub params: serde_json::Value,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Request<'a> {
    request_id: u64,
    #[serde(rename = "type")]
    facade: &'a str,
    version: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    request: &'a str,
    params: &'a serde_json::Value,
}

/// What a frame says apart from its payload, which is scanned but not built.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Head {
    #[serde(default)]
    request_id: Option<u64>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    error_info: Option<serde_json::Value>,
}

/// An error as the server puts it.
#[derive(Debug, Clone, PartialEq)]
pub struct RpcError {
    /// `error`.
    pub message: String,
    /// `error-code`, empty if there is none.
    pub code: String,
    /// `error-info`.
    pub info: Option<serde_json::Value>,
}

/// An answer: the whole frame, so that each caller decodes its payload straight into its own type.
#[derive(Debug, Clone)]
pub struct Reply {
    frame: Bytes,
}

#[derive(Deserialize)]
struct Body<T> {
    #[serde(default = "Option::default")]
    response: Option<T>,
}

impl Reply {
    /// The frame as it came.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The `response` in a type. An absent or null one decodes as `T` from `{}`.
    ///
    /// # Errors
    /// The path in the document and what was expected there.
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, String> {
        self.response(serde_json::from_slice(&self.frame).ok())
    }

    /// The same for answers of a megabyte and more (a model's full status): in half the time, for twice the code.
    ///
    /// # Errors
    /// As [`Reply::decode`].
    pub fn decode_large<T: serde::de::DeserializeOwned>(&self) -> Result<T, String> {
        match crate::json::read::<Body<T>>(&self.frame) {
            Ok(body) => self.response(Some(body)),
            Err(_) => self.decode(),
        }
    }

    fn response<T: serde::de::DeserializeOwned>(&self, body: Option<Body<T>>) -> Result<T, String> {
        let body = match body {
            Some(body) => body,
            // Decoded again, slowly, for the path of what is wrong.
            None => liberal(&self.frame)?,
        };
        match body.response {
            Some(r) => Ok(r),
            None => serde_json::from_str("{}")
                .or_else(|_| serde_json::from_str("null"))
                .map_err(|e| e.to_string()),
        }
    }
}

/// What another version writes another way is taken all the same, slowly: a null where something must be is as if it were not there, a
/// number stands for its text and the other way round. What is still wrong is told with its path.
fn liberal<T: serde::de::DeserializeOwned>(frame: &[u8]) -> Result<Body<T>, String> {
    let strict = || {
        let mut de = serde_json::Deserializer::from_slice(frame);
        serde_path_to_error::deserialize::<_, Body<T>>(&mut de).map_err(|e| e.to_string())
    };
    let mut value: serde_json::Value = match serde_json::from_slice(frame) {
        Ok(v) => v,
        Err(_) => return strict(),
    };
    drop_nulls(&mut value);
    // Each round mends one place.
    for _ in 0..64 {
        match serde_path_to_error::deserialize::<_, Body<T>>(value.clone()) {
            Ok(body) => return Ok(body),
            Err(e) => {
                let text = e.inner().to_string();
                let Some(at) = at_path(&mut value, e.path()) else {
                    return strict();
                };
                let wants_text = text.contains("expected a string");
                let new = match at {
                    serde_json::Value::Number(n) if wants_text => n.to_string().into(),
                    serde_json::Value::Bool(b) if wants_text => b.to_string().into(),
                    serde_json::Value::String(s) => match serde_json::from_str(s) {
                        Ok(v @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => v,
                        _ => return strict(),
                    },
                    _ => return strict(),
                };
                *at = new;
            }
        }
    }
    strict()
}

fn drop_nulls(v: &mut serde_json::Value) {
    match v {
        serde_json::Value::Object(m) => {
            m.retain(|_, v| !v.is_null());
            m.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(a) => a.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn at_path<'a>(
    mut at: &'a mut serde_json::Value,
    path: &serde_path_to_error::Path,
) -> Option<&'a mut serde_json::Value> {
    for s in path {
        at = match s {
            serde_path_to_error::Segment::Seq { index } => at.get_mut(*index)?,
            serde_path_to_error::Segment::Map { key } => at.get_mut(key.as_str())?,
            _ => return None,
        };
    }
    Some(at)
}

/// What a frame turned out to be.
#[derive(Debug)]
pub enum Incoming<T> {
    /// The answer to the call of this token.
    Answer(T, Result<Reply, RpcError>),
    /// An answer that nobody waits for any more (its caller gave up).
    Stray(u64),
}

/// The ids under way, each with what the driver wants to know again (a reply channel, in the tokio driver).
#[derive(Debug)]
pub struct Rpc<T> {
    last: u64,
    pending: HashMap<u64, T>,
}

impl<T> Default for Rpc<T> {
    fn default() -> Self {
        Self {
            last: 0,
            pending: HashMap::new(),
        }
    }
}

/// Long answers are not scanned twice: one that begins as Juju writes them, `{"request-id":7,"response":{`, and in which the word
/// `"error` does not stand, is no error. What is malformed in it is found when it is decoded.
fn plain_answer(frame: &[u8]) -> Option<u64> {
    if frame.len() < 4096 || frame.last() != Some(&b'}') {
        return None;
    }
    let rest = frame.strip_prefix(b"{\"request-id\":")?;
    let digits = rest
        .iter()
        .take(20)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let id = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    rest[digits..].strip_prefix(b",\"response\":{")?;
    memchr::memmem::find(frame, b"\"error")
        .is_none()
        .then_some(id)
}

impl<T> Rpc<T> {
    /// Gives the call an id and its frame.
    pub fn send(&mut self, call: &Call, token: T) -> (u64, String) {
        self.last += 1;
        let request = Request {
            request_id: self.last,
            facade: &call.facade,
            version: call.version,
            id: &call.id,
            request: &call.method,
            params: &call.params,
        };
        // A value of string keys always serialises.
        let frame = serde_json::to_string(&request).unwrap_or_default();
        self.pending.insert(self.last, token);
        (self.last, frame)
    }

    /// Takes a frame.
    ///
    /// # Errors
    /// What is wrong with a frame that is not an answer of Juju's RPC; the connection is of no use any more then.
    pub fn receive(&mut self, frame: Bytes) -> Result<Incoming<T>, String> {
        if let Some(id) = plain_answer(&frame) {
            return Ok(match self.pending.remove(&id) {
                Some(token) => Incoming::Answer(token, Ok(Reply { frame })),
                None => Incoming::Stray(id),
            });
        }
        let head: Head = serde_json::from_slice(&frame).map_err(|e| {
            let start = String::from_utf8_lossy(&frame[..frame.len().min(80)]).into_owned();
            format!(
                "a frame of {} bytes is no answer of Juju's RPC ({e}); it begins {start:?}",
                frame.len()
            )
        })?;
        let id = head.request_id.unwrap_or(0);
        let Some(token) = self.pending.remove(&id) else {
            return Ok(Incoming::Stray(id));
        };
        let error = head.error.filter(|e| !e.is_empty());
        Ok(Incoming::Answer(
            token,
            match error {
                Some(message) => Err(RpcError {
                    message,
                    code: head.error_code.unwrap_or_default(),
                    info: head.error_info,
                }),
                None => Ok(Reply { frame }),
            },
        ))
    }

    /// Forgets a call whose caller gave up.
    pub fn forget(&mut self, id: u64) -> Option<T> {
        self.pending.remove(&id)
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// The connection is gone: everything under way, in the order it was sent.
    pub fn drain(&mut self) -> Vec<T> {
        let mut all: Vec<_> = self.pending.drain().collect();
        all.sort_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, t)| t).collect()
    }
}
