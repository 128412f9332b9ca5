//! A handle to one BMC, and the commands on it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::client::Client;
use crate::command::Command;
use crate::driver::{Attached, Op};
use crate::error::{Error, ErrorKind, Result, completion_meaning};
use crate::proto::{Request, RequestId, SessionConfig};

static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

/// A BMC. Cheap to clone; clones share the session, which opens with the first command and is closed after the last handle is dropped.
///
/// Every method is cancel-safe in this sense: a dropped future leaves no session behind and stops waiting; a command that had been sent already may
/// have been acted upon.
#[derive(Clone)]
pub struct Bmc {
    client: Client,
    addr: SocketAddr,
    config: Arc<SessionConfig>,
    deadline: Duration,
    attached: Arc<OnceLock<Attached>>,
}

impl std::fmt::Debug for Bmc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bmc")
            .field("addr", &self.addr)
            .field("credentials", &self.config.credentials)
            .finish_non_exhaustive()
    }
}

/// Tells the shard that nobody waits any more.
struct CancelOnDrop<'a> {
    attached: &'a Attached,
    id: RequestId,
    armed: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            let _ = self.attached.shard.send(Op::Cancel {
                endpoint: self.attached.id,
                id: self.id,
            });
        }
    }
}

impl Bmc {
    pub(crate) fn new(client: Client, addr: SocketAddr, config: SessionConfig) -> Self {
        let deadline = client.settings.deadline;
        Self {
            client,
            addr,
            config: Arc::new(config),
            deadline,
            attached: Arc::new(OnceLock::new()),
        }
    }

    /// The BMC's address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same BMC and session, with another time for each command.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// How long each command may take.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    fn attached(&self) -> Result<&Attached> {
        if let Some(attached) = self.attached.get() {
            return Ok(attached);
        }
        self.config.check()?;
        let attached = self
            .client
            .registry
            .attach(self.client.route(self.addr), &self.config)?;
        Ok(self.attached.get_or_init(|| attached))
    }

    /// Sends a command and waits for its answer, at most for the deadline.
    ///
    /// # Errors
    /// [`ErrorKind`] tells which; a completion code other than 0 is an error too.
    pub async fn send<C: Command>(&self, command: &C) -> Result<C::Response> {
        let fail = |error: Error| error.at(self.addr).doing(command.name());
        let mut data = Vec::new();
        command.encode(&mut data);
        let deadline = Instant::now() + self.deadline;
        let mut pause = Duration::from_millis(50);
        loop {
            let (completion, answer) = self
                .exchange(command, data.clone(), deadline)
                .await
                .map_err(fail)?;
            match completion {
                0 => {
                    return command
                        .decode(&answer)
                        .map_err(|e| fail(Error::decode(&e, &answer)));
                }
                // Busy, or still starting: nothing was done, so asking again harms nothing.
                0xc0 | 0xd2 if Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                0xd4 => {
                    let detail = format!(
                        "refused with d4h, insufficient privilege, at {}",
                        self.config.credentials.privilege
                    );
                    return Err(fail(Error::new(ErrorKind::Privilege, detail)));
                }
                code => {
                    let detail = format!("refused with {code:02x}h, {}", completion_meaning(code));
                    return Err(fail(Error::new(ErrorKind::Completion(code), detail)));
                }
            }
        }
    }

    async fn exchange<C: Command>(
        &self,
        command: &C,
        data: Vec<u8>,
        deadline: Instant,
    ) -> Result<(u8, Vec<u8>)> {
        let attached = self.attached()?;
        let id = RequestId(NEXT_REQUEST.fetch_add(1, Ordering::Relaxed));
        let request = Request {
            id,
            name: command.name(),
            net_fn: command.net_fn(),
            lun: command.lun(),
            code: command.code(),
            data,
            privilege: command.privilege(),
            idempotent: command.is_idempotent(),
            deadline,
        };
        let (reply, answer) = oneshot::channel();
        if attached
            .shard
            .send(Op::Request {
                endpoint: attached.id,
                request,
                reply,
            })
            .is_err()
        {
            return Err(Error::closed());
        }
        let mut guard = CancelOnDrop {
            attached,
            id,
            armed: true,
        };
        // The session keeps the deadline; this is only against a runtime that stands still.
        let grace = tokio::time::Instant::from_std(deadline + Duration::from_secs(1));
        let answer = tokio::time::timeout_at(grace, answer).await;
        match answer {
            Ok(answer) => {
                guard.armed = false;
                answer.unwrap_or_else(|_| Err(Error::closed().unclear(!command.is_idempotent())))
            }
            Err(_) => {
                let error = Error::new(
                    ErrorKind::TimedOut,
                    "the session's task did not answer in time",
                );
                Err(error.unclear(!command.is_idempotent()))
            }
        }
    }

    /// Has the BMC said anything in this session yet?
    pub(crate) fn was_heard(&self) -> bool {
        self.attached.get().is_some_and(Attached::was_heard)
    }

    pub(crate) fn order(&self, op: impl FnOnce(u64) -> Op) -> bool {
        self.attached
            .get()
            .is_some_and(|attached| attached.shard.send(op(attached.id)).is_ok())
    }

    pub(crate) fn remembered_suite(&self) -> Option<crate::CipherSuite> {
        self.client.remembered_suite(self.addr)
    }

    /// Closes the session and waits until the BMC has said so; silence is given up after a few retransmissions. What is asked meanwhile is
    /// answered before it closes; the next command after that opens a new one.
    pub async fn close(&self) {
        if let Some(attached) = self.attached.get() {
            let (done, closed) = oneshot::channel();
            if attached
                .shard
                .send(Op::Close {
                    endpoint: attached.id,
                    done,
                })
                .is_ok()
            {
                let _ = tokio::time::timeout(self.deadline, closed).await;
            }
        }
    }
}
