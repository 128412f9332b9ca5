//! The life of a small cloud on the fake region, through the client.

#![allow(
    clippy::unwrap_used,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use maas_client::testing::{Constraints, FakeRegion, MachineSpec};
use maas_client::*;
use serde_json::json;

async fn region() -> (FakeRegion, Client) {
    let region = FakeRegion::builder().start().await.unwrap();
    region.create_admin("admin", "secret", "admin@example.com");
    let client = Client::builder(region.url())
        .api_key(region.api_key("admin").parse().unwrap())
        .build()
        .unwrap();
    (region, client)
}

fn spec(n: u8) -> MachineSpec {
    let mut spec = MachineSpec::default();
    spec.macs = vec![
        format!("52:54:00:aa:00:{n:02x}"),
        format!("52:54:00:ab:00:{n:02x}"),
    ];
    spec.architecture = "amd64".into();
    spec.cores = 8;
    spec.memory_mb = 16384;
    spec.disks = vec![500_000_000_000];
    spec.power_type = "ipmi".into();
    spec.power_parameters = json!({ "power_address": format!("10.70.1.{n}"), "power_user": "ADMIN", "power_pass": "x" }).as_object().unwrap().clone();
    spec
}

const LIMITS: WaitLimits =
    WaitLimits::within(Duration::from_secs(10)).every(Duration::from_millis(10));

async fn first_config(client: &Client) {
    client
        .config()
        .set("upstream_dns", "10.0.0.53")
        .await
        .unwrap();
    let source = client.boot_sources().list().await.unwrap().remove(0);
    client
        .boot_sources()
        .create_selection(source.id, &SelectionParams::ubuntu("jammy", &["amd64"]))
        .await
        .unwrap();
    client.boot_resources().import().await.unwrap();
    client
        .wait_for_images(
            &[WantedImage::ubuntu("jammy", "amd64")],
            Duration::from_secs(1),
            LIMITS,
        )
        .await
        .unwrap();
    let subnet = client.subnets().list().await.unwrap().remove(0);
    client
        .ip_ranges()
        .create(
            IpRangeType::Dynamic,
            &IpRangeParams::new()
                .start_ip("10.70.0.100")
                .end_ip("10.70.0.199")
                .subnet(subnet.id),
        )
        .await
        .unwrap();
    let rack = client.racks().list().await.unwrap().remove(0);
    let vlan = subnet.vlan.unwrap().id;
    let vlan = client
        .vlans()
        .update(
            vlan,
            &VlanParams::new()
                .dhcp_on(true)
                .primary_rack(&rack.system_id),
        )
        .await
        .unwrap();
    assert!(vlan.dhcp_on);
    let subnet = client
        .subnets()
        .update(subnet.id, &SubnetParams::new().gateway_ip("10.70.0.1"))
        .await
        .unwrap();
    assert_eq!(subnet.gateway_ip.as_deref(), Some("10.70.0.1"));
}

