//! What is told: the events' order, and JSON that others parse.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::kit::*;
use crate::engine::*;

#[tokio::test]
async fn events_tell_the_whole_story_in_order() {
    let bench = Bench::new();
    let mut graph = Graph::new();
    let a = graph.add(bench.make("a"), vec![]);
    let b = graph.add(bench.make("b").asking("sure?"), vec![a]);
    graph.add(bench.make("c"), vec![b]);
    bench
        .world
        .fault("apply a", [Fault::Fails(Error::transient("make a", "503"))]);
    let engine = bench.builder(graph).build().unwrap();
    let mut events = engine.events();
    bench.run(&engine).await.unwrap();
    let mut told = Vec::new();
    while let Some(event) = events.try_next() {
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
        told.push(json);
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    {"event":"run_started","at":"2025-01-01T00:00:00Z","deployment":"bench","kind":"run","steps":3}
    {"event":"started","at":"2025-01-01T00:00:00Z","step":"a","about":"Make a"}
    {"event":"applying","at":"2025-01-01T00:00:00Z","step":"a","why":"there is no a"}
    {"event":"retried","at":"2025-01-01T00:00:00Z","step":"a","attempt":1,"after":2.0,"error":{"class":"transient","attempted":"make a","found":"503"}}
    {"event":"applying","at":"2025-01-01T00:00:02Z","step":"a","why":"there is no a"}
    {"event":"satisfied","at":"2025-01-01T00:00:12Z","step":"a","by":"applied"}
    {"event":"finished","at":"2025-01-01T00:00:12Z","step":"a","took":12.0,"changed":true}
    {"event":"started","at":"2025-01-01T00:00:12Z","step":"b","about":"Make b"}
    {"event":"needs_approval","at":"2025-01-01T00:00:12Z","step":"b","question":"sure?"}
    {"event":"failed","at":"2025-01-01T00:00:12Z","step":"b","error":{"class":"needs_operator","attempted":"Make b","found":"it asks for approval: sure?","next":"approve `b` and run again"}}
    {"event":"skipped","at":"2025-01-01T00:00:12Z","step":"c","because":"`b` needs an operator"}
    {"event":"run_ended","at":"2025-01-01T00:00:12Z","outcome":{"result":"needs_operator"},"took":12.0}
    "#);
    let later: Event = serde_json::from_str(r#"{"event":"of_a_later_version","more":1}"#).unwrap();
    assert_eq!(later, Event::Unknown);
}

#[tokio::test]
async fn the_reports_json_is_version_1() {
    let bench = Bench::new();
    let mut graph = Graph::new();
    let a = graph.add(bench.make("a"), vec![]);
    graph.add(bench.make("b"), vec![a]);
    bench.world.fault(
        "apply b",
        [Fault::Fails(
            Error::terminal("make b", "403").next("give it the right"),
        )],
    );
    let engine = bench.builder(graph).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    insta::assert_snapshot!(json.replace("},{", "},\n{"), @r#"
    {"version":1,"deployment":"bench","kind":"run","outcome":{"result":"failed"},"began":"2025-01-01T00:00:00Z","total":10.0,"critical_path":["a","b"],"critical_time":10.0,"steps":[{"id":"a","about":"Make a","result":{"result":"stands","by":"applied"},"start":0.0,"wall":10.0,"attempts":1,"changed":true,"needs":[],"critical":true},
    {"id":"b","about":"Make b","result":{"result":"failed","error":{"class":"terminal","attempted":"make b","found":"403","next":"give it the right"}},"start":10.0,"wall":0.0,"attempts":1,"changed":true,"needs":["a"],"released_by":"a","critical":true}],"next":"`b`: give it the right"}
    "#);
}

#[test]
fn durations_are_said_as_people_do() {
    for (millis, said) in [
        (0, "0 ms"),
        (80, "80 ms"),
        (4_200, "4.2 s"),
        (9_050, "9 s"),
        (42_900, "42 s"),
        (60_000, "1 min"),
        (200_000, "3 min 20 s"),
        (3_600_000, "1 h"),
        (3_660_000, "1 h 1 min"),
        (8_276_000, "2 h 17 min 56 s"),
        (3_605_000, "1 h 0 min 5 s"),
    ] {
        assert_eq!(say(Duration::from_millis(millis)), said);
    }
}

#[tokio::test]
async fn a_scaled_clock_runs_a_long_job_in_no_time() {
    let bench = Bench::new();
    let clock = ScaledClock::new(1000.0);
    let engine = bench
        .builder(bench.diamond())
        .clock(Arc::new(clock))
        .build()
        .unwrap();
    let begun = Instant::now();
    let report = engine.run().await.unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 5 });
    assert!(report.total >= secs(50), "{:?}", report.total);
    assert!(begun.elapsed() < secs(10));
}

#[tokio::test]
async fn a_clock_over_a_source_asks_the_source() {
    // A source at half of the speed that it says.
    let begun = Instant::now();
    let source = move || begun.elapsed() * 50;
    let clock = ScaledClock::from_source(source, 100.0, "2025-01-01T00:00:00Z".parse().unwrap());
    let before = clock.now();
    clock.sleep(secs(2)).await;
    assert!(clock.now() - before >= secs(2));
    assert!(clock.timestamp() > "2025-01-01T00:00:02Z".parse().unwrap());
    for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(ScaledClock::new(nonsense).speed(), 1.0);
    }
}

