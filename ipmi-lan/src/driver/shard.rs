//! One task, one socket, many sessions.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rand::RngCore;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

use super::own_port::{self, OwnPort};
use super::registry::{EndpointId, Registry};
use crate::error::{Error, Result};
use crate::proto::{Event, Request, RequestId, Session, SessionConfig};
use crate::wire::crypto::CipherSuite;
use crate::wire::v2::PayloadType;

/// What a BMC answered: the completion code and the data after it.
pub(crate) type Reply = Result<(u8, Vec<u8>)>;

/// What a shard can be asked.
pub(crate) enum Op {
    /// A new session.
    Create {
        endpoint: EndpointId,
        addr: SocketAddr,
        config: Box<SessionConfig>,
        suite: Option<CipherSuite>,
        /// Set when the BMC says something.
        heard: Arc<AtomicBool>,
    },
    /// A request in a session.
    Request {
        endpoint: EndpointId,
        request: Request,
        reply: oneshot::Sender<Reply>,
    },
    /// Nobody waits for that request any more.
    Cancel { endpoint: EndpointId, id: RequestId },
    /// The last handle is gone.
    Detach { endpoint: EndpointId },
    /// Where payloads of serial over LAN go; while there is a receiver the session is kept alive.
    Subscribe {
        endpoint: EndpointId,
        to: Option<mpsc::UnboundedSender<Vec<u8>>>,
    },
    /// A payload of serial over LAN.
    Payload {
        endpoint: EndpointId,
        payload: Vec<u8>,
    },
    /// What came to a port that the session has for itself.
    Datagram {
        endpoint: EndpointId,
        datagram: Vec<u8>,
    },
    /// Close the session, and tell when it is done.
    Close {
        endpoint: EndpointId,
        done: oneshot::Sender<()>,
    },
    /// Close every session, and tell when it is done.
    CloseAll { done: oneshot::Sender<()> },
}

struct Endpoint {
    addr: SocketAddr,
    session: Session,
    waiting: HashMap<RequestId, oneshot::Sender<Reply>>,
    closers: Vec<oneshot::Sender<()>>,
    detached: bool,
    timer: Option<Instant>,
    payloads: Option<mpsc::UnboundedSender<Vec<u8>>>,
    own: Option<OwnPort>,
    heard: Arc<AtomicBool>,
}

pub(crate) struct Shard {
    socket: Arc<UdpSocket>,
    orders: mpsc::WeakUnboundedSender<Op>,
    registry: Weak<Registry>,
    endpoints: HashMap<EndpointId, Endpoint>,
    by_addr: HashMap<SocketAddr, Vec<EndpointId>>,
    timers: BTreeSet<(Instant, EndpointId)>,
    /// What the socket would not take yet: a new one is not known to be writable before the runtime has looked at it.
    unsent: VecDeque<(SocketAddr, Vec<u8>)>,
}

/// How many datagrams or orders are handled before timers and other tasks get their turn.
const BATCH: usize = 256;
/// How long a shard that nobody holds any more goes on closing sessions.
const LAST_CLOSES: Duration = Duration::from_secs(2);

impl Shard {
    /// Binds a socket and starts its task on the current runtime.
    pub(super) fn spawn(v6: bool, registry: Weak<Registry>) -> Result<mpsc::UnboundedSender<Op>> {
        let socket = own_port::shared(v6)
            .map_err(|e| Error::io(format!("no UDP socket could be bound: {e}"), e))?;
        let (tx, rx) = mpsc::unbounded_channel();
        let shard = Self {
            socket,
            orders: tx.downgrade(),
            registry,
            endpoints: HashMap::new(),
            by_addr: HashMap::new(),
            timers: BTreeSet::new(),
            unsent: VecDeque::new(),
        };
        tokio::spawn(shard.run(rx));
        Ok(tx)
    }

    async fn run(mut self, mut rx: mpsc::UnboundedReceiver<Op>) {
        let socket = self.socket.clone();
        let mut ops = Vec::with_capacity(BATCH);
        let mut buffer = vec![0u8; 2048];
        let mut last: Option<Instant> = None;
        let sleep = tokio::time::sleep(Duration::from_secs(3600));
        tokio::pin!(sleep);
        loop {
            if let Some(until) = last
                && (self.endpoints.is_empty() || until <= Instant::now())
            {
                return;
            }
            let next = self
                .timers
                .first()
                .map(|(at, _)| *at)
                .into_iter()
                .chain(last)
                .min();
            let next = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            sleep.as_mut().reset(tokio::time::Instant::from_std(next));
            tokio::select! {
                count = rx.recv_many(&mut ops, BATCH), if last.is_none() => {
                    if count == 0 {
                        // The client and all of its handles are gone.
                        last = Some(Instant::now() + LAST_CLOSES);
                        self.close_all();
                    }
                    for op in ops.drain(..) {
                        self.operate(op);
                    }
                }
                ready = socket.readable() => {
                    if ready.is_ok() {
                        self.receive(&mut buffer);
                    }
                }
                ready = socket.writable(), if !self.unsent.is_empty() => {
                    if ready.is_ok() {
                        self.flush();
                    }
                }
                () = sleep.as_mut() => {}
            }
            self.expire();
        }
    }