#[tokio::test]
async fn life_of_a_cloud() {
    let (region, client) = region().await;
    assert!(!client.login_status().await.unwrap().no_users);
    let key = client
        .authenticate("admin", &"secret".to_owned().into(), "cloudboot")
        .await
        .unwrap();
    let client = client.with_api_key(key);
    assert_eq!(client.users().whoami().await.unwrap().username, "admin");
    first_config(&client).await;

    region.enlist(spec(1));
    region.enlist(spec(2));
    region.enlist(spec(2));
    region.tick().await;
    let machines = client
        .machines()
        .list(&MachineFilter::new().status(vec![NodeStatus::New]))
        .await
        .unwrap();
    assert_eq!(machines.len(), 2);
    let ids: Vec<SystemId> = machines.iter().map(|m| m.system_id.clone()).collect();
    client
        .tags()
        .create("compute", &TagParams::new().comment("ours"))
        .await
        .unwrap();
    assert_eq!(
        client
            .tags()
            .update_nodes("compute", &ids, &[])
            .await
            .unwrap()
            .added,
        2
    );
    client
        .machines()
        .update(&ids[0], &UpdateMachine::new().hostname("compute-1"))
        .await
        .unwrap();

    // One fails its first commissioning.
    region.fail_next(ids[1].as_str());
    for id in &ids {
        let m = client
            .machines()
            .commission(id, &CommissionParams::new().testing_scripts("none"))
            .await
            .unwrap();
        assert_eq!(m.status, NodeStatus::Commissioning);
    }
    let error = client
        .machines()
        .wait(&ids, MachineGoal::Ready, LIMITS)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(
        error.to_string().contains("maas-serial-ports Failed"),
        "{error}"
    );
    client
        .machines()
        .commission(&ids[1], &CommissionParams::new().testing_scripts("none"))
        .await
        .unwrap();
    let ready = client
        .machines()
        .wait(&ids, MachineGoal::Ready, LIMITS)
        .await
        .unwrap();
    assert!(
        ready
            .iter()
            .all(|m| m.cpu_count == 8 && m.memory == 16384 && m.has_tag("compute"))
    );
    assert_eq!(ready[0].blockdevice_set.len(), 1);

    // A bridge, linked again to the subnet that its parent lost.
    let node = &ids[0];
    let nic = client
        .interfaces()
        .list(node)
        .await
        .unwrap()
        .into_iter()
        .find(|i| !i.links.is_empty() && i.links[0].subnet.is_some())
        .unwrap();
    let subnet = nic.links[0].subnet.clone().unwrap().id;
    let bridge = client
        .interfaces()
        .create_bridge(node, &BridgeParams::new().name("br-ex").parent(nic.id))
        .await
        .unwrap();
    assert_eq!(bridge.links[0].mode, LinkMode::LinkUp);
    let bridge = client
        .interfaces()
        .link_subnet(node, bridge.id, LinkMode::Auto, subnet, &LinkParams::new())
        .await
        .unwrap();
    assert!(bridge.link_to(subnet).is_some());

    // A VM host; a Juju machine on it; then what a bundle allocates.
    let host = client
        .vm_hosts()
        .create(
            "lxd",
            "https://10.70.0.1:8443",
            &VmHostParams::new().name("lxd-controller").project("maas"),
        )
        .await
        .unwrap();
    assert!(host.is_usable());
    assert!(
        client
            .vm_hosts()
            .create(
                "lxd",
                "https://10.70.0.1:8443",
                &VmHostParams::new().project("maas")
            )
            .await
            .unwrap_err()
            .is_already_exists()
    );
    let vm = client
        .vm_hosts()
        .compose(
            host.id,
            &ComposeParams::new()
                .cores(2u32)
                .memory(4096u64)
                .hostname("juju"),
        )
        .await
        .unwrap();
    client
        .tags()
        .create("juju", &TagParams::new())
        .await
        .unwrap();
    client
        .tags()
        .update_nodes("juju", std::slice::from_ref(&vm.system_id), &[])
        .await
        .unwrap();
    client
        .machines()
        .wait(
            std::slice::from_ref(&vm.system_id),
            MachineGoal::Ready,
            LIMITS,
        )
        .await
        .unwrap();

    let juju = client
        .machines()
        .allocate(
            &AllocateParams::new()
                .tags(vec!["juju".into()])
                .agent_name("uuid"),
        )
        .await
        .unwrap();
    assert_eq!(juju.system_id, vm.system_id);
    let deployed = client
        .machines()
        .deploy(
            &juju.system_id,
            &DeployParams::new()
                .distro_series("jammy")
                .cloud_config("#cloud-config\n"),
        )
        .await
        .unwrap();
    assert_eq!(deployed.status, NodeStatus::Deploying);
    client
        .machines()
        .wait(
            std::slice::from_ref(&juju.system_id),
            MachineGoal::Deployed,
            LIMITS,
        )
        .await
        .unwrap();
    assert_eq!(
        region
            .machine(juju.system_id.as_str())
            .unwrap()
            .user_data
            .unwrap(),
        b"#cloud-config\n"
    );

    let composed = region
        .allocate_for(
            "admin",
            &Constraints::new()
                .with("not_tags", "compute")
                .with("mem", 4096)
                .with("agent_name", "uuid"),
        )
        .await
        .unwrap();
    let view = region.machine(&composed).unwrap();
    assert_eq!(
        (view.status, view.vm_host, view.memory_mb),
        (10, Some(host.id.0), 4096)
    );
    region.release(&composed, "admin").await.unwrap();
    assert!(
        region.machine(&composed).is_none(),
        "a machine composed on demand goes with its release"
    );

    let (status, said) = region
        .allocate_for(
            "admin",
            &Constraints::new()
                .with("tags", "compute")
                .with("mem", 999_999),
        )
        .await
        .unwrap_err();
    assert_eq!(status, 409);
    assert_eq!(
        said,
        "No available machine matches constraints: [('tags', ['compute']), ('mem', ['999999'])] (resolved to \"mem=999999.0 tags=compute\")"
    );
    assert_eq!(
        region
            .allocate_for("admin", &Constraints::new().with("tags", "nope"))
            .await
            .unwrap_err()
            .0,
        400
    );

    client
        .machines()
        .release(&juju.system_id, &ReleaseParams::new())
        .await
        .unwrap();
    client
        .machines()
        .wait(
            std::slice::from_ref(&juju.system_id),
            MachineGoal::Released,
            LIMITS,
        )
        .await
        .unwrap();
    client.machines().delete(&juju.system_id).await.unwrap();
    assert!(
        client
            .machines()
            .delete(&juju.system_id)
            .await
            .unwrap_err()
            .is_not_found()
    );
    let counts = region.counts();
    assert_eq!(counts["vm-host"], 1);
    assert_eq!(counts["tag:compute"], 1);

    // The world goes on from its snapshot.
    let snapshot = region.snapshot();
    drop(region);
    let again = FakeRegion::builder()
        .state(snapshot.clone())
        .start()
        .await
        .unwrap();
    assert_eq!(again.counts(), counts);
    assert_eq!(again.machines().len(), 2);
}

