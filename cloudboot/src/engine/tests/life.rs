//! Approvals, cancellation, plans, and what is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::SecretString;

use super::kit::*;
use crate::engine::*;

fn one(make: Make) -> Graph {
    let mut graph = Graph::new();
    graph.add(make, vec![]);
    graph
}

fn error_of(report: &Report, id: &str) -> String {
    match &report.step(id).unwrap().result {
        StepResult::Failed { error } => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_taken_back_asks_first() {
    let bench = Bench::new();
    let graph = || one(bench.make("a").asking("wipe the disks of a?"));
    let report = bench
        .run(&bench.builder(graph()).build().unwrap())
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::NeedsOperator);
    insta::assert_snapshot!(error_of(&report, "a"), @"Make a: it asks for approval: wipe the disks of a?; next: approve `a` and run again");
    assert_eq!(bench.world.count("apply a"), 0);

    let no = Approvals::ask(|request: ApprovalRequest| async move {
        assert_eq!(request.question, "wipe the disks of a?");
        false
    });
    let report = bench
        .run(&bench.builder(graph()).approvals(no).build().unwrap())
        .await
        .unwrap();
    insta::assert_snapshot!(error_of(&report, "a"), @"Make a: it was not approved: wipe the disks of a?; next: run again and approve `a` when it is right");

    let denied = Approvals::Deny(BTreeSet::from(["a".into()]));
    let report = bench
        .run(&bench.builder(graph()).approvals(denied).build().unwrap())
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::NeedsOperator);

    for approvals in [
        Approvals::ask(|_| async { true }),
        Approvals::AllowAll,
        Approvals::Allow(BTreeSet::from(["a".into()])),
        Approvals::Deny(BTreeSet::from(["b".into()])),
    ] {
        bench.world.take("a");
        let engine = bench.builder(graph()).approvals(approvals).build().unwrap();
        assert_eq!(
            bench.run(&engine).await.unwrap().outcome,
            Outcome::Done { changed: 1 }
        );
        // What stands asks nothing.
        assert_eq!(
            bench.run(&engine).await.unwrap().outcome,
            Outcome::Done { changed: 0 }
        );
    }
}

#[tokio::test]
async fn mending_a_drift_asks_only_where_it_destroys() {
    let bench = Bench::new();
    bench.world.put("a", "drifted");
    let mut make = bench.make("a");
    make.drifted = true;
    let engine = bench.builder(one(make)).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    insta::assert_snapshot!(error_of(&report, "a"), @"Make a: it asks for approval: mending this destroys something: a is bent; next: approve `a` and run again");
    let engine = bench.builder(one(bench.make("a"))).build().unwrap();
    assert_eq!(
        bench.run(&engine).await.unwrap().outcome,
        Outcome::Done { changed: 1 }
    );
}

#[tokio::test]
async fn cancelling_lets_calls_end_begins_nothing_more_and_says_how_to_go_on() {
    for after in [0, 5, 10, 15, 25, 35, 45] {
        let bench = Bench::new();
        let cancel = CancellationToken::new();
        let engine = bench
            .builder(bench.diamond())
            .cancel(cancel.clone())
            .build()
            .unwrap();
        let stop = async {
            bench.clock.sleep(secs(after)).await;
            cancel.cancel();
        };
        let (report, ()) = bench
            .clock
            .drive(futures_util::future::join(engine.run(), stop))
            .await;
        let report = report.unwrap();
        if after < 40 {
            assert_eq!(report.outcome, Outcome::Cancelled, "after {after}");
            assert_eq!(
                report.next.as_deref(),
                Some("run again: it goes on from what stands")
            );
        } else {
            // All had begun and could end.
            assert!(report.outcome.is_done());
        }
        // What was in the middle of its change went through with it.
        let made = bench.world.created();
        assert!(
            bench
                .world
                .calls()
                .iter()
                .filter(|call| call.starts_with("apply"))
                .count()
                == made.len()
        );
        let engine = bench.builder(bench.diamond()).build().unwrap();
        assert!(bench.run(&engine).await.unwrap().outcome.is_done());
        assert!(bench.world.created().values().all(|count| *count == 1));
    }
}

