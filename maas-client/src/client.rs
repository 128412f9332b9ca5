//! The client, how it is built, and how it sends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use url::Url;

use crate::auth::ApiKey;
use crate::call::Call;
use crate::error::{Error, ErrorKind, Result};
use crate::tls::tls;

/// A client of one MAAS region.
///
/// Cheap to clone; all clones share their connections. Every method is cancel safe in the sense
/// that dropping its future closes the connection; whether the region then acts on what was sent is open.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) key: Option<ApiKey>,
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
    /// Shared by all clones and keys: the region is one.
    pub(crate) slots: Arc<Semaphore>,
}

/// How often, and after how long, the client repeats what may be repeated.
///
/// Repeated are: GETs that failed on the way or with 502, 503 or 504; and any request that the
/// region refused with 503 "another action is already in progress" or 503 with `Retry-After`.
/// A POST, PUT or DELETE that failed unclearly is never repeated.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Tries in all, the first included.
    pub attempts: u32,
    /// The wait before the second try; it doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait; a `Retry-After` above it ends the tries.
    pub longest_wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(10),
        }
    }
}

impl Retry {
    /// No second try for anything.
    pub const fn never() -> Self {
        Self {
            attempts: 1,
            first_wait: Duration::ZERO,
            longest_wait: Duration::ZERO,
        }
    }
}

/// Builds a [`Client`].
#[derive(Clone)]
pub struct ClientBuilder {
    url: String,
    key: Option<ApiKey>,
    proxy: Option<Url>,
    ca: Vec<Vec<u8>>,
    connect_timeout: Duration,
    timeout: Duration,
    retry: Retry,
    requests_at_once: usize,
}

impl ClientBuilder {
    /// The API key to sign requests with. Without one only anonymous operations work.
    #[must_use]
    pub fn api_key(mut self, key: ApiKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Reaches everything through this HTTP proxy. Without it the environment's proxy variables count.
    #[must_use]
    pub fn proxy(mut self, proxy: Url) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Trusts the certificates of this PEM text besides the public ones: a CA's, or the region's own where it
    /// signed itself.
    #[must_use]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca.push(pem.into());
        self
    }

    /// How long a connection may take to be made (default 10 s).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take in all (default 2 min; MAAS itself retries for up to 25 s before
    /// it answers). Operations that compose machines or talk to a VM host are given 10 min.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How failed requests are repeated.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// How many requests may be under way at once (default 32); more wait for their turn, and their time
    /// begins then. A region has a handful of workers: a thousand connections make it slower, not faster.
    #[must_use]
    pub fn requests_at_once(mut self, requests: usize) -> Self {
        self.requests_at_once = requests.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Builds the client; nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for a URL that is none, or certificates that cannot be read.
    pub fn build(self) -> Result<Client> {
        let base = normalise(&self.url)?;
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(&self.ca)?)
            .connect_timeout(self.connect_timeout)
            // Before MAAS's nginx closes what is idle (75 s): a change sent into a closing connection fails unclearly.
            .pool_idle_timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("maas-client/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = self.proxy {
            let proxy = reqwest::Proxy::all(proxy.clone()).map_err(|e| {
                Error::input(format!("{} is no proxy's URL", redact(&proxy))).with_source(e)
            })?;
            http = http.proxy(proxy);
        }
        let http = http
            .build()
            .map_err(|e| Error::input("the HTTP client could not be set up").with_source(e))?;
        Ok(Client(Arc::new(Inner {
            http,
            base,
            key: self.key,
            timeout: self.timeout,
            retry: self.retry,
            slots: Arc::new(Semaphore::new(self.requests_at_once)),
        })))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("key", &self.key)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &redact(&self.0.base))
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Starts a client for the region at `url`, given as `http://host:5240`, with or without
    /// `/MAAS/`, with or without the slash at its end.
    pub fn builder(url: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder {
            url: url.as_ref().to_owned(),
            key: None,
            proxy: None,
            ca: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(120),
            retry: Retry::default(),
            requests_at_once: 32,
        }
    }

    /// The region's base, ending in `/MAAS/`.
    pub fn base_url(&self) -> &Url {
        &self.0.base
    }

    /// The same region with another key.
    #[must_use]
    pub fn with_api_key(&self, key: ApiKey) -> Self {
        Self(Arc::new(Inner {
            http: self.0.http.clone(),
            base: self.0.base.clone(),
            key: Some(key),
            timeout: self.0.timeout,
            retry: self.0.retry,
            slots: self.0.slots.clone(),
        }))
    }

    /// Any request, for what this crate has no method for: `path` is relative to `api/2.0/`, and is
    /// sent as it is given (MAAS wants its trailing slash).
    pub fn raw(&self, method: http::Method, path: &str) -> Call {
        Call::new(
            self.clone(),
            method,
            format!("api/2.0/{}", path.trim_start_matches('/')),
        )
    }

