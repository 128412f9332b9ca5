//! Networks: their state, leases, forwards; ACLs.

use lxd_client::{Network, NetworkAcl, NetworkAclRule, NetworkForward};

use crate::stage::{Stage, bodies, refused};

bodies!(keeps_networks, forwards_ports, keeps_acls);

/// A bridge of this name and address, whatever was left of an earlier run.
async fn bridge(stage: &Stage, name: &str, address: &str) -> Network {
    let networks = stage.lxd.networks();
    if let Ok(deleted) = networks.delete(name).await {
        deleted.wait().await.unwrap();
    }
    let mut network = Network::bridge(name);
    network
        .config
        .insert("ipv4.address".into(), address.to_owned());
    network
        .config
        .insert("ipv6.address".into(), "none".to_owned());
    let made = networks.create(&network).await.unwrap();
    made.wait().await.unwrap();
    network
}

async fn keeps_networks(stage: Stage) {
    let networks = stage.lxd.networks();
    let _ = networks.delete("cbtnet1").await;
    bridge(&stage, "cbtnet0", "10.97.1.1/24").await;
    let state = networks.state("cbtnet0").await.unwrap();
    assert!(state.addresses.iter().any(|a| a.address == "10.97.1.1"));
    let leases = networks.leases("cbtnet0").await.unwrap();
    assert!(leases.iter().any(|l| l.kind == "gateway"), "{leases:?}");
    let before = networks.get("cbtnet0").await.unwrap();
    networks
        .modify("cbtnet0", |n| n.description = "changed".into())
        .await
        .unwrap();
    let stale = networks.update(&before, before.etag()).await;
    assert!(stale.map(|_| ()).unwrap_err().is_precondition_failed());
    let renamed = networks.rename("cbtnet0", "cbtnet1").await.unwrap();
    renamed.wait().await.unwrap();
    let now = networks.get("cbtnet1").await.unwrap();
    assert_eq!(now.description, "changed");
    assert!(now.managed);
    let missing = networks.get("cbtnet0").await;
    assert!(missing.unwrap_err().is_not_found());
    let names = networks.names().await.unwrap();
    assert!(names.contains(&"cbtnet1".to_owned()));
    let deleted = networks.delete("cbtnet1").await.unwrap();
    deleted.wait().await.unwrap();
    let missing = refused(networks.delete("cbtnet1").await).await;
    assert!(missing.is_not_found());
    let missing = networks.state("cbtnet1").await;
    assert!(missing.unwrap_err().is_not_found());
    let missing = networks.leases("cbtnet1").await;
    assert!(missing.unwrap_err().is_not_found());
}

async fn forwards_ports(stage: Stage) {
    let networks = stage.lxd.networks();
    bridge(&stage, "cbtfwd0", "10.97.2.1/24").await;
    let forward = NetworkForward::on("10.97.2.200").port("tcp", "80", "10.97.2.5");
    let made = networks.create_forward("cbtfwd0", &forward).await.unwrap();
    made.wait().await.unwrap();
    let error = refused(networks.create_forward("cbtfwd0", &forward).await).await;
    assert!(error.is_conflict(), "{error}");
    assert_eq!(error.status(), Some(409));
    let listed = networks.forwards("cbtfwd0").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].ports[0].target_address, "10.97.2.5");
    let before = networks.forward("cbtfwd0", "10.97.2.200").await.unwrap();
    networks
        .modify_forward("cbtfwd0", "10.97.2.200", |f| {
            f.config.insert("target_address".into(), "10.97.2.9".into());
            f.ports.clear();
        })
        .await
        .unwrap();
    let now = networks.forward("cbtfwd0", "10.97.2.200").await.unwrap();
    assert_eq!(now.config["target_address"], "10.97.2.9");
    assert!(now.ports.is_empty());
    // 5.0.2 gives an ETag here, and does not look at it when it is written.
    assert_ne!(before.etag(), now.etag());
    let stale = networks.update_forward("cbtfwd0", &now, before.etag());
    stale.await.unwrap().wait().await.unwrap();
    let bad = NetworkForward::on("nonsense");
    let error = refused(networks.create_forward("cbtfwd0", &bad).await).await;
    assert_eq!(error.status(), Some(500));
    let missing = networks.forward("cbtfwd0", "10.97.2.201").await;
    assert!(missing.unwrap_err().is_not_found());
    let missing = networks.forwards("cbtnone0").await;
    assert!(missing.unwrap_err().is_not_found());
    let deleted = networks.delete_forward("cbtfwd0", "10.97.2.200").await;
    deleted.unwrap().wait().await.unwrap();
    let missing = networks.delete_forward("cbtfwd0", "10.97.2.200").await;
    assert!(refused(missing).await.is_not_found());
    let deleted = networks.delete("cbtfwd0").await.unwrap();
    deleted.wait().await.unwrap();
}

async fn keeps_acls(stage: Stage) {
    let acls = stage.lxd.network_acls();
    let (name, to) = (stage.name("a"), stage.name("b"));
    for name in [&name, &to] {
        if let Ok(deleted) = acls.delete(name).await {
            deleted.wait().await.unwrap();
        }
    }
    let mut acl = NetworkAcl::named(&name);
    let mut ssh = NetworkAclRule::new("allow");
    ssh.protocol = "tcp".into();
    ssh.destination_port = "22".into();
    acl.ingress.push(ssh.clone());
    let made = acls.create(&acl).await.unwrap();
    made.wait().await.unwrap();
    let error = refused(acls.create(&acl).await).await;
    assert!(error.is_conflict(), "{error}");
    assert_eq!(error.status(), Some(400));
    let before = acls.get(&name).await.unwrap();
    assert_eq!(before.ingress, [ssh]);
    assert!(acls.list().await.unwrap().iter().any(|a| a.name == name));
    assert!(acls.names().await.unwrap().contains(&name));
    acls.modify(&name, |a| {
        a.egress.push(NetworkAclRule::new("drop"));
        a.description = "changed".into();
    })
    .await
    .unwrap();
    let stale = acls.update(&before, before.etag()).await.map(|_| ());
    assert!(stale.unwrap_err().is_precondition_failed());
    let renamed = acls.rename(&name, &to).await.unwrap();
    renamed.wait().await.unwrap();
    let now = acls.get(&to).await.unwrap();
    assert_eq!((now.egress.len(), now.ingress.len()), (1, 1));
    let mut bad = NetworkAcl::named(stage.name("bad"));
    bad.ingress.push(NetworkAclRule::new("nonsense"));
    let error = refused(acls.create(&bad).await).await;
    assert!(error.message().contains("Action must be"), "{error}");
    let deleted = acls.delete(&to).await.unwrap();
    deleted.wait().await.unwrap();
    assert!(refused(acls.delete(&to).await).await.is_not_found());
    assert!(acls.get(&name).await.unwrap_err().is_not_found());
}
