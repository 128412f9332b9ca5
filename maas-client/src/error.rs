//! The crate's one error: what was attempted, what came back, what to do next.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The result of every call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Field errors of a rejected form: field name (`__all__` for the whole form) to its sentences.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// What class of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The region could not be reached: nothing was sent.
    Connect,
    /// No answer within the time allowed. The request may have been acted upon.
    Timeout,
    /// The connection broke while the request was under way.
    Transport,
    /// 401: the key is wrong, its nonce was reused, or the clocks disagree by more than 300 s.
    Authentication,
    /// 403: the user may not, or the object is locked.
    Forbidden,
    /// 404.
    NotFound,
    /// 400 with field errors.
    Validation,
    /// 400 with a text: a malformed request, an unknown operation, or an impossible demand.
    BadRequest,
    /// 409: the object's state forbids it, or no machine fits.
    Conflict,
    /// 413: the body is over the server's limit (10 MB).
    TooLarge,
    /// 503 "another action is already in progress": repeat after about a second.
    Busy,
    /// 503 "No more IPs available in subnet": repeating does not help.
    Exhausted,
    /// 502, 503 or 504: the region, its rack or what it talks to is not there at the moment.
    Unavailable,
    /// Another 5xx.
    Server,
    /// An answer that is not what MAAS sends: a proxy's page, a redirect, cut or foreign JSON.
    Decode,
    /// The call was given something that cannot be sent.
    Input,
    /// What was waited for can no longer come.
    Failed,
    /// What was waited for did not come in time.
    Deadline,
}

/// An error of the MAAS client.
///
/// `Display` is one sentence or two: the operation, what came back, and what to do.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: String,
    status: Option<u16>,
    body: String,
    fields: FieldErrors,
    message: String,
    hint: Option<String>,
    retry_after: Option<Duration>,
    unclear: bool,
    retryable: bool,
    failure: Option<Box<crate::wait::MachineFailure>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Longest part of a body that an error keeps, in bytes.
