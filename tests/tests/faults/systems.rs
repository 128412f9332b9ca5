//! Systems that refuse, cut the line, stall or break.

use std::collections::BTreeMap;

use cloudboot::testing::{Fault, Lab};
use insta::assert_snapshot;
use maas_client::testing::Constraints;
use tokio::sync::OnceCell;

use crate::kit::{builder, counts, folder, run, told, until};

/// What a run that meets nothing creates: no fault may make it more.
async fn undisturbed() -> &'static BTreeMap<String, u64> {
    static COUNTS: OnceCell<BTreeMap<String, u64>> = OnceCell::const_new();
    COUNTS
        .get_or_init(|| async {
            let folder = folder();
            let lab = builder(&folder).start().await.unwrap();
            let report = run(&lab, "").await;
            assert!(report.outcome.is_done(), "{}", told(&lab, &report));
            counts(&lab)
        })
        .await
}

/// Calls that make something, in the order of the mission.
const CREATES: &[&str] = &[
    "maas POST /MAAS/api/2.0/tags/",
    "maas POST /MAAS/api/2.0/ipranges/",
    "maas POST /MAAS/api/2.0/account/prefs/sshkeys/",
    "maas POST /MAAS/api/2.0/vm-hosts/ ",
    "maas POST /MAAS/api/2.0/vm-hosts/",
    "op=compose",
    "op=commission",
    "op=create_bridge",
    "lxd POST /1.0/instances",
    "juju ModelManager.CreateModel",
    "juju Application.Deploy",
    "juju Application.AddRelation",
];

/// Everything that makes something meets the fault; the run ends well and nothing was made twice.
async fn weathered(fault: Fault) {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    for call in CREATES {
        lab.faults().next(*call, 1, fault.clone());
    }
    let report = run(&lab, "").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    assert_eq!(&counts(&lab), undisturbed().await);
    let met = lab.faults().met();
    for call in [
        "op=compose",
        "lxd POST",
        "juju Application.Deploy",
        "/tags/",
        "/vm-hosts/",
    ] {
        assert!(
            met.keys().any(|known| known.contains(call)),
            "{call} was not met: {met:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_before_every_create() {
    weathered(Fault::CutBefore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_after_every_create() {
    weathered(Fault::CutAfter).await;
}

/// The one answer that can't be asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_with_vaults_keys_lost() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    lab.faults()
        .next("vault PUT /v1/sys/init", 1, Fault::CutAfter);
    let report = until(&lab, "", "vault.initialised").await;
    assert_snapshot!(redact_addresses(&told(&lab, &report)));
}

/// Leaves out the addresses that the machines got from the region.
fn redact_addresses(text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        if let Some(rest) = word.strip_prefix("http://10.42.")
            && let Some((_, rest)) = rest.split_once(':')
        {
            *word = format!("http://<unit>:{rest}");
        }
    }
    words.join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn maas_fails_and_asks_for_patience() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let busy = Fault::Answer(
        503,
        vec![("Retry-After".to_owned(), "1".to_owned())],
        "busy".to_owned(),
    );
    let broken = Fault::Answer(500, Vec::new(), "Internal Server Error".to_owned());
    for call in [
        "maas POST /MAAS/api/2.0/ipranges/",
        "maas POST /MAAS/api/2.0/vm-hosts/",
        "maas GET /MAAS/api/2.0/machines/",
        "op=commission",
    ] {
        lab.faults().next(call, 1, busy.clone());
        lab.faults().next(call, 1, broken.clone());
    }
    let report = run(&lab, "").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    assert_eq!(&counts(&lab), undisturbed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn maas_fails_for_good() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let broken = Fault::Answer(500, Vec::new(), "Internal Server Error".to_owned());
    lab.faults()
        .next("maas POST /MAAS/api/2.0/ipranges/", 1000, broken);
    let report = until(&lab, "", "maas.network").await;
    assert_snapshot!(told(&lab, &report));
    lab.faults().clear();
    let report = until(&lab, "", "maas.network").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_stalls() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    lab.maas().fail_next_import(true);
    let overlay = "deadlines: {maas.image-ready: {stall: 60s, total: 7200s}}";
    let report = until(&lab, overlay, "maas.image-ready").await;
    assert_snapshot!(told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_fails_once() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    lab.maas().fail_next_import(false);
    let report = until(&lab, "", "maas.image-ready").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_always_fails() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let breaking = every_tick(&lab, |lab| lab.maas().fail_next_import(false));
    let overlay = "deadlines: {maas.image-ready: {stall: 60s, total: 7200s}}";
    let report = tokio::select! {
        report = until(&lab, overlay, "maas.image-ready") => report,
        () = breaking => unreachable!(),
    };
    assert_snapshot!(told(&lab, &report));
}

/// Does it again and again.
async fn every_tick(lab: &Lab, what: impl Fn(&Lab)) {
    loop {
        what(lab);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commissioning_that_fails_once() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = until(&lab, "", "metal.enlisted").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let machine = lab.maas().machines().remove(0);
    assert!(lab.maas().fail_next(&machine.system_id));
    let report = until(&lab, "", "metal.commissioned").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let machine = lab.maas().machine(&machine.system_id).unwrap();
    assert_eq!(machine.status, 4, "it is not Ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commissioning_that_always_fails() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = until(&lab, "", "metal.enlisted").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let bad = lab
        .maas()
        .machines()
        .into_iter()
        .find(|machine| machine.hostname.ends_with('0'))
        .unwrap()
        .system_id;
    let breaking = every_tick(&lab, |lab| {
        lab.maas().fail_next(&bad);
    });
    let report = tokio::select! {
        report = until(&lab, "", "metal.bridges") => report,
        () = breaking => unreachable!(),
    };
    assert_snapshot!(told(&lab, &report));
    // With a quorum of one the mission goes on without it.
    let report = until(&lab, "maas: {quorum: 1}", "metal.bridges").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_in_error() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = until(&lab, "", "juju.model").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    lab.juju()
        .unwrap()
        .unit_error("keystone/0", Some("install"));
    let report = run(&lab, "").await;
    assert_snapshot!(told(&lab, &report));
    lab.juju().unwrap().unit_error("keystone/0", None);
    let report = run(&lab, "").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    assert_eq!(&counts(&lab), undisturbed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_whose_machine_is_taken() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = until(&lab, "", "juju.machine").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    // Somebody else allocates it before the bootstrap does.
    let juju = Constraints::new().with("tags", "juju");
    lab.maas().allocate_for("jesus", &juju).await.unwrap();
    let report = until(&lab, "", "juju.controller").await;
    assert_snapshot!(told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_trust_password() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let overlay = "{lxd: {init_file: {config: {core.trust_password: another}}}, \
                    deadlines: {maas.vm-host: {stall: 60s, total: 7200s}}}";
    let report = until(&lab, overlay, "maas.vm-host").await;
    assert_snapshot!(told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_is_cut_off() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = until(&lab, "", "maas.images").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    lab.maas().set_rack_connected(false);
    let overlay = "deadlines: {maas.image-ready: {stall: 60s, total: 7200s}}";
    let report = until(&lab, overlay, "maas.image-ready").await;
    assert_snapshot!(told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxys_page_in_place_of_the_region() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let page = Fault::Answer(
        200,
        vec![("Content-Type".to_owned(), "text/html".to_owned())],
        "<html><body><h1>Please log in to the proxy</h1></body></html>".to_owned(),
    );
    lab.faults()
        .next("maas GET /MAAS/api/2.0/version/", 100_000, page);
    let report = until(&lab, "", "maas.http").await;
    assert_snapshot!(told(&lab, &report));
}
