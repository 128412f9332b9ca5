//! One runner at a time: refusal, adoption, loss.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::SignedDuration;

use super::kit::*;
use crate::engine::store::{Holder, Lease, Record};
use crate::engine::*;

fn one(make: Make) -> Graph {
    let mut graph = Graph::new();
    graph.add(make, vec![]);
    graph
}

async fn leave(bench: &Bench, change: impl FnOnce(&mut Lease)) {
    // What a runner on another machine would leave behind.
    let mut lease = Lease {
        generation: 41,
        beat: 3,
        holder: Some(Holder {
            host: "other-host".into(),
            machine: "other".into(),
            boot: "other".into(),
            pid: 4711,
            started: 12,
            namespace: "pid:[1]".into(),
            run: "other-run".into(),
            since: "2025-01-01T00:00:00Z".parse().unwrap(),
        }),
        renewed: bench.clock.timestamp(),
        ttl_seconds: 30,
    };
    change(&mut lease);
    let before = bench.store.lease("bench").await.unwrap();
    assert!(
        bench
            .store
            .inner
            .swap_lease("bench", before.as_ref(), &lease)
            .await
            .unwrap()
    );
}

fn engine(bench: &Bench) -> Engine {
    bench
        .builder(one(bench.make("a")))
        .host_clock(Arc::new(bench.clock.clone()))
        .build()
        .unwrap()
}

/// The error with what differs from machine to machine cut out.
fn told(error: &Error) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    error
        .to_string()
        .replace(&format!("process {}", std::process::id()), "process PID")
        .replace(&format!("on {}", host.trim()), "on HOST")
}

#[tokio::test]
async fn a_second_runner_is_refused_while_the_first_one_lives() {
    let bench = Bench::new();
    let (first, second) = (engine(&bench), engine(&bench));
    let clock = bench.clock.clone();
    let intrude = async {
        clock.sleep(secs(5)).await;
        second.run().await.unwrap_err()
    };
    let (report, error) = bench
        .clock
        .drive(futures_util::future::join(first.run(), intrude))
        .await;
    insta::assert_snapshot!(told(&error), @"begin a run of `bench`: another runner holds it: process PID on HOST, since 2025-01-01T00:00:00Z; it is running; next: wait until that one ends, or stop it; its run then goes on here");
    assert!(report.unwrap().outcome.is_done());
    // Once released, anyone may.
    assert_eq!(
        bench.run(&second).await.unwrap().outcome,
        Outcome::Done { changed: 0 }
    );
    assert_eq!(
        bench.store.lease("bench").await.unwrap().unwrap().holder,
        None
    );
}

#[tokio::test]
async fn the_run_of_a_dead_process_of_this_machine_is_adopted_at_once() {
    let bench = Bench::new();
    // A process that has ended; its parent has not reaped it yet.
    #[allow(
        clippy::disallowed_types,
        clippy::zombie_processes,
        reason = "a real process that really dies, and is reaped later"
    )]
    let mut child = std::process::Command::new("true").spawn().unwrap();
    while !std::fs::read_to_string(format!("/proc/{}/stat", child.id()))
        .unwrap()
        .contains(") Z ")
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    let born = started_of(child.id());
    // Its lease, as this process would have written it.
    let probe = engine(&bench);
    bench.world.kill_at(Some(2));
    assert!(bench.until_killed(probe.run()).await.is_none());
    bench.world.kill_at(None);
    let mine = bench
        .store
        .lease("bench")
        .await
        .unwrap()
        .unwrap()
        .holder
        .unwrap();
    for reaped in [false, true] {
        let ended = if reaped {
            Some(child.wait().unwrap())
        } else {
            None
        };
        assert!(ended.is_none_or(|status| status.success()));
        leave(&bench, |lease| {
            lease.holder = Some(Holder {
                pid: child.id(),
                started: born,
                run: "dead".into(),
                ..mine.clone()
            })
        })
        .await;
        let engine = engine(&bench);
        let mut events = engine.events();
        assert!(bench.run(&engine).await.unwrap().outcome.is_done());
        let Some(Event::RunStarted { adopted, .. }) = events.try_next() else {
            panic!("no beginning")
        };
        assert!(
            adopted
                .unwrap()
                .starts_with(&format!("process {} on", child.id()))
        );
    }
    // A living process of that number that began at another time is another process.
    leave(&bench, |lease| {
        lease.holder = Some(Holder {
            started: mine.started + 1,
            ..mine.clone()
        })
    })
    .await;
    assert!(bench.run(&engine(&bench)).await.is_ok());
    // This machine before it was restarted.
    leave(&bench, |lease| {
        lease.holder = Some(Holder {
            boot: "before".into(),
            ..mine.clone()
        })
    })
    .await;
    if !mine.machine.is_empty() {
        assert!(bench.run(&engine(&bench)).await.is_ok());
    }
    // A living one is not touched.
    leave(&bench, |lease| {
        let parent = Holder {
            pid: 1,
            started: started_of(1),
            run: "other".into(),
            ..mine.clone()
        };
        lease.holder = Some(parent);
    })
    .await;
    assert!(bench.run(&engine(&bench)).await.is_err());
    // Unless it has not renewed for long: it lives, and its run does not.
    bench.clock.advance(secs(31));
    assert!(bench.run(&engine(&bench)).await.unwrap().outcome.is_done());
}