    /// Any request below the region's base itself, beside the API: `path` is relative to `/MAAS/`, such as
    /// `images-stream/streams/v1/index.json`, or `metadata/status/<system id>` with a node's own key
    /// ([`with_api_key`](Self::with_api_key)).
    pub fn raw_at_base(&self, method: http::Method, path: &str) -> Call {
        Call::new(
            self.clone(),
            method,
            path.trim_start_matches('/').to_owned(),
        )
    }

    /// Exchanges a user's name and password for an API key, as MAAS 3.x does for its own login.
    /// The same `consumer` name gets the same key again; the empty one is not sent, and MAAS then names it itself.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] when they are wrong (MAAS answers an empty 403);
    /// [`is_not_found`](Error::is_not_found) from a MAAS that has no such login: give it an API key instead.
    pub async fn authenticate(
        &self,
        username: &str,
        password: &SecretString,
        consumer: &str,
    ) -> Result<ApiKey> {
        #[derive(serde::Deserialize)]
        struct Answer {
            consumer_key: String,
            token_key: String,
            token_secret: String,
        }
        let answer: Answer = self
            .raw_at_base(http::Method::POST, "accounts/authenticate/")
            .anonymous()
            .form("username", username)
            .form("password", password.expose_secret())
            .form("consumer", Some(consumer).filter(|name| !name.is_empty()))
            .secret()
            // Asking twice gives the same key: it may be repeated.
            .repeatable()
            .json()
            .await
            .map_err(|e| {
                if e.is_forbidden() {
                    Error::new(
                        ErrorKind::Authentication,
                        e.operation(),
                        "the user name or the password is wrong",
                    )
                    .with_response(403, "")
                } else if e.is_not_found() {
                    e.with_hint(
                        "this MAAS does not log in by name and password here: give an API key (`maas apikey --username <admin>` on the region)",
                    )
                } else {
                    e
                }
            })?;
        Ok(ApiKey::new(
            answer.consumer_key,
            answer.token_key,
            answer.token_secret,
        ))
    }

    /// The state of the login page: whether anybody has an account yet. Needs no key.
    pub async fn login_status(&self) -> Result<crate::model::LoginStatus> {
        self.raw_at_base(http::Method::GET, "accounts/login/")
            .anonymous()
            .json()
            .await
    }

    /// The region's version and capabilities. Needs no key.
    pub async fn version(&self) -> Result<crate::model::Version> {
        self.raw(http::Method::GET, "version/")
            .anonymous()
            .json()
            .await
    }
}

/// The base URL, ending in `/MAAS/`.
fn normalise(text: &str) -> Result<Url> {
    let text = text.trim();
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let mut url = Url::parse(&full).map_err(|e| {
        Error::input(format!("{text:?} is no URL: {e}"))
            .with_hint("give it as http://HOST:5240/MAAS/")
    })?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(Error::input(format!("{text:?} is no http or https URL"))
            .with_hint("give it as http://HOST:5240/MAAS/"));
    }
    let kept: Vec<String> = {
        let segments: Vec<&str> = url.path().split('/').filter(|s| !s.is_empty()).collect();
        match segments.iter().position(|s| *s == "MAAS") {
            Some(at) => segments[..=at].iter().map(|s| (*s).to_owned()).collect(),
            None => segments
                .iter()
                .map(|s| (*s).to_owned())
                .chain(["MAAS".to_owned()])
                .collect(),
        }
    };
    url.set_path(&format!("/{}/", kept.join("/")));
    url.set_query(None);
    url.set_fragment(None);
    // They would be sent as a second `Authorization`, beside the signature.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(url)
}

/// A URL as text without the credentials that it may hold.
fn redact(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// A file to be sent in a multipart form.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) field: String,
    pub(crate) content: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_every_spelling() {
        for given in [
            "http://10.0.0.1:5240",
            "http://10.0.0.1:5240/",
            "http://10.0.0.1:5240/MAAS",
            "http://10.0.0.1:5240/MAAS/",
            "10.0.0.1:5240/MAAS",
            "http://10.0.0.1:5240/MAAS/api/2.0/",
            "http://10.0.0.1:5240/MAAS/?x=1",
            "http://admin:pw@10.0.0.1:5240/MAAS/",
        ] {
            assert_eq!(
                normalise(given).unwrap().as_str(),
                "http://10.0.0.1:5240/MAAS/",
                "{given}"
            );
        }
        assert_eq!(
            normalise("https://h/x/MAAS").unwrap().as_str(),
            "https://h/x/MAAS/"
        );
        assert!(normalise("ftp://h/").is_err());
        assert!(normalise("http://").is_err());
    }

    #[test]
    fn client_is_shared_and_hides_its_key() {
        fn ok<T: Clone + Send + Sync + 'static>() {}
        ok::<Client>();
        let client = Client::builder("http://u:pw@h:5240")
            .api_key("a:b:hidden".parse().unwrap())
            .build()
            .unwrap();
        let text = format!("{client:?}");
        assert!(!text.contains("hidden") && !text.contains("pw"), "{text}");
    }
}
