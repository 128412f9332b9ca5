//! The task that owns the socket: it sends what handles ask, hands answers out, pings, and makes a lost connection again.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{Command, ConnectionEvent, Outcome, Session};
use crate::connect::{Credentials, Endpoint, Options, Socket, login};
use crate::rpc::{Call, Incoming, Rpc};

/// The owner of the socket.
pub(super) struct Task {
    pub(super) rx: mpsc::Receiver<Command>,
    pub(super) session: watch::Sender<Session>,
    pub(super) events: broadcast::Sender<ConnectionEvent>,
    pub(super) endpoint: Endpoint,
    pub(super) credentials: Credentials,
    pub(super) options: Options,
}

enum Ended {
    /// Every handle is gone.
    Unused,
    /// The connection was lost.
    Lost(String),
}

/// What a pending id stands for.
enum Token {
    Caller(oneshot::Sender<Outcome>),
    Ping,
}

impl Task {
    pub(super) async fn run(mut self, mut socket: Socket) {
        loop {
            let why = match self.serve(socket).await {
                Ended::Unused => return,
                Ended::Lost(why) => why,
            };
            tracing::debug!(service = "juju", %why, "connection lost");
            if !self.options.reconnect {
                let _ = self.events.send(ConnectionEvent::Ended(why));
                return;
            }
            let _ = self.events.send(ConnectionEvent::Lost(why));
            match self.reconnect().await {
                Some(s) => socket = s,
                None => return,
            }
        }
    }

    async fn serve(&mut self, socket: Socket) -> Ended {
        let mut rpc: Rpc<Token> = Rpc::default();
        let (mut sink, mut stream) = socket.split();
        let mut next_ping = Instant::now() + self.options.ping_interval;
        let mut ping_due: Option<Instant> = None;
        let pinger = self.session.borrow().login.facades.contains_key("Pinger");
        let ended = loop {
            let wake = ping_due.unwrap_or(next_ping);
            tokio::select! {
                command = self.rx.recv() => {
                    let Some(first) = command else {
                        let _ = tokio::time::timeout(Duration::from_secs(1), sink.close()).await;
                        return Ended::Unused;
                    };
                    // What else waits goes in the same write.
                    let mut frames = Vec::new();
                    let mut next = Some(first);
                    while let Some(Command::Call { call, reply }) = next {
                        // Whoever gave up before it was sent wants nothing done.
                        if !reply.is_closed() {
                            frames.push(rpc.send(&call, Token::Caller(reply)).1);
                        }
                        next = if frames.len() < BATCH { self.rx.try_recv().ok() } else { None };
                    }
                    if let Err(e) = send(&mut sink, frames, self.options.ping_timeout).await {
                        break Ended::Lost(e);
                    }
                }
                message = stream.next() => {
                    let frame = match message {
                        Some(Ok(Message::Text(t))) => Bytes::from(t),
                        Some(Ok(Message::Binary(b))) => b,
                        Some(Ok(Message::Close(c))) => {
                            break Ended::Lost(match c {
                                Some(c) if !c.reason.is_empty() => format!("the server closed it: {}", c.reason),
                                _ => "the server closed it".to_owned(),
                            });
                        }
                        // Pings are answered by the protocol's own layer with the next write.
                        Some(Ok(_)) => { let _ = sink.flush().await; continue; }
                        Some(Err(tokio_tungstenite::tungstenite::Error::Capacity(_))) => {
                            break Ended::Lost(format!(
                                "a message is larger than the {} bytes that are taken: raise Options::max_frame",
                                self.options.max_frame
                            ));
                        }
                        Some(Err(e)) => break Ended::Lost(e.to_string()),
                        None => break Ended::Lost("the server closed it".to_owned()),
                    };
                    match rpc.receive(frame) {
                        Ok(Incoming::Answer(Token::Caller(reply), answer)) => { let _ = reply.send(Outcome::Answer(answer)); }
                        Ok(Incoming::Answer(Token::Ping, _)) => {
                            ping_due = None;
                            next_ping = Instant::now() + self.options.ping_interval;
                        }
                        Ok(Incoming::Stray(id)) => tracing::debug!(service = "juju", id, "an answer that nobody waits for"),
                        Err(e) => break Ended::Lost(e),
                    }
                }
                () = tokio::time::sleep_until(wake) => {
                    if ping_due.is_some() {
                        break Ended::Lost(format!("a ping was not answered within {:?}", self.options.ping_timeout));
                    }
                    if !pinger {
                        next_ping = Instant::now() + self.options.ping_interval;
                        continue;
                    }
                    let ping = Call { facade: "Pinger".into(), version: 1, id: String::new(), method: "Ping".into(), params: serde_json::json!({}) };
                    let (_, frame) = rpc.send(&ping, Token::Ping);
                    if let Err(e) = send(&mut sink, vec![frame], self.options.ping_timeout).await {
                        break Ended::Lost(e);
                    }
                    ping_due = Some(Instant::now() + self.options.ping_timeout);
                }
            }
        };
        if let Ended::Lost(why) = &ended {
            for token in rpc.drain() {
                if let Token::Caller(reply) = token {
                    let _ = reply.send(Outcome::Lost {
                        sent: true,
                        why: why.clone(),
                    });
                }
            }
        }
        ended
    }

    /// Tries until it works, the handles are gone, or the login is refused for good.
    async fn reconnect(&mut self) -> Option<Socket> {
        let mut pause = self.options.reconnect_min;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match login(&self.endpoint, &self.credentials, &self.options).await {
                Ok((socket, result, at)) => {
                    self.endpoint = at;
                    let generation = self.session.borrow().generation + 1;
                    self.session.send_replace(Session {
                        login: result,
                        generation,
                    });
                    let _ = self.events.send(ConnectionEvent::Reconnected {
                        generation,
                        attempts,
                    });
                    return Some(socket);
                }
                Err(e) if e.is_unauthorized() || e.is_not_found() => {
                    let _ = self.events.send(ConnectionEvent::Ended(e.to_string()));
                    return None;
                }
                Err(e) => {
                    tracing::debug!(service = "juju", attempt = attempts, error = %e, "reconnecting")
                }
            }
            // Calls wait in the queue meanwhile, each with its own timeout.
            if self.rx.is_closed() {
                return None;
            }
            tokio::time::sleep(jitter(pause)).await;
            pause = (pause * 2).min(self.options.reconnect_max);
        }
    }
}

/// How many requests go in one write at most.
const BATCH: usize = 64;

async fn send<S>(
    sink: &mut S,
    frames: Vec<String>,
    limit: Duration,
) -> std::result::Result<(), String>
where
    S: futures_util::Sink<Message, Error = tokio_tungstenite::tungstenite::Error> + Unpin,
{
    let all = async {
        for frame in frames {
            sink.feed(Message::text(frame)).await?;
        }
        sink.flush().await
    };
    match tokio::time::timeout(limit, all).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err(format!("a request could not be sent within {limit:?}")),
    }
}

/// Up to a quarter more, so that many clients do not return in step.
fn jitter(pause: Duration) -> Duration {
    pause + pause.mul_f64(rand::random::<f64>() / 4.0)
}