#[tokio::test]
async fn cancelling_stops_a_step_between_two_of_its_changes() {
    /// Changes twice; between them lies a one-shot whose result is kept first.
    struct Twice(World);
    #[async_trait]
    impl Step for Twice {
        type Needs = ();
        type Output = ();
        fn id(&self) -> StepId {
            "twice".into()
        }
        fn about(&self) -> String {
            "Change it twice".into()
        }
        async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
            Ok(match (self.0.has("first"), self.0.has("second")) {
                (true, true) => Observation::Satisfied(()),
                _ => Observation::absent("not both"),
            })
        }
        async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
            for change in ["first", "second"] {
                if !self.0.has(change) {
                    cx.intend(format!("make the {change}")).await?;
                    cx.clock().sleep(secs(10)).await;
                    self.0.put(change, "ours");
                    cx.made("change", change).await?;
                }
            }
            Ok(())
        }
    }
    let bench = Bench::new();
    let engine = |cancel: CancellationToken| {
        let mut graph = Graph::new();
        graph.add(Twice(bench.world.clone()), ());
        bench.builder(graph).cancel(cancel).build().unwrap()
    };
    let cancel = CancellationToken::new();
    let stop = async {
        bench.clock.sleep(secs(5)).await;
        cancel.cancel();
    };
    let first = engine(cancel.clone());
    let (report, ()) = bench
        .clock
        .drive(futures_util::future::join(first.run(), stop))
        .await;
    let report = report.unwrap();
    assert_eq!(
        bench.world.things(),
        ["first"],
        "what was begun was ended and kept, the next was not begun"
    );
    insta::assert_snapshot!(error_of(&report, "twice"), @"make the second: the run was asked to stop; next: run again: it goes on from what stands");
    let report = bench.run(&engine(CancellationToken::new())).await.unwrap();
    assert_eq!(
        (report.outcome, report.total),
        (Outcome::Done { changed: 1 }, secs(10))
    );
}

#[tokio::test]
async fn cancelling_interrupts_waits_and_questions() {
    let bench = Bench::new();
    bench.world.put("a", "waits");
    let cancel = CancellationToken::new();
    let mut graph = one(bench.make("a"));
    graph.add(bench.make("b").asking("sure?"), vec![]);
    let engine = bench
        .builder(graph)
        .approvals(Approvals::ask(|_| std::future::pending()))
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
        (report.outcome.clone(), report.total),
        (Outcome::Cancelled, secs(60))
    );
    insta::assert_snapshot!(error_of(&report, "b"), @"Make b: the run was asked to stop; next: run again: it goes on from what stands");
}

#[tokio::test]
async fn a_plan_looks_and_changes_nothing() {
    let bench = Bench::new();
    let engine = bench.builder(bench.diamond()).build().unwrap();
    let before = bench.clock.drive(engine.plan()).await.unwrap();
    assert!(before.changes_pending());
    assert_eq!(
        before.step("a").unwrap().state,
        PlanState::ToDo {
            why: "there is no a".into()
        }
    );
    assert_eq!(
        before.step("d").unwrap().state,
        PlanState::Pending {
            waits_for: vec!["b".into(), "c".into()]
        }
    );
    assert_eq!(before.time_left, secs(50));
    assert_eq!(before.longest_chain, ["a", "c", "d"].map(StepId::new));
    assert!(bench.world.things().is_empty());
    assert!(
        bench.store.read("bench").await.unwrap().is_empty(),
        "a plan leaves no trace"
    );
    assert!(bench.store.lease("bench").await.unwrap().is_none());

    bench.world.put("a", "ours");
    bench.world.put("c", "drifted");
    bench.world.put("e", "waits");
    let after = bench.clock.drive(engine.plan()).await.unwrap();
    let changes: Vec<_> = before
        .diff(&after)
        .into_iter()
        .map(|change| change.id.to_string())
        .collect();
    assert_eq!(changes, ["a", "b", "c", "e"]);
    assert_eq!(
        after.step("b").unwrap().state,
        PlanState::ToDo {
            why: "there is no b".into()
        }
    );
    assert_eq!(
        after.step("c").unwrap().state,
        PlanState::Drifted {
            what: vec!["c is bent".into()],
            destructive: false
        }
    );
    assert_eq!(
        after.step("e").unwrap().state,
        PlanState::Blocked {
            by: "the sun is not up".into(),
            operator: false
        }
    );
    assert_eq!(after.time_left, secs(40));

    let json = serde_json::to_value(&after).unwrap();
    assert_eq!(serde_json::from_value::<Plan>(json.clone()).unwrap(), after);
    insta::assert_snapshot!(json["steps"][2], @r#"{"about":"Make c","destructive":false,"estimate_seconds":30,"id":"c","state":"drifted","what":["c is bent"]}"#);

    bench.world.put("c", "ours");
    bench.world.put("e", "ours");
    bench.run(&engine).await.unwrap();
    let done = bench.clock.drive(engine.plan()).await.unwrap();
    assert!(!done.changes_pending());
    assert_eq!(done.time_left, secs(0));
    assert!(done.diff(&done).is_empty());
}

#[tokio::test]
async fn a_plan_says_what_could_not_be_seen() {
    let bench = Bench::new();
    bench.world.fault(
        "observe a",
        vec![Fault::Fails(Error::transient("ask for a", "refused")); 100],
    );
    bench.world.fault(
        "observe e",
        vec![Fault::Fails(Error::terminal("ask for e", "refused"))],
    );
    let mut graph = bench.diamond();
    graph.after("e", "a");
    let engine = bench.builder(graph).build().unwrap();
    let plan = bench.clock.drive(engine.plan()).await.unwrap();
    assert_eq!(
        plan.step("a").unwrap().state,
        PlanState::Blocked {
            by: "ask for a: refused (tried 8 times)".into(),
            operator: false
        }
    );
    // It comes after something that does not stand: that may be why.
    assert_eq!(
        plan.step("e").unwrap().state,
        PlanState::Pending {
            waits_for: vec!["a".into()]
        }
    );
}

#[tokio::test]
async fn to_change_while_looking_is_an_error() {
    struct Meddler;
    #[async_trait]
    impl Step for Meddler {
        type Needs = ();
        type Output = ();
        fn id(&self) -> StepId {
            "meddler".into()
        }
        fn about(&self) -> String {
            "Meddle".into()
        }
        async fn observe(&self, _: &(), cx: &Context) -> Result<Observation<()>, Error> {
            cx.intend("change it while looking").await?;
            Ok(Observation::Satisfied(()))
        }
        async fn apply(&self, _: &(), _: &Context) -> Result<(), Error> {
            Ok(())
        }
    }
    let bench = Bench::new();
    let mut graph = Graph::new();
    graph.add(Meddler, ());
    let report = bench
        .run(&bench.builder(graph).build().unwrap())
        .await
        .unwrap();
    insta::assert_snapshot!(error_of(&report, "meddler"), @"change it while looking: a step may change nothing while it observes");
}

#[tokio::test]
async fn a_changed_desire_is_a_drift_and_the_rest_stands() {
    let bench = Bench::new();
    let engine = bench.builder(bench.diamond()).build().unwrap();
    bench.run(&engine).await.unwrap();
    bench.world.put("c", "drifted");
    bench.world.forget_calls();
    let report = bench.run(&engine).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 1 });
    assert_eq!(
        bench
            .world
            .calls()
            .iter()
            .filter(|call| call.starts_with("apply"))
            .count(),
        1
    );
}