const BODY_KEPT: usize = 2000;

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: operation.into(),
            status: None,
            body: String::new(),
            fields: FieldErrors::new(),
            message: message.into(),
            hint: None,
            retry_after: None,
            unclear: false,
            retryable: matches!(
                kind,
                ErrorKind::Connect | ErrorKind::Busy | ErrorKind::Unavailable
            ),
            failure: None,
            source: None,
        }))
    }

    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, "prepare the request", message)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_source(
        mut self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    pub(crate) fn with_failure(mut self, failure: crate::wait::MachineFailure) -> Self {
        self.0.failure = Some(Box::new(failure));
        self
    }

    pub(crate) fn with_response(mut self, status: u16, body: &str) -> Self {
        self.0.status = Some(status);
        self.0.body = cut(body, BODY_KEPT).to_owned();
        self
    }

    pub(crate) fn with_unclear(mut self, unclear: bool) -> Self {
        self.0.unclear = unclear;
        self
    }

    pub(crate) fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// The error for an answer with a status of 300 or above.
    ///
    /// `safe` says whether the method changes nothing (GET): its failures are never unclear.
    pub(crate) fn from_status(
        operation: &str,
        status: u16,
        html: bool,
        retry_after: Option<Duration>,
        body: &str,
        safe: bool,
    ) -> Self {
        let fields = if status == 400 {
            field_errors(body)
        } else {
            FieldErrors::new()
        };
        let text = if html {
            html_text(body)
        } else {
            body.trim().to_owned()
        };
        let busy = status == 503 && body.contains("another action is already in progress");
        let exhausted = status == 503 && body.contains("No more IPs available");
        let kind = match status {
            300..=399 => ErrorKind::Decode,
            400 if !fields.is_empty() => ErrorKind::Validation,
            401 => ErrorKind::Authentication,
            403 => ErrorKind::Forbidden,
            404 | 410 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            413 => ErrorKind::TooLarge,
            503 if busy => ErrorKind::Busy,
            503 if exhausted => ErrorKind::Exhausted,
            502..=504 | 429 => ErrorKind::Unavailable,
            500..=599 => ErrorKind::Server,
            _ => ErrorKind::BadRequest,
        };
        let message = if fields.is_empty() {
            if text.is_empty() {
                format!("HTTP {status} with an empty body")
            } else {
                format!("HTTP {status}: {}", cut(&text, 600))
            }
        } else {
            let list: Vec<String> = fields
                .iter()
                .map(|(f, m)| format!("{f}: {}", m.join(" ")))
                .collect();
            format!("HTTP {status}: {}", cut(&list.join("; "), 1200))
        };
        // A 503 that names its reason, or says when to come back, was refused before anything was done.
        // A gateway's 502 and 504, a 500 and a nameless 503 leave it open.
        let refused = busy || exhausted || retry_after.is_some();
        let mut error = Self::new(kind, operation, message).with_response(status, body);
        error.0.unclear = !safe && status >= 500 && !refused;
        error.0.retry_after = retry_after.or(busy.then(|| Duration::from_secs(1)));
        error.0.retryable = match kind {
            ErrorKind::Busy => true,
            ErrorKind::Unavailable => safe || refused,
            // A region that is restarting or whose database gave a transaction up says 500 as well.
            ErrorKind::Server => safe,
            _ => false,
        };
        error.0.fields = fields;
        error.0.hint = hint(kind, status, html, error.body());
        error
    }

    /// The error that an answer of this status and body stands for: for those that send requests by
    /// their own means, and for fuzzing.
    pub fn from_answer(status: u16, body: &str) -> Self {
        let html = body.trim_start().starts_with('<');
        Self::from_status("an answer", status, html, None, body, false)
    }

    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was attempted, such as `POST machines/?op=allocate`.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The HTTP status, where an answer came.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The answer's body, cut to some 2000 bytes and without secrets.
    pub fn body(&self) -> &str {
        &self.0.body
    }

    /// The errors of each field of a rejected form; empty when the answer had none.
    pub fn field_errors(&self) -> &FieldErrors {
        &self.0.fields
    }

    /// What a person can do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The machine that ended a wait, with the results of its scripts and its last events.
    pub fn machine_failure(&self) -> Option<&crate::wait::MachineFailure> {
        self.0.failure.as_deref()
    }

    /// How long the server asked to wait before another try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The request may or may not have been acted upon: observe again before repeating it.
    pub fn is_unclear(&self) -> bool {
        self.0.unclear
    }

    /// The same request may succeed a little later, and repeating it does no harm.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable && !self.0.unclear
    }

    /// The object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// The object's state forbids it, or nothing fits the constraints.
    pub fn is_conflict(&self) -> bool {
        self.0.kind == ErrorKind::Conflict
    }

    /// The user may not do this, or the machine is locked.
    pub fn is_forbidden(&self) -> bool {
        self.0.kind == ErrorKind::Forbidden
    }

    /// The API key was not accepted.
    pub fn is_authentication(&self) -> bool {
        self.0.kind == ErrorKind::Authentication
    }

    /// A form was rejected; see [`Error::field_errors`].
    pub fn is_validation(&self) -> bool {
        self.0.kind == ErrorKind::Validation
    }

    /// Another action on the same node is under way.
    pub fn is_busy(&self) -> bool {
        self.0.kind == ErrorKind::Busy
    }

    /// Nothing listens there, or the name does not resolve.
    pub fn is_connect(&self) -> bool {
        self.0.kind == ErrorKind::Connect
    }

    /// What was to be created is there already (observe and adopt it).
    ///
    /// MAAS says so as a field error for most objects, and as a 409 page for users and for machines
    /// whose power parameters another machine has.
    pub fn is_already_exists(&self) -> bool {
        let said = |m: &String| {
            m.contains("already exist")
                || m.contains("already in use")
                || m.contains("has already been added")
                || m.contains("already been added")
        };
        self.0.fields.values().flatten().any(said)
            || (self.0.status == Some(409) && self.is_false_conflict())
    }

    /// A boot source selection was refused because the source's catalogue is not (or not yet) known:
    /// wait for the cache to fill and ask again. A release that does not exist reads the same.
    pub fn is_images_unknown(&self) -> bool {
        self.0.fields.values().flatten().any(|m| {
            m.contains("no available images for download")
                || m.contains("No available images to download")
        })
    }

    /// No machine fits the constraints of an `allocate`.
    pub fn is_no_machine(&self) -> bool {
        self.0.status == Some(409)
            && (self.0.body.starts_with("No available machine")
                || self.0.body.starts_with("No machine"))
    }

    /// The 409 page that promises that retrying "will most likely succeed": it never does for a
    /// duplicate user name, nor for a second machine with the same power parameters.
    pub fn is_false_conflict(&self) -> bool {
        self.0.status == Some(409) && self.0.body.contains("most likely succeed")
    }
}

