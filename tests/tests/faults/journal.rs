//! What the run itself stands on: its journal, its lease, its clock, its configuration, and the person who stops it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudboot::engine::store::{Entry, Holder, Lease, Record};
use cloudboot::engine::{
    CancellationToken, Clock, Error, MemoryStore, Outcome, Report, StateStore, async_trait,
};
use cloudboot::testing::hooks::{Phase, Verdict};
use cloudboot::testing::lab::SeenCall;
use insta::assert_snapshot;
use jiff::Timestamp;
use tempfile::TempDir;

use crate::kit::{builder, counts, engine, folder, prepare, run, said, told, try_prepare, until};

/// An overlay that keeps the journal in this folder.
fn state_in(folder: &TempDir) -> (std::path::PathBuf, String) {
    let state = folder.path().join("lab/state");
    let overlay = format!("state_dir: {}", state.display());
    (state, overlay)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_journal() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let (state, overlay) = state_in(&folder);
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("journal.sqlite"), "no database, ".repeat(1000)).unwrap();
    let error = try_prepare(&lab, &overlay).await.unwrap_err();
    assert_snapshot!(said(&lab, &error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_damaged_in_its_middle() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let (state, overlay) = state_in(&folder);
    let report = until(&lab, &overlay, "maas.network").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let path = state.join("journal.sqlite");
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0x5a;
    }
    std::fs::write(&path, bytes).unwrap();
    for rest in ["journal.sqlite-wal", "journal.sqlite-shm"] {
        let _ = std::fs::remove_file(state.join(rest));
    }
    let error = match try_prepare(&lab, &overlay).await {
        Err(error) => error,
        Ok(engine) => engine.build().unwrap().run().await.unwrap_err(),
    };
    assert_snapshot!(said(&lab, &error));
    // What the error says helps: without a journal the run takes what stands as it stands.
    let calm = counts(&lab);
    std::fs::remove_file(&path).unwrap();
    let report = until(&lab, &overlay, "maas.network").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    assert_eq!(counts(&lab), calm);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_that_cannot_be_made() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let (state, overlay) = state_in(&folder);
    std::fs::write(&state, "a file where the folder should be").unwrap();
    let error = try_prepare(&lab, &overlay).await.unwrap_err();
    assert_snapshot!(said(&lab, &error));
}

/// A store that keeps so many records and no more.
struct Full {
    store: MemoryStore,
    room: AtomicUsize,
}

#[async_trait]
impl StateStore for Full {
    fn describe(&self) -> String {
        "the journal at /var/lib/cloudboot/journal.sqlite".to_owned()
    }

    async fn lease(&self, deployment: &str) -> Result<Option<Lease>, Error> {
        self.store.lease(deployment).await
    }

    async fn swap_lease(
        &self,
        deployment: &str,
        expected: Option<&Lease>,
        new: &Lease,
    ) -> Result<bool, Error> {
        self.store.swap_lease(deployment, expected, new).await
    }

    async fn append(
        &self,
        deployment: &str,
        generation: u64,
        at: Timestamp,
        record: &Record,
    ) -> Result<bool, Error> {
        let room = self
            .room
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |room| {
                room.checked_sub(1)
            });
        if room.is_err() {
            return Err(Error::needs_operator(
                format!("write {}", self.describe()),
                "database or disk is full",
            )
            .next("make room on its disk, then run again"));
        }
        self.store.append(deployment, generation, at, record).await
    }

    async fn read(&self, deployment: &str) -> Result<Vec<Entry>, Error> {
        self.store.read(deployment).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let store = Arc::new(Full {
        store: MemoryStore::new(),
        room: AtomicUsize::new(1),
    });
    let engine = |store: Arc<Full>| async { prepare(&lab, "").await.store(store).build().unwrap() };
    // Not even the first intent finds room: nothing is changed that is not in the journal.
    let before = counts(&lab);
    let report = engine(store.clone())
        .await
        .run_until("maas.network")
        .await
        .unwrap();
    assert_snapshot!(told(&lab, &report));
    assert_eq!(counts(&lab), before);
    // In the middle.
    store.room.store(20, Ordering::SeqCst);
    let report = engine(store.clone())
        .await
        .run_until("maas.network")
        .await
        .unwrap();
    assert!(!report.outcome.is_done());
    // With room again it goes on.
    store.room.store(usize::MAX, Ordering::SeqCst);
    let report = engine(store).await.run_until("maas.network").await.unwrap();
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
}

/// A clock whose date jumps with each look: a year back, two on.
struct Jumping {
    clock: Arc<dyn Clock>,
    looks: AtomicUsize,
}