#[tokio::test]
async fn what_blocks_and_changes_for_ever_ends_at_the_total() {
    struct Flaps(std::sync::atomic::AtomicU32);
    #[async_trait]
    impl Step for Flaps {
        type Needs = ();
        type Output = ();
        fn id(&self) -> StepId {
            "flaps".into()
        }
        fn about(&self) -> String {
            "Flap".into()
        }
        async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
            let count = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(Observation::blocked(format!("reason {}", count % 2)))
        }
        async fn apply(&self, _: &(), _: &Context) -> Result<(), Error> {
            Ok(())
        }
    }
    let bench = Bench::new();
    let mut graph = Graph::new();
    graph.add(Flaps(0.into()), ());
    let report = bench
        .run(&bench.builder(graph).build().unwrap())
        .await
        .unwrap();
    assert_eq!(
        (report.outcome, report.total),
        (Outcome::Failed, secs(3600))
    );
}

#[tokio::test]
async fn an_observation_that_hangs_does_not_keep_a_cancelled_run() {
    let bench = Bench::new();
    bench.world.fault("observe a", [Fault::Hangs]);
    let cancel = CancellationToken::new();
    let engine = bench
        .builder(bench.diamond())
        .host_clock(Arc::new(bench.clock.clone()))
        .cancel(cancel.clone())
        .build()
        .unwrap();
    let stop = async {
        bench.clock.sleep(secs(60)).await;
        cancel.cancel();
    };
    let (report, ()) = bench
        .clock
        .drive(futures_util::future::join(engine.run(), stop))
        .await;
    let report = report.unwrap();
    assert_eq!(
        (report.outcome, report.total),
        (Outcome::Cancelled, secs(65))
    );
}

#[tokio::test]
async fn a_fast_clock_leaves_a_slow_machine_its_time() {
    /// Works for real time, which the fast clock takes for hours.
    struct Slow(std::sync::atomic::AtomicBool, bool);
    #[async_trait]
    impl Step for Slow {
        type Needs = ();
        type Output = ();
        fn id(&self) -> StepId {
            "slow".into()
        }
        fn about(&self) -> String {
            "Be slow".into()
        }
        fn deadline(&self) -> Deadline {
            Deadline::minutes(1, 2)
        }
        async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
            let stands = self.0.load(std::sync::atomic::Ordering::SeqCst);
            Ok(if stands {
                Observation::Satisfied(())
            } else {
                Observation::absent("slow")
            })
        }
        async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
            if self.1 {
                let polls = std::sync::atomic::AtomicU32::new(0);
                cx.wait("a slow answer", Deadline::minutes(1, 2), async || {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    let polls = polls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    Ok(if polls == 3 {
                        Polled::Done(())
                    } else {
                        Polled::pending("still")
                    })
                })
                .await?;
            } else {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            cx.intend("be there").await?;
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        }
    }
    for waits in [false, true] {
        for (least, done) in [(secs(60), true), (Duration::ZERO, false)] {
            let bench = Bench::new();
            let mut graph = Graph::new();
            graph.add(Slow(false.into(), waits), ());
            let clock = ScaledClock::new(10_000.0).leaving(least);
            let engine = bench.builder(graph).clock(Arc::new(clock)).build().unwrap();
            assert_eq!(
                engine.run().await.unwrap().outcome.is_done(),
                done,
                "{waits} {least:?}"
            );
        }
    }
}
