//! The world outlives whoever holds it: a lab that is dropped, or killed together with the pipeline, in the middle of a
//! run goes on from its folder.

use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloudboot::testing::hooks::Verdict;
use cloudboot::testing::{Durations, Lab};
use tokio::sync::Notify;

use super::child::{self, Both, Order};
use super::{End, SPEED, assert_the_same, undisturbed};

/// A lab that tells when so many calls were made.
async fn lab_until(folder: &Path, calls: usize) -> (Lab, Arc<Notify>) {
    let (reached, made) = (Arc::new(Notify::new()), AtomicUsize::new(0));
    let tell = Arc::clone(&reached);
    let lab = Lab::builder(folder)
        .speed(SPEED)
        .durations(Durations::instant())
        .on_call(Arc::new(move |_, _| {
            if made.fetch_add(1, Ordering::SeqCst) + 1 == calls {
                tell.notify_one();
            }
            Box::pin(async { Verdict::Continue })
        }))
        .start()
        .await
        .unwrap();
    (lab, reached)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_that_is_dropped_in_the_middle_of_a_run_goes_on_when_it_is_reopened() {
    let calm = undisturbed().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("lab");
    // In each life the world comes further: what was done before is only looked at.
    for calls in [60, 200, 450, 700] {
        let (lab, reached) = lab_until(&folder, calls).await;
        tokio::select! {
            report = child::run_on(&lab) => child::assert_done(&report),
            () = reached.notified() => {}
        }
    }
    let (lab, _) = lab_until(&folder, 0).await;
    child::assert_done(&child::run_on(&lab).await);
    let end = End {
        state: lab.end_state(),
        counts: lab.counts(),
        calls: Default::default(),
    };
    assert_the_same(&calm, &end);
}

/// A number below `limit` that nobody knows before.
fn random(limit: usize) -> usize {
    let number = std::hash::RandomState::new().build_hasher().finish();
    usize::try_from(number % limit as u64).unwrap()
}

fn calls_in(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_holds_lab_and_pipeline_goes_on_after_each_of_three_kills() {
    let calm = undisturbed().await;
    let folder = tempfile::tempdir().unwrap();
    let (log, report) = (folder.path().join("log"), folder.path().join("report.json"));
    let order = |life: usize| Order::Both {
        lab: folder.path().join("lab"),
        speed: SPEED,
        calls: folder.path().join(format!("calls-{life}")),
        report: report.clone(),
    };
    for (life, limit) in [100, 500, 1000].into_iter().enumerate() {
        let calls = folder.path().join(format!("calls-{life}"));
        let after = random(limit);
        println!("life {life} is killed after {after} calls");
        let mut child = child::start(&order(life), &log);
        let mut told = 0;
        // Vault's keys have no second chance: not while they are on their way.
        let status = loop {
            let made = calls_in(&calls);
            let one_shot = made.last().is_some_and(|call| call.ends_with("/sys/init"));
            if made.len() > after && !one_shot {
                told = made.len();
                break None;
            }
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        if let Some(status) = status {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(status.success(), "{status}: {text}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        println!("life {life} was killed at {told}");
    }
    let status = child::start(&order(3), &log).wait().unwrap();
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    assert!(status.success(), "{status}: {text}");
    let told: Both = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    child::assert_done(&told.report);
    let end = End {
        state: told.end_state,
        counts: told.counts,
        calls: Default::default(),
    };
    assert_the_same(&calm, &end);
}