#[tokio::test]
async fn the_journal_knows_whose_a_thing_is() {
    let bench = Bench::new();
    struct Asks;
    #[async_trait]
    impl Step for Asks {
        type Needs = String;
        type Output = (usize, String);
        fn id(&self) -> StepId {
            "asks".into()
        }
        fn about(&self) -> String {
            "Ask".into()
        }
        async fn observe(
            &self,
            a: &String,
            cx: &Context,
        ) -> Result<Observation<(usize, String)>, Error> {
            let made = cx.things_made(StepId::new(a)).pop().unwrap();
            assert_eq!((made.what.as_str(), made.id.as_str()), ("thing", "a"));
            assert!(cx.own_intents().is_empty());
            Ok(Observation::Satisfied((
                cx.intents(StepId::new(a)).len(),
                cx.owner_mark(),
            )))
        }
        async fn apply(&self, _: &String, _: &Context) -> Result<(), Error> {
            Ok(())
        }
    }
    let mut graph = Graph::new();
    let a = graph.add(bench.make("a"), vec![]);
    let asks = graph.add(Asks, &a);
    let engine = bench.builder(graph).build().unwrap();
    bench.run(&engine).await.unwrap();
    assert_eq!(
        engine.output(&asks).unwrap(),
        (1, "cloudboot:bench".to_owned())
    );
}

#[tokio::test]
async fn a_secret_that_slips_into_a_text_is_not_told() {
    struct Leaks;
    #[async_trait]
    impl Step for Leaks {
        type Needs = ();
        type Output = ();
        fn id(&self) -> StepId {
            "leaks".into()
        }
        fn about(&self) -> String {
            "Leak".into()
        }
        async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
            Ok(Observation::absent("not there"))
        }
        async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
            cx.secrets()
                .put("new", &SecretString::from("brand-new-root-token"))
                .await?;
            let old = cx.secrets().get("old").await?.is_some();
            assert!(old);
            cx.intend("log in with hunter2-of-old").await?;
            cx.made("token", "brand-new-root-token").await?;
            cx.progress("with hunter2-of-old", None);
            Err(Error::terminal(
                "log in with hunter2-of-old",
                "brand-new-root-token was refused",
            )
            .next("not hunter2-of-old"))
        }
    }
    let bench = Bench::new();
    let secrets = Arc::new(MemorySecretStore::new());
    secrets
        .put("old", &SecretString::from("hunter2-of-old"))
        .await
        .unwrap();
    let mut graph = Graph::new();
    graph.add(Leaks, ());
    let engine = bench.builder(graph).secrets(secrets).build().unwrap();
    let mut events = engine.events();
    let report = bench.run(&engine).await.unwrap();
    let mut told = vec![serde_json::to_string(&report).unwrap()];
    while let Some(event) = events.try_next() {
        told.push(serde_json::to_string(&event).unwrap());
    }
    told.push(format!("{:?}", bench.store.read("bench").await.unwrap()));
    for text in told {
        assert!(
            !text.contains("hunter2") && !text.contains("brand-new"),
            "{text}"
        );
    }
    insta::assert_snapshot!(error_of(&report, "leaks"), @"log in with [secret old]: [secret new] was refused; next: not [secret old]");
}
