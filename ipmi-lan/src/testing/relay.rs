//! A UDP relay that adds delay and loss in front of any BMC, simulated or real, so that different clients meet the same network.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Network;
use crate::error::{Error, Result};

#[derive(Default)]
struct Counters {
    there: AtomicU64,
    back: AtomicU64,
}

/// One front address for each target. Stops when dropped.
pub struct Relay {
    addrs: Vec<SocketAddr>,
    network: Arc<Mutex<Network>>,
    counters: Arc<Counters>,
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
    /// Starts a relay in front of these BMCs, on free ports of loopback.
    ///
    /// # Errors
    /// If no socket could be bound.
    pub async fn start(
        targets: impl IntoIterator<Item = SocketAddr>,
        network: Network,
    ) -> Result<Self> {
        let mut relay = Self {
            addrs: Vec::new(),
            network: Arc::new(Mutex::new(network)),
            counters: Arc::default(),
            tasks: Vec::new(),
        };
        let (line, queue) = mpsc::unbounded_channel();
        relay.tasks.push(tokio::spawn(fly(queue)));
        for target in targets {
            let front = UdpSocket::bind(super::default_addr())
                .await
                .map_err(|e| Error::io(format!("the relay could not bind: {e}"), e))?;
            relay.addrs.push(
                front
                    .local_addr()
                    .map_err(|e| Error::io("the relay has no address", e))?,
            );
            relay.tasks.push(tokio::spawn(forward(
                Arc::new(front),
                target,
                relay.network.clone(),
                relay.counters.clone(),
                line.clone(),
            )));
        }
        Ok(relay)
    }

    /// The front addresses, in the targets' order.
    #[must_use]
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Changes the network, from now on.
    pub fn set_network(&self, network: Network) {
        *self.network.lock().unwrap_or_else(PoisonError::into_inner) = network;
    }

    /// How many datagrams came from clients and from BMCs so far.
    #[must_use]
    pub fn datagrams(&self) -> (u64, u64) {
        (
            self.counters.there.load(Ordering::Relaxed),
            self.counters.back.load(Ordering::Relaxed),
        )
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Aborts the way back when the way there ends.
struct Upstream {
    socket: Arc<UdpSocket>,
    back: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.back.abort();
    }
}

fn now(network: &Mutex<Network>) -> Network {
    *network.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A datagram on its way.
struct Flight {
    due: Instant,
    socket: Arc<UdpSocket>,
    to: Option<SocketAddr>,
    datagram: Vec<u8>,
}

type Line = mpsc::UnboundedSender<Flight>;

/// Delivers what is due, in order: one timer for all, so that the relay itself costs little.
async fn fly(mut line: mpsc::UnboundedReceiver<Flight>) {
    while let Some(flight) = line.recv().await {
        if flight.due > Instant::now() {
            tokio::time::sleep_until(flight.due.into()).await;
        }
        let _ = match flight.to {
            Some(to) => flight.socket.send_to(&flight.datagram, to).await,
            None => flight.socket.send(&flight.datagram).await,
        };
    }
}

fn deliver(
    line: &Line,
    network: Network,
    socket: &Arc<UdpSocket>,
    to: Option<SocketAddr>,
    datagram: &[u8],
) {
    let now = Instant::now();
    for after in network.fate() {
        let flight = Flight {
            due: now + after,
            socket: socket.clone(),
            to,
            datagram: datagram.to_vec(),
        };
        if after == network.delay {
            let _ = line.send(flight);
        } else {
            // Held back or doubled: it does not keep the line waiting.
            let (single, queue) = mpsc::unbounded_channel();
            let _ = single.send(flight);
            tokio::spawn(fly(queue));
        }
    }
}

async fn forward(
    front: Arc<UdpSocket>,
    target: SocketAddr,
    network: Arc<Mutex<Network>>,
    counters: Arc<Counters>,
    line: Line,
) {
    // Each client has a socket of its own towards the BMC, so that answers find back; the oldest go when there are many.
    let mut clients: VecDeque<(SocketAddr, Upstream)> = VecDeque::new();
    let mut buffer = vec![0u8; 2048];
    loop {
        let Ok((len, client)) = front.recv_from(&mut buffer).await else {
            continue;
        };
        counters.there.fetch_add(1, Ordering::Relaxed);
        if !clients.iter().any(|(known, _)| *known == client) {
            let Ok(socket) = UdpSocket::bind(super::default_addr()).await else {
                continue;
            };
            if socket.connect(target).await.is_err() {
                continue;
            }
            let socket = Arc::new(socket);
            let back = tokio::spawn(back(
                socket.clone(),
                front.clone(),
                client,
                network.clone(),
                counters.clone(),
                line.clone(),
            ));
            clients.push_back((client, Upstream { socket, back }));
            if clients.len() > 4 {
                clients.pop_front();
            }
        }
        if let Some((_, upstream)) = clients.iter().find(|(known, _)| *known == client) {
            deliver(&line, now(&network), &upstream.socket, None, &buffer[..len]);
        }
    }
}

async fn back(
    upstream: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    client: SocketAddr,
    network: Arc<Mutex<Network>>,
    counters: Arc<Counters>,
    line: Line,
) {
    let mut buffer = vec![0u8; 2048];
    loop {
        let Ok(len) = upstream.recv(&mut buffer).await else {
            continue;
        };
        counters.back.fetch_add(1, Ordering::Relaxed);
        deliver(&line, now(&network), &front, Some(client), &buffer[..len]);
    }
}