fn started_of(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(19)
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_runner_elsewhere_is_judged_by_its_renewals() {
    let bench = Bench::new();
    leave(&bench, |_| {}).await;
    bench.clock.advance(secs(20));
    let error = bench.run(&engine(&bench)).await.unwrap_err();
    insta::assert_snapshot!(told(&error), @"begin a run of `bench`: another runner holds it: process 4711 on other-host, since 2025-01-01T00:00:00Z; it renewed its lease 20 s ago, which stands for 30 s; next: wait until that one ends, or stop it; its run then goes on here");
    bench.clock.advance(secs(11));
    let report = bench.run(&engine(&bench)).await.unwrap();
    assert!(report.outcome.is_done());
    assert_eq!(
        bench
            .store
            .lease("bench")
            .await
            .unwrap()
            .unwrap()
            .generation,
        42
    );
}

#[tokio::test]
async fn a_clock_that_jumps_takes_no_lease_from_the_living_and_keeps_none_for_the_dead() {
    for jump in [
        SignedDuration::from_hours(9),
        SignedDuration::from_hours(-9),
    ] {
        // The holder lives: it renews while it is watched.
        let bench = Bench::new();
        leave(&bench, |_| {}).await;
        bench.clock.jump(jump);
        let (store, clock) = (bench.store.clone(), bench.clock.clone());
        let holder = async move {
            clock.sleep(secs(10)).await;
            let before = store.lease("bench").await.unwrap().unwrap();
            let renewed = Lease {
                beat: before.beat + 1,
                ..before.clone()
            };
            assert!(
                store
                    .inner
                    .swap_lease("bench", Some(&before), &renewed)
                    .await
                    .unwrap()
            );
        };
        let engine_ = engine(&bench);
        let (error, ()) = bench
            .clock
            .drive(futures_util::future::join(engine_.run(), holder))
            .await;
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("it has just renewed its lease")
        );
        // It is dead: after a while it is adopted.
        let bench = Bench::new();
        leave(&bench, |_| {}).await;
        bench.clock.jump(jump);
        let before = bench.clock.now();
        assert!(bench.run(&engine(&bench)).await.unwrap().outcome.is_done());
        assert!(bench.clock.now() - before <= secs(10 + 30));
    }
}

#[tokio::test]
async fn waits_do_not_mind_a_jump() {
    let bench = Bench::new();
    let engine = bench
        .builder(one(bench.make("a").taking(100)))
        .build()
        .unwrap();
    let clock = bench.clock.clone();
    let jump = async {
        clock.sleep(secs(50)).await;
        clock.jump(SignedDuration::from_hours(-1000));
    };
    let (report, ()) = bench
        .clock
        .drive(futures_util::future::join(engine.run(), jump))
        .await;
    assert_eq!(report.unwrap().total, secs(100));
}

#[tokio::test]
async fn a_runner_that_lost_its_lease_stops_before_its_next_change() {
    let bench = Bench::new();
    let mut graph = Graph::new();
    let a = graph.add(bench.make("a"), vec![]);
    graph.add(bench.make("b"), vec![a]);
    let engine = bench.builder(graph).build().unwrap();
    let usurp = async {
        bench.clock.sleep(secs(5)).await;
        leave(&bench, |_| {}).await;
    };
    let (report, ()) = bench
        .clock
        .drive(futures_util::future::join(engine.run(), usurp))
        .await;
    let report = report.unwrap();
    assert_eq!(report.outcome, Outcome::LeaseLost);
    let StepResult::Failed { error } = &report.step("a").unwrap().result else {
        panic!("{report:?}")
    };
    insta::assert_snapshot!(error, @"journal that thing a was made: the lease was taken over by another runner (process 4711 on other-host, since 2025-01-01T00:00:00Z); next: leave the deployment to the runner that holds it, and run again when that one has ended");
    assert_eq!(
        report.step("b").unwrap().result,
        StepResult::Skipped {
            because: "another runner took the deployment over".into()
        }
    );
    // The call in flight ended; nothing more was begun, and the usurper's lease was left alone.
    assert_eq!(bench.world.things(), ["a"]);
    assert_eq!(
        bench
            .store
            .lease("bench")
            .await
            .unwrap()
            .unwrap()
            .generation,
        41
    );
}

