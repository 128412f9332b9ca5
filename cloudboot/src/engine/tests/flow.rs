//! From nothing to the end, and what each class of error does on the way.

use super::kit::*;
use crate::engine::*;

const ALL: [&str; 5] = ["a", "b", "c", "d", "e"];

#[tokio::test]
async fn a_run_does_what_is_left_and_a_second_one_changes_nothing() {
    let bench = Bench::new();
    let engine = bench.builder(bench.diamond()).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 5 });
    assert_eq!(report.total, secs(50));
    let path: Vec<_> = report.critical_path.iter().map(StepId::as_str).collect();
    assert_eq!(path, ["a", "c", "d"]);
    assert_eq!(report.critical_time, secs(50));
    assert_eq!(report.in_line(), secs(75));

    bench.world.forget_calls();
    let report = bench.run(&engine).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 0 });
    assert!(
        bench
            .world
            .calls()
            .iter()
            .all(|call| call.starts_with("observe")),
        "{:?}",
        bench.world.calls()
    );
    assert_eq!(bench.world.created().values().sum::<u32>(), 5);
}

#[tokio::test]
async fn a_failure_in_each_step_and_class_leaves_the_rest_right_and_running_again_ends_it() {
    for id in ALL {
        for class in [
            Class::Transient,
            Class::Unclear,
            Class::Terminal,
            Class::NeedsOperator,
        ] {
            for acts in [false, true] {
                let bench = Bench::new();
                let error = Error::new(class, "make it", "it broke");
                let fault = if acts {
                    Fault::ActsAndFails(error)
                } else {
                    Fault::Fails(error)
                };
                bench.world.fault(&format!("apply {id}"), [fault]);
                let engine = bench.builder(bench.diamond()).build().unwrap();
                let report = bench.run(&engine).await.unwrap();
                let tried_again = matches!(class, Class::Transient | Class::Unclear);
                match class {
                    _ if tried_again => assert_eq!(report.outcome, Outcome::Done { changed: 5 }),
                    Class::NeedsOperator => assert_eq!(report.outcome, Outcome::NeedsOperator),
                    _ => assert_eq!(report.outcome, Outcome::Failed),
                }
                if !tried_again {
                    // What does not depend on it is done nevertheless.
                    assert!(id == "e" || bench.world.has("e"));
                    assert!(id == "c" || id == "a" || bench.world.has("c"));
                    assert_eq!(
                        bench.world.count("apply d"),
                        usize::from(!["a", "b", "c"].contains(&id))
                    );
                }
                let report = bench.run(&engine).await.unwrap();
                assert!(
                    report.outcome.is_done(),
                    "{id} {class:?} {acts}: {report:?}"
                );
                assert!(
                    bench.world.created().values().all(|count| *count == 1),
                    "{:?}",
                    bench.world.created()
                );
                assert_eq!(bench.world.things(), ALL);
            }
        }
    }
}

#[tokio::test]
async fn a_kill_at_any_point_leaves_nothing_made_twice() {
    let mut point = 1;
    loop {
        let bench = Bench::new();
        bench.world.kill_at(Some(point));
        let engine = bench.builder(bench.diamond()).build().unwrap();
        let ended = bench.until_killed(engine.run()).await.is_some();
        bench.world.kill_at(None);
        let engine = bench.builder(bench.diamond()).build().unwrap();
        let report = bench.run(&engine).await.unwrap();
        assert!(report.outcome.is_done(), "killed at {point}: {report:?}");
        assert!(
            bench.world.created().values().all(|count| *count == 1),
            "killed at {point}"
        );
        assert_eq!(bench.world.things(), ALL);
        if ended {
            break;
        }
        point += 1;
    }
    assert!(point > 50, "only {point} points");
}
