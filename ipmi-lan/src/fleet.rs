//! One call over many BMCs: limited, each with its own deadline, results as they come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bmc::Bmc;
use crate::client::Client;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};

/// After how long a BMC that has said nothing no longer counts towards the limit.
const SILENT: Duration = Duration::from_millis(500);

/// Many BMCs that the same is done to.
#[derive(Debug, Clone)]
pub struct Fleet {
    client: Client,
    targets: Vec<(SocketAddr, Credentials)>,
    limit: usize,
    deadline: Duration,
}

/// What came of one BMC.
#[derive(Debug)]
#[non_exhaustive]
pub struct FleetResult<T> {
    /// Its place in the list that was given.
    pub index: usize,
    /// Its address.
    pub addr: SocketAddr,
    /// How long it took from its start.
    pub elapsed: Duration,
    /// What it answered.
    pub result: Result<T>,
}

impl Client {
    /// Many BMCs with their credentials. The defaults: 1024 at a time, the client's deadline for each.
    pub fn fleet(&self, targets: impl IntoIterator<Item = (SocketAddr, Credentials)>) -> Fleet {
        Fleet {
            client: self.clone(),
            targets: targets.into_iter().collect(),
            limit: 1024,
            deadline: self.settings.deadline,
        }
    }
}

impl Fleet {
    /// At most this many at a time. One that has said nothing for half a second counts no more: dead BMCs, however many, do not keep the others waiting.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }

    /// All that is done to one BMC takes at most this long, counted from its own start.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Does `work` to each BMC and yields the results as they come. Dropping the stream cancels what is under way and leaves no session behind.
    pub fn run<T, F, Fut>(self, work: F) -> impl Stream<Item = FleetResult<T>> + Send
    where
        T: Send,
        F: Fn(Bmc) -> Fut + Clone + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let Self {
            client,
            targets,
            limit,
            deadline,
        } = self;
        // Where all may go at once there is nothing to wait for.
        let places = (targets.len() > limit).then(|| Arc::new(Semaphore::new(limit)));
        let start = move |index, (addr, credentials), place| {
            let bmc = client.bmc(addr, credentials).with_deadline(deadline);
            let work = work.clone();
            async move {
                let begun = Instant::now();
                let silent = bmc.clone();
                // A single command keeps the deadline by itself and says more; a little slack lets it.
                let limited = tokio::time::timeout(deadline + Duration::from_millis(50), work(bmc));
                let result = match place {
                    None => limited.await,
                    Some(place) => beside(limited, give_up_place(silent, place)).await,
                };
                let result = result.unwrap_or_else(|_| {
                    let detail = format!("not done after {:.1} s", deadline.as_secs_f32());
                    Err(Error::new(ErrorKind::TimedOut, detail)
                        .at(addr)
                        .doing("Fleet operation")
                        .unclear(true))
                });
                FleetResult {
                    index,
                    addr,
                    elapsed: begun.elapsed(),
                    result,
                }
            }
        };
        let state = (
            targets.into_iter().enumerate(),
            FuturesUnordered::new(),
            places,
            start,
        );
        futures_util::stream::unfold(state, |(mut left, mut running, places, start)| async move {
            loop {
                let more = left.len() > 0;
                let place = match &places {
                    // Also when none is left: a place is waited for beside the results.
                    Some(places) if more => match places.clone().try_acquire_owned() {
                        Ok(place) => Some(place),
                        Err(_) => tokio::select! {
                            Some(result) = running.next() => {
                                return Some((result, (left, running, Some(places.clone()), start)));
                            }
                            place = places.clone().acquire_owned() => place.ok(),
                        },
                    },
                    _ => None,
                };
                match left.next() {
                    Some((index, target)) => running.push(start(index, target, place)),
                    None => {
                        let result = running.next().await?;
                        return Some((result, (left, running, places, start)));
                    }
                }
            }
        })
    }

    /// As [`run`](Self::run), and waits for all; the results are in the order of the list.
    pub async fn collect<T, F, Fut>(self, work: F) -> Vec<FleetResult<T>>
    where
        T: Send,
        F: Fn(Bmc) -> Fut + Clone + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let mut all: Vec<_> = self.run(work).collect().await;
        all.sort_by_key(|r| r.index);
        all
    }
}

/// Frees the place once the BMC has kept silent for too long; else holds it for good.
async fn give_up_place(bmc: Bmc, place: OwnedSemaphorePermit) {
    tokio::time::sleep(SILENT).await;
    if bmc.was_heard() {
        std::future::pending::<()>().await;
    }
    drop(place);
}

/// Runs `main` to its end, and `other` beside it as long as that takes.
async fn beside<T>(main: impl Future<Output = T>, other: impl Future<Output = ()>) -> T {
    let (mut main, mut other) = (std::pin::pin!(main), std::pin::pin!(other));
    let mut over = false;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = main.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        over = over || other.as_mut().poll(cx).is_ready();
        Poll::Pending
    })
    .await
}
