//! The client: a handle to the one task that owns the socket.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::connect::{Credentials, Endpoint, LoginResult, Options, Socket, login};
use crate::error::{Error, ErrorKind, Result};
use crate::facades;
use crate::ids::ModelUuid;
use crate::rpc::{Call, Incoming, Reply, Rpc, RpcError};

/// One logged-in connection, to a controller or to a model. Cheap to clone; the connection ends with the last clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    tx: mpsc::Sender<Command>,
    session: watch::Receiver<Session>,
    events: broadcast::Sender<ConnectionEvent>,
    endpoint: Endpoint,
    credentials: Credentials,
    options: Options,
    feed: crate::wait::FeedSlot,
}

/// What the last login told, and which login it was.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Session {
    /// The login's answer.
    pub login: LoginResult,
    /// 1 for the first login; one more after each reconnection. Watchers of another generation are gone.
    pub generation: u64,
}

/// What happens to the connection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// Lost, with the reason; it is being made again.
    Lost(String),
    /// Made again. Whatever the server pushes must be asked for anew.
    Reconnected {
        /// The new generation.
        generation: u64,
        /// How many tries it took.
        attempts: u32,
    },
    /// Given up: the password was refused, say.
    Ended(String),
}

enum Command {
    Call {
        call: Call,
        reply: oneshot::Sender<Outcome>,
    },
}

/// How a call ended in the task.
enum Outcome {
    Answer(std::result::Result<Reply, RpcError>),
    /// The connection went; whether the request had been sent.
    Lost {
        sent: bool,
        why: String,
    },
}

impl Client {
    /// Connects and logs in.
    ///
    /// # Errors
    /// No address answers, the certificate is not the controller's, the login is refused, a macaroon is wanted.
    pub async fn connect(
        endpoint: Endpoint,
        credentials: Credentials,
        options: Options,
    ) -> Result<Self> {
        let (socket, result, at) = login(&endpoint, &credentials, &options).await?;
        let (tx, rx) = mpsc::channel(64);
        let (session_tx, session) = watch::channel(Session {
            login: result,
            generation: 1,
        });
        let (events, _) = broadcast::channel(64);
        let task = Task {
            rx,
            session: session_tx,
            events: events.clone(),
            endpoint: at.clone(),
            credentials: credentials.clone(),
            options: options.clone(),
        };
        tokio::spawn(task.run(socket));
        Ok(Self {
            inner: Arc::new(Inner {
                tx,
                session,
                events,
                endpoint: at,
                credentials,
                options,
                feed: crate::wait::FeedSlot::default(),
            }),
        })
    }

    /// A second connection, to a model of the same controller, with the same user.
    ///
    /// # Errors
    /// As [`Client::connect`]; an unknown model is `is_not_found()`.
    pub async fn open_model(&self, model: &ModelUuid) -> Result<Self> {
        let endpoint = Endpoint {
            model: Some(model.clone()),
            ..self.inner.endpoint.clone()
        };
        Self::connect(
            endpoint,
            self.inner.credentials.clone(),
            self.inner.options.clone(),
        )
        .await
    }

