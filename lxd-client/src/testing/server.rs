//! The sockets, and what goes on between a request and its answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

use super::accept::{Cut, accept_tls, accept_unix};
use super::answers::Reply;
use super::certificate::{make_certificate, server_config};
use super::exec::Pending;
use super::state::{Note, ProfileState, ProjectState, State, World};
use super::wire::{Answered, accepted, plain, understand};
use super::{Builder, Changed, Clock, Fake, Handle, InstanceWorld, Phase, Tap, Verdict};
use crate::{Error, Fingerprint, Result};

type Told = (&'static str, String, Arc<str>);

/// What all connections share.
pub(super) struct Core {
    world: Mutex<World>,
    hook: Mutex<Option<Arc<dyn InstanceWorld>>>,
    execs: Mutex<HashMap<String, Pending>>,
    clock: Clock,
    tap: Option<Tap>,
    changed: Option<Changed>,
    /// Held until a change is kept: nobody is told of it before.
    saving: Mutex<()>,
    events: broadcast::Sender<Told>,
    /// Held by whoever tells what has happened, so that it is told in order.
    telling: tokio::sync::Mutex<()>,
    listen: SocketAddr,
    listener: Mutex<Option<(SocketAddr, tokio::task::JoinHandle<()>)>>,
    /// Cuts the websockets when the fake ends.
    over: tokio_util::sync::CancellationToken,
    pub(super) tls: Arc<rustls::ServerConfig>,
    pub(super) fingerprint: Fingerprint,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn cannot(what: &str, e: impl std::fmt::Display) -> Error {
    Error::invalid(format!("starting the fake LXD: {what}"), e.to_string())
}

pub(super) async fn start(b: Builder) -> Result<Fake> {
    let mut state = match b.state {
        Some(value) => {
            serde_json::from_value::<State>(value).map_err(|e| cannot("its state", e))?
        }
        None => State::default(),
    };
    if state.certificate_pem.is_empty() {
        make_certificate(&mut state, &b.machine.name)?;
        let now = jiff::Timestamp::now().as_millisecond();
        let passed = i64::try_from((b.clock)().as_millis()).unwrap_or(0);
        state.epoch_ms = now - passed;
        state.projects.insert("default".into(), first_project());
    }
    let der = CertificateDer::from_pem_slice(state.certificate_pem.as_bytes())
        .map_err(|e| cannot("its certificate", e))?;
    let key = PrivateKeyDer::from_pem_slice(state.key_pem.as_bytes())
        .map_err(|e| cannot("its key", e))?;
    let fingerprint = Fingerprint::of_der(&der);
    let tls = server_config(der, key)?;

    let (socket, made) = match b.socket {
        Some(path) => (path, None),
        None => {
            let dir = std::env::temp_dir().join(format!("lxd-{}", super::state::random_hex(6)));
            std::fs::create_dir_all(&dir).map_err(|e| cannot("its folder", e))?;
            (dir.join("unix.socket"), Some(dir))
        }
    };
    let _ = std::fs::remove_file(&socket);
    let unix = UnixListener::bind(&socket).map_err(|e| cannot("its unix socket", e))?;

    let world = World {
        state,
        machine: b.machine,
        durations: b.durations,
        version: b.version,
        without: b.without.into_iter().collect::<BTreeSet<_>>(),
        advertised: b.advertised,
        listening: None,
        fingerprint: fingerprint.as_str().to_owned(),
        disorder: b.disorder,
        now: (b.clock)(),
        dirty: false,
        notes: Vec::new(),
        migrations: BTreeMap::new(),
        dials: Vec::new(),
        ended: BTreeMap::new(),
    };
    let core = Arc::new(Core {
        world: Mutex::new(world),
        hook: Mutex::new(b.world),
        execs: Mutex::default(),
        clock: b.clock,
        tap: b.tap,
        changed: b.changed,
        saving: Mutex::default(),
        events: broadcast::channel(4096).0,
        telling: tokio::sync::Mutex::new(()),
        listen: b.https,
        listener: Mutex::new(None),
        over: tokio_util::sync::CancellationToken::new(),
        tls: Arc::new(tls),
        fingerprint,
    });
    core.listen().await;
    core.settle().await;
    let tasks = vec![
        tokio::spawn(accept_unix(core.clone(), unix)),
        tokio::spawn(keep_ticking(core.clone())),
    ];
    Ok(fake(core, socket, made, tasks))
}

fn fake(
    core: Arc<Core>,
    socket: PathBuf,
    made: Option<PathBuf>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
) -> Fake {
    Fake {
        handle: Handle { core },
        socket,
        made,
        tasks,
    }
}

fn first_project() -> ProjectState {
    let config = [
        "images",
        "networks",
        "profiles",
        "storage.buckets",
        "storage.volumes",
    ]
    .map(|f| (format!("features.{f}"), "true".to_owned()))
    .into();
    let profile = ProfileState {
        description: "Default LXD profile".into(),
        ..ProfileState::default()
    };
    ProjectState {
        config,
        description: "Default LXD project".into(),
        profiles: [("default".to_owned(), profile)].into(),
        ..ProjectState::default()
    }
}

/// What is due happens although nobody asks: events are pushed.
async fn keep_ticking(core: Arc<Core>) {
    let mut every = tokio::time::interval(Duration::from_millis(10));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        core.tick().await;
    }
}

impl Core {
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut lock(&self.world))
    }

    pub(super) fn execs(&self) -> MutexGuard<'_, HashMap<String, Pending>> {
        lock(&self.execs)
    }

    pub(super) fn hook(&self) -> Option<Arc<dyn InstanceWorld>> {
        lock(&self.hook).clone()
    }

    pub(super) fn set_world(&self, world: Arc<dyn InstanceWorld>) {
        *lock(&self.hook) = Some(world);
    }

    pub(super) fn https_addr(&self) -> Option<SocketAddr> {
        lock(&self.listener).as_ref().map(|(a, _)| *a)
    }

    pub(super) fn stop(&self) {
        self.over.cancel();
        if let Some((_, task)) = lock(&self.listener).take() {
            task.abort();
        }
        *lock(&self.hook) = None;
        self.execs().clear();
    }

    /// Has the state kept, if it was changed.
    pub(super) fn saved(&self) {
        let _one = lock(&self.saving);
        let dirty = self.with(|w| std::mem::take(&mut w.dirty));
        if dirty && let Some(changed) = &self.changed {
            changed();
        }
    }

    /// Runs what is due and tells what has happened.
    pub(super) async fn tick(&self) {
        let now = (self.clock)();
        self.with(|w| {
            w.now = w.now.max(now);
            w.run_due();
        });
        self.settle().await;
    }

    /// Tells what has happened, keeps the state, listens where it should.
    pub(super) async fn settle(&self) {
        self.saved();
        // Whoever holds it tells everything; and the world may ask us something meanwhile.
        if let Ok(_telling) = self.telling.try_lock() {
            loop {
                let notes = self.with(|w| std::mem::take(&mut w.notes));
                if notes.is_empty() {
                    break;
                }
                for note in notes {
                    match note {
                        Note::Event {
                            kind,
                            project,
                            text,
                        } => {
                            let _ = self.events.send((kind, project, text.into()));
                        }
                        Note::Instance(view) => {
                            if let Some(hook) = self.hook() {
                                hook.changed(view).await;
                            }
                        }
                    }
                }
            }
        }
        self.saved();
    }

    /// Opens or closes the HTTPS port as `core.https_address` says.
    /// (Boxed: a connection's answer may open the port that more connections come by.)
    fn listen(self: &Arc<Self>) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(self.open_or_close())
    }

    async fn open_or_close(self: &Arc<Self>) {
        let wanted = self.with(|w| w.state.config.contains_key("core.https_address"));
        let stands = lock(&self.listener).is_some();
        if wanted == stands {
            return;
        }
        if !wanted {
            if let Some((_, task)) = lock(&self.listener).take() {
                task.abort();
            }
            self.with(|w| w.listening = None);
            return;
        }
        let Ok(listener) = TcpListener::bind(self.listen).await else {
            return;
        };
        let Ok(address) = listener.local_addr() else {
            return;
        };
        let task = tokio::spawn(accept_tls(self.clone(), listener));
        self.with(|w| w.listening = Some(address));
        *lock(&self.listener) = Some((address, task));
    }

    pub(super) async fn respond(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        local: bool,
        certificate: Option<Vec<u8>>,
    ) -> std::result::Result<Answered, Cut> {
        let upgrade = request
            .headers()
            .get(header::UPGRADE)
            .is_some_and(|u| u.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let on_upgrade = upgrade.then(|| hyper::upgrade::on(&mut request));
        let key = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned();
        let (parts, body) = request.into_parts();
        let label = format!("{} {}", parts.method, parts.uri.path());
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let req = understand(&parts, body, local, certificate, upgrade);
        if let Some(answer) = self.ask_tap(Phase::Before, &label).await? {
            return Ok(answer);
        }
        self.tick().await;
        let reply = self.with(|w| {
            let reply = match &req {
                Some(req) => w.handle(req),
                None => Reply::error(404, "not found"),
            };
            // An operation is told as it starts, even if it is over in the next instant.
            match reply {
                Reply::Async(id) => {
                    let told = w.operation_json(&id).unwrap_or_default();
                    Ready::Answer(accepted(&id, told))
                }
                other => Ready::Later(other),
            }
        });
        self.dial_out();
        self.listen().await;
        self.settle().await;
        let answer = match reply {
            Ready::Answer(answer) => answer,
            Ready::Later(Reply::Wait(id, timeout)) => self.wait(&id, timeout).await,
            Ready::Later(Reply::Events { kinds, project }) => {
                // Listened to from before the answer, so that nothing falls between.
                let events = self.events.subscribe();
                self.upgrade(on_upgrade, key, move |_, socket| {
                    tell_events(events, socket, kinds, project)
                })
            }
            Ready::Later(Reply::ExecSocket { operation, fd }) => {
                self.upgrade(on_upgrade, key, move |core, socket| {
                    core.exec_socket(operation, fd, socket)
                })
            }
            Ready::Later(reply) => plain(reply),
        };
        if let Some(answer) = self.ask_tap(Phase::After, &label).await? {
            return Ok(answer);
        }
        Ok(answer)
    }

    async fn ask_tap(
        &self,
        phase: Phase,
        label: &str,
    ) -> std::result::Result<Option<Answered>, Cut> {
        let Some(tap) = &self.tap else {
            return Ok(None);
        };
        match tap(phase, label).await {
            Verdict::Continue => Ok(None),
            Verdict::Drop => Err(Cut),
            Verdict::Answer(status, headers, body) => {
                let mut answer = Response::new(Full::new(body.into()));
                *answer.status_mut() =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                for (name, value) in headers {
                    if let (Ok(name), Ok(value)) = (
                        header::HeaderName::try_from(name),
                        HeaderValue::try_from(value),
                    ) {
                        answer.headers_mut().insert(name, value);
                    }
                }
                Ok(Some(answer))
            }
        }
    }

    async fn wait(&self, id: &str, timeout: i64) -> Answered {
        let until = u64::try_from(timeout)
            .ok()
            .map(|s| tokio::time::Instant::now() + Duration::from_secs(s));
        loop {
            self.tick().await;
            let running = self.with(|w| w.is_running(id));
            let over = until.is_some_and(|u| tokio::time::Instant::now() >= u);
            if running != Some(true) || over {
                // What it led to has been told by the time the answer goes out.
                drop(self.telling.lock().await);
                return plain(self.with(|w| w.waited(id)));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Lets something go on beside the requests, at most until the fake ends.
    pub(super) fn until_over(&self, talk: impl Future<Output = ()> + Send + 'static) {
        let over = self.over.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = talk => {}
                () = over.cancelled() => {}
            }
        });
    }

    fn upgrade<F, Fut>(
        self: &Arc<Self>,
        on_upgrade: Option<hyper::upgrade::OnUpgrade>,
        key: Option<HeaderValue>,
        then: F,
    ) -> Answered
    where
        F: FnOnce(Arc<Self>, super::exec::Ws) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (Some(on_upgrade), Some(key)) = (on_upgrade, key) else {
            return plain(Reply::Plain(400, "Bad Request\n"));
        };
        let core = self.clone();
        self.until_over(async move {
            if let Ok(upgraded) = on_upgrade.await {
                let io = TokioIo::new(upgraded);
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
                then(core, socket).await;
            }
        });
        let mut answer = Response::new(Full::new(Bytes::new()));
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        answer
    }
}

enum Ready {
    Answer(Answered),
    Later(Reply),
}

async fn tell_events(
    mut events: broadcast::Receiver<Told>,
    mut socket: super::exec::Ws,
    kinds: Vec<String>,
    project: Option<String>,
) {
    loop {
        tokio::select! {
            told = events.recv() => match told {
                Ok((kind, of, text)) => {
                    let wanted = (kinds.is_empty() || kinds.iter().any(|k| k == kind))
                        && project.as_ref().is_none_or(|p| *p == of);
                    let text = text.as_ref().to_owned();
                    if wanted && socket.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                // A listener that cannot keep up is cut, and has to read anew.
                Err(_) => return,
            },
            message = socket.next() => if !matches!(message, Some(Ok(_))) { return },
        }
    }
}
