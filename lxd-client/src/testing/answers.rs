//! The shapes of LXD's answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a handler answers.
pub(super) enum Reply {
    /// 200 with content, and an ETag where the object has one.
    Sync(Value, Option<String>),
    /// 201 with a Location; the body says 200 and `null`.
    Created(String),
    /// 202 with an operation's id.
    Async(String),
    /// LXD's error document.
    Error(u16, String),
    /// An error that is found in the work itself: told at once, or by the operation where the
    /// change is one.
    InTheWork(u16, String),
    /// The error document with HTTP status 200.
    FailedWait(u16, String),
    /// Bytes with headers.
    Raw(Vec<(&'static str, String)>, Bytes),
    /// Not LXD's JSON.
    Plain(u16, &'static str),
    /// Answered when the operation ends, or after so many seconds (-1: never).
    Wait(String, i64),
    /// The stream of events.
    Events {
        kinds: Vec<String>,
        project: Option<String>,
    },
    /// A socket of an exec.
    ExecSocket { operation: String, fd: String },
}

impl Reply {
    pub(super) fn ok(value: impl Serialize) -> Self {
        Self::Sync(serde_json::to_value(value).unwrap_or_default(), None)
    }

    /// The `{}` that updates answer.
    pub(super) fn empty() -> Self {
        Self::Sync(json!({}), None)
    }

    /// Bytes of no particular kind.
    pub(super) fn bytes(content: Vec<u8>) -> Self {
        Self::Raw(
            vec![("content-type", "application/octet-stream".into())],
            content.into(),
        )
    }

    pub(super) fn error(code: u16, message: impl Into<String>) -> Self {
        Self::Error(code, message.into())
    }

    pub(super) fn in_the_work(code: u16, message: impl Into<String>) -> Self {
        Self::InTheWork(code, message.into())
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::Error(404, format!("{what} not found"))
    }

    pub(super) fn forbidden() -> Self {
        Self::Error(403, "not authorized".into())
    }
}

/// How 6.9 says of some things that they are not there (seen of projects and volumes' snapshots).
pub(super) fn no_entity(what: &str, path: &str) -> Reply {
    let why = format!(
        "Failed creating {what:?} operation record: Failed fetching entity reference: No such entity \
         {path:?}"
    );
    Reply::error(500, why)
}

/// SHA-256 of the part of an object that can be written.
pub(super) fn etag(writable: &Value) -> String {
    hex::encode(Sha256::digest(writable.to_string()))
}

/// A request as the handlers see it.
pub(super) struct Req {
    pub(super) method: String,
    /// The decoded path after `/1.0`.
    pub(super) path: Vec<String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Bytes,
    /// The client's certificate (DER) on HTTPS.
    pub(super) certificate: Option<Vec<u8>>,
    pub(super) local: bool,
    pub(super) upgrade: bool,
}

impl Req {
    pub(super) fn project(&self) -> String {
        match self.query.get("project").map(String::as_str) {
            None | Some("") => "default".into(),
            Some(p) => p.to_owned(),
        }
    }

    pub(super) fn all_projects(&self) -> bool {
        self.query
            .get("all-projects")
            .is_some_and(|a| a == "true" || a == "1")
    }

    /// Whether the body is a document, and no tarball.
    pub(super) fn is_json(&self) -> bool {
        self.headers
            .get("content-type")
            .is_some_and(|t| t.starts_with("application/json"))
    }

    pub(super) fn recursion(&self) -> u8 {
        self.query
            .get("recursion")
            .and_then(|r| r.parse().ok())
            .unwrap_or(0)
    }

    pub(super) fn json(&self) -> Result<Value, Reply> {
        if self.body.is_empty() {
            return Err(Reply::error(400, "EOF"));
        }
        let value: Value = serde_json::from_slice(&self.body)
            .map_err(|e| Reply::error(400, format!("invalid character: {e}")))?;
        strings_only(&value)?;
        Ok(value)
    }

    /// 412 unless the object still is what the caller read.
    pub(super) fn matches(&self, tag: &str) -> Result<(), Reply> {
        match self.headers.get("if-match") {
            None => Ok(()),
            Some(given) => {
                let given = given.trim_matches('"');
                if given == tag {
                    Ok(())
                } else {
                    Err(Reply::error(
                        412,
                        format!("ETag doesn't match: {tag} vs {given}"),
                    ))
                }
            }
        }
    }
}

/// `config` and `devices` hold strings, or Go's decoder refuses them.
fn strings_only(body: &Value) -> Result<(), Reply> {
    let kind = |v: &Value| match v {
        Value::Bool(_) => Some("bool"),
        Value::Number(_) => Some("number"),
        Value::Array(_) => Some("array"),
        Value::Object(_) => Some("object"),
        _ => None,
    };
    let refuse = |what: &str, within: &str| {
        Reply::error(
            400,
            format!("json: cannot unmarshal {what} into Go struct field .{within} of type string"),
        )
    };
    for value in body["config"]
        .as_object()
        .into_iter()
        .flat_map(|m| m.values())
    {
        if let Some(what) = kind(value) {
            return Err(refuse(what, "config"));
        }
    }
    for device in body["devices"]
        .as_object()
        .into_iter()
        .flat_map(|m| m.values())
    {
        for value in device.as_object().into_iter().flat_map(|m| m.values()) {
            if let Some(what) = kind(value) {
                return Err(refuse(what, "devices"));
            }
        }
    }
    Ok(())
}

/// A map of strings out of a body.
pub(super) fn config_of(body: &Value) -> crate::Config {
    strings(&body["config"])
}

pub(super) fn strings(value: &Value) -> crate::Config {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
        .collect()
}

pub(super) fn devices_of(body: &Value) -> crate::Devices {
    body["devices"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), strings(v)))
        .collect()
}

pub(super) fn text(body: &Value, key: &str) -> String {
    body[key].as_str().unwrap_or_default().to_owned()
}

/// A key that instances and profiles do not have; the keys by their beginnings.
pub(super) fn unknown_instance_key(config: &crate::Config) -> Option<&str> {
    const KNOWN: [&str; 14] = [
        "user.",
        "limits.",
        "boot.",
        "cloud-init.",
        "cluster.evacuate",
        "environment.",
        "image.",
        "linux.",
        "migration.",
        "nvidia.",
        "raw.",
        "security.",
        "snapshots.",
        "volatile.",
    ];
    unknown_key(config, &KNOWN)
}

/// The first key that begins with none of these.
pub(super) fn unknown_key<'a>(config: &'a crate::Config, known: &[&str]) -> Option<&'a str> {
    let unknown = |key: &&str| !known.iter().any(|k| key.starts_with(k));
    config.keys().map(String::as_str).find(unknown)
}

