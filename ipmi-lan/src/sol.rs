//! Serial over LAN as a byte stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use crate::bmc::Bmc;
use crate::command::sol::{ActivateSol, DeactivateSol, SolActivated};
use crate::error::{Error, Result};
use crate::proto::Sol;
use crate::wire::crypto::{Confidentiality, Integrity};

/// How long an unacknowledged packet waits.
const RETRY: Duration = Duration::from_millis(300);

/// How often a line that another session holds is asked for.
const TAKE_OVERS: u32 = 5;

/// The machine's serial console: bytes in, bytes out. Shutting it down (or dropping it) sends what is left and deactivates the payload; the shutdown has
/// ended when that is done, or the BMC does not answer any more. Reading ends when the BMC ends it or the session is lost.
#[derive(Debug)]
pub struct SolStream {
    line: DuplexStream,
    /// Dropped to say that nothing more is written.
    open: Option<oneshot::Sender<()>>,
    /// Closed once the payload is deactivated.
    active: Option<oneshot::Receiver<()>>,
}

impl Bmc {
    /// Opens the machine's serial console (IPMI v2.0, chapter 15). One that another session holds is taken over if `take_over`.
    ///
    /// # Errors
    /// As [`send`](Self::send): completion code 80h is a console that another session holds, 81h a BMC without serial over LAN.
    pub async fn sol(&self, take_over: bool) -> Result<SolStream> {
        // The session decides which protection there is: open it first.
        self.chassis_status().await?;
        let suite = self.remembered_suite();
        let activate = ActivateSol {
            encrypted: suite.is_some_and(|s| s.confidentiality() != Confidentiality::None),
            authenticated: suite.is_some_and(|s| s.integrity() != Integrity::None),
        };
        let payloads = self.subscribe()?;
        let activated = match self.send(&activate).await {
            Err(error) if error.completion_code() == Some(0x80) && take_over => {
                self.take_over(&activate, error).await
            }
            other => other,
        };
        let activated = match activated {
            Ok(activated) => activated,
            Err(error) => {
                self.unsubscribe();
                return Err(error);
            }
        };
        let (line, theirs) = tokio::io::duplex(4096);
        let (open, shut) = oneshot::channel();
        let (held, active) = oneshot::channel();
        tokio::spawn(carry(
            self.clone(),
            Sol::new(activated.inbound, RETRY),
            payloads,
            theirs,
            shut,
            held,
        ));
        Ok(SolStream {
            line,
            open: Some(open),
            active: Some(active),
        })
    }
}

impl Bmc {
    /// Stuck deactivations are common: what counts is whether the activation succeeds in the end.
    async fn take_over(&self, activate: &ActivateSol, refused: Error) -> Result<SolActivated> {
        let mut last = refused;
        for attempt in 0..TAKE_OVERS {
            let _ = self.send(&DeactivateSol).await;
            match self.send(activate).await {
                Err(error) if error.completion_code() == Some(0x80) => last = error,
                other => return other,
            }
            tokio::time::sleep(RETRY * attempt).await;
        }
        Err(last)
    }
}

async fn carry(
    bmc: Bmc,
    mut sol: Sol,
    mut payloads: mpsc::UnboundedReceiver<Vec<u8>>,
    line: DuplexStream,
    mut shut: oneshot::Receiver<()>,
    held: oneshot::Sender<()>,
) {
    let (mut typed, mut shown) = tokio::io::split(line);
    let mut buffer = [0u8; 1024];
    // What came and is not taken. As long as there is some, no more is acknowledged; but once the line is shut, nobody may ever take it.
    let mut unread = Vec::new();
    let mut open = true;
    let mut writing = true;
    let mut lost = false;
    while !sol.is_ended() && (writing || !sol.is_flushed()) {
        let timer = sol
            .poll_timeout()
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            payload = payloads.recv(), if unread.is_empty() || !open => match payload {
                Some(payload) => sol.handle(Instant::now(), &payload),
                None => {
                    lost = true;
                    break;
                }
            },
            taken = shown.write(&unread), if !unread.is_empty() => match taken {
                Ok(count) if count > 0 => drop(unread.drain(..count)),
                // The reader went away.
                _ => {
                    unread.clear();
                    open = false;
                }
            },
            _ = &mut shut, if open => open = false,
            read = typed.read(&mut buffer), if writing && sol.is_flushed() => match read {
                Ok(0) | Err(_) => writing = false,
                Ok(count) => sol.write(Instant::now(), &buffer[..count]),
            },
            () = tokio::time::sleep_until(timer.into()), if unread.is_empty() || !open => sol.handle_timeout(Instant::now()),
        }
        while let Some(payload) = sol.poll_transmit() {
            bmc.send_sol(payload);
        }
        while let Some(data) = sol.read() {
            unread.extend(data);
        }
    }
    bmc.unsubscribe();
    // Whoever waits for the one need not take the other.
    let deactivate = async {
        if !lost {
            let _ = bmc.send(&DeactivateSol).await;
        }
        drop(held);
    };
    let end = async {
        let _ = shown.write_all(&unread).await;
        let _ = shown.shutdown().await;
    };
    tokio::join!(deactivate, end);
}

impl AsyncRead for SolStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_read(cx, buf)
    }
}

impl AsyncWrite for SolStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open = None;
        ready!(Pin::new(&mut self.line).poll_shutdown(cx))?;
        if let Some(active) = &mut self.active {
            // It is never sent to, only closed.
            let _ = ready!(Pin::new(active).poll(cx));
            self.active = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl Bmc {
    fn subscribe(&self) -> Result<mpsc::UnboundedReceiver<Vec<u8>>> {
        let (to, payloads) = mpsc::unbounded_channel();
        self.order(|endpoint| crate::driver::Op::Subscribe {
            endpoint,
            to: Some(to),
        })
        .then_some(payloads)
        .ok_or_else(Error::closed)
    }

    fn unsubscribe(&self) {
        self.order(|endpoint| crate::driver::Op::Subscribe { endpoint, to: None });
    }

    fn send_sol(&self, payload: Vec<u8>) {
        self.order(|endpoint| crate::driver::Op::Payload { endpoint, payload });
    }
}
