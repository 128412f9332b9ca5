//! Presence: which addresses answer an RMCP/ASF ping, without any credentials.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_core::Stream;
use tokio::net::UdpSocket;

use crate::error::{Error, ErrorKind, Result};
use crate::wire::asf::{self, Pong};

/// How often an address is pinged before it is taken for empty.
const ATTEMPTS: u32 = 3;
/// How long one ping waits for its pong in a discovery.
const WAIT: Duration = Duration::from_millis(400);

/// A BMC that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Where.
    pub addr: SocketAddr,
    /// What it says that it supports.
    pub pong: Pong,
    /// From the last ping to its pong.
    pub round_trip: Duration,
}

async fn bind(v6: bool) -> Result<UdpSocket> {
    let any: SocketAddr = if v6 {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    };
    UdpSocket::bind(any).await.map_err(|e| {
        Error::io(format!("no UDP socket could be bound: {e}"), e).doing("Presence ping")
    })
}

/// Pings one address (ASF presence ping, port 623 as a rule) until it answers, at most for `timeout`.
///
/// # Errors
/// [`ErrorKind::Unreachable`] if nothing answers. Cancel-safe.
pub async fn ping(addr: SocketAddr, timeout: Duration) -> Result<Found> {
    let socket = bind(addr.is_ipv6()).await?;
    let fail = |detail: String| {
        Error::new(ErrorKind::Unreachable, detail)
            .at(addr)
            .doing("Presence ping")
    };
    let until = Instant::now() + timeout;
    let mut wait = Duration::from_millis(250);
    let mut buffer = [0u8; 256];
    let mut sent = 0u8;
    loop {
        sent = sent.wrapping_add(1) & 0x7f;
        let begun = Instant::now();
        socket
            .send_to(&asf::ping(sent), addr)
            .await
            .map_err(|e| fail(format!("the ping could not be sent: {e}")))?;
        let again = (begun + wait).min(until);
        wait = (wait * 3 / 2).min(Duration::from_secs(2));
        while let Ok(received) =
            tokio::time::timeout_at(again.into(), socket.recv_from(&mut buffer)).await
        {
            let Ok((len, from)) = received else { continue };
            if from == addr
                && let Ok(pong) = Pong::decode(&buffer[..len])
            {
                return Ok(Found {
                    addr,
                    pong,
                    round_trip: begun.elapsed(),
                });
            }
        }
        if Instant::now() >= until {
            return Err(fail(format!(
                "no pong within {:.1} s, {sent} pings sent",
                timeout.as_secs_f32()
            )));
        }
    }
}

struct Discovery {
    left: VecDeque<SocketAddr>,
    limit: usize,
    sockets: [Option<UdpSocket>; 2],
    waiting: HashMap<SocketAddr, (Instant, u32)>,
    due: VecDeque<(Instant, SocketAddr, u32)>,
}

/// Pings many addresses, at most `limit` unanswered at a time, and yields those that answer as they come. Each is pinged up to three times, 0.4 s
/// apart; the stream ends when the last has answered or been given up. Dropping it stops.
pub fn discover(
    addrs: impl IntoIterator<Item = SocketAddr>,
    limit: usize,
) -> impl Stream<Item = Result<Found>> + Send {
    let discovery = Discovery {
        left: addrs.into_iter().collect(),
        limit: limit.max(1),
        sockets: [None, None],
        waiting: HashMap::new(),
        due: VecDeque::new(),
    };
    futures_util::stream::unfold(Some(discovery), |state| async move {
        let mut discovery = state?;
        match discovery.next().await {
            Ok(found) => found.map(|found| (Ok(found), Some(discovery))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

impl Discovery {
    async fn next(&mut self) -> Result<Option<Found>> {
        loop {
            while self.waiting.len() < self.limit
                && let Some(addr) = self.left.pop_front()
            {
                self.send(addr, 1).await?;
            }
            let Some((again, addr, attempt)) = self.due.front().copied() else {
                return Ok(None);
            };
            if self
                .waiting
                .get(&addr)
                .is_none_or(|(_, current)| *current != attempt)
            {
                // Answered since.
                self.due.pop_front();
                continue;
            }
            if let Ok(found) = tokio::time::timeout_at(again.into(), receive(&self.sockets)).await {
                if let Some((from, pong)) = found
                    && let Some((sent, _)) = self.waiting.remove(&from)
                {
                    return Ok(Some(Found {
                        addr: from,
                        pong,
                        round_trip: sent.elapsed(),
                    }));
                }
                continue;
            }
            self.due.pop_front();
            if attempt < ATTEMPTS {
                self.send(addr, attempt + 1).await?;
            } else {
                self.waiting.remove(&addr);
            }
        }
    }

    async fn send(&mut self, addr: SocketAddr, attempt: u32) -> Result<()> {
        let slot = &mut self.sockets[usize::from(addr.is_ipv6())];
        let socket = match slot {
            Some(socket) => socket,
            None => slot.insert(bind(addr.is_ipv6()).await?),
        };
        // An address without a route is an address without a BMC.
        let _ = socket.send_to(&asf::ping(attempt as u8), addr).await;
        let now = Instant::now();
        self.waiting.insert(addr, (now, attempt));
        self.due.push_back((now + WAIT, addr, attempt));
        Ok(())
    }
}

async fn receive(sockets: &[Option<UdpSocket>; 2]) -> Option<(SocketAddr, Pong)> {
    async fn one(socket: &Option<UdpSocket>) -> Option<(SocketAddr, Pong)> {
        let Some(socket) = socket else {
            return std::future::pending().await;
        };
        let mut buffer = [0u8; 256];
        let (len, from) = socket.recv_from(&mut buffer).await.ok()?;
        Some((from, Pong::decode(&buffer[..len]).ok()?))
    }
    tokio::select! {
        found = one(&sockets[0]) => found,
        found = one(&sockets[1]) => found,
    }
}
