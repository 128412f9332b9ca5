//! The client: a handle to the one task that owns the socket.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::connect::{Credentials, Endpoint, LoginResult, Options, Socket, login};
use crate::error::{Error, ErrorKind, Result};
use crate::facades;
use crate::ids::ModelUuid;
use crate::rpc::{Call, Reply, RpcError};

mod task;
use task::Task;

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