#[async_trait]
impl Clock for Jumping {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn timestamp(&self) -> Timestamp {
        let year = jiff::SignedDuration::from_hours(24 * 365);
        let by = match self.looks.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => jiff::SignedDuration::ZERO,
            1 => -year,
            _ => year,
        };
        self.clock.timestamp().checked_add(by).unwrap()
    }

    fn least_real(&self) -> Duration {
        self.clock.least_real()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_jumps() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let jumping = |clock| {
        Arc::new(Jumping {
            clock,
            looks: AtomicUsize::new(0),
        })
    };
    for changes in [true, false] {
        let engine = prepare(&lab, "")
            .await
            .clock(jumping(lab.clock()))
            .host_clock(jumping(Arc::new(cloudboot::engine::RealClock::new())))
            .build()
            .unwrap();
        let report = engine.run_until("metal.commissioned").await.unwrap();
        assert!(report.outcome.is_done(), "{}", told(&lab, &report));
        assert_eq!(changed(&report).is_empty(), !changes);
    }
}

fn changed(report: &Report) -> Vec<&str> {
    report
        .steps
        .iter()
        .filter(|step| step.changed)
        .map(|step| step.id.as_str())
        .collect()
}

/// Does something once, before the first call of this name.
fn before<F>(name: &'static str, act: impl Fn() -> F + Send + Sync + 'static) -> SeenCall
where
    F: Future<Output = ()> + Send + 'static,
{
    let met = AtomicUsize::new(0);
    Arc::new(move |phase, call| {
        let first = phase == Phase::Before
            && call.contains(name)
            && met.fetch_add(1, Ordering::SeqCst) == 0;
        let act = first.then(&act);
        Box::pin(async move {
            if let Some(act) = act {
                act.await;
            }
            Verdict::Continue
        })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_lost_in_the_middle() {
    let folder = folder();
    let store = Arc::new(MemoryStore::new());
    let thief = store.clone();
    let steal = before("maas POST /MAAS/api/2.0/ipranges/", move || {
        let store = thief.clone();
        async move {
            // The runner's renewals come in between now and then.
            for _ in 0..1000 {
                let held = store.lease("lab").await.unwrap().unwrap();
                let mut new = held.clone();
                new.generation += 1;
                if let Some(holder) = &mut new.holder {
                    *holder = elsewhere(holder);
                }
                if store.swap_lease("lab", Some(&held), &new).await.unwrap() {
                    return;
                }
            }
        }
    });
    let lab = builder(&folder).on_call(steal).start().await.unwrap();
    let engine = prepare(&lab, "").await.store(store).build().unwrap();
    let report = engine.run_until("maas.network").await.unwrap();
    assert_eq!(report.outcome, Outcome::LeaseLost);
    assert_snapshot!(told(&lab, &report));
    assert!(
        lab.maas().machines().is_empty(),
        "it went on without its lease"
    );
}

fn elsewhere(holder: &Holder) -> Holder {
    let mut other = holder.clone();
    other.host = "another-host".to_owned();
    other.machine = "another".to_owned();
    other.pid = 4321;
    other.run = "another".to_owned();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_runner() {
    let folder = folder();
    let second: Arc<Mutex<Option<cloudboot::engine::Engine>>> = Arc::default();
    let refused: Arc<Mutex<Option<Error>>> = Arc::default();
    let (taken, told_to) = (second.clone(), refused.clone());
    let try_it = before("maas POST /MAAS/api/2.0/ipranges/", move || {
        let engine = taken.lock().unwrap().take();
        let refused = told_to.clone();
        async move {
            let error = engine.unwrap().run().await.unwrap_err();
            *refused.lock().unwrap() = Some(error);
        }
    });
    let lab = builder(&folder).on_call(try_it).start().await.unwrap();
    *second.lock().unwrap() = Some(engine(&lab, "").await);
    let report = until(&lab, "", "maas.network").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let error = refused.lock().unwrap().take().unwrap();
    let pid = format!("{}", std::process::id());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    assert_snapshot!(
        said(&lab, &error)
            .replace(&pid, "<pid>")
            .replace(host.trim(), "<host>")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_configuration() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = run(&lab, "").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let before = counts(&lab);
    // Only what the change concerns is done.
    let report = run(&lab, "maas: {dns: 192.0.2.54}").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    assert_eq!(changed(&report), ["maas.dns"]);
    assert_eq!(counts(&lab), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_while_vault_is_initialised() {
    let folder = folder();
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let interrupt = before("vault PUT /v1/sys/init", move || {
        token.cancel();
        async { tokio::time::sleep(Duration::from_millis(200)).await }
    });
    let lab = builder(&folder).on_call(interrupt).start().await.unwrap();
    let (state, overlay) = state_in(&folder);
    let engine = prepare(&lab, &overlay)
        .await
        .cancel(cancel)
        .build()
        .unwrap();
    let report = engine.run().await.unwrap();
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert_snapshot!(told(&lab, &report));
    assert!(lab.vault().is_initialised());
    let kept: Vec<String> = std::fs::read_dir(state.join("secrets"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(kept.iter().any(|name| name.contains("vault")), "{kept:?}");
    let report = run(&lab, &overlay).await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    assert!(!lab.vault().is_sealed());
}
