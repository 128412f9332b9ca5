//! Websockets over the same transports as the requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use url::Url;

use crate::client::Transport;
use crate::{Client, Error, ErrorKind, Fingerprint, Result, tls};

/// Any byte stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) struct BoxIo(Box<dyn Io>);

impl AsyncRead for BoxIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for BoxIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

pub(crate) type Socket = WebSocketStream<BoxIo>;

impl Client {
    /// Opens a websocket. `query` may hold a secret: it is never shown.
    pub(crate) async fn websocket(&self, path: &str, query: &[(&str, &str)]) -> Result<Socket> {
        let attempted = format!("WEBSOCKET {path}");
        let limit = self.inner.connect_timeout + Duration::from_secs(5);
        tokio::time::timeout(limit, self.open_websocket(&attempted, path, query))
            .await
            .map_err(|_| {
                Error::new(
                    ErrorKind::Timeout,
                    &attempted,
                    format!("no websocket within {limit:?}"),
                )
            })?
    }

    async fn open_websocket(
        &self,
        attempted: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Socket> {
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
        let request = url
            .as_str()
            .into_client_request()
            .map_err(|e| invalid(&e))?;
        let plain: Box<dyn Io> = match &self.inner.transport {
            Transport::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(|e| {
                Error::new(
                    ErrorKind::Connection,
                    attempted,
                    format!("connecting to {}: {e}", path.display()),
                )
            })?),
            Transport::Https { url, proxy, .. } => Box::new(
                crate::proxy::connect(attempted, url, proxy.as_ref(), self.inner.connect_timeout)
                    .await?,
            ),
        };
        let stream = match &self.inner.transport {
            Transport::Unix(_) => BoxIo(plain),
            Transport::Https { url, tls, .. } => BoxIo(Box::new(
                TlsConnector::from(tls.clone())
                    .connect(server_name(attempted, url)?, BoxIo(plain))
                    .await
                    .map_err(|e| broken(attempted, &e.to_string()))?,
            )),
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

/// The fingerprint that a server shows.
pub(crate) async fn peer_fingerprint(
    url: &Url,
    proxy: Option<&Url>,
    limit: Duration,
) -> Result<Fingerprint> {
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
        .map(|c| Fingerprint::of_der(c))
        .ok_or_else(|| failed("the server showed no certificate".into()))
}
