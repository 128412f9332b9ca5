//! Which sessions there are. Handles to the same BMC with the same credentials share one, so that slots are not wasted.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::shard::{Op, Shard};
use crate::error::Result;
use crate::proto::SessionConfig;
use crate::wire::crypto::CipherSuite;

/// Names a session towards its shard.
pub(crate) type EndpointId = u64;

/// How many BMCs share a socket before the next one is opened, until there are `SHARDS` of them: a burst of answers must fit the socket's buffer.
const PER_SHARD: usize = 64;
const SHARDS: usize = 16;

struct Entry {
    id: EndpointId,
    config: SessionConfig,
    shard: mpsc::UnboundedSender<Op>,
    heard: Arc<AtomicBool>,
    handles: usize,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<SocketAddr, Vec<Entry>>,
    shards: Vec<(bool, mpsc::UnboundedSender<Op>, usize)>,
    suites: HashMap<SocketAddr, CipherSuite>,
    next: EndpointId,
}

/// Shared by the client's handles and its shards.
#[derive(Default)]
pub(crate) struct Registry(Mutex<Inner>);

/// A handle's hold on a session; when the last one goes, the session is closed.
pub(crate) struct Attached {
    registry: Arc<Registry>,
    pub(crate) addr: SocketAddr,
    pub(crate) id: EndpointId,
    pub(crate) shard: mpsc::UnboundedSender<Op>,
    heard: Arc<AtomicBool>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the session to `addr` with this configuration, making it where there is none. Needs a tokio runtime.
    pub(crate) fn attach(
        self: &Arc<Self>,
        addr: SocketAddr,
        config: &SessionConfig,
    ) -> Result<Attached> {
        let mut inner = self.lock();
        let known = inner.entries.get_mut(&addr).and_then(|entries| {
            entries
                .iter_mut()
                .find(|e| !e.shard.is_closed() && same(&e.config, config))
        });
        if let Some(entry) = known {
            entry.handles += 1;
            entry.heard.store(false, Ordering::Relaxed);
            return Ok(Attached {
                registry: self.clone(),
                addr,
                id: entry.id,
                shard: entry.shard.clone(),
                heard: entry.heard.clone(),
            });
        }
        inner.next += 1;
        let id = inner.next;
        let shard = self.shard(&mut inner, addr.is_ipv6())?;
        let suite = inner.suites.get(&addr).copied();
        let heard = Arc::new(AtomicBool::new(false));
        let _ = shard.send(Op::Create {
            heard: heard.clone(),
            endpoint: id,
            addr,
            config: Box::new(config.clone()),
            suite,
        });
        inner.entries.entry(addr).or_default().push(Entry {
            id,
            config: config.clone(),
            shard: shard.clone(),
            heard: heard.clone(),
            handles: 1,
        });
        Ok(Attached {
            registry: self.clone(),
            addr,
            id,
            shard,
            heard,
        })
    }

    fn shard(self: &Arc<Self>, inner: &mut Inner, v6: bool) -> Result<mpsc::UnboundedSender<Op>> {
        inner.shards.retain(|(_, shard, _)| !shard.is_closed());
        let alike = inner
            .shards
            .iter()
            .filter(|(family, ..)| *family == v6)
            .count();
        let least = inner
            .shards
            .iter_mut()
            .filter(|(family, ..)| *family == v6)
            .min_by_key(|(_, _, load)| *load);
        if let Some((_, shard, load)) = least
            && (*load < PER_SHARD || alike >= SHARDS)
        {
            *load += 1;
            return Ok(shard.clone());
        }
        let shard = Shard::spawn(v6, Arc::downgrade(self))?;
        inner.shards.push((v6, shard.clone(), 1));
        Ok(shard)
    }

    /// What worked: the next session to that address begins with it.
    pub(super) fn remember(&self, addr: SocketAddr, suite: CipherSuite) {
        self.lock().suites.insert(addr, suite);
    }

    pub(crate) fn suite(&self, addr: SocketAddr) -> Option<CipherSuite> {
        self.lock().suites.get(&addr).copied()
    }

    /// A shard found a session closed and asks whether to forget it. Not if a handle took hold of it in the meantime.
    pub(super) fn forget(&self, addr: SocketAddr, id: EndpointId) -> bool {
        let mut inner = self.lock();
        let Some(entries) = inner.entries.get_mut(&addr) else {
            return true;
        };
        let Some(at) = entries.iter().position(|e| e.id == id) else {
            return true;
        };
        if entries[at].handles > 0 {
            return false;
        }
        let entry = entries.swap_remove(at);
        if entries.is_empty() {
            inner.entries.remove(&addr);
        }
        if let Some((_, _, load)) = inner
            .shards
            .iter_mut()
            .find(|(_, shard, _)| shard.same_channel(&entry.shard))
        {
            *load = load.saturating_sub(1);
        }
        true
    }

    /// All shards, to be closed.
    pub(crate) fn shards(&self) -> Vec<mpsc::UnboundedSender<Op>> {
        self.lock()
            .shards
            .iter()
            .map(|(_, shard, _)| shard.clone())
            .collect()
    }
}

impl Attached {
    /// Has the BMC said anything yet?
    pub(crate) fn was_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut inner = self.registry.lock();
        let entry = inner
            .entries
            .get_mut(&self.addr)
            .and_then(|entries| entries.iter_mut().find(|e| e.id == self.id));
        if let Some(entry) = entry {
            entry.handles = entry.handles.saturating_sub(1);
            if entry.handles == 0 {
                let _ = self.shard.send(Op::Detach { endpoint: self.id });
            }
        }
    }
}

fn same(a: &SessionConfig, b: &SessionConfig) -> bool {
    a.credentials.same(&b.credentials)
        && a.protocol == b.protocol
        && a.suites == b.suites
        && a.auth_types == b.auth_types
        && a.workarounds == b.workarounds
        && a.timing == b.timing
}
