//! Who serves DHCP to the machines: the rack controller that is on their VLAN, and nobody where that VLAN relays.

use cloudboot::engine::Report;
use cloudboot::testing::{Durations, Fault, Lab};
use cloudboot_tests::mission::{failures, prepare_with};
use serde_json::{Value, json};

const RACKS: &str = "maas GET /MAAS/api/2.0/rackcontrollers/";
/// The network step alone waits for a rack that never comes.
const SHORT: &str = "deadlines: {maas.network: {stall: 1m, total: 2m}}";

async fn lab(folder: &tempfile::TempDir) -> Lab {
    Lab::builder(folder.path().join("lab"))
        .speed(1000.0)
        .durations(Durations::instant())
        .start()
        .await
        .unwrap()
}

async fn until(lab: &Lab, step: &str) -> Report {
    let (engine, _) = prepare_with(lab, SHORT).await;
    engine.build().unwrap().run_until(step).await.unwrap()
}

/// MAAS's answer to the question for its racks, as it is.
async fn racks(lab: &Lab) -> Vec<Value> {
    let config = lab.config().unwrap();
    let mut builder = maas_client::Client::builder(&config.maas.server);
    if let Some(proxy) = &config.reach.proxy {
        builder = builder.proxy(proxy.clone());
    }
    let maas = builder.build().unwrap();
    let password = config.maas.password.value();
    let key = maas
        .authenticate(&config.maas.username, password, "a-test")
        .await
        .unwrap();
    let maas = maas.with_api_key(key);
    let answer = maas.raw(http::Method::GET, "rackcontrollers/");
    answer.json::<Vec<Value>>().await.unwrap()
}

/// The same rack, on another network.
fn elsewhere(rack: &Value) -> Value {
    let mut other = rack.clone();
    other["system_id"] = json!("zzzzzz");
    other["hostname"] = json!("rack-elsewhere");
    for nic in other["interface_set"].as_array_mut().unwrap() {
        nic["vlan"]["id"] = json!(9999);
        nic["links"] = json!([]);
    }
    other
}

fn served_by(lab: &Lab) -> Option<String> {
    let state = lab.maas().snapshot();
    let vlans = state["vlans"].as_array().unwrap();
    let on = vlans.iter().find(|vlan| vlan["dhcp_on"] == true)?;
    Some(on["primary_rack"].as_str()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_racks_the_one_on_the_vlan_serves_it() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    assert!(until(&lab, "maas.admin").await.outcome.is_done());
    let ours = racks(&lab).await.remove(0);
    let both = json!([elsewhere(&ours), ours]).to_string();
    lab.faults()
        .next(RACKS, 10_000, Fault::Answer(200, Vec::new(), both));
    let report = until(&lab, "maas.network").await;
    assert!(report.outcome.is_done(), "{:?}", failures(&report));
    assert_eq!(served_by(&lab).as_deref(), ours["system_id"].as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vlan_without_a_rack_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    assert!(until(&lab, "maas.admin").await.outcome.is_done());
    let ours = racks(&lab).await.remove(0);
    let other = json!([elsewhere(&ours)]).to_string();
    lab.faults()
        .next(RACKS, 10_000, Fault::Answer(200, Vec::new(), other));
    let report = until(&lab, "maas.network").await;
    let said = failures(&report).join("\n");
    assert!(
        said.contains("no rack controller has an interface on the VLAN of 10.42.0.0/16")
            && said.contains("rack-elsewhere"),
        "{said}"
    );
    assert_eq!(served_by(&lab), None, "nothing was turned on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vlan_that_relays_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    assert!(until(&lab, "maas.admin").await.outcome.is_done());
    // Somebody has the machines' VLAN relay to another one.
    let mut state = lab.maas().snapshot();
    let subnet = state["subnets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|subnet| subnet["cidr"] == "10.42.0.0/16");
    let vlan = subnet.unwrap()["vlan"].clone();
    let vlans = state["vlans"].as_array_mut().unwrap();
    let mut target = vlans[0].clone();
    target["id"] = json!(7777);
    target["vid"] = json!(42);
    for machines in vlans.iter_mut().filter(|it| it["id"] == vlan) {
        machines["relay"] = json!(7777);
    }
    vlans.push(target);
    lab.maas().restore(state).unwrap();
    let report = until(&lab, "maas.network").await;
    let said = failures(&report).join("\n");
    assert!(
        said.contains("the VLAN of 10.42.0.0/16 relays its DHCP to VLAN 42")
            && said.contains("remove the relay"),
        "{said}"
    );
    assert_eq!(served_by(&lab), None);
}

/// A key that MAAS knows already is not registered a second time, and stays when ours goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_registered_once() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    assert!(until(&lab, "maas.ssh-key").await.outcome.is_done());
    let keys = |lab: &Lab| lab.maas().snapshot()["ssh_keys"].as_array().map(Vec::len);
    let before = keys(&lab);
    assert!(before.is_some_and(|keys| keys > 0), "{before:?}");
    // Its public half is lost: it is written again, and MAAS has it.
    let path = lab.config().unwrap().ssh.maas_key;
    let files = lab.host().files;
    assert!(files.remove(path.with_extension("pub")).await.unwrap());
    let report = until(&lab, "maas.ssh-key").await;
    assert!(report.outcome.is_done(), "{:?}", failures(&report));
    assert!(files.exists(path.with_extension("pub")).await.unwrap());
    assert_eq!(keys(&lab), before);
}