#[tokio::test]
async fn the_renewal_keeps_the_lease_and_notices_its_loss() {
    let bench = Bench::new();
    let ttl = Duration::from_millis(60);
    let make = bench.make("a").taking(3600);
    let engine = bench
        .builder(one(make))
        .clock(Arc::new(RealClock::new()))
        .lease_ttl(ttl)
        .build()
        .unwrap();
    let usurp = async {
        tokio::time::sleep(ttl * 3).await;
        let lease = bench.store.lease("bench").await.unwrap().unwrap();
        assert!(lease.beat >= 3, "{lease:?}");
        let sleeping = bench.world.count("apply a") == 1;
        assert!(sleeping);
        leave(&bench, |_| {}).await;
    };
    // The step sleeps by the clock itself, so it cannot notice; a step that waits would.
    let ended =
        tokio::time::timeout(ttl * 20, futures_util::future::join(engine.run(), usurp)).await;
    assert!(ended.is_err());

    struct Waits;
    #[async_trait]
    impl Step for Waits {
        type Needs = ();
        type Output = ();
        fn id(&self) -> StepId {
            "waits".into()
        }
        fn about(&self) -> String {
            "Wait".into()
        }
        async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
            Ok(Observation::absent("not yet"))
        }
        async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
            cx.wait("nothing", Deadline::default(), async || {
                Ok(Polled::pending("still"))
            })
            .await
        }
    }
    let bench = Bench::new();
    let mut graph = Graph::new();
    graph.add(Waits, ());
    let engine = bench
        .builder(graph)
        .clock(Arc::new(RealClock::new()))
        .lease_ttl(ttl)
        .build()
        .unwrap();
    let usurp = async {
        tokio::time::sleep(ttl).await;
        leave(&bench, |_| {}).await;
    };
    let both = futures_util::future::join(engine.run(), usurp);
    let (report, ()) = tokio::time::timeout(secs(10), both).await.unwrap();
    assert_eq!(report.unwrap().outcome, Outcome::LeaseLost);
}

#[tokio::test]
async fn a_journal_that_is_full_stops_the_run_before_its_next_change() {
    let bench = Bench::new();
    let engine = bench.builder(bench.diamond()).build().unwrap();
    let fill = async {
        bench.clock.sleep(secs(15)).await;
        bench.store.full.store(true, Ordering::SeqCst);
    };
    let (report, ()) = bench
        .clock
        .drive(futures_util::future::join(engine.run(), fill))
        .await;
    let report = report.unwrap();
    assert_eq!(report.outcome, Outcome::NeedsOperator);
    assert_eq!(report.next.unwrap(), "`c`: make room");
    assert_eq!(
        report.notes,
        ["write the journal: the disk is full; next: make room"]
    );
    bench.store.full.store(false, Ordering::SeqCst);
    let report = bench.run(&engine).await.unwrap();
    assert!(report.outcome.is_done());
    assert!(bench.world.created().values().all(|count| *count == 1));

    bench.store.full.store(true, Ordering::SeqCst);
    let error = bench.run(&engine).await.unwrap_err();
    assert!(error.is_needs_operator());
    insta::assert_snapshot!(error, @"write the journal: the disk is full; next: make room");
    // What could not begin holds no lease.
    assert_eq!(
        bench.store.lease("bench").await.unwrap().unwrap().holder,
        None
    );
}

#[test]
fn records_are_read_by_later_and_earlier_versions() {
    // Frozen: what version 1 wrote.
    let holder = r#""host":"h","pid":1,"run":"r","since":"2025-01-01T00:00:00Z""#;
    for (text, kind) in [
        (
            format!(r#"{{"record":"run_started","kind":"run","holder":{{{holder}}}}}"#),
            "RunStarted",
        ),
        (
            r#"{"record":"applying","step":"a","why":"no a"}"#.into(),
            "Applying",
        ),
        (
            r#"{"record":"intent","step":"a","what":"make a"}"#.into(),
            "Intent",
        ),
        (
            r#"{"record":"made","step":"a","what":"thing","id":"1"}"#.into(),
            "Made",
        ),
        (
            r#"{"record":"stood","step":"a","by":"applied"}"#.into(),
            "Stood",
        ),
        (
            r#"{"record":"failed","step":"a","class":"terminal","error":"e"}"#.into(),
            "Failed",
        ),
        (r#"{"record":"undoing","step":"a"}"#.into(), "Undoing"),
        (
            r#"{"record":"undone","step":"a","result":{"result":"removed","what":["a"]}}"#.into(),
            "Undone",
        ),
        (
            r#"{"record":"run_ended","outcome":{"result":"done","changed":1}}"#.into(),
            "RunEnded",
        ),
        (
            r#"{"record":"of_a_later_version","more":[1]}"#.into(),
            "Unknown",
        ),
    ] {
        let record: Record = serde_json::from_str(&text).unwrap();
        assert!(format!("{record:?}").starts_with(kind), "{record:?}");
        if kind != "Unknown" && kind != "RunStarted" {
            assert_eq!(serde_json::to_string(&record).unwrap(), text);
        }
    }
}
