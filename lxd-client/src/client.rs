//! The connection, and the one place from which requests leave.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use crate::answer::{Answer, Etag, Versioned, read_answer};
use crate::builder::{ClientBuilder, To};
use crate::operation::Started;
use crate::request::{Body, Request};
use crate::types::Server;
use crate::{Error, ErrorKind, Fingerprint, Result, tls};

/// A client of one LXD server. Cheap to clone.
///
/// A project (and a cluster member) can be chosen for everything that is asked through a clone:
/// `client.project("tst-project").instances()`.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    project: Option<String>,
    target: Option<String>,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    /// `http://lxd` over the socket, else `https://host:port`.
    pub(crate) base: String,
    pub(crate) transport: Transport,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) reconnect: Duration,
    pub(crate) extensions: OnceCell<(String, Vec<String>)>,
}

pub(crate) enum Transport {
    Unix(PathBuf),
    Https {
        url: Url,
        tls: Arc<rustls::ClientConfig>,
        proxy: Option<Url>,
    },
}

impl Client {
    pub(crate) fn of(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            project: None,
            target: None,
        }
    }

    /// A server reached by its unix socket, where whoever may open it is trusted.
    pub fn unix(path: impl AsRef<Path>) -> ClientBuilder {
        ClientBuilder::new(To::Unix(path.as_ref().to_owned()))
    }

    /// This machine's LXD: `$LXD_DIR/unix.socket`, the snap's or the package's socket, the first
    /// that exists (the snap's if none does).
    pub fn local() -> ClientBuilder {
        let snap = PathBuf::from("/var/snap/lxd/common/lxd/unix.socket");
        let path = std::env::var_os("LXD_DIR")
            .map(|dir| Path::new(&dir).join("unix.socket"))
            .into_iter()
            .chain([snap.clone(), PathBuf::from("/var/lib/lxd/unix.socket")])
            .find(|p| p.exists())
            .unwrap_or(snap);
        Self::unix(path)
    }

    /// A server on the network, known by the fingerprint of its certificate (as `lxc info` shows
    /// it on the server, or as a trust token carries it; see [`crate::TrustToken`]).
    pub fn https(url: Url, fingerprint: Fingerprint) -> ClientBuilder {
        ClientBuilder::new(To::Https(url, fingerprint))
    }

    /// Looks at the certificate that a server on the network shows, for a person or a second
    /// source to compare. Trusting it because it was shown is trusting anyone.
    ///
    /// # Errors
    /// If no TLS connection stands within 10 s.
    pub async fn look_at_fingerprint(url: &Url, proxy: Option<&Url>) -> Result<Fingerprint> {
        let shown = crate::websocket::peer_certificate(url, proxy, Duration::from_secs(10)).await?;
        Ok(Fingerprint::of_der(&shown))
    }

    /// The proxy by which it reaches the server.
    pub(crate) fn proxy(&self) -> Option<&Url> {
        match &self.inner.transport {
            Transport::Unix(_) => None,
            Transport::Https { proxy, .. } => proxy.as_ref(),
        }
    }

    /// The same client within a project.
    #[must_use]
    pub fn project(&self, name: impl Into<String>) -> Self {
        let mut other = self.clone();
        other.project = Some(name.into());
        other
    }

    /// The same client, aiming at one member of a cluster.
    #[must_use]
    pub fn target(&self, member: impl Into<String>) -> Self {
        let mut other = self.clone();
        other.target = Some(member.into());
        other
    }

    /// The project that this client asks in; `default` unless chosen.
    pub fn project_name(&self) -> &str {
        self.project.as_deref().unwrap_or("default")
    }

    /// GET `/1.0`.
    ///
    /// # Errors
    /// If the server cannot be reached or does not speak LXD's API.
    pub async fn server(&self) -> Result<Versioned<Server>> {
        self.get("/1.0").await
    }

    /// Fails with [`ErrorKind::MissingExtension`] unless the server has every one of these API
    /// extensions. The list is fetched once a client.
    ///
    /// # Errors
    /// If one is missing, or the server cannot be asked.
    pub async fn require(&self, attempted: &str, extensions: &[&str]) -> Result<()> {
        let (version, have) = self.extensions().await?;
        let missing: Vec<&str> = extensions
            .iter()
            .filter(|name| !have.iter().any(|h| h == *name))
            .copied()
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let named: Vec<String> = missing
            .iter()
            .map(|name| match crate::extensions::since(name) {
                Some(since) => format!("{name} (in LXD {since} and later)"),
                None => (*name).to_owned(),
            })
            .collect();
        Err(Error::new(
            ErrorKind::MissingExtension,
            attempted,
            format!(
                "this server (LXD {version}) lacks the API extension {}; upgrade it",
                named.join(", ")
            ),
        ))
    }

    /// Whether the server has an API extension. The list is fetched once a client.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn has_extension(&self, name: &str) -> Result<bool> {
        Ok(self.extensions().await?.1.iter().any(|h| h == name))
    }

    async fn extensions(&self) -> Result<&(String, Vec<String>)> {
        self.inner
            .extensions
            .get_or_try_init(|| async {
                let server = self.server().await?.into_inner();
                let version = match server.environment.server_version.as_str() {
                    "" => "of unknown version".to_owned(),
                    version => version.to_owned(),
                };
                Ok((version, server.api_extensions))
            })
            .await
    }

    /// Changes server configuration keys and leaves the others (PATCH `/1.0`). An empty value
    /// unsets a key.
    ///
    /// # Errors
    /// If a key or value is refused.
    pub async fn set_config<K: Into<String>, V: Into<String>>(
        &self,
        keys: impl IntoIterator<Item = (K, V)>,
    ) -> Result<()> {
        let config: crate::Config = keys
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        self.change(Request::patch("/1.0").json(serde_json::json!({"config": config})))
            .await?
            .wait()
            .await?;
        Ok(())
    }

    /// Reads the server's configuration, changes it, writes it (PUT, which unsets what is left
    /// out); and again if somebody else changed it in between.
    ///
    /// # Errors
    /// If a key or value is refused, or it is still in somebody's way after ten tries.
    pub async fn modify_config(
        &self,
        mut change: impl FnMut(&mut crate::Config),
    ) -> Result<crate::Finished> {
        self.modify(
            "/1.0",
            |server: &Server| {
                let mut config = serde_json::json!(server.config);
                // Reads as `true` whatever it is; written back so, it stays.
                if server
                    .config
                    .get("core.trust_password")
                    .is_some_and(|p| p == "true")
                {
                    config["core.trust_password"] = true.into();
                }
                serde_json::json!({"config": config})
            },
            |server: &mut Server| change(&mut server.config),
        )
        .await
    }

    /// GET any path, decoded, with its ETag.
    ///
    /// # Errors
    /// As [`Client::send`], and if the answer is not a `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Versioned<T>> {
        self.fetch(Request::get(path)).await
    }

    /// Sends a request and decodes its metadata.
    ///
    /// # Errors
    /// As [`Client::send`], and if the answer is not a `T`.
    pub async fn fetch<T: DeserializeOwned>(&self, request: Request) -> Result<Versioned<T>> {
        let attempted = request.describe();
        let answer = self.send(request).await?;
        let etag = answer.etag.clone();
        Ok(Versioned::new(answer.decode(&attempted)?, etag))
    }

    /// Sends a change, whose answer may be at once or a background operation: which of the two
    /// differs between LXD's versions.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn change(&self, request: Request) -> Result<Started> {
        let attempted = request.describe();
        let answer = self.send(request).await?;
        Started::from_answer(self.clone(), attempted, answer)
    }

    /// Sends any request and reads LXD's envelope: the way to endpoints that have no call here.
    ///
    /// # Errors
    /// If the server cannot be reached ([`Error::is_unclear`] where a change may have been acted
    /// upon), refuses, or answers something else than LXD's JSON.
    pub async fn send(&self, request: Request) -> Result<Answer> {
        let attempted = request.describe();
        let mutating = request.is_mutating();
        let limit = request.limit.unwrap_or(self.inner.request_timeout);
        let moved = request.moved();
        let (status, headers, body) = {
            let exchange = async {
                let response = self.dispatch(request).await?;
                let status = response.status();
                let headers = response.headers().clone();
                let body = response
                    .bytes()
                    .await
                    .map_err(|e| broken(&attempted, &e, mutating))?;
                Ok::<_, Error>((status, headers, body))
            };
            // What is streamed may take as long as it keeps moving.
            let impatience = async {
                match moved {
                    Some(moved) => moved.silence(limit).await,
                    None => tokio::time::sleep(limit).await,
                }
            };
            tokio::select! {
                answered = exchange => answered?,
                () = impatience => {
                    let what = format!("no answer within {limit:?}");
                    return Err(
                        Error::new(ErrorKind::Timeout, &attempted, what).unclear(mutating)
                    );
                }
            }
        };
        read_answer(&attempted, status, &headers, &body)
    }

    pub(crate) async fn dispatch(&self, request: Request) -> Result<reqwest::Response> {
        let attempted = request.describe();
        let mutating = request.is_mutating();
        let mut url = Url::parse(&format!("{}{}", self.inner.base, request.path))
            .map_err(|e| Error::invalid(&attempted, format!("the path: {e}")))?;
        let fixed: Vec<(&str, &str)> = self
            .project
            .iter()
            .map(|p| ("project", p.as_str()))
            .chain(self.target.iter().map(|t| ("target", t.as_str())))
            .filter(|(k, _)| request.query.iter().all(|(q, _)| q != k))
            .collect();
        if !fixed.is_empty() || !request.query.is_empty() {
            let mut pairs = url.query_pairs_mut();
            for (k, v) in fixed {
                pairs.append_pair(k, v);
            }
            for (k, v) in &request.query {
                pairs.append_pair(k, v);
            }
        }
        let mut headers = request.headers;
        if let Some(etag) = &request.if_match {
            let value = HeaderValue::from_str(etag.as_str())
                .map_err(|_| Error::invalid(&attempted, "the ETag cannot be sent"))?;
            headers.insert(header::IF_MATCH, value);
        }
        let method = request.method.clone();
        let streaming = matches!(request.body, Body::Stream(..));
        let mut builder = self.inner.http.request(request.method, url);
        builder = match request.body {
            Body::Empty if mutating && method != Method::DELETE => {
                builder.header(header::CONTENT_LENGTH, "0")
            }
            Body::Empty => builder,
            Body::Json(value) => builder.json(&value),
            Body::Bytes(bytes) => {
                headers
                    .entry(header::CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/octet-stream"));
                builder.body(bytes)
            }
            Body::Stream(body, _) => {
                headers
                    .entry(header::CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/octet-stream"));
                builder.body(body)
            }
        };
        tracing::debug!(service = "lxd", op = %attempted, streaming, "request");
        let response = crate::driven::to_the_end(builder.headers(headers).send())
            .await
            .map_err(|e| match e {
                Some(e) if e.is_connect() => self.unreached(&attempted, &e),
                Some(e) => broken(&attempted, &e, mutating),
                None => crate::driven::shut_down(&attempted, mutating),
            })?;
        tracing::debug!(service = "lxd", op = %attempted, status = response.status().as_u16(), "answer");
        Ok(response)
    }

    /// What a connection that does not stand means: by the socket, the socket's own story.
    fn unreached(&self, attempted: &str, error: &reqwest::Error) -> Error {
        let Transport::Unix(path) = &self.inner.transport else {
            return broken(attempted, error, false);
        };
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            if let Some(e) = inner.downcast_ref::<std::io::Error>() {
                return no_socket(attempted, path, e);
            }
            source = inner.source();
        }
        broken(attempted, error, false)
    }

    /// Whether a path exists, by GET.
    pub(crate) async fn exists(&self, path: &str) -> Result<bool> {
        match self.get::<Value>(path).await {
            Ok(_) => Ok(true),
            Err(e) if e.is_not_found() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// PUT with the ETag that the object was read with, where the server gave one (pools have
    /// none in 5.0).
    pub(crate) async fn put(
        &self,
        path: &str,
        body: Value,
        etag: Option<&Etag>,
    ) -> Result<Started> {
        let mut request = Request::put(path).json(body);
        if let Some(etag) = etag {
            request = request.if_match(etag.clone());
        }
        self.change(request).await
    }
}

/// What a broken exchange means.
pub(crate) fn broken(attempted: &str, error: &reqwest::Error, mutating: bool) -> Error {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    // URLs hold no secret here, but the operation websockets' do: never show a query.
    let text = match text.split_once('?') {
        Some((before, after)) if error.url().is_some() => {
            let rest = after.split_once(')').map_or("", |(_, rest)| rest);
            format!("{before}){rest}")
        }
        _ => text,
    };
    if let Some(at) = text.find(tls::PIN_MISMATCH) {
        return Error::new(
            ErrorKind::WrongServer,
            attempted,
            format!(
                "{}; if the server was reinstalled, compare with `lxc info` on it and pin the new one",
                &text[at..]
            ),
        );
    }
    let kind = if error.is_timeout() {
        ErrorKind::Timeout
    } else {
        ErrorKind::Connection
    };
    Error::new(kind, attempted, text).unclear(mutating && !error.is_connect())
}

/// Why a unix socket cannot be connected to, and what to do about it.
pub(crate) fn no_socket(attempted: &str, path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let hint = match error.kind() {
        Io::NotFound => "; is LXD installed and running, and is this its socket?",
        Io::PermissionDenied => "; be root, or in the group that the socket belongs to (`lxd`)",
        Io::ConnectionRefused => "; the daemon behind it is gone: start it again",
        _ => "",
    };
    let what = format!("connecting to {}: {error}{hint}", path.display());
    Error::new(ErrorKind::Connection, attempted, what)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = match &self.inner.transport {
            Transport::Unix(path) => path.display().to_string(),
            Transport::Https { url, .. } => format!(
                "https://{}:{}",
                url.host_str().unwrap_or_default(),
                url.port_or_known_default().unwrap_or_default()
            ),
        };
        f.debug_struct("Client")
            .field("server", &to)
            .field("project", &self.project_name())
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

pub(crate) fn is_success(status: StatusCode) -> bool {
    status.is_success()
}
