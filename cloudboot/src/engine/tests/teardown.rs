//! What is ours is taken back, last first, and nothing else.

use super::kit::*;
use crate::engine::*;

fn one(make: Make) -> Graph {
    let mut graph = Graph::new();
    graph.add(make, vec![]);
    graph
}

#[tokio::test]
async fn a_teardown_takes_back_what_is_ours_last_first_and_nothing_else() {
    let bench = Bench::new();
    bench.world.put("e", "somebody else's");
    let engine = bench.builder(bench.diamond()).build().unwrap();
    bench.run(&engine).await.unwrap();
    bench.world.forget_calls();

    let look = bench
        .clock
        .drive(engine.teardown(TeardownOptions {
            dry_run: true,
            ..Default::default()
        }))
        .await
        .unwrap();
    assert_eq!(
        look.step("a").unwrap().result,
        StepResult::WouldUndo {
            intents: vec!["make a".into()]
        }
    );
    assert_eq!(
        look.step("e").unwrap().result,
        StepResult::Undone {
            undo: Undo::NothingToDo
        }
    );
    assert_eq!(bench.world.things(), ["a", "b", "c", "d", "e"]);

    let report = bench
        .clock
        .drive(engine.teardown(TeardownOptions::default()))
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 4 });
    assert_eq!(bench.world.things(), ["e"]);
    let undone: Vec<_> = bench
        .world
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("undo"))
        .collect();
    assert_eq!(undone, ["undo d", "undo c", "undo b", "undo a"]);

    // Again: nothing is left.
    let report = bench
        .clock
        .drive(engine.teardown(TeardownOptions::default()))
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 0 });
    // And forward again.
    assert_eq!(
        bench.run(&engine).await.unwrap().outcome,
        Outcome::Done { changed: 4 }
    );
}

#[tokio::test]
async fn a_teardown_leaves_what_does_not_carry_our_mark() {
    let bench = Bench::new();
    let engine = bench.builder(one(bench.make("a"))).build().unwrap();
    bench.run(&engine).await.unwrap();
    bench.world.put("a", "it was replaced by somebody");
    let report = bench
        .clock
        .drive(engine.teardown(TeardownOptions::default()))
        .await
        .unwrap();
    assert_eq!(
        report.step("a").unwrap().result,
        StepResult::Undone {
            undo: Undo::kept("it does not carry our mark")
        }
    );
    assert!(bench.world.has("a"));
}

#[tokio::test]
async fn a_teardown_keeps_what_it_is_told_to_or_takes_one_thing_alone() {
    let bench = Bench::new();
    let engine = bench.builder(bench.diamond()).build().unwrap();
    bench.run(&engine).await.unwrap();
    let keep = TeardownOptions {
        keep: vec!["b".into()],
        ..Default::default()
    };
    assert!(
        bench
            .clock
            .drive(engine.teardown(keep))
            .await
            .unwrap()
            .outcome
            .is_done()
    );
    assert_eq!(bench.world.things(), ["a", "b"], "and what it needs");
    let only = TeardownOptions {
        only: vec!["b".into()],
        ..Default::default()
    };
    let report = bench.clock.drive(engine.teardown(only)).await.unwrap();
    assert_eq!(
        (report.steps.len(), bench.world.things()),
        (1, vec!["a".to_owned()])
    );
    let unknown = TeardownOptions {
        only: vec!["aa".into()],
        ..Default::default()
    };
    assert!(
        engine
            .teardown(unknown)
            .await
            .unwrap_err()
            .to_string()
            .contains("did you mean `a`?")
    );
}

#[tokio::test]
async fn a_teardown_that_fails_leaves_what_is_needed_and_goes_on_later() {
    let bench = Bench::new();
    let engine = bench.builder(bench.diamond()).build().unwrap();
    bench.run(&engine).await.unwrap();
    bench
        .world
        .fault("undo c", [Fault::Fails(Error::terminal("remove c", "403"))]);
    bench.world.fault(
        "undo d",
        [Fault::Fails(Error::transient("remove d", "503"))],
    );
    let report = bench
        .clock
        .drive(engine.teardown(TeardownOptions::default()))
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(
        report.step("a").unwrap().result,
        StepResult::Skipped {
            because: "`c`, which needs it, could not be taken back".into()
        }
    );
    assert_eq!(bench.world.things(), ["a", "c"]);
    let report = bench
        .clock
        .drive(engine.teardown(TeardownOptions::default()))
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 2 });
    assert!(bench.world.things().is_empty());
}

#[tokio::test]
async fn what_was_in_something_that_is_gone_holds_nothing_up() {
    let bench = Bench::new();
    let engine = bench.builder(bench.diamond()).build().unwrap();
    bench.run(&engine).await.unwrap();
    bench.world.take("b");
    let report = bench
        .clock
        .drive(engine.teardown(TeardownOptions::default()))
        .await
        .unwrap();
    assert!(report.outcome.is_done(), "{report:?}");
    let StepResult::Undone {
        undo: Undo::Kept { why },
    } = &report.step("d").unwrap().result
    else {
        panic!()
    };
    assert_eq!(
        why,
        "`b`, in which it was made, is not there any more (there is no b)"
    );
    assert!(!bench.world.has("a") && !bench.world.has("c"));
}

#[tokio::test]
async fn a_kill_at_any_point_of_a_teardown_takes_nothing_twice_and_nothing_foreign() {
    let mut point = 1;
    loop {
        let bench = Bench::new();
        bench.world.put("e", "somebody else's");
        let engine = bench.builder(bench.diamond()).build().unwrap();
        bench.run(&engine).await.unwrap();
        bench.world.kill_at(Some(point));
        let ended = bench
            .until_killed(engine.teardown(TeardownOptions::default()))
            .await
            .is_some();
        bench.world.kill_at(None);
        let report = bench
            .clock
            .drive(engine.teardown(TeardownOptions::default()))
            .await
            .unwrap();
        assert!(report.outcome.is_done(), "killed at {point}: {report:?}");
        assert_eq!(bench.world.things(), ["e"], "killed at {point}");
        assert!(bench.world.removed().values().all(|count| *count == 1));
        if ended {
            break;
        }
        point += 1;
    }
    assert!(point > 30, "only {point} points");
}
