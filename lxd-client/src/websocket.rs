//! Websockets over the same transports as the requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use url::Url;

use crate::client::Transport;
use crate::{Client, Error, ErrorKind, Result, tls};

/// Any byte stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) struct BoxIo {
    io: Box<dyn Io>,
    writes: Writes,
}

/// What becomes of what is written.
///
/// LXD pings each socket of an exec and closes it without a word once the command is over. A pong
/// that is answered too late finds nobody; to tungstenite that ends the connection, with what was
/// still to be read (the command's output) on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// It is sent, and an error is one.
    Sent,
    /// It is sent as long as there is somebody; reading tells when there is not.
    UntilClosed,
    /// Nothing is sent: a socket that is only read. (On TCP, a pong that the server has not read
    /// when it closes resets the connection, and what was on its way to us is lost.)
    Never,
}

impl BoxIo {
    pub(crate) fn new(io: impl Io + 'static) -> Self {
        Self {
            io: Box::new(io),
            writes: Writes::Sent,
        }
    }

    pub(crate) fn set_writes(&mut self, writes: Writes) {
        self.writes = writes;
    }
}

impl AsyncRead for BoxIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for BoxIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.writes == Writes::Never {
            return Poll::Ready(Ok(buf.len()));
        }
        match Pin::new(&mut self.io).poll_write(cx, buf) {
            Poll::Ready(Err(_)) if self.writes == Writes::UntilClosed => {
                self.writes = Writes::Never;
                Poll::Ready(Ok(buf.len()))
            }
            written => written,
        }
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Ready(Err(_)) if self.writes != Writes::Sent => Poll::Ready(Ok(())),
            flushed => flushed,
        }
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

pub(crate) type Socket = WebSocketStream<BoxIo>;

impl Client {
    /// Opens a websocket. `query` may hold a secret: it is never shown.
    pub(crate) async fn websocket(&self, path: &str, query: &[(&str, &str)]) -> Result<Socket> {
        let attempted = format!("WEBSOCKET {path}");
        let limit = self.inner.connect_timeout + Duration::from_secs(5);
        let url = self.websocket_url(&attempted, path, query)?;
        // In a task of its own: a socket that stands must not wait for its caller's next turn
        // before the handshake is written.
        let (client, what) = (self.clone(), attempted.clone());
        let opening = async move { client.open_websocket(&what, &url).await };
        tokio::time::timeout(limit, crate::driven::to_the_end(opening))
            .await
            .map_err(|_| {
                Error::new(
                    ErrorKind::Timeout,
                    &attempted,
                    format!("no websocket within {limit:?}"),
                )
            })?
            .map_err(|e| e.unwrap_or_else(|| crate::driven::shut_down(&attempted, false)))
    }

    fn websocket_url(&self, attempted: &str, path: &str, query: &[(&str, &str)]) -> Result<Url> {
        let invalid = |e: &dyn std::fmt::Display| Error::invalid(attempted, e.to_string());
        let base = match &self.inner.transport {
            Transport::Unix(_) => "ws://lxd".to_owned(),
            Transport::Https { url, .. } => {
                let text = url.as_str().trim_end_matches('/');
                text.replacen("https://", "wss://", 1)
            }
        };
        let mut url = Url::parse(&format!("{base}{path}")).map_err(|e| invalid(&e))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn open_websocket(&self, attempted: &str, url: &Url) -> Result<Socket> {
        let invalid = |e: &dyn std::fmt::Display| Error::invalid(attempted, e.to_string());
        let request = url
            .as_str()
            .into_client_request()
            .map_err(|e| invalid(&e))?;
        let plain = match &self.inner.transport {
            Transport::Unix(path) => BoxIo::new(
                UnixStream::connect(path)
                    .await
                    .map_err(|e| crate::client::no_socket(attempted, path, &e))?,
            ),
            Transport::Https { url, proxy, .. } => BoxIo::new(
                crate::proxy::connect(attempted, url, proxy.as_ref(), self.inner.connect_timeout)
                    .await?,
            ),
        };
        let stream = match &self.inner.transport {
            Transport::Unix(_) => plain,
            Transport::Https { url, tls, .. } => BoxIo::new(
                TlsConnector::from(tls.clone())
                    .connect(server_name(attempted, url)?, plain)
                    .await
                    .map_err(|e| broken(attempted, &e.to_string()))?,
            ),
        };
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(e) => Err(refused(attempted, e)),
        }
    }
}

fn server_name(attempted: &str, url: &Url) -> Result<ServerName<'static>> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    ServerName::try_from(host.to_owned())
        .map_err(|e| Error::invalid(attempted, format!("the server's name: {e}")))
}

fn broken(attempted: &str, text: &str) -> Error {
    match text.find(tls::PIN_MISMATCH) {
        Some(at) => Error::new(ErrorKind::WrongServer, attempted, &text[at..]),
        None => Error::new(ErrorKind::Connection, attempted, text),
    }
}

fn refused(attempted: &str, error: tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Http(response) => {
            let body = response.body().clone().unwrap_or_default();
            match crate::answer::read_answer(
                attempted,
                response.status(),
                response.headers(),
                &body,
            ) {
                Err(e) => e,
                Ok(_) => Error::new(
                    ErrorKind::Protocol,
                    attempted,
                    "the server answered without opening a websocket",
                )
                .with_status(response.status().as_u16()),
            }
        }
        other => broken(attempted, &other.to_string()),
    }
}

/// Whether a message tells the end of a stream: LXD sends an empty text frame, then drops.
pub(crate) fn is_end(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Close(_))
}

/// The certificate that a server shows.
pub(crate) async fn peer_certificate(
    url: &Url,
    proxy: Option<&Url>,
    limit: Duration,
) -> Result<CertificateDer<'static>> {
    let attempted = format!("looking at the certificate of {}", url.authority());
    let env = crate::proxy::from_environment(url);
    let stream = crate::proxy::connect(&attempted, url, proxy.or(env.as_ref()), limit).await?;
    let connector = TlsConnector::from(Arc::new(tls::looking_config()?));
    let name = server_name(&attempted, url)?;
    let failed = |e: String| Error::new(ErrorKind::Connection, &attempted, e);
    let stream = tokio::time::timeout(limit, connector.connect(name, stream))
        .await
        .map_err(|_| failed(format!("no TLS handshake within {limit:?}")))?
        .map_err(|e| failed(format!("{e}; is this a TLS port?")))?;
    stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|c| c.first())
        .map(|c| c.clone().into_owned())
        .ok_or_else(|| failed("the server showed no certificate".into()))
}