    /// A second connection, to the controller itself.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn open_controller(&self) -> Result<Self> {
        let endpoint = Endpoint {
            model: None,
            ..self.inner.endpoint.clone()
        };
        Self::connect(
            endpoint,
            self.inner.credentials.clone(),
            self.inner.options.clone(),
        )
        .await
    }

    /// The last login.
    pub fn session(&self) -> Session {
        self.inner.session.borrow().clone()
    }

    /// The user that is logged in, without `user-`.
    pub fn user(&self) -> &str {
        &self.inner.credentials.user
    }

    /// The model of this connection; none on a controller's.
    pub fn model_uuid(&self) -> Option<ModelUuid> {
        self.inner
            .session
            .borrow()
            .login
            .model_tag
            .as_deref()
            .and_then(|t| t.parse().ok())
            .or_else(|| self.inner.endpoint.model.clone())
    }

    /// The server's version, `3.6.28`.
    pub fn server_version(&self) -> String {
        self.inner.session.borrow().login.server_version.clone()
    }

    /// Where this client is connected to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// Limits and intervals.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Losses and reconnections from now on.
    pub fn events(&self) -> broadcast::Receiver<ConnectionEvent> {
        self.inner.events.subscribe()
    }

    /// Whether the server has the facade on this connection, in any version.
    pub fn has_facade(&self, facade: &str) -> bool {
        self.inner
            .session
            .borrow()
            .login
            .facades
            .contains_key(facade)
    }

    /// The version of a facade that a call would use.
    ///
    /// # Errors
    /// There is no common version; the text names both sides'.
    pub fn facade_version(&self, facade: &str) -> Result<u32> {
        self.negotiate(facade, facades::ours(facade), facade)
    }

    pub(crate) fn negotiate(
        &self,
        facade: &str,
        ours: Option<&[u32]>,
        operation: &str,
    ) -> Result<u32> {
        let s = self.inner.session.borrow();
        facades::negotiate(
            &s.login.facades,
            &s.login.server_version,
            facade,
            ours,
            operation,
        )
    }

    /// A call of any facade, typed by the caller. The version is the highest in common (the server's best for facades that this
    /// library does not type). After a lost connection a call that may have been acted upon is not repeated.
    ///
    /// Cancel safe in that nothing leaks; a cancelled call may still be acted upon.
    ///
    /// # Errors
    /// What the server answers, a timeout, or the connection's loss; [`Error::is_unclear`] says when it may have been acted upon.
    pub async fn call<T: DeserializeOwned>(
        &self,
        facade: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<T> {
        let version =
            self.negotiate(facade, facades::ours(facade), &format!("{facade}.{method}"))?;
        self.call_version(facade, version, method, params).await
    }

    /// As [`Client::call`], in a version of the caller's choice.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_version<T: DeserializeOwned>(
        &self,
        facade: &str,
        version: u32,
        method: &str,
        params: impl Serialize,
    ) -> Result<T> {
        self.call_full(
            facade,
            version,
            "",
            method,
            params,
            self.inner.options.call_timeout,
        )
        .await
    }

    /// A call of something that only reads: it is made again, once the connection is back, if it was lost in between.
    ///
    /// # Errors
    /// As [`Client::call`]; never unclear.
    pub async fn read<T: DeserializeOwned>(
        &self,
        facade: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<T> {
        let reply = self.read_reply(facade, method, params).await?;
        decoded(facade, method, reply.decode())
    }

    /// As [`Client::read`], for an answer of a megabyte and more.
    pub(crate) async fn read_large<T: DeserializeOwned>(
        &self,
        facade: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<T> {
        let reply = self.read_reply(facade, method, params).await?;
        decoded(facade, method, reply.decode_large())
    }

    async fn read_reply(
        &self,
        facade: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<Reply> {
        let params = to_value(facade, method, params)?;
        let timeout = self.inner.options.call_timeout;
        let mut tries = 0;
        loop {
            // Another server may answer after a reconnection.
            let version =
                self.negotiate(facade, facades::ours(facade), &format!("{facade}.{method}"))?;
            match self
                .raw(facade, version, "", method, &params, timeout)
                .await
            {
                Err(e)
                    if e.is_closed()
                        && tries < 3
                        && self.inner.options.reconnect
                        && !self.inner.tx.is_closed() =>
                {
                    tries += 1
                }
                other => return other,
            }
        }
    }

    /// The whole form: facade, version, id of a server-side object, method, parameters, and how long to wait.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_full<T: DeserializeOwned>(
        &self,
        facade: &str,
        version: u32,
        id: &str,
        method: &str,
        params: impl Serialize,
        timeout: Duration,
    ) -> Result<T> {
        let reply = self
            .raw(facade, version, id, method, params, timeout)
            .await?;
        decoded(facade, method, reply.decode())
    }

    /// The same with the answer left as it came.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn raw(
        &self,
        facade: &str,
        version: u32,
        id: &str,
        method: &str,
        params: impl Serialize,
        timeout: Duration,
    ) -> Result<Reply> {
        let operation = format!("{facade}.{method}");
        let params = to_value(facade, method, params)?;
        let call = Call {
            facade: facade.into(),
            version,
            id: id.into(),
            method: method.into(),
            params,
        };
        let (reply, answer) = oneshot::channel();
        let gone = |why: &str| Error::new(ErrorKind::Closed, operation.clone(), why.to_owned());
        let wait = async {
            self.inner
                .tx
                .send(Command::Call { call, reply })
                .await
                .map_err(|_| gone("the connection has ended"))?;
            answer.await.map_err(|_| gone("the connection has ended"))
        };
        let outcome = tokio::time::timeout(timeout, wait).await.map_err(|_| {
            Error::new(
                ErrorKind::Timeout,
                operation.clone(),
                format!("no answer within {timeout:?}"),
            )
            .unclear()
        })??;
        match outcome {
            Outcome::Answer(Ok(reply)) => Ok(reply),
            Outcome::Answer(Err(e)) => Err(Error::server(&operation, &e.message, &e.code, e.info)),
            Outcome::Lost { sent, why } => {
                let e = gone(&format!("the connection was lost ({why})"));
                Err(if sent { e.unclear() } else { e })
            }
        }
    }
}

