//! One request: what is sent, how it is repeated, how its answer is read.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use serde::de::DeserializeOwned;
use tracing::Instrument;

use crate::answer::Answer;
use crate::client::{Client, Retry, Upload};
use crate::error::{self, Error, ErrorKind, Result};
use crate::params::{FormValue, Params};

/// A request under construction. [`Client::raw`] starts one; `json`, `text`, `bytes` or `empty` sends it.
///
/// Its body is form-urlencoded, or multipart when it holds files: MAAS reads JSON only in some operations.
#[derive(Clone)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    client: Client,
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    files: Vec<Upload>,
    body: Option<(&'static str, Bytes)>,
    signed: bool,
    repeatable: bool,
    /// The answer holds secrets: errors keep nothing of it.
    secret: bool,
    timeout: Option<Duration>,
}

impl Call {
    pub(crate) fn new(client: Client, method: Method, path: String) -> Self {
        let repeatable = method == Method::GET;
        Self {
            client,
            method,
            path,
            query: Vec::new(),
            form: Vec::new(),
            files: Vec::new(),
            body: None,
            signed: true,
            repeatable,
            secret: false,
            timeout: None,
        }
    }

    /// The named operation, sent as `?op=`.
    pub fn op(mut self, op: &str) -> Self {
        self.query.insert(0, ("op".to_owned(), op.to_owned()));
        self
    }

    /// Adds a query parameter; a list is sent as repeated keys.
    pub fn query(mut self, name: &str, value: impl FormValue) -> Self {
        value.write(name, &mut self.query);
        self
    }

    /// Adds the fields of a parameter struct to the query.
    pub fn query_params(mut self, params: &impl Params) -> Self {
        params.write_all(&mut self.query);
        self
    }

    /// Adds a form field; a list is sent as repeated keys, a truth value as `true` or `false`.
    pub fn form(mut self, name: &str, value: impl FormValue) -> Self {
        value.write(name, &mut self.form);
        self
    }

    /// Adds the fields of a parameter struct to the form.
    pub fn params(mut self, params: &impl Params) -> Self {
        params.write_all(&mut self.form);
        self
    }

    /// Adds a file: the body becomes multipart.
    pub fn file(mut self, field: &str, content: impl Into<Bytes>) -> Self {
        self.files.push(Upload {
            field: field.to_owned(),
            content: content.into(),
        });
        self
    }

    /// Sends these bytes as the body, in place of a form; an empty type is not sent (MAAS then reads no form in them).
    pub fn body(mut self, content_type: &'static str, content: impl Into<Bytes>) -> Self {
        self.body = Some((content_type, content.into()));
        self
    }

    /// Sends no signature.
    pub fn anonymous(mut self) -> Self {
        self.signed = false;
        self
    }

