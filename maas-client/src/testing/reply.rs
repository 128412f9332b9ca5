//! Requests as they arrive, and the answers as MAAS words them.

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Req {
    pub method: Method,
    /// The whole path as it came, double slashes folded.
    pub path: String,
    /// Below `api/2.0/`.
    pub segments: Vec<String>,
    pub op: Option<String>,
    pub query: Vec<(String, String)>,
    pub form: Vec<(String, String)>,
    /// The body was JSON.
    pub json: bool,
    pub user: String,
    pub superuser: bool,
}

impl Req {
    /// The first value of a form field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.form
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The first value of a form field that is not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|v| !v.is_empty())
    }

    /// Every value of a form field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.form
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    /// The first value of a query parameter.
    pub(crate) fn arg(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// Every value of a query parameter.
    pub(crate) fn args(&self, name: &str) -> Vec<&str> {
        self.query
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    /// A form's check box: only `false` is false; `0` is true.
    pub(crate) fn checkbox(&self, name: &str) -> Option<bool> {
        self.get(name)
            .map(|v| !v.eq_ignore_ascii_case("false") && !v.is_empty())
    }

    /// An operation's truth value: takes 0 and 1 too.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|v| {
            !matches!(
                v.to_ascii_lowercase().as_str(),
                "false" | "0" | "no" | "off" | "n" | "f" | ""
            )
        })
    }

    /// An error unless the user is an administrator.
    pub(crate) fn admin(&self) -> Result<(), Reply> {
        if self.superuser {
            Ok(())
        } else {
            Err(text(403, "This method is reserved for admin users."))
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

pub(crate) type R = Result<Reply, Reply>;

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// 200 with JSON, indented by four as MAAS does.
pub(crate) fn json_ok(value: &Value) -> Reply {
    json_status(200, value)
}

pub(crate) fn json_status(status: u16, value: &Value) -> Reply {
    Reply {
        status,
        content_type: JSON,
        headers: Vec::new(),
        body: pretty(value).into(),
    }
}

/// JSON without a charset, as the configuration's operations answer.
pub(crate) fn json_bare(status: u16, value: &Value) -> Reply {
    Reply {
        status,
        content_type: "application/json",
        headers: Vec::new(),
        body: value.to_string().into(),
    }
}

pub(crate) fn text(status: u16, body: impl Into<String>) -> Reply {
    Reply {
        status,
        content_type: TEXT,
        headers: Vec::new(),
        body: body.into().into(),
    }
}

/// Text without a charset.
pub(crate) fn plain(status: u16, body: impl Into<String>) -> Reply {
    Reply {
        status,
        content_type: "text/plain",
        headers: Vec::new(),
        body: body.into().into(),
    }
}

pub(crate) fn html(status: u16, body: impl Into<String>) -> Reply {
    Reply {
        status,
        content_type: "text/html; charset=utf-8",
        headers: Vec::new(),
        body: body.into().into(),
    }
}

/// 204.
pub(crate) fn gone() -> Reply {
    plain(204, "")
}

/// 404 for an object that is not there.
pub(crate) fn missing(model: &str) -> Reply {
    plain(404, format!("No {model} matches the given query."))
}

/// 503 for an action while another is under way.
pub(crate) fn busy(action: &str, hostname: &str) -> Reply {
    text(
        503,
        format!(
            "Unable to change power state to '{action}' for node {hostname}: another action is already in progress for that node."
        ),
    )
}

/// 503 while no rack is connected.
pub(crate) fn no_rack(rack: &str) -> Reply {
    let mut reply = text(
        503,
        format!("Unable to connect to any rack controller {rack}; no connections available."),
    );
    reply.headers.push(("Retry-After", "10".into()));
    reply
}

/// The 409 page that promises too much.
pub(crate) fn false_conflict() -> Reply {
    let mut reply = html(
        409,
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n  <head>\n    <title>Error: Conflict Error</title>\n  </head>\n  <body>\n    \
         <h2 class=\"p-heading--four\">\n      Conflict error. Try your request again, as it will most likely succeed.\n    </h2>\n  </body>\n</html>\n",
    );
    reply.headers.push(("Retry-After", "5".into()));
    reply
}

/// Field errors, gathered.
#[derive(Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn add(&mut self, field: &str, message: impl Into<String>) {
        let list = self.0.entry(field.to_owned()).or_insert_with(|| json!([]));
        if let Value::Array(items) = list {
            items.push(Value::String(message.into()));
        }
    }

    pub(crate) fn required(&mut self, req: &Req, field: &str) {
        if req.filled(field).is_none() {
            self.add(field, "This field is required.");
        }
    }

    pub(crate) fn check(self) -> Result<(), Reply> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Reply {
                status: 400,
                content_type: JSON,
                headers: Vec::new(),
                body: Value::Object(self.0).to_string().into(),
            })
        }
    }
}

/// 400 for one field.
pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Reply {
    let mut fields = Fields::default();
    fields.add(field, message);
    match fields.check() {
        Err(reply) => reply,
        Ok(()) => text(400, ""),
    }
}

/// 400 for a choice that is none.
pub(crate) fn no_choice(field: &str, value: &str) -> Reply {
    invalid(
        field,
        format!("Select a valid choice. {value} is not one of the available choices."),
    )
}

fn pretty(value: &Value) -> Vec<u8> {
    use serde::Serialize;
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut ser = serde_json::Serializer::with_formatter(&mut out, formatter);
    match value.serialize(&mut ser) {
        Ok(()) => out,
        Err(_) => value.to_string().into_bytes(),
    }
}