#[tokio::test]
async fn before_maas_init_nothing_answers() {
    let region = FakeRegion::builder().uninitialised().start().await.unwrap();
    let client = Client::builder(region.url())
        .retry(Retry::never())
        .build()
        .unwrap();
    assert!(client.version().await.unwrap_err().is_retryable());
    region.initialise();
    assert!(region.is_initialised());
    region.set_serving(true);
    assert_eq!(client.version().await.unwrap().series(), Some((3, 4)));
    assert!(client.login_status().await.unwrap().no_users);
    assert!(region.create_admin("jesus", "pw", "a@b.c"));
    assert!(!region.create_admin("jesus", "pw", "a@b.c"));
}

#[tokio::test]
async fn selections_wait_for_the_catalogue_and_imports_fail_silently() {
    let mut durations = maas_client::testing::Durations::default();
    durations.cache_fill = Duration::from_millis(300);
    durations.import = Duration::from_millis(200);
    let region = FakeRegion::builder()
        .durations(durations)
        .start()
        .await
        .unwrap();
    region.create_admin("admin", "secret", "a@b.c");
    let client = Client::builder(region.url())
        .api_key(region.api_key("admin").parse().unwrap())
        .build()
        .unwrap();
    let source = client.boot_sources().list().await.unwrap().remove(0);
    let wanted = SelectionParams::ubuntu("jammy", &["amd64"]);
    let error = client
        .boot_sources()
        .create_selection(source.id, &wanted)
        .await
        .unwrap_err();
    assert!(error.is_images_unknown(), "{error}");
    tokio::time::sleep(Duration::from_millis(350)).await;
    client
        .boot_sources()
        .create_selection(source.id, &wanted)
        .await
        .unwrap();
    assert!(
        client
            .boot_sources()
            .create_selection(source.id, &wanted)
            .await
            .unwrap_err()
            .is_already_exists()
    );

    region.fail_next_import(false);
    client.boot_resources().import().await.unwrap();
    assert!(client.boot_resources().is_importing().await.unwrap());
    let images = [WantedImage::ubuntu("jammy", "amd64")];
    let error = client
        .wait_for_images(&images, Duration::from_secs(1), LIMITS)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    client.boot_resources().import().await.unwrap();
    client
        .wait_for_images(&images, Duration::from_secs(1), LIMITS)
        .await
        .unwrap();
}
