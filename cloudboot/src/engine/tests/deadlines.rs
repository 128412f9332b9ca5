//! Retries, deadlines, and what is told of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::kit::*;
use crate::engine::*;

fn error_of(report: &Report, id: &str) -> String {
    match &report.step(id).unwrap().result {
        StepResult::Failed { error } => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn one(make: Make) -> Graph {
    let mut graph = Graph::new();
    graph.add(make, vec![]);
    graph
}

fn busy() -> Error {
    Error::transient("make a", "503")
}

#[tokio::test]
async fn transient_errors_are_tried_again_with_backoff_and_retry_after() {
    let bench = Bench::new();
    let asked = busy().retry_after(secs(40));
    bench.world.fault(
        "apply a",
        [
            Fault::Fails(busy()),
            Fault::Fails(busy()),
            Fault::Fails(asked),
        ],
    );
    let engine = bench.builder(one(bench.make("a"))).build().unwrap();
    let mut events = engine.events();
    let report = bench.run(&engine).await.unwrap();
    // 2 s, 4 s, and the 40 s that were asked for, then the 10 s that it takes.
    assert_eq!(report.total, secs(2 + 4 + 40 + 10));
    assert_eq!(report.step("a").unwrap().attempts, 4);
    let mut pauses = Vec::new();
    while let Some(event) = events.try_next() {
        if let Event::Retried { attempt, after, .. } = event {
            pauses.push((attempt, after.as_secs()));
        }
    }
    assert_eq!(pauses, [(1, 2), (2, 4), (3, 40)]);
}

#[tokio::test]
async fn attempts_are_limited() {
    let bench = Bench::new();
    bench.world.fault(
        "apply a",
        vec![Fault::Fails(busy().next("wait for the region")); 100],
    );
    let engine = bench.builder(one(bench.make("a"))).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(bench.world.count("apply a"), 8);
    insta::assert_snapshot!(error_of(&report, "a"), @"make a: 503 (tried 8 times); next: wait for the region");
    assert_eq!(report.next.unwrap(), "`a`: wait for the region");
}

#[tokio::test]
async fn observing_is_tried_again_as_well() {
    let bench = Bench::new();
    bench
        .world
        .fault("observe a", vec![Fault::Fails(busy()); 3]);
    let engine = bench.builder(one(bench.make("a"))).build().unwrap();
    assert!(bench.run(&engine).await.unwrap().outcome.is_done());
    bench
        .world
        .fault("observe a", vec![Fault::Fails(busy()); 100]);
    assert_eq!(bench.run(&engine).await.unwrap().outcome, Outcome::Failed);
}

#[tokio::test]
async fn what_failed_unclearly_is_observed_before_it_is_tried_again() {
    let bench = Bench::new();
    let unclear = Error::unclear("make a", "the connection was cut");
    bench.world.fault("apply a", [Fault::ActsAndFails(unclear)]);
    let engine = bench.builder(one(bench.make("a"))).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 1 });
    assert_eq!(bench.world.calls(), ["observe a", "apply a", "observe a"]);
    assert_eq!(report.total, secs(10 + 3), "it is left to settle first");
    assert_eq!(
        report.step("a").unwrap().result,
        StepResult::Stands { by: By::Applied }
    );
}

#[tokio::test]
async fn an_unclear_failure_at_the_last_attempt_is_observed_too() {
    let bench = Bench::new();
    let unclear = Error::unclear("make a", "the connection was cut");
    bench.world.fault("apply a", [Fault::ActsAndFails(unclear)]);
    let retry = Retry {
        attempts: 1,
        ..Retry::default()
    };
    let engine = bench
        .builder(one(bench.make("a")))
        .retry(retry)
        .build()
        .unwrap();
    assert!(bench.run(&engine).await.unwrap().outcome.is_done());
}

