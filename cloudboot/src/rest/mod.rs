//! One HTTP client for the services that the cloud itself brings (Vault, Keystone, Nova, the dashboard):
//! rustls with the one CA that is given, a proxy where one is given, timeouts, no redirects, errors with the server's words.

mod download;
mod error;
mod message;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use url::Url;

pub(crate) use download::download;
pub use error::{Error, ErrorKind, Result};
pub(crate) use message::server_message;

/// The longest body that is read, in bytes: a service that sends more is not the service that we asked.
const LONGEST_BODY: usize = 32 << 20;

/// How a service is reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct Reach {
    /// The PEM of the only CA (or CAs) that may vouch for the service. An https address cannot be reached without it.
    pub ca_pem: Option<String>,
    /// An HTTP proxy through which everything goes: absolute-form for http, CONNECT for https.
    /// Without it the environment's proxy variables are honoured.
    pub proxy: Option<Url>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a request may take, its answer included.
    pub timeout: Duration,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            ca_pem: None,
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
        }
    }
}

impl Reach {
    /// The same, through this HTTP proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: Url) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// The same, trusting the CA (or CAs) of this PEM and no other.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<String>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach")
            .field("ca_pem", &self.ca_pem.is_some())
            .field("proxy", &self.proxy.as_ref().map(shown))
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// A URL without its credentials, query and fragment, as errors and logs show it.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// A client of one service.
#[derive(Clone)]
pub(crate) struct Rest {
    service: &'static str,
    http: reqwest::Client,
    trusts: bool,
}

/// A whole answer of a service.
pub(crate) struct Answer {
    pub(crate) operation: String,
    pub(crate) method: Method,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Rest {
    pub(crate) fn new(service: &'static str, reach: &Reach) -> Result<Self> {
        let building = || format!("{service}: set up the HTTP client");
        let mut roots = rustls::RootCertStore::empty();
        if let Some(pem) = &reach.ca_pem {
            for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let cert = cert.map_err(|e| {
                    Error::new(
                        ErrorKind::Config,
                        building(),
                        format!("the CA is not PEM: {e}"),
                    )
                    .advice("Give the CA as a PEM certificate (-----BEGIN CERTIFICATE-----)")
                })?;
                roots.add(cert).map_err(|e| {
                    Error::new(
                        ErrorKind::Config,
                        building(),
                        format!("the CA is not a usable certificate: {e}"),
                    )
                })?;
            }
            if roots.is_empty() {
                return Err(Error::new(
                    ErrorKind::Config,
                    building(),
                    "the CA holds no certificate",
                )
                .advice("Give the CA as a PEM certificate (-----BEGIN CERTIFICATE-----)"));
            }
        }
        let trusts = !roots.is_empty();
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .map_err(|e| {
            Error::new(
                ErrorKind::Config,
                building(),
                format!("TLS cannot be set up: {e}"),
            )
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(reach.connect_timeout)
            .timeout(reach.timeout)
            .user_agent(concat!("cloudboot/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &reach.proxy {
            let through = reqwest::Proxy::all(proxy.clone()).map_err(|e| {
                Error::new(
                    ErrorKind::Config,
                    building(),
                    format!("the proxy cannot be used: {e}"),
                )
            })?;
            builder = builder.no_proxy().proxy(through);
        }
        let http = builder.build().map_err(|e| {
            Error::new(
                ErrorKind::Config,
                building(),
                "the HTTP client cannot be built",
            )
            .with_source(e)
        })?;
        Ok(Self {
            service,
            http,
            trusts,
        })
    }

    /// Sends one request and reads its answer, whatever its status. Not cancel safe for methods that change something:
    /// a dropped future leaves it open whether the request was acted upon.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: &[(HeaderName, HeaderValue)],
        body: Option<&serde_json::Value>,
    ) -> Result<Answer> {
        let operation = format!("{}: {method} {}", self.service, shown(&url));
        if url.scheme() == "https" && !self.trusts {
            return Err(Error::new(
                ErrorKind::Config,
                operation,
                "an https address, and no CA was given to verify it with",
            )
            .advice("Give the CA that issued the service's certificate"));
        }
        let mut request = self.http.request(method.clone(), url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let started = std::time::Instant::now();
        let failed = |e: reqwest::Error| transport(&operation, &method, e);
        let mut response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut whole = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if whole.len() + chunk.len() > LONGEST_BODY {
                return Err(Error::new(
                    ErrorKind::Decode,
                    operation,
                    "the answer is longer than 32 MiB",
                )
                .with_status(status)
                .with_unclear(!method.is_safe()));
            }
            whole.extend_from_slice(&chunk);
        }
        tracing::debug!(target: "cloudboot::rest", service = self.service, %method, status = status.as_u16(),
            ms = started.elapsed().as_millis() as u64, "answered");
        Ok(Answer {
            operation,
            method,
            status,
            headers,
            body: whole.into(),
        })
    }
}

/// Says what kind of silence it was, and whether the request may have been acted upon.
fn transport(operation: &str, method: &Method, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let why = innermost(&error);
    let tls = why.contains("certificate") || why.contains("UnknownIssuer");
    if error.is_connect() {
        return if tls {
            Error::new(ErrorKind::Tls, operation, format!("the certificate was refused: {why}"))
                .advice("Check that the given CA issued the service's certificate and that the certificate names this address")
        } else {
            Error::new(ErrorKind::Connect, operation, format!("no connection: {why}"))
                .advice("Check that the service runs and that the address is reachable from here")
        }
        .with_source(error);
    }
    let unclear = !method.is_safe() && !error.is_builder();
    let (kind, answer) = if error.is_timeout() {
        (ErrorKind::Timeout, "no answer in time".to_owned())
    } else if error.is_builder() {
        (
            ErrorKind::Config,
            format!("the request cannot be built: {why}"),
        )
    } else {
        (
            ErrorKind::Cut,
            format!("the connection was cut before the answer: {why}"),
        )
    };
    let error = Error::new(kind, operation, answer)
        .with_unclear(unclear)
        .with_source(error);
    if unclear {
        error.advice("It may have been acted upon: observe before sending it again")
    } else {
        error
    }
}

/// The innermost cause, where the transport's real reason is.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

impl Answer {
    /// The answer, if its status is a success.
    pub(crate) fn success(self) -> Result<Self> {
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(self.refusal())
        }
    }

    /// This answer as an error, with the server's own message.
    pub(crate) fn refusal(&self) -> Error {
        // A gateway that gave up may have passed the request on.
        let unclear = !self.method.is_safe()
            && matches!(
                self.status,
                StatusCode::BAD_GATEWAY
                    | StatusCode::GATEWAY_TIMEOUT
                    | StatusCode::INTERNAL_SERVER_ERROR
            );
        Error::new(
            ErrorKind::Status,
            &self.operation,
            server_message(self.status, &self.body),
        )
        .with_status(self.status)
        .with_request_id(self.request_id())
        .with_retry_after(self.retry_after())
        .with_unclear(unclear)
    }

    /// The body as JSON. The error names the place in the document and never what stands there: it may be a secret.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let mut json = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut json).map_err(|e| {
            let (at, inner) = (e.path().to_string(), e.inner());
            let what = match inner.classify() {
                serde_json::error::Category::Data => "a value of another type than expected",
                serde_json::error::Category::Eof => "the document ends too early",
                _ => "not JSON",
            };
            Error::new(
                ErrorKind::Decode,
                &self.operation,
                format!(
                    "an answer that cannot be read: {what} at {at} (line {} column {})",
                    inner.line(),
                    inner.column()
                ),
            )
            .with_status(self.status)
            .with_request_id(self.request_id())
            .with_unclear(!self.method.is_safe())
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    pub(crate) fn request_id(&self) -> Option<String> {
        ["x-openstack-request-id", "x-compute-request-id"]
            .iter()
            .find_map(|n| self.header(n))
            .map(str::to_owned)
    }

    /// `Retry-After` in seconds; the date form, which none of these services sends, is ignored.
    fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?
            .trim()
            .parse()
            .ok()
            .map(Duration::from_secs)
    }
}

/// `base` with `path` appended to its path (not resolved against it).
pub(crate) fn under(base: &Url, path: &str) -> Url {
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(p, q)| (p, Some(q)));
    let mut url = base.clone();
    url.set_path(&format!(
        "{}/{}",
        base.path().trim_end_matches('/'),
        path.trim_start_matches('/')
    ));
    url.set_query(query);
    url
}

/// For fields that some version sends as `null`: the default then, as when the field is missing.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