    fn operate(&mut self, op: Op) {
        let now = Instant::now();
        match op {
            Op::Create {
                endpoint,
                addr,
                config,
                suite,
                heard,
            } => {
                let random = Box::new(|bytes: &mut [u8]| rand::rng().fill_bytes(bytes));
                let mut session = Session::new(*config, now, random);
                if let Some(suite) = suite {
                    session.prefer(suite);
                }
                self.by_addr.entry(addr).or_default().push(endpoint);
                self.endpoints.insert(
                    endpoint,
                    Endpoint {
                        addr,
                        session,
                        waiting: HashMap::new(),
                        closers: Vec::new(),
                        detached: false,
                        timer: None,
                        payloads: None,
                        own: None,
                        heard,
                    },
                );
            }
            Op::Request {
                endpoint,
                request,
                reply,
            } => {
                let Some(e) = self.endpoints.get_mut(&endpoint) else {
                    let _ = reply.send(Err(Error::closed()));
                    return;
                };
                e.detached = false;
                e.waiting.insert(request.id, reply);
                e.session.request(now, request);
                self.settle(endpoint);
            }
            Op::Cancel { endpoint, id } => {
                if let Some(e) = self.endpoints.get_mut(&endpoint)
                    && e.waiting.remove(&id).is_some()
                {
                    e.session.cancel(now, id);
                    self.settle(endpoint);
                }
            }
            Op::Detach { endpoint } => {
                if let Some(e) = self.endpoints.get_mut(&endpoint) {
                    e.detached = true;
                    e.session.close(now);
                    self.settle(endpoint);
                }
            }
            Op::Subscribe { endpoint, to } => {
                if let Some(e) = self.endpoints.get_mut(&endpoint) {
                    e.session.hold(to.is_some());
                    e.payloads = to;
                    self.settle(endpoint);
                }
            }
            Op::Payload { endpoint, payload } => {
                if let Some(e) = self.endpoints.get_mut(&endpoint) {
                    e.session.send_payload(PayloadType::Sol, &payload);
                    self.settle(endpoint);
                }
            }
            Op::Datagram { endpoint, datagram } => {
                if let Some(e) = self.endpoints.get_mut(&endpoint)
                    && e.session.handle_datagram(now, &datagram)
                {
                    e.heard.store(true, Ordering::Relaxed);
                    self.settle(endpoint);
                }
            }
            Op::Close { endpoint, done } => {
                if let Some(e) = self.endpoints.get_mut(&endpoint) {
                    e.closers.push(done);
                    e.session.close(now);
                    self.settle(endpoint);
                }
            }
            Op::CloseAll { done } => {
                // The last session that closes drops the last clone, and the receiver hears of it.
                let done = Arc::new(done);
                for e in self.endpoints.values_mut() {
                    let (tx, rx) = oneshot::channel::<()>();
                    e.closers.push(tx);
                    let done = done.clone();
                    tokio::spawn(async move {
                        let _ = rx.await;
                        drop(done);
                    });
                }
                drop(done);
                self.close_all();
            }
        }
    }

    fn close_all(&mut self) {
        let now = Instant::now();
        let all: Vec<EndpointId> = self.endpoints.keys().copied().collect();
        for endpoint in all {
            if let Some(e) = self.endpoints.get_mut(&endpoint) {
                e.detached |= self.registry.strong_count() == 0;
                e.session.close(now);
                self.settle(endpoint);
            }
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            let Ok((len, from)) = self.socket.try_recv_from(buffer) else {
                return;
            };
            let Some(endpoints) = self.by_addr.get(&from) else {
                continue;
            };
            let now = Instant::now();
            // Several sessions to one BMC are rare (other credentials); the session id tells whose it is.
            let taker = endpoints.iter().copied().find(|endpoint| {
                self.endpoints.get_mut(endpoint).is_some_and(|e| {
                    let mine = e.session.handle_datagram(now, &buffer[..len]);
                    if mine {
                        e.heard.store(true, Ordering::Relaxed);
                    }
                    mine
                })
            });
            if let Some(endpoint) = taker {
                self.settle(endpoint);
            }
        }
    }