impl Client {
    /// A request of the HTTPS side, as the user who is logged in.
    pub(crate) async fn http(
        &self,
        operation: &str,
        request: http::request::Builder,
        body: Bytes,
        timeout: Duration,
    ) -> Result<crate::connect::HttpAnswer> {
        let i = &self.inner;
        crate::connect::http_request(
            operation,
            &i.endpoint,
            &i.credentials,
            &i.options,
            request,
            body,
            timeout,
        )
        .await
    }

    /// A websocket beside the RPC's, as the user who is logged in.
    pub(crate) async fn side_socket(&self, operation: &str, path: &str) -> Result<Socket> {
        let i = &self.inner;
        let authorization = crate::connect::basic(&i.credentials);
        crate::connect::side_socket(operation, &i.endpoint, &i.options, path, &authorization).await
    }

    /// The model of this connection, where the call needs one.
    pub(crate) fn need_model(&self, operation: &str) -> Result<ModelUuid> {
        self.model_uuid().ok_or_else(|| {
            Error::invalid(operation, "this is the controller's connection")
                .hint("open the model's with open_model")
        })
    }

    pub(crate) fn status_feed(&self) -> &crate::wait::FeedSlot {
        &self.inner.feed
    }
}

fn decoded<T>(facade: &str, method: &str, answer: std::result::Result<T, String>) -> Result<T> {
    answer.map_err(|e| {
        Error::new(
            ErrorKind::Protocol,
            format!("{facade}.{method}"),
            format!("the answer does not decode: {e}"),
        )
    })
}

fn to_value(facade: &str, method: &str, params: impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(params).map_err(|e| {
        Error::invalid(
            format!("{facade}.{method}"),
            format!("the parameters do not serialise: {e}"),
        )
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("addresses", &self.inner.endpoint.addresses)
            .field("model", &self.inner.endpoint.model)
            .field("user", &self.inner.credentials.user)
            .finish_non_exhaustive()
    }
}

/// The owner of the socket.
struct Task {
    rx: mpsc::Receiver<Command>,
    session: watch::Sender<Session>,
    events: broadcast::Sender<ConnectionEvent>,
    endpoint: Endpoint,
    credentials: Credentials,
    options: Options,
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
    async fn run(mut self, mut socket: Socket) {
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
