//! The systems' turns within a tick.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;

/// For how long a tick waits for one system before it sees to the others.
const PATIENCE: Duration = Duration::from_secs(10);

/// Each system's turn runs to its own end: what was begun (a machine made in LXD, not yet noted in MAAS) is never left half
/// done because this machine is busy. One that takes long goes on in the next tick, and is not begun twice. None is a task of its own:
/// with the ticker all of them stop, and a lab that is closed writes no more.
#[derive(Default)]
pub(super) struct Turns(BTreeMap<&'static str, BoxFuture<'static, ()>>);

impl Turns {
    pub(super) async fn take(
        &mut self,
        system: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut turn = match self.0.remove(system) {
            Some(late) => late,
            None => Box::pin(work),
        };
        if tokio::time::timeout(PATIENCE, &mut turn).await.is_err() {
            tracing::warn!(system, "a turn of the lab's takes longer than 10 s");
            self.0.insert(system, turn);
        }
    }
}
