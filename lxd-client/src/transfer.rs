//! What is too large to be held: streams up and down, limited by silence instead of by length.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::answer::read_answer;
use crate::client::broken;
use crate::request::Request;
use crate::{Client, Error, ErrorKind, Result};

/// Something that is fetched piece by piece: an image, a backup, a file.
pub struct Download {
    attempted: String,
    size: Option<u64>,
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    limit: Duration,
    silence: Pin<Box<tokio::time::Sleep>>,
    over: bool,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("attempted", &self.attempted)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Download {
    fn new(attempted: String, response: reqwest::Response, limit: Duration) -> Self {
        Self {
            attempted,
            size: response.content_length(),
            pieces: Box::pin(response.bytes_stream()),
            limit,
            silence: Box::pin(tokio::time::sleep(limit)),
            over: false,
        }
    }

    /// How many bytes there are altogether, if the server said so.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// All of it, in memory.
    ///
    /// # Errors
    /// If the connection breaks or falls silent for longer than the request timeout.
    pub async fn bytes(mut self) -> Result<Bytes> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.freeze())
    }

    /// Writes it to a file of this machine, piece by piece, and tells how long it is. The file is
    /// made or emptied first; where it fails, what has come stays in it.
    ///
    /// # Errors
    /// As [`Download::bytes`]; if the file cannot be written.
    pub async fn save(mut self, to: &Path) -> Result<u64> {
        let failed = |e: std::io::Error| {
            Error::invalid(format!("writing {}", to.display()), e.to_string()).with_source(e)
        };
        let mut file = tokio::fs::File::create(to).await.map_err(failed)?;
        let mut written = 0;
        while let Some(piece) = self.next().await {
            let piece = piece?;
            file.write_all(&piece).await.map_err(failed)?;
            written += piece.len() as u64;
        }
        file.flush().await.map_err(failed)?;
        Ok(written)
    }
}

impl Stream for Download {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let limit = self.limit;
        match self.pieces.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                let until = Instant::now() + limit;
                self.silence.as_mut().reset(until);
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(Some(Err(e))) => {
                self.over = true;
                Poll::Ready(Some(Err(broken(&self.attempted, &e, false))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.silence.as_mut().poll(cx) {
                Poll::Ready(()) => {
                    self.over = true;
                    let what = format!("nothing came for {limit:?}");
                    let error = Error::new(ErrorKind::Timeout, &self.attempted, what);
                    Poll::Ready(Some(Err(error)))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// When something last moved.
#[derive(Clone)]
pub(crate) struct Moved(Arc<Mutex<Instant>>);

impl Moved {
    pub(crate) fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn again(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Ends when nothing has moved for so long.
    pub(crate) async fn silence(&self, limit: Duration) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + limit;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// A body that says each time a piece of it is taken.
pub(crate) fn watched<S, E>(content: S) -> (reqwest::Body, Moved)
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let moved = Moved::now();
    let tell = moved.clone();
    let body = reqwest::Body::wrap_stream(content.inspect(move |_| tell.again()));
    (body, moved)
}

/// Bytes as a stream, so that a slow line is told from a dead one.
pub(crate) fn pieces(
    whole: Bytes,
) -> impl Stream<Item = std::result::Result<Bytes, std::convert::Infallible>> + Send + 'static {
    const PIECE: usize = 64 * 1024;
    futures_util::stream::unfold(whole, |mut rest| async move {
        let piece = rest.split_to(PIECE.min(rest.len()));
        (!piece.is_empty()).then_some((Ok(piece), rest))
    })
}

impl Client {
    /// GETs raw bytes (a file, a console log) with the headers.
    pub(crate) async fn raw(&self, request: Request) -> Result<(HeaderMap, Bytes)> {
        let (headers, download) = self.download(request).await?;
        Ok((headers, download.bytes().await?))
    }

    /// As [`Client::raw`], the body left to be streamed.
    pub(crate) async fn download(&self, request: Request) -> Result<(HeaderMap, Download)> {
        let attempted = request.describe();
        let limit = self.inner.request_timeout;
        let response = tokio::time::timeout(limit, self.dispatch(request))
            .await
            .map_err(|_| {
                let what = format!("no answer within {limit:?}");
                Error::new(ErrorKind::Timeout, &attempted, what)
            })??;
        let status = response.status();
        let headers = response.headers().clone();
        let download = Download::new(attempted.clone(), response, limit);
        if status.is_success() {
            return Ok((headers, download));
        }
        let body = download.bytes().await?;
        match read_answer(&attempted, status, &headers, &body) {
            Err(e) => Err(e),
            Ok(_) => Err(Error::new(
                ErrorKind::Protocol,
                attempted,
                "an answer with an error status and no error",
            )
            .with_status(status.as_u16())),
        }
    }

    /// An export, which is bytes; a JSON answer to it is LXD's envelope.
    pub(crate) async fn export(&self, request: Request) -> Result<Download> {
        let attempted = request.describe();
        let (headers, download) = self.download(request).await?;
        let json = headers
            .get(header::CONTENT_TYPE)
            .and_then(|t| t.to_str().ok())
            .is_some_and(|t| t.starts_with("application/json"));
        if !json {
            return Ok(download);
        }
        let body = download.bytes().await?;
        read_answer(&attempted, StatusCode::OK, &headers, &body)?;
        let what = "the server answered JSON in place of an export";
        Err(Error::new(ErrorKind::Protocol, attempted, what))
    }
}