    /// Allows at most this long for each try, in place of the client's own limit.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Says that doing it twice is the same as once, so that it may be repeated after an unclear failure.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Says that the answer holds secrets (keys, a BMC's password), of which no error may keep anything.
    pub(crate) fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Sends it and decodes the JSON answer.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        let (operation, safe, secret) = (self.operation(), self.repeatable, self.secret);
        let answer = self.send().await?;
        answer.read(&operation, safe, secret)
    }

    /// Sends it and returns the answer as text.
    pub async fn text(self) -> Result<String> {
        let operation = self.operation();
        let answer = self.send().await?;
        String::from_utf8(answer.body.to_vec()).map_err(|e| {
            Error::new(ErrorKind::Decode, operation, "the answer is not text").with_source(e)
        })
    }

    /// Sends it and returns the answer's bytes.
    pub async fn bytes(self) -> Result<Bytes> {
        Ok(self.send().await?.body)
    }

    /// Sends it and reads the answer's BSON.
    pub(crate) async fn details(self) -> Result<crate::model::NodeDetails> {
        let operation = self.operation();
        let answer = self.send().await?;
        crate::model::NodeDetails::from_bson(&answer.body).ok_or_else(|| {
            let what = format!("{} bytes that are no BSON", answer.body.len());
            Error::new(ErrorKind::Decode, operation, what)
                .with_response(answer.status.as_u16(), "")
                .with_hint(
                    "something between here and MAAS may have answered in its place (a proxy?)",
                )
        })
    }

    /// Sends it; the answer's body is of no interest.
    pub async fn empty(self) -> Result<()> {
        self.send().await.map(|_| ())
    }

    /// What this call is, for people: `POST machines/?op=allocate`.
    pub fn operation(&self) -> String {
        let path = self.path.strip_prefix("api/2.0/").unwrap_or(&self.path);
        match self.query.iter().find(|(k, _)| k == "op") {
            Some((_, op)) => format!("{} {path}?op={op}", self.method),
            None => format!("{} {path}", self.method),
        }
    }

    async fn send(self) -> Result<Answer> {
        let operation = self.operation();
        let span = tracing::debug_span!("maas", op = %operation, attempt = tracing::field::Empty, status = tracing::field::Empty);
        let Retry {
            attempts,
            first_wait,
            longest_wait,
        } = self.client.0.retry;
        let mut wait = first_wait;
        let mut attempt = 1;
        async move {
            loop {
                tracing::Span::current().record("attempt", attempt);
                let error = match self.once(&operation).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                let again = error.is_retryable()
                    || (self.repeatable
                        && matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout));
                let pause = error.retry_after().unwrap_or(wait);
                if !again || attempt >= attempts || pause > longest_wait {
                    return Err(error);
                }
                tracing::debug!(%error, ?pause, "will be repeated");
                tokio::time::sleep(pause).await;
                wait = (wait * 2).min(longest_wait);
                attempt += 1;
            }
        }
        .instrument(span)
        .await
    }

    async fn once(&self, operation: &str) -> Result<Answer> {
        let inner = &self.client.0;
        // Held until the answer is read; it is closed by nobody.
        let _slot = inner.slots.acquire().await;
        let mut url = inner.base.clone();
        url.set_path(&format!("{}{}", url.path(), self.path));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut request = inner
            .http
            .request(self.method.clone(), url)
            .timeout(self.timeout.unwrap_or(inner.timeout))
            .header(header::ACCEPT, "application/json");
        if self.signed
            && let Some(key) = &inner.key
        {
            request = request.header(header::AUTHORIZATION, key.header()?);
        }
        if let Some((content_type, content)) = &self.body {
            if !content_type.is_empty() {
                request = request.header(header::CONTENT_TYPE, *content_type);
            }
            request = request.body(content.clone());
        } else if !self.files.is_empty() {
            request = request.multipart(self.multipart());
        } else if !self.form.is_empty() {
            request = request.form(&self.form);
        }
        let response = request
            .send()
            .await
            .map_err(|e| self.transport(operation, e))?;
        let status = response.status();
        tracing::Span::current().record("status", status.as_u16());
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
            .to_owned();
        let told = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::trim)
        };
        let date = told(header::DATE).and_then(moment);
        let retry_after = told(header::RETRY_AFTER).and_then(|after| match after.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => {
                let wait = moment(after)?.duration_since(date.unwrap_or_else(jiff::Timestamp::now));
                Some(wait.try_into().unwrap_or(Duration::ZERO))
            }
        });
        let location = response
            .headers()
            .get(header::LOCATION)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let body = match crate::answer::whole(response).await {
            Ok(body) => body,
            // The status of a failure counts even when its body was cut.
            Err(_) if !status.is_success() => Bytes::new(),
            Err(e) => return Err(self.transport(operation, e)),
        };
        if status.is_success() {
            return Ok(Answer {
                status,
                content_type,
                body,
            });
        }
        let text = self.scrub(&String::from_utf8_lossy(&body));
        let mut error = Error::from_status(
            operation,
            status.as_u16(),
            content_type.starts_with("text/html"),
            retry_after,
            &text,
            self.repeatable,
        );
        if let (ErrorKind::Authentication, Some(date)) = (error.kind(), date) {
            let off = jiff::Timestamp::now().duration_since(date).as_secs();
            if off.abs() > 300 {
                let than = if off > 0 { "ahead of" } else { "behind" };
                error = error.with_hint(format!(
                    "this machine's clock is {} s {than} the region's, and MAAS allows 300: set the clocks right (NTP)",
                    off.abs()
                ));
            }
        }
        if let (true, Some(location)) = (status.is_redirection(), location) {
            error = error.with_hint(format!(
                "the server redirects to {}: give that URL",
                error::cut(&location, 200)
            ));
        }
        Err(error)
    }

    fn multipart(&self) -> reqwest::multipart::Form {
        let mut form = reqwest::multipart::Form::new();
        for (name, value) in &self.form {
            form = form.text(name.clone(), value.clone());
        }
        for file in &self.files {
            let part = reqwest::multipart::Part::stream(file.content.clone())
                .file_name(file.field.clone());
            form = form.part(file.field.clone(), part);
        }
        form
    }

    /// A body without the key's secret, and without the passwords that this call sent: MAAS echoes the one,
    /// and pages of errors the others.
    fn scrub(&self, text: &str) -> String {
        let mut text = match &self.client.0.key {
            Some(key) => key.scrub(text),
            None => text.to_owned(),
        };
        for (name, value) in &self.form {
            // What is shorter hides nothing, and stands in every text.
            if value.len() >= 4 && is_secret(name) {
                text = text.replace(value.as_str(), "[secret]");
            }
        }
        text
    }

    fn transport(&self, operation: &str, e: reqwest::Error) -> Error {
        let e = e.without_url();
        let host = self.client.0.base.host_str().unwrap_or("").to_owned();
        let port = self.client.0.base.port_or_known_default().unwrap_or(0);
        let reason = root_cause(&e);
        let (kind, message, unclear) = if e.is_connect() {
            (
                ErrorKind::Connect,
                format!("{host}:{port} could not be reached: {reason}"),
                false,
            )
        } else if e.is_timeout() {
            (
                ErrorKind::Timeout,
                format!("no answer from {host}:{port} in time"),
                !self.repeatable,
            )
        } else {
            (
                ErrorKind::Transport,
                format!("the connection to {host}:{port} broke: {reason}"),
                !self.repeatable,
            )
        };
        let error = Error::new(kind, operation, message)
            .with_unclear(unclear)
            .with_retryable(!unclear)
            .with_source(e);
        if kind == ErrorKind::Connect && error.to_string().contains("certificate") {
            error.with_hint(
                "give the CA that signed the region's certificate, and the name that it is for",
            )
        } else if kind == ErrorKind::Connect {
            error.with_hint("is the region controller running, and is the address right?")
        } else {
            error
        }
    }
}

/// Whether a field of a form is one whose value must not be shown: passwords, secrets, and of the power drivers'
/// parameters keys and tokens (`k_g` is IPMI's).
fn is_secret(name: &str) -> bool {
    let of_driver = name.strip_prefix("power_parameters_").unwrap_or("");
    ["pass", "secret"].iter().any(|word| name.contains(word))
        || ["key", "token", "k_g"]
            .iter()
            .any(|word| of_driver.contains(word))
}

/// A moment as HTTP's headers write it.
fn moment(text: &str) -> Option<jiff::Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp())
}

/// The innermost reason of a failure: the outer layers only say "error sending request".
fn root_cause(e: &dyn std::error::Error) -> String {
    let mut last = e;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
