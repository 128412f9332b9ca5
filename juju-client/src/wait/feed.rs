//! One look at a model for all who wait: on 4.x a poll, on 3.x a look whenever `AllWatcher` says that something changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::api::status::FullStatus;
use crate::client::Client;
use crate::error::Error;

/// Without a change a 3.x model is looked at this often all the same.
const SAFETY: Duration = Duration::from_secs(30);

/// A look at the model.
pub(super) struct Look {
    /// When it was asked for: what was done later may not be in it.
    pub(super) begun: Instant,
    pub(super) outcome: Result<FullStatus, Error>,
}

/// Shared by those who wait; the looking ends with the last of them.
pub(super) struct Feed {
    looks: watch::Receiver<Option<Arc<Look>>>,
    /// The shortest pause that somebody asked for, in milliseconds.
    pause: Arc<AtomicU64>,
    kick: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client's place for its feed.
#[derive(Default)]
pub(crate) struct FeedSlot(Mutex<Weak<Feed>>);

impl Feed {
    /// The client's feed: the one that there is, or a new one.
    pub(super) fn of(client: &Client, poll: Duration) -> Arc<Self> {
        let millis = u64::try_from(poll.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut slot = client
            .status_feed()
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = slot.upgrade() {
            feed.pause.fetch_min(millis, Ordering::Relaxed);
            feed.kick.notify_one();
            return feed;
        }
        let (tx, looks) = watch::channel(None);
        let pause = Arc::new(AtomicU64::new(millis));
        let kick = Arc::new(Notify::new());
        let task = tokio::spawn(run(client.clone(), tx, pause.clone(), kick.clone()));
        let feed = Arc::new(Self {
            looks,
            pause,
            kick,
            task,
        });
        *slot = Arc::downgrade(&feed);
        feed
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Arc<Look>>> {
        self.looks.clone()
    }
}

async fn run(
    client: Client,
    looks: watch::Sender<Option<Arc<Look>>>,
    pause: Arc<AtomicU64>,
    kick: Arc<Notify>,
) {
    // Whether something changed since the last look, as far as a watcher knows.
    let (changed_tx, mut changed) = watch::channel(0u64);
    let mut helpers = tokio::task::JoinSet::new();
    let watched = client.has_facade("AllWatcher") && client.server_version().starts_with("3.");
    if watched {
        let client = client.clone();
        helpers.spawn(async move { follow(client, changed_tx).await });
    }
    loop {
        let begun = Instant::now();
        changed.mark_unchanged();
        let outcome = client.status().await;
        let failed = outcome.is_err();
        looks.send_replace(Some(Arc::new(Look { begun, outcome })));
        let pause = Duration::from_millis(pause.load(Ordering::Relaxed));
        // The watcher only hastens: what it cannot do is done by looking.
        let follows = watched && !failed && !helpers.is_empty();
        tokio::select! {
            () = kick.notified() => {}
            () = tokio::time::sleep(if follows { SAFETY.max(pause) } else { pause }) => {}
            r = changed.changed(), if follows => {
                if r.is_err() {
                    helpers.abort_all();
                    while helpers.join_next().await.is_some() {}
                }
                // A busy model changes all the time: not more often than asked for, nor than four times a second.
                let least = pause.min(Duration::from_millis(250));
                tokio::select! {
                    () = kick.notified() => {}
                    () = tokio::time::sleep_until(begun + least) => {}
                }
            }
        }
    }
}

/// Counts up with every batch of changes; ends when the server has no watcher after all.
async fn follow(client: Client, changed: watch::Sender<u64>) {
    loop {
        let Ok(mut watcher) = client.watch_all().await else {
            return;
        };
        while watcher.next().await.is_ok() {
            changed.send_modify(|n| *n += 1);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
