//! How a client is prepared: where to, as whom, how patiently.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use url::Url;

use crate::client::{Client, Inner, Transport};
use crate::{Error, Fingerprint, Identity, Result, tls};

/// Prepares a [`Client`].
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    to: To,
    identity: Option<Identity>,
    proxy: Option<Url>,
    connect_timeout: Duration,
    request_timeout: Duration,
    reconnect: Duration,
}

#[derive(Debug, Clone)]
pub(crate) enum To {
    Unix(PathBuf),
    Https(Url, Fingerprint),
}

impl ClientBuilder {
    pub(crate) fn new(to: To) -> Self {
        Self {
            to,
            identity: None,
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            reconnect: Duration::from_secs(10),
        }
    }

    /// The certificate by which the server knows us (HTTPS only).
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// An HTTP proxy through which the server is reached (HTTPS only). Without it the
    /// environment's `https_proxy`, `all_proxy` and `no_proxy` are honoured.
    #[must_use]
    pub fn proxy(mut self, proxy: Url) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// How long a connection may take to stand. Default 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a request may take to be answered. Default 60 s; uploads and downloads are
    /// limited by silence instead, and operations by whoever waits for them.
    #[must_use]
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = limit;
        self
    }

    /// How long a wait for an operation goes on trying to reach a server that has gone away
    /// before it ends in an error. Default 10 s.
    #[must_use]
    pub fn reconnect_for(mut self, limit: Duration) -> Self {
        self.reconnect = limit;
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// If the address, certificate or proxy cannot be used.
    pub fn build(self) -> Result<Client> {
        let attempted = "preparing the client";
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("lxd-client/", env!("CARGO_PKG_VERSION")));
        // reqwest asks for a TLS configuration even where only a socket is used.
        let (builder, base, transport) = match self.to {
            To::Unix(path) => {
                let config = tls::looking_config()?;
                // A connection for each request: of LXD 5.0 the accept loop waits for the first
                // bytes of a connection before it takes the next one (`StarttlsListener.Accept`,
                // seen on 5.0.2), and a pool races a spare connection that it then keeps silent.
                // One such and the daemon serves nobody, its own hooks included.
                let builder = builder
                    .no_proxy()
                    .pool_max_idle_per_host(0)
                    .unix_socket(path.as_path())
                    .tls_backend_preconfigured(config);
                (builder, "http://lxd".to_owned(), Transport::Unix(path))
            }
            To::Https(url, pinned) => {
                if url.scheme() != "https" || url.host_str().is_none() {
                    return Err(Error::invalid(
                        attempted,
                        format!("expected an address such as https://10.0.0.1:8443, found {url}"),
                    ));
                }
                let config = tls::client_config(&pinned, self.identity.as_ref())?;
                let mut builder = builder
                    .http1_only()
                    .tls_backend_preconfigured(config.clone());
                let proxy = match self.proxy {
                    Some(proxy) => {
                        builder =
                            builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(|e| {
                                Error::invalid(attempted, format!("the proxy's address: {e}"))
                            })?);
                        Some(proxy)
                    }
                    None => crate::proxy::from_environment(&url),
                };
                let base = url.as_str().trim_end_matches('/').to_owned();
                let transport = Transport::Https {
                    url,
                    tls: Arc::new(config),
                    proxy,
                };
                (builder, base, transport)
            }
        };
        let http = builder
            .build()
            .map_err(|e| Error::invalid(attempted, e.to_string()))?;
        Ok(Client::of(Inner {
            http,
            base,
            transport,
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            reconnect: self.reconnect,
            extensions: OnceCell::new(),
        }))
    }
}
