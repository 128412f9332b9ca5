//! Who begins when: the arithmetic of the critical path, limits, and independent branches.

use std::collections::BTreeMap;

use super::kit::*;
use crate::engine::*;

/// The mission's steps with their durations in seconds and what each comes after: the thesis's
/// table 1, where the bridge comes before MAAS is initialised, and Vault is done within the bundle.
const MISSION: [(&str, u64, &[&str]); 24] = [
    ("install", 52, &[]),
    ("lxd_br", 0, &[]),
    ("restart", 0, &[]),
    ("juju_inst", 150, &[]),
    ("db", 1, &["install"]),
    ("lxd_init", 0, &["lxd_br"]),
    ("net", 120, &["lxd_br"]),
    ("maas_init", 110, &["db", "lxd_br"]),
    ("http", 14, &["maas_init"]),
    ("cfg", 42, &["http"]),
    ("img", 247, &["cfg"]),
    ("bmc_ips", 4, &["cfg"]),
    ("pxe", 4, &["img"]),
    ("power", 48, &["pxe", "bmc_ips"]),
    ("visible", 214, &["power"]),
    ("new", 32, &["visible"]),
    ("comm", 592, &["new", "net"]),
    ("node_br", 35, &["comm"]),
    ("vmhost", 130, &["cfg", "lxd_init"]),
    ("juju_vm", 300, &["vmhost", "img"]),
    ("boot", 1210, &["juju_vm", "juju_inst", "net"]),
    ("bundle", 6300, &["boot"]),
    ("compute", 600, &["boot", "node_br"]),
    ("vault", 0, &["bundle", "compute"]),
];

async fn mission(needless: Option<(&str, &str)>) -> Report {
    let bench = Bench::new();
    let mut graph = Graph::new();
    let mut handles: BTreeMap<&str, Handle<String>> = BTreeMap::new();
    for (id, takes, after) in MISSION {
        let needs: Vec<_> = after.iter().map(|before| handles[before].clone()).collect();
        handles.insert(
            id,
            graph.add(
                bench
                    .make(id)
                    .taking(takes)
                    .within(Deadline::minutes(600, 600)),
                needs,
            ),
        );
    }
    if let Some((later, earlier)) = needless {
        graph.after(later, earlier);
    }
    bench
        .run(&bench.builder(graph).build().unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_mission_takes_its_critical_path_to_the_second() {
    let report = mission(None).await;
    assert_eq!(report.outcome, Outcome::Done { changed: 24 });
    // 2 h 17 min 56 s is 8276 s; the image comes before the Juju machine, not the VM host.
    assert_eq!(report.total, secs(8276));
    assert_eq!(report.critical_time, report.total);
    let path: Vec<_> = report
        .critical_path
        .iter()
        .map(StepId::as_str)
        .filter(|id| *id != "vault")
        .collect();
    assert_eq!(
        path,
        [
            "install",
            "db",
            "maas_init",
            "http",
            "cfg",
            "img",
            "juju_vm",
            "boot",
            "bundle"
        ]
    );
    assert_eq!(say(report.total), "2 h 17 min 56 s");
    let boot = report.step("boot").unwrap();
    assert_eq!(boot.released_by, Some("juju_vm".into()));
    assert!(boot.critical && !report.step("comm").unwrap().critical);

    // One needless edge misses it by what it costs.
    let report = mission(Some(("vmhost", "img"))).await;
    assert_eq!(report.total, secs(8276 + 130));
}

#[tokio::test]
async fn limits_hold_and_the_report_knows_who_released_whom() {
    let bench = Bench::new();
    let mut graph = Graph::new();
    for id in ["a", "b", "c", "d"] {
        graph.add(bench.make(id).using(Resource::exclusive("apt")), vec![]);
    }
    for id in ["m1", "m2", "m3", "m4", "m5"] {
        graph.add(bench.make(id).using(Resource::up_to("maas", 8)), vec![]);
    }
    let engine = bench.builder(graph).limits([("maas", 2)]).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    assert_eq!((bench.world.peak("apt"), bench.world.peak("maas")), (1, 2));
    assert_eq!(report.total, secs(40));
    // The chain that determined the end leads through the package manager's lock.
    assert_eq!(report.critical_path.len(), 4);
    assert_eq!(report.critical_time, secs(40));
    assert_eq!(report.step("d").unwrap().released_by, Some("c".into()));
}

#[tokio::test]
async fn the_longest_chain_begins_first_where_a_resource_is_scarce() {
    let bench = Bench::new();
    let mut graph = Graph::new();
    graph.add(
        bench.make("short").using(Resource::exclusive("apt")),
        vec![],
    );
    let long = graph.add(bench.make("long").using(Resource::exclusive("apt")), vec![]);
    graph.add(bench.make("after-long").taking(100), vec![long]);
    let engine = bench.builder(graph).build().unwrap();
    assert_eq!(bench.run(&engine).await.unwrap().total, secs(110));
}

#[tokio::test]
async fn one_step_alone_or_all_that_leads_to_it() {
    let bench = Bench::new();
    let engine = bench.builder(bench.diamond()).build().unwrap();
    let error = bench.clock.drive(engine.run_only("d")).await.unwrap_err();
    insta::assert_snapshot!(error, @"run only `d`: `a`, which it needs, does not stand: there is no a; next: run until `d`, or run everything");
    assert!(bench.world.things().is_empty());

    let report = bench.clock.drive(engine.run_until("b")).await.unwrap();
    assert!(report.outcome.is_done());
    assert_eq!(bench.world.things(), ["a", "b"]);

    let report = bench.clock.drive(engine.run_only("c")).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 1 });
    assert_eq!(report.steps.len(), 1);
    assert_eq!(bench.world.things(), ["a", "b", "c"]);

    let error = engine.run_only("bb").await.unwrap_err();
    insta::assert_snapshot!(error, @"find the step `bb`: there is no step of that name; next: did you mean `b`? The steps are: a, b, c, d, e");
    let error = engine.run_until("completely.else").await.unwrap_err();
    insta::assert_snapshot!(error, @"find the step `completely.else`: there is no step of that name; next: the steps are: a, b, c, d, e");
}