#[tokio::test]
async fn done_is_what_the_system_says() {
    let bench = Bench::new();
    bench.world.fault("apply a", [Fault::DoesNothing]);
    let engine = bench.builder(one(bench.make("a"))).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    insta::assert_snapshot!(error_of(&report, "a"), @"Make a: it set out to make a, met no error, and still: there is no a; next: look at the system; running again tries anew");
}

#[tokio::test]
async fn a_panic_is_the_steps_failure() {
    let bench = Bench::new();
    bench.world.fault("apply a", [Fault::Panics]);
    bench.world.fault("observe e", [Fault::Panics]);
    let engine = bench.builder(bench.diamond()).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    insta::assert_snapshot!(error_of(&report, "a"), @"Make a: the attempt to apply it panicked: apply a was told to panic; next: this is a mistake in the step's program: report it");
    insta::assert_snapshot!(error_of(&report, "e"), @"Make e: the attempt to observe it panicked: observe e was told to panic; next: this is a mistake in the step's program: report it");
    assert_eq!(
        report.step("d").unwrap().result,
        StepResult::Skipped {
            because: "`a` failed".into()
        }
    );
}

#[tokio::test]
async fn a_call_that_does_not_return_is_left_after_a_while() {
    let bench = Bench::new();
    bench.world.fault("apply a", [Fault::Hangs]);
    bench.world.fault("observe b", [Fault::Hangs]);
    let mut graph = one(bench.make("a").within(Deadline::new(secs(60), secs(600))));
    graph.add(bench.make("b"), vec![]);
    let engine = bench
        .builder(graph)
        .host_clock(Arc::new(bench.clock.clone()))
        .build()
        .unwrap();
    let report = bench.run(&engine).await.unwrap();
    insta::assert_snapshot!(error_of(&report, "a"), @"Make a: nothing was heard of it for 1 min (1 min in all); last seen: it was about to make a; a call of it did not return for 10 min more; next: look at the system before running again: the call may still be acted upon");
    insta::assert_snapshot!(error_of(&report, "b"), @"Make b: its system did not answer within 10 min; next: see whether the system answers at all, then run again");
}

#[tokio::test]
async fn what_blocks_may_go_away_and_is_told_when_it_does_not() {
    let bench = Bench::new();
    bench.world.put("a", "waits");
    let engine = bench.builder(one(bench.make("a"))).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    insta::assert_snapshot!(error_of(&report, "a"), @"Make a: for 15 min it was blocked: the sun is not up; next: see to what blocks it, then run again");

    let (world, clock) = (bench.world.clone(), bench.clock.clone());
    let dawn = async move {
        clock.sleep(secs(100)).await;
        world.put("a", "ours");
    };
    let (report, ()) = bench
        .clock
        .drive(futures_util::future::join(engine.run(), dawn))
        .await;
    assert_eq!(report.unwrap().outcome, Outcome::Done { changed: 0 });

    bench.world.put("a", "lost");
    let report = bench.run(&engine).await.unwrap();
    assert_eq!(report.outcome, Outcome::NeedsOperator);
    insta::assert_snapshot!(error_of(&report, "a"), @"Make a: its key is nowhere; next: see to it, then run again");
}

/// Waits in `apply`, as told.
struct Waits<F> {
    deadline: Deadline,
    wait: Deadline,
    poll: F,
    watch: Option<Arc<Notify>>,
    stands: AtomicU32,
}

impl<F> Waits<F> {
    fn new(wait: Deadline, poll: F) -> Self {
        Self {
            deadline: Deadline::minutes(600, 600),
            wait,
            poll,
            watch: None,
            stands: AtomicU32::new(0),
        }
    }
}