/// Keys given replace, empty ones unset.
pub(super) fn lay_over(config: &mut crate::Config, given: crate::Config) {
    for (k, v) in given {
        if v.is_empty() {
            config.remove(&k);
        } else {
            config.insert(k, v);
        }
    }
}

/// LXD's filters as far as anyone here uses them: `FIELD eq|ne VALUE`, joined by `and`.
pub(super) fn passes(told: &Value, req: &Req) -> Result<bool, Reply> {
    let Some(filter) = req.query.get("filter") else {
        return Ok(true);
    };
    for clause in filter.split(" and ") {
        let mut words = clause.split_whitespace();
        let (Some(field), Some(op)) = (words.next(), words.next()) else {
            return Err(Reply::error(500, "Invalid filter: clause has no operator"));
        };
        let Some(value) = words.next() else {
            return Err(Reply::error(500, "Invalid filter: clause has no value"));
        };
        let mut at = told;
        let mut rest = field;
        // `config.user.mark` is the key `user.mark` of `config`.
        while let Some((head, tail)) = rest.split_once('.') {
            if at.get(rest).is_some() {
                break;
            }
            at = &at[head];
            rest = tail;
        }
        let same = at[rest]
            .as_str()
            .is_some_and(|t| t.eq_ignore_ascii_case(value.trim_matches('"')));
        if (op == "ne") == same {
            return Ok(false);
        }
    }
    Ok(true)
}
