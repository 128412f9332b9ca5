//! The systems' turns within a tick.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

/// For how long a tick waits for one system before it sees to the others.
const PATIENCE: Duration = Duration::from_secs(10);

/// Each system's turn runs to its own end: what was begun (a machine made in LXD, not yet noted in MAAS) is never left half
/// done because this machine is busy. One that takes long is waited for again in the next tick, and is not begun twice.
#[derive(Default)]
pub(super) struct Turns(BTreeMap<&'static str, AbortOnDropHandle<()>>);

impl Turns {
    pub(super) async fn take(
        &mut self,
        system: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut turn = match self.0.remove(system) {
            Some(late) => late,
            None => AbortOnDropHandle::new(tokio::spawn(work)),
        };
        if tokio::time::timeout(PATIENCE, &mut turn).await.is_err() {
            tracing::warn!(system, "a turn of the lab's takes longer than 10 s");
            self.0.insert(system, turn);
        }
    }
}
