//! Random graphs, faults and kills: what holds always.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::kit::*;
use crate::engine::*;

/// A job: each step's seconds and the earlier steps that it needs.
type Job = Vec<(u64, Vec<usize>)>;

fn job() -> impl Strategy<Value = Job> {
    prop::collection::vec(
        (
            0u64..100,
            prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        ),
        1..12,
    )
    .prop_map(|steps| {
        let before = |index: usize, needs: Vec<prop::sample::Index>| match index {
            0 => Vec::new(),
            _ => needs.into_iter().map(|need| need.index(index)).collect(),
        };
        steps
            .into_iter()
            .enumerate()
            .map(|(i, (takes, needs))| (takes, before(i, needs)))
            .collect()
    })
}

fn graph(bench: &Bench, job: &Job) -> Graph {
    let mut graph = Graph::new();
    let mut handles: Vec<Handle<String>> = Vec::new();
    for (index, (takes, needs)) in job.iter().enumerate() {
        let needs = needs
            .iter()
            .map(|need| handles[*need].clone())
            .collect::<Vec<_>>();
        handles.push(graph.add(bench.make(&format!("s{index}")).taking(*takes), needs));
    }
    graph
}

/// The end of each step by the textbook.
fn ends(job: &Job) -> Vec<u64> {
    let mut ends: Vec<u64> = Vec::new();
    for (takes, needs) in job {
        let start = needs.iter().map(|need| ends[*need]).max().unwrap_or(0);
        ends.push(start + takes);
    }
    ends
}

fn fault() -> impl Strategy<Value = (usize, u8, bool)> {
    (0usize..12, 0u8..4, any::<bool>())
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_run_takes_its_critical_path_and_marks_it(job in job()) {
        let bench = Bench::new();
        let engine = bench.builder(graph(&bench, &job)).build().unwrap();
        let report = block_on(bench.run(&engine)).unwrap();
        let ends = ends(&job);
        prop_assert_eq!(report.total, secs(ends.iter().copied().max().unwrap()));
        prop_assert_eq!(report.critical_time, report.total);
        for (index, end) in ends.iter().enumerate() {
            prop_assert_eq!(report.step(format!("s{index}")).unwrap().end(), secs(*end));
        }
        // The chain is a chain: each begins when the one before it ends.
        let path: Vec<_> = report.critical_path.iter().map(|id| report.step(id).unwrap()).collect();
        prop_assert!(path.windows(2).all(|pair| pair[0].end() == pair[1].start));
        prop_assert_eq!(block_on(bench.run(&engine)).unwrap().outcome, Outcome::Done { changed: 0 });
    }

    #[test]
    fn faults_and_kills_end_the_same_and_make_nothing_twice(
        job in job(),
        faults in prop::collection::vec(fault(), 0..6),
        kills in prop::collection::vec(1usize..80, 0..4),
    ) {
        let bench = Bench::new();
        for (step, class, acts) in faults {
            let class = [Class::Transient, Class::Unclear, Class::Terminal, Class::NeedsOperator][usize::from(class)];
            let error = Error::new(class, "make it", "it broke");
            let fault = if acts { Fault::ActsAndFails(error) } else { Fault::Fails(error) };
            bench.world.fault(&format!("apply s{step}"), [fault]);
        }
        block_on(async {
            for kill in kills {
                bench.world.kill_at(Some(kill));
                let engine = bench.builder(graph(&bench, &job)).build().unwrap();
                let _ = bench.until_killed(engine.run()).await;
            }
            bench.world.kill_at(None);
            // Each fault strikes once: as many runs as there may be faults.
            for _ in 0..7 {
                let engine = bench.builder(graph(&bench, &job)).build().unwrap();
                if bench.run(&engine).await.unwrap().outcome.is_done() {
                    break;
                }
            }
        });
        prop_assert_eq!(bench.world.things().len(), job.len());
        let created: BTreeMap<String, u32> = bench.world.created();
        prop_assert!(created.values().all(|count| *count == 1), "{created:?}");
        // And back again.
        let engine = bench.builder(graph(&bench, &job)).build().unwrap();
        let report = block_on(bench.clock.drive(engine.teardown(TeardownOptions::default()))).unwrap();
        prop_assert!(report.outcome.is_done());
        prop_assert!(bench.world.things().is_empty());
    }
}

#[tokio::test]
async fn a_thousand_steps_are_no_burden() {
    let bench = Bench::new();
    let mut graph = Graph::new();
    let mut racks = Vec::new();
    for rack in 0..10 {
        let root = graph.add(bench.make(&format!("rack{rack}")), vec![]);
        let machines: Vec<_> = (0..99)
            .map(|i| {
                let make = bench
                    .make(&format!("rack{rack}.machine{i}"))
                    .using(Resource::up_to("maas", 8));
                graph.add(make, vec![root.clone()])
            })
            .collect();
        racks.extend(machines);
    }
    graph.add(bench.make("all"), racks);
    let engine = bench.builder(graph).build().unwrap();
    let begun = std::time::Instant::now();
    let report = bench.run(&engine).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 1001 });
    assert_eq!(bench.world.peak("maas"), 8);
    assert_eq!(report.total, secs(10 + 990_u64.div_ceil(8) * 10 + 10));
    assert!(begun.elapsed() < secs(20), "{:?}", begun.elapsed());
}