#[async_trait]
impl<F> Step for Waits<F>
where
    F: Fn(u32) -> Result<Polled<()>, Error> + Send + Sync + 'static,
{
    type Needs = ();
    type Output = ();
    fn id(&self) -> StepId {
        "waits".into()
    }
    fn about(&self) -> String {
        "Wait for the image".into()
    }
    fn deadline(&self) -> Deadline {
        self.deadline
    }
    async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
        Ok(match self.stands.load(Ordering::SeqCst) {
            0 => Observation::absent("no image"),
            _ => Observation::Satisfied(()),
        })
    }
    async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
        let polls = AtomicU32::new(0);
        let mut wait = cx.waiting("the image", self.wait);
        if let Some(watch) = &self.watch {
            wait = wait
                .watch(Arc::clone(watch))
                .backoff(secs(1000), secs(1000));
        }
        wait.poll(async || (self.poll)(polls.fetch_add(1, Ordering::SeqCst)))
            .await?;
        self.stands.store(1, Ordering::SeqCst);
        Ok(())
    }
}

async fn waits<F>(step: Waits<F>) -> (Report, Vec<Event>)
where
    F: Fn(u32) -> Result<Polled<()>, Error> + Send + Sync + 'static,
{
    let bench = Bench::new();
    let mut graph = Graph::new();
    graph.add(step, ());
    let engine = bench.builder(graph).build().unwrap();
    let mut events = engine.events();
    let report = bench.run(&engine).await.unwrap();
    let mut told = Vec::new();
    while let Some(event) = events.try_next() {
        told.push(event);
    }
    (report, told)
}

fn importing(percent: u32) -> Polled<()> {
    Polled::pending("it imports").progress(percent as f32 / 100.0)
}

#[tokio::test]
async fn a_wait_ends_when_it_is_so_and_tells_what_it_saw() {
    let deadline = Deadline::new(secs(30), secs(3600));
    let (report, events) = waits(Waits::new(deadline, |poll| {
        Ok(if poll == 200 {
            Polled::Done(())
        } else {
            importing(poll / 2)
        })
    }))
    .await;
    assert_eq!(
        report.outcome,
        Outcome::Done { changed: 0 },
        "who only waits changes nothing"
    );
    let waited = report.step("waits").unwrap().longest_wait.clone().unwrap();
    assert_eq!(
        (waited.what.as_str(), waited.time),
        ("the image", report.total)
    );
    // It was polled 200 times and told when it changed.
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event, Event::Waiting { .. }))
            .count(),
        100
    );
}

#[tokio::test]
async fn a_stall_is_told_with_what_was_last_seen_and_who_holds_it_up() {
    let deadline = Deadline::new(secs(600), secs(3600));
    let (report, _) = waits(Waits::new(deadline, |poll| {
        Ok(if poll < 10 {
            importing(poll)
        } else {
            importing(10).blocked_by("the mirror, which answers 404")
        })
    }))
    .await;
    insta::assert_snapshot!(error_of(&report, "waits"), @"wait for the image: nothing changed for 10 min (10 min 10 s in all); last seen: it imports (10 %), held up by the mirror, which answers 404; next: see to the mirror, which answers 404, then run again: it goes on from here");
}

#[tokio::test]
async fn a_total_is_told_however_much_changes() {
    let deadline = Deadline::new(secs(600), secs(3600));
    let (report, _) = waits(Waits::new(deadline, |poll| {
        Ok(Polled::pending(format!("it is at {poll}")))
    }))
    .await;
    insta::assert_snapshot!(error_of(&report, "waits"), @"wait for the image: it was not so after 1 h; last seen: it is at 3600; next: look at why it does not go on, then run again: it goes on from here");
}