    fn flush(&mut self) {
        while let Some((addr, datagram)) = self.unsent.front() {
            match self.socket.try_send_to(datagram, *addr) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // Other errors show again when it is repeated.
                _ => self.unsent.pop_front(),
            };
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        while let Some((at, endpoint)) = self.timers.first().copied() {
            if at > now {
                return;
            }
            self.timers.pop_first();
            if let Some(e) = self.endpoints.get_mut(&endpoint) {
                e.timer = None;
                e.session.handle_timeout(now);
                self.settle(endpoint);
            }
        }
    }

    /// Takes out of a session what it has to send and to tell, and sets its timer.
    fn settle(&mut self, id: EndpointId) {
        let Some(e) = self.endpoints.get_mut(&id) else {
            return;
        };
        if !e.closers.is_empty() && !e.session.is_idle() {
            // Somebody waits for it to close: it does so after what was asked since, too.
            e.session.close(Instant::now());
        }
        if e.session.wants_new_port() {
            // Without another port the old one has to do.
            e.own = OwnPort::open(e.addr, id, self.orders.clone())
                .ok()
                .or(e.own.take());
        }
        while let Some(datagram) = e.session.poll_transmit() {
            if let Some(own) = &e.own {
                own.send(&datagram, e.addr);
                continue;
            }
            if let Err(error) = self.socket.try_send_to(&datagram, e.addr) {
                use std::io::ErrorKind::{
                    HostUnreachable, NetworkUnreachable, PermissionDenied, WouldBlock,
                };
                if error.kind() == WouldBlock {
                    self.unsent.push_back((e.addr, datagram));
                    continue;
                }
                // What the kernel cannot send now is lost like any datagram, and repeated; but without a route waiting is vain.
                if matches!(
                    error.kind(),
                    HostUnreachable | NetworkUnreachable | PermissionDenied
                ) {
                    e.session
                        .unreachable(&format!("the datagram could not be sent: {error}"));
                }
            }
        }
        while let Some(event) = e.session.poll_event() {
            match event {
                Event::Answered {
                    id,
                    completion,
                    data,
                } => {
                    if let Some(reply) = e.waiting.remove(&id) {
                        let _ = reply.send(Ok((completion, data)));
                    }
                }
                Event::Failed { id, failure } => {
                    if let Some(reply) = e.waiting.remove(&id) {
                        let _ = reply.send(Err(failure.into()));
                    }
                }
                Event::Opened(suite) => {
                    if let Some(registry) = self.registry.upgrade() {
                        registry.remember(e.addr, suite);
                    }
                }
                // The line went with its session.
                Event::Closed => {
                    e.payloads = None;
                    e.session.hold(false);
                }
                Event::Payload(PayloadType::Sol, payload) => {
                    if let Some(to) = &e.payloads {
                        let _ = to.send(payload);
                    }
                }
                Event::Payload(..) => {}
            }
        }
        if e.session.is_idle() {
            e.own = None;
            for done in e.closers.drain(..) {
                let _ = done.send(());
            }
            if e.detached
                && self
                    .registry
                    .upgrade()
                    .is_none_or(|registry| registry.forget(e.addr, id))
            {
                self.remove(id);
                return;
            }
        }
        let timer = e.session.poll_timeout();
        if timer != e.timer {
            if let Some(old) = e.timer {
                self.timers.remove(&(old, id));
            }
            if let Some(new) = timer {
                self.timers.insert((new, id));
            }
            e.timer = timer;
        }
    }

    fn remove(&mut self, id: EndpointId) {
        let Some(e) = self.endpoints.remove(&id) else {
            return;
        };
        if let Some(timer) = e.timer {
            self.timers.remove(&(timer, id));
        }
        if let Some(ids) = self.by_addr.get_mut(&e.addr) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_addr.remove(&e.addr);
            }
        }
    }
}

impl Drop for Shard {
    /// The runtime ends in the middle: what is open is closed as far as one datagram can.
    fn drop(&mut self) {
        for e in self.endpoints.values_mut() {
            e.session.shut();
            while let Some(datagram) = e.session.poll_transmit() {
                match &e.own {
                    Some(own) => own.send(&datagram, e.addr),
                    None => {
                        let _ = self.socket.try_send_to(&datagram, e.addr);
                    }
                }
            }
        }
    }
}
