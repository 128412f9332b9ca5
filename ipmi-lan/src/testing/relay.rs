//! A UDP relay that adds delay and loss in front of any BMC, simulated or real, so that different clients meet the same network.
//!
//! It is measured together with the clients behind it, so it is made to cost little: what it needs for a client that it has not seen is there from the start, and the
//! way back shares few sockets among all BMCs, which a task empties many datagrams at a time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::Network;
use crate::error::{Error, Result};

/// How many clients a BMC can be told apart for at once; the one that came first goes when there are more.
const CLIENTS: usize = 4;
/// Sockets towards the BMCs for each of those: enough that a burst of every BMC's answers fits their receive buffers.
const UPSTREAMS: usize = 16;

#[derive(Default)]
struct Counters {
    there: AtomicU64,
    back: AtomicU64,
}

/// One front address for each target. Stops when dropped.
pub struct Relay {
    addrs: Vec<SocketAddr>,
    paths: Arc<Paths>,
    tasks: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("targets", &self.addrs.len())
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// Starts a relay in front of these BMCs, each named once, on free ports of loopback.
    ///
    /// # Errors
    /// If no socket could be bound.
    pub async fn start(
        targets: impl IntoIterator<Item = SocketAddr>,
        network: Network,
    ) -> Result<Self> {
        let (mut addrs, mut routes, mut upstreams) = (Vec::new(), Vec::new(), Vec::new());
        for target in targets {
            let front = bind().await?;
            addrs.push(
                front
                    .local_addr()
                    .map_err(|e| Error::io("the relay has no address", e))?,
            );
            routes.push(Route {
                target,
                front,
                clients: Mutex::default(),
            });
        }
        for _ in 0..CLIENTS * UPSTREAMS.min(routes.len()) {
            upstreams.push(bind().await?);
        }
        let (line, queue) = mpsc::channel();
        std::thread::Builder::new()
            .name("relay".into())
            .spawn(move || fly(&queue))
            .map_err(|e| Error::io("the relay could not start its thread", e))?;
        let paths = Arc::new(Paths {
            by_target: (routes.iter().enumerate())
                .map(|(index, route)| (route.target, index))
                .collect(),
            routes,
            upstreams,
            network: Mutex::new(network),
            counters: Counters::default(),
            line,
        });
        let mut tasks: Vec<_> = (0..addrs.len())
            .map(|index| tokio::spawn(there(paths.clone(), index)))
            .collect();
        tasks.extend((0..paths.upstreams.len()).map(|at| tokio::spawn(back(paths.clone(), at))));
        Ok(Self {
            addrs,
            paths,
            tasks,
        })
    }

    /// The front addresses, in the targets' order.
    #[must_use]
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Changes the network, from now on.
    pub fn set_network(&self, network: Network) {
        *lock(&self.paths.network) = network;
    }

    /// How many datagrams came from clients and from BMCs so far.
    #[must_use]
    pub fn datagrams(&self) -> (u64, u64) {
        let Counters { there, back } = &self.paths.counters;
        (there.load(Ordering::Relaxed), back.load(Ordering::Relaxed))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn bind() -> Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind(super::default_addr())
        .await
        .map_err(|e| Error::io(format!("the relay could not bind: {e}"), e))?;
    Ok(Arc::new(socket))
}

struct Route {
    target: SocketAddr,
    front: Arc<UdpSocket>,
    clients: Mutex<Clients>,
}

/// Those who ask one BMC. The place of each says which upstream sockets are its, so that an answer finds back by the socket and the BMC it came from.
#[derive(Default)]
struct Clients {
    known: [Option<SocketAddr>; CLIENTS],
    next: usize,
}

impl Clients {
    fn place(&mut self, client: SocketAddr) -> usize {
        if let Some(place) = self.known.iter().position(|known| *known == Some(client)) {
            return place;
        }
        let place = self.next;
        self.known[place] = Some(client);
        self.next = (place + 1) % CLIENTS;
        place
    }
}

struct Paths {
    routes: Vec<Route>,
    by_target: HashMap<SocketAddr, usize>,
    /// A client's place after the other, each with its share of the sockets.
    upstreams: Vec<Arc<UdpSocket>>,
    network: Mutex<Network>,
    counters: Counters,
    line: mpsc::Sender<Flight>,
}

impl Paths {
    fn deliver(&self, socket: &Arc<UdpSocket>, to: SocketAddr, datagram: &[u8]) {
        let network = *lock(&self.network);
        let now = Instant::now();
        for after in network.fate() {
            let flight = Flight {
                due: now + after,
                socket: socket.clone(),
                to,
                datagram: datagram.to_vec(),
            };
            if after == network.delay {
                let _ = self.line.send(flight);
            } else {
                // Held back or doubled: it does not keep the line waiting.
                tokio::spawn(async move {
                    tokio::time::sleep_until(flight.due.into()).await;
                    flight.land();
                });
            }
        }
    }
}

/// A datagram on its way.
struct Flight {
    due: Instant,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    datagram: Vec<u8>,
}

impl Flight {
    /// Sent, or lost where the socket is full, as on any network.
    fn land(&self) {
        let _ = self.socket.try_send_to(&self.datagram, self.to);
    }
}

/// Delivers what is due, in order, until the relay is gone. A thread, since tokio's timers are as coarse as a millisecond: a tenth of the delay that is asked for.
fn fly(line: &mpsc::Receiver<Flight>) {
    while let Ok(flight) = line.recv() {
        std::thread::sleep(flight.due.saturating_duration_since(Instant::now()));
        flight.land();
    }
}

async fn there(paths: Arc<Paths>, index: usize) {
    let share = paths.upstreams.len() / CLIENTS;
    let route = &paths.routes[index];
    let mut buffer = [0u8; 2048];
    loop {
        let Ok((len, client)) = route.front.recv_from(&mut buffer).await else {
            continue;
        };
        paths.counters.there.fetch_add(1, Ordering::Relaxed);
        let place = lock(&route.clients).place(client);
        let upstream = &paths.upstreams[place * share + index % share];
        paths.deliver(upstream, route.target, &buffer[..len]);
    }
}

async fn back(paths: Arc<Paths>, at: usize) {
    let place = at / (paths.upstreams.len() / CLIENTS);
    let upstream = &paths.upstreams[at];
    let mut buffer = [0u8; 2048];
    loop {
        let Ok((len, bmc)) = upstream.recv_from(&mut buffer).await else {
            continue;
        };
        let Some(route) = paths.by_target.get(&bmc).map(|index| &paths.routes[*index]) else {
            continue;
        };
        let client = lock(&route.clients).known[place];
        paths.counters.back.fetch_add(1, Ordering::Relaxed);
        if let Some(client) = client {
            paths.deliver(&route.front, client, &buffer[..len]);
        }
    }
}