/// Reads `{"field": ["sentence"]}`; anything else gives an empty map.
fn field_errors(body: &str) -> FieldErrors {
    let Ok(serde_json::Value::Object(map)) = serde_json::from_str(body) else {
        return FieldErrors::new();
    };
    map.into_iter()
        .map(|(field, value)| {
            let sentences = match value {
                serde_json::Value::Array(items) => items.into_iter().map(plain).collect(),
                other => vec![plain(other)],
            };
            (field, sentences)
        })
        .collect()
}

fn plain(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(s) => s,
        other => other.to_string(),
    }
}

fn hint(kind: ErrorKind, status: u16, html: bool, body: &str) -> Option<String> {
    let hint = match kind {
        ErrorKind::Authentication if body.contains("Expired timestamp") => {
            "the clocks of this machine and of the region differ by more than 300 s: set them right (NTP)"
        }
        ErrorKind::Authentication if body.contains("Nonce already used") => {
            "something replays requests: look for a proxy that repeats them"
        }
        ErrorKind::Authentication => {
            "check the API key (`maas apikey --username <admin>` on the region)"
        }
        ErrorKind::Conflict if html => {
            "an object with the same name, or a machine with the same power address, exists already: look it up instead of repeating"
        }
        ErrorKind::Forbidden => "the user is no administrator, or the machine is locked",
        ErrorKind::NotFound if body.starts_with("Unknown API endpoint") => {
            "the URL does not lead to MAAS's API 2.0, or this MAAS does not have the endpoint"
        }
        _ if status == 407 => {
            "the proxy in between wants a name and a password: put them into its URL"
        }
        ErrorKind::Decode if (300..400).contains(&status) => {
            "give the URL that the server redirects to"
        }
        ErrorKind::Exhausted => "free addresses of the subnet, or widen it",
        ErrorKind::BadRequest if body.contains("Ephemeral operating system") => {
            "import the image, and wait until a connected rack controller has it synced"
        }
        ErrorKind::Unavailable if body.contains("Unable to connect to any rack controller") => {
            "start the rack controller and see that the region reaches it"
        }
        ErrorKind::TooLarge => "MAAS takes bodies of at most 10 MB: send the content in parts",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The words of an HTML page, on one line.
pub(crate) fn html_text(body: &str) -> String {
    let mut out = String::new();
    let mut in_tag = false;
    for c in body.chars().take(20_000) {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                out.push(' ');
            }
            c if !in_tag => out.push(c),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first `max` bytes of a text, on a character boundary.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MAAS: {}: {}", self.0.operation, self.0.message)?;
        if let Some(hint) = &self.0.hint {
            write!(f, " ({hint})")?;
        }
        if self.0.unclear {
            f.write_str(" [unclear whether it was done: look before repeating]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("status", &self.0.status)
            .field("message", &self.0.message)
            .field("unclear", &self.0.unclear)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}
