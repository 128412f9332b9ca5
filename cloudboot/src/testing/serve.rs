//! The HTTP server under the lab's fakes: plain until it is given a certificate, with every call through the tap.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::ca::Leaf;
use super::hooks::{Hooks, Phase, Verdict};

/// The longest request body that is read, in bytes.
const LONGEST_BODY: usize = 4 << 20;

/// A request, whole.
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// The path, without its query.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    /// The path's segments, empty ones left out.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|s| !s.is_empty()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The body as JSON; `null` if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".into(), "application/json".into())];
        Self {
            status,
            headers,
            body: body.to_string().into_bytes(),
        }
    }

    pub(crate) fn html(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("content-type".into(), "text/html; charset=utf-8".into())];
        Self {
            status,
            headers,
            body: body.into().into_bytes(),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What answers the requests of one server.
pub(crate) type Answerer = Arc<dyn Fn(&Ask) -> Reply + Send + Sync>;

/// A server on loopback. It stops when dropped.
pub(crate) struct Server {
    addr: SocketAddr,
    tls: Arc<RwLock<Option<TlsAcceptor>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    /// Starts on 127.0.0.1, on `port` (0: a free one).
    pub(crate) async fn start(port: u16, hooks: Hooks, answer: Answerer) -> io::Result<Self> {
        let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), port)).await?;
        let addr = listener.local_addr()?;
        let (tls, stop, tasks) = (
            Arc::<RwLock<Option<TlsAcceptor>>>::default(),
            CancellationToken::new(),
            TaskTracker::new(),
        );
        let accept = accept(
            listener,
            Arc::clone(&tls),
            stop.clone(),
            tasks.clone(),
            hooks,
            answer,
        );
        tasks.spawn(accept);
        Ok(Self {
            addr,
            tls,
            stop,
            tasks,
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.read().is_ok_and(|t| t.is_some())
    }

    /// Its URL on loopback.
    pub(crate) fn url(&self) -> Url {
        local_url(if self.is_tls() { "https" } else { "http" }, self.addr)
    }

    /// From the next connection on, TLS with this certificate (`None`: plain).
    pub(crate) fn set_tls(&self, leaf: Option<&Leaf>) -> io::Result<()> {
        let acceptor = leaf.map(Leaf::acceptor).transpose()?;
        if let Ok(mut tls) = self.tls.write() {
            *tls = acceptor;
        }
        Ok(())
    }

    /// Stops and waits until the port is free.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(
    listener: TcpListener,
    tls: Arc<RwLock<Option<TlsAcceptor>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    hooks: Hooks,
    answer: Answerer,
) {
    loop {
        let socket = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                // Out of file descriptors, or a peer that left already: the next one may do better.
                Err(_) => {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        let acceptor = tls.read().ok().and_then(|t| t.clone());
        let serve = connection(socket, acceptor, hooks.clone(), Arc::clone(&answer));
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = serve => {}
            }
        });
    }
}

async fn connection(socket: TcpStream, tls: Option<TlsAcceptor>, hooks: Hooks, answer: Answerer) {
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| one(request, hooks.clone(), Arc::clone(&answer)));
    let http = hyper::server::conn::http1::Builder::new();
    // What a connection ends with is the client's affair.
    let _ = match tls {
        None => http.serve_connection(TokioIo::new(socket), service).await,
        Some(tls) => match tls.accept(socket).await {
            Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
            Err(_) => Ok(()),
        },
    };
}

/// The tap's `Drop`: hyper ends a connection whose service fails.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut by the tap")
    }
}

impl std::error::Error for Cut {}

async fn one(
    request: Request<Incoming>,
    hooks: Hooks,
    answer: Answerer,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LONGEST_BODY)
        .collect()
        .await
        .map_err(|_| Cut)?
        .to_bytes();
    let query = head.uri.query().unwrap_or_default();
    let ask = Ask {
        path: head.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        method: head.method,
        headers: head.headers,
        body,
    };
    let called = format!("{} {}", ask.method, ask.path);
    let reply = match (hooks.tap)(Phase::Before, &called).await {
        Verdict::Drop => return Err(Cut),
        Verdict::Answer(status, headers, body) => Reply {
            status,
            headers,
            body,
        },
        Verdict::Continue => {
            let reply = answer(&ask);
            match (hooks.tap)(Phase::After, &called).await {
                Verdict::Drop => return Err(Cut),
                Verdict::Answer(status, headers, body) => Reply {
                    status,
                    headers,
                    body,
                },
                Verdict::Continue => reply,
            }
        }
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response
        .body(Full::new(Bytes::from(reply.body)))
        .map_err(|_| Cut)
}

/// The URL of a server on loopback.
#[allow(
    clippy::expect_used,
    reason = "a socket address is always the authority of a URL"
)]
pub(crate) fn local_url(scheme: &str, addr: SocketAddr) -> Url {
    Url::parse(&format!("{scheme}://{addr}/")).expect("a socket address is an authority")
}