#[tokio::test]
async fn transient_errors_of_a_poll_are_tolerated_and_told_and_terminal_ones_fail_at_once() {
    let deadline = Deadline::new(secs(600), secs(3600));
    let (report, events) = waits(Waits::new(deadline, |poll| match poll {
        0..5 => Err(Error::transient("list the images", "502")),
        _ => Ok(Polled::Done(())),
    }))
    .await;
    assert!(report.outcome.is_done());
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event, Event::Retried { .. }))
            .count(),
        5
    );

    let (report, _) = waits(Waits::new(deadline, |poll| match poll {
        0 => Ok(importing(1)),
        _ => Err(Error::transient("list the images", "502")),
    }))
    .await;
    insta::assert_snapshot!(error_of(&report, "waits"), @"wait for the image: nothing changed for 10 min (10 min in all); last seen: it imports (1 %), and then it could not be asked any more (list the images: 502); next: look at why it does not go on, then run again: it goes on from here");

    for (poll, end) in [
        (
            Ok(Polled::Failed(Error::terminal(
                "import the image",
                "its checksum is wrong",
            ))),
            "its checksum is wrong",
        ),
        (Err(Error::terminal("list the images", "401")), "401"),
    ] {
        let (report, _) = waits(Waits::new(deadline, move |_| poll.clone())).await;
        assert!(error_of(&report, "waits").contains(end));
        assert_eq!(report.total, Duration::ZERO);
    }
}

#[tokio::test]
async fn a_watch_wakes_a_wait() {
    let bench = Bench::new();
    let watch = Arc::new(Notify::new());
    let mut step = Waits::new(Deadline::new(secs(6000), secs(6000)), |poll| {
        Ok(if poll == 1 {
            Polled::Done(())
        } else {
            importing(0)
        })
    });
    step.watch = Some(Arc::clone(&watch));
    let mut graph = Graph::new();
    graph.add(step, ());
    let engine = bench.builder(graph).build().unwrap();
    let clock = bench.clock.clone();
    let push = async move {
        clock.sleep(secs(7)).await;
        watch.notify_one();
    };
    let (report, ()) = bench
        .clock
        .drive(futures_util::future::join(engine.run(), push))
        .await;
    assert_eq!(report.unwrap().total, secs(7));
}

#[tokio::test]
async fn the_steps_own_deadline_ends_its_waits() {
    let mut step = Waits::new(Deadline::minutes(600, 600), |poll| Ok(importing(poll % 2)));
    step.deadline = Deadline::new(secs(60), secs(120));
    let (report, _) = waits(step).await;
    insta::assert_snapshot!(error_of(&report, "waits"), @"Wait for the image: it was not done after 2 min; last seen: the image: it imports; last seen: it imports (0 %); next: look at the system, then run again: it goes on from what stands");
}

#[tokio::test]
async fn one_look_serves_all_waiters() {
    let bench = Bench::new();
    let looks = Arc::new(AtomicU32::new(0));
    let (counted, clock) = (Arc::clone(&looks), bench.clock.clone());
    let view = Shared::new(secs(5), move || {
        let (looks, clock) = (Arc::clone(&counted), clock.clone());
        async move {
            clock.sleep(secs(1)).await;
            Ok(looks.fetch_add(1, Ordering::SeqCst))
        }
    });
    struct Looks(String, Shared<u32>);
    #[async_trait]
    impl Step for Looks {
        type Needs = ();
        type Output = ();
        fn id(&self) -> StepId {
            StepId::new(&self.0)
        }
        fn about(&self) -> String {
            "Look".into()
        }
        async fn observe(&self, _: &(), cx: &Context) -> Result<Observation<()>, Error> {
            let seen = self.1.get(cx).await?;
            Ok(if *seen >= 3 {
                Observation::Satisfied(())
            } else {
                Observation::absent("not yet")
            })
        }
        async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
            cx.wait("the third look", Deadline::default(), async || {
                let seen = self.1.get(cx).await?;
                Ok(if *seen >= 3 {
                    Polled::Done(())
                } else {
                    Polled::pending(format!("{seen}"))
                })
            })
            .await
        }
    }
    let mut graph = Graph::new();
    for i in 0..100 {
        graph.add(Looks(format!("looks.{i}"), view.clone()), ());
    }
    let engine = bench.builder(graph).build().unwrap();
    assert!(bench.run(&engine).await.unwrap().outcome.is_done());
    assert!(looks.load(Ordering::SeqCst) < 8, "{looks:?}");
}