#[tokio::test]
async fn outputs_reach_who_holds_their_handles() {
    struct Sum;
    #[async_trait]
    impl Step for Sum {
        type Needs = (String, Vec<String>, Option<String>, Option<String>);
        type Output = String;
        fn id(&self) -> StepId {
            "sum".into()
        }
        fn about(&self) -> String {
            "Add it up".into()
        }
        async fn observe(
            &self,
            needs: &Self::Needs,
            _: &Context,
        ) -> Result<Observation<String>, Error> {
            Ok(Observation::Satisfied(format!("{needs:?}")))
        }
        async fn apply(&self, _: &Self::Needs, _: &Context) -> Result<(), Error> {
            Ok(())
        }
    }
    let bench = Bench::new();
    let mut graph = Graph::new();
    let a = graph.add(bench.make("a"), vec![]);
    let b = graph.add(bench.make("b"), vec![]);
    let sum = graph.add(Sum, (&a, vec![a.clone(), b.clone()], Some(b), None));
    let engine = bench.builder(graph).build().unwrap();
    assert_eq!(engine.output(&sum), None);
    bench.run(&engine).await.unwrap();
    assert_eq!(
        engine.output(&sum).unwrap(),
        r#"("a", ["a", "b"], Some("b"), None)"#
    );
    let foreign = Graph::new().add(bench.make("a"), vec![]);
    assert_eq!(engine.output(&foreign), None);
}

#[tokio::test]
async fn what_is_wrong_with_a_graph_is_told_at_once() {
    let bench = Bench::new();
    let mut other = Graph::new();
    let foreign = other.add(bench.make("foreign"), vec![]);
    let mut graph = Graph::new();
    let a = graph.add(bench.make("a"), vec![]);
    let b = graph.add(bench.make("b"), vec![a.clone(), foreign]);
    graph.add(bench.make("a"), vec![]);
    graph.add(bench.make("not a name"), vec![]);
    graph.after(&a, &b);
    graph.after("b", "nobody");
    let error = graph.check().unwrap_err();
    insta::assert_snapshot!(error, @"check the graph of steps: `b` reads `foreign` through a handle of another graph; two steps are named `a`; `not a name` is not a step's name: letters, digits, '-' and '_' between dots; an order names `nobody`, which is no step; each of these waits for the others: `a`, `b`; next: mend the program that builds the graph");
    assert!(Engine::builder(graph).build().is_err());

    let mut graph = Graph::new();
    let a = graph.add(bench.make("a"), vec![]);
    graph.after(&a, &a);
    assert!(graph.check().is_err());
}

#[tokio::test]
async fn order_without_data_is_kept() {
    let bench = Bench::new();
    let mut graph = Graph::new();
    graph.add(bench.make("second"), vec![]);
    graph.add(bench.make("first"), vec![]);
    graph.after("second", StepId::new("first"));
    let engine = bench.builder(graph).build().unwrap();
    let report = bench.run(&engine).await.unwrap();
    assert_eq!(report.step("second").unwrap().start, secs(10));
    assert_eq!(engine.ids(), ["first", "second"]);
}
