//! Connections as they come in.

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UnixListener};

use super::server::Core;

pub(super) async fn accept_unix(core: Arc<Core>, listener: UnixListener) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        // As 5.0.2's `StarttlsListener.Accept`: the next one is not taken before this one has
        // sent eight bytes or gone away. A client that connects ahead of need stalls everybody.
        let mut first = Vec::with_capacity(8);
        while first.len() < 8 {
            match stream.read_buf(&mut first).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        if first.is_empty() {
            continue;
        }
        let (read, write) = stream.into_split();
        let whole = tokio::io::join(std::io::Cursor::new(first).chain(read), write);
        connections.spawn(serve(core.clone(), TokioIo::new(whole), true, None));
    }
}

pub(super) async fn accept_tls(core: Arc<Core>, listener: TcpListener) {
    let acceptor = tokio_rustls::TlsAcceptor::from(core.tls.clone());
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (core, acceptor) = (core.clone(), acceptor.clone());
        connections.spawn(async move {
            let handshake = tokio::time::timeout(Duration::from_secs(10), acceptor.accept(stream));
            if let Ok(Ok(stream)) = handshake.await {
                let certificate = stream
                    .get_ref()
                    .1
                    .peer_certificates()
                    .and_then(|c| c.first())
                    .map(|c| c.to_vec());
                serve(core, TokioIo::new(stream), false, certificate).await;
            }
        });
    }
}

async fn serve<S>(core: Arc<Core>, io: TokioIo<S>, local: bool, certificate: Option<Vec<u8>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let (core, certificate) = (core.clone(), certificate.clone());
        async move { core.respond(request, local, certificate).await }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(io, service)
        .with_upgrades()
        .await;
}

/// Cuts the connection.
#[derive(Debug)]
pub(super) struct Cut;
impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}
impl std::error::Error for Cut {}
