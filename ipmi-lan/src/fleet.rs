//! One call over many BMCs: limited, each with its own deadline, results as they come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_core::Stream;
use futures_util::StreamExt;

use crate::bmc::Bmc;
use crate::client::Client;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};

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
    /// At most this many at a time.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }

    /// All that is done to one BMC takes at most this long, counted from its own start. A dead BMC delays no other as long as the limit is not reached.
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
        futures_util::stream::iter(targets.into_iter().enumerate())
            .map(move |(index, (addr, credentials))| {
                let bmc = client.bmc(addr, credentials).with_deadline(deadline);
                let work = work.clone();
                async move {
                    let begun = Instant::now();
                    // A single command keeps the deadline by itself and says more; a little slack lets it.
                    let limited =
                        tokio::time::timeout(deadline + Duration::from_millis(50), work(bmc)).await;
                    let result = limited.unwrap_or_else(|_| {
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
            })
            .buffer_unordered(limit)
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
