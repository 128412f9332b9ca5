//! The commands that no other test needs, each with its effect on the simulated machine; and power on BMCs that make it difficult.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use ipmi_lan::command::Raw;
use ipmi_lan::command::boot::{BootDevice, BootOverride, BootVerify, SetBootOption};
use ipmi_lan::command::channel::{GetChannelAccess, GetChannelInfo};
use ipmi_lan::command::chassis::{ChassisControl, ChassisIdentify, IdentifyState, RestorePolicy};
use ipmi_lan::command::device::{ResetBmc, SelfTest};
use ipmi_lan::command::lan::{IpSource, SetLanParameter};
use ipmi_lan::testing::{BmcSpec, Durations, Network, Quirks, Simulator};
use ipmi_lan::{Bmc, Client, Credentials, ErrorKind, PowerChange, PowerState, Privilege, Timing};

const WAIT: Duration = Duration::from_secs(10);

fn admin() -> Credentials {
    Credentials::new("admin", "secret".into())
}

async fn with(spec: BmcSpec) -> (Simulator, Client, Bmc) {
    let sim = Simulator::builder().bmc(spec).start().await.unwrap();
    let client = Client::default();
    let bmc = client.bmc(sim.bmc(0).addr(), admin());
    (sim, client, bmc)
}

#[tokio::test]
async fn identify_and_restore_policy() {
    let (sim, _client, bmc) = with(BmcSpec::new("node1")).await;
    let light = async || bmc.chassis_status().await.unwrap().identify;
    assert_eq!(light().await, IdentifyState::Off);
    bmc.identify(ChassisIdentify::Seconds(200)).await.unwrap();
    assert_ne!(light().await, IdentifyState::Off);
    bmc.identify(ChassisIdentify::Off).await.unwrap();
    assert_eq!(light().await, IdentifyState::Off);
    bmc.identify(ChassisIdentify::Indefinitely).await.unwrap();
    assert_ne!(light().await, IdentifyState::Off);
    for policy in [
        RestorePolicy::AlwaysOn,
        RestorePolicy::Previous,
        RestorePolicy::AlwaysOff,
    ] {
        assert_eq!(bmc.set_restore_policy(policy).await.unwrap(), 7);
        let status = bmc.chassis_status().await.unwrap();
        assert_eq!(status.restore_policy, policy);
        assert_eq!(sim.bmc(0).state().unwrap().restore_policy, policy);
    }
}

#[tokio::test]
async fn the_bmc_is_reset_and_talked_to_again() {
    let (sim, _client, bmc) = with(BmcSpec::new("node1").powered(true)).await;
    for reset in [ResetBmc::Cold, ResetBmc::Warm] {
        bmc.reset_bmc(reset).await.unwrap();
        assert_eq!(sim.bmc(0).sessions(), (0, 0));
        assert_eq!(bmc.power_state().await.unwrap(), PowerState::On);
    }
    assert_eq!(bmc.self_test().await.unwrap(), SelfTest::Passed);
}

#[tokio::test]
async fn raw_commands() {
    let (sim, _client, bmc) = with(BmcSpec::new("node1")).await;
    let id = bmc.raw(&Raw::new(0x06, 0x01, [])).await.unwrap();
    assert_eq!((id.len(), id[0]), (15, 0x20));
    bmc.raw(&Raw::new(0x00, 0x02, [1])).await.unwrap();
    bmc.wait_for_power(PowerState::On, WAIT).await.unwrap();
    assert_eq!(sim.counts()["node1:power-on"], 1);
    let read = Raw::new(0x00, 0x01, [])
        .privilege(Privilege::User)
        .idempotent();
    assert_eq!(bmc.raw(&read).await.unwrap()[0] & 1, 1);
    let error = bmc.raw(&Raw::new(0x30, 0x01, [])).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Completion(0xc1));
    assert!(error.is_unsupported());
}

#[tokio::test]
async fn lan_parameters_are_set_and_the_channel_is_read() {
    for quirks in [
        Quirks::default(),
        Quirks {
            no_this_channel: true,
            ..Quirks::default()
        },
    ] {
        let (_sim, _client, bmc) = with(BmcSpec::new("node1").quirks(quirks)).await;
        let set = |parameter, data: &[u8]| SetLanParameter {
            channel: 1,
            parameter,
            data: data.to_vec(),
        };
        bmc.send(&set(4, &[2])).await.unwrap();
        bmc.send(&set(3, &[10, 42, 1, 7])).await.unwrap();
        bmc.send(&set(12, &[10, 42, 1, 1])).await.unwrap();
        bmc.send(&set(20, &[0x2a, 0x80])).await.unwrap();
        let lan = bmc.lan_config().await.unwrap();
        assert_eq!(lan.address, Some([10, 42, 1, 7].into()));
        assert_eq!(lan.gateway, Some([10, 42, 1, 1].into()));
        assert_eq!((lan.source, lan.vlan), (Some(IpSource::Dhcp), Some(42)));
        let error = bmc.send(&set(200, &[0])).await.unwrap_err();
        assert!(error.is_unsupported(), "{error}");
        let channel = bmc.send(&GetChannelInfo(1)).await.unwrap();
        assert_eq!((channel.channel, channel.medium), (1, 4));
        let access = bmc.send(&GetChannelAccess(1)).await.unwrap();
        assert_eq!(access.privilege, Some(Privilege::Administrator));
    }
}

#[tokio::test]
async fn every_boot_device_once_and_for_good_by_bios_and_uefi() {
    let (sim, _client, bmc) = with(BmcSpec::new("node1")).await;
    for device in [
        BootDevice::Pxe,
        BootDevice::Disk,
        BootDevice::Cd,
        BootDevice::Bios,
    ] {
        for (uefi, persistent) in [(false, false), (true, false), (false, true), (true, true)] {
            let boot = BootOverride::next(device).uefi(uefi).persistent(persistent);
            let flags = bmc.set_boot(boot).await.unwrap();
            assert!(flags.valid, "{device:?}");
            assert_eq!(
                (flags.device, flags.uefi, flags.persistent),
                (device, uefi, persistent)
            );
            assert_eq!(sim.bmc(0).boot(), flags);
        }
    }
    bmc.set_boot(BootOverride::next(BootDevice::None))
        .await
        .unwrap();
    assert!(!bmc.boot_flags().await.unwrap().valid);
    bmc.send(&SetBootOption::InProgress(true)).await.unwrap();
    bmc.send(&SetBootOption::InProgress(false)).await.unwrap();
}

/// Some return the device alone (ipmi_sim, pyghmi), some mishandle UEFI: by default that is an error, since the machine may boot another way.
#[tokio::test]
async fn flags_that_are_forgotten_are_noticed_as_strictly_as_is_asked_for() {
    let quirks = Quirks {
        forgets_boot_bits: true,
        ..Quirks::default()
    };
    let (_sim, _client, bmc) = with(BmcSpec::new("node1").quirks(quirks)).await;
    let boot = BootOverride::next(BootDevice::Pxe).uefi(true);
    let error = bmc.set_boot(boot).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotReached, "{error}");
    for verify in [BootVerify::Device, BootVerify::None] {
        let flags = bmc.set_boot(boot.verify(verify)).await.unwrap();
        assert_eq!(flags.device, BootDevice::Pxe);
    }
}

#[tokio::test]
async fn soft_off_with_grace_diagnostic_and_a_wait_that_fails() {
    // It heeds the request.
    let (sim, _client, bmc) = with(BmcSpec::new("node1").powered(true)).await;
    let change = bmc.shut_down(WAIT, WAIT).await.unwrap();
    assert_eq!(change, PowerChange::TurnedOff);
    assert_eq!(sim.counts().get("node1:power-off"), None);
    assert_eq!(
        bmc.shut_down(WAIT, WAIT).await.unwrap(),
        PowerChange::Unchanged
    );
    // It does not, and is powered off.
    let durations = Durations {
        soft_off: Duration::from_secs(3600),
        ..Durations::default()
    };
    let (sim, _client, bmc) = with(BmcSpec::new("node1").powered(true).durations(durations)).await;
    bmc.chassis_control(ChassisControl::Diagnostic)
        .await
        .unwrap();
    let grace = Duration::from_millis(300);
    let change = bmc.shut_down(grace, WAIT).await.unwrap();
    assert_eq!(change, PowerChange::TurnedOff);
    let counts = sim.counts();
    assert_eq!(
        (
            counts["node1:soft-off"],
            counts["node1:power-off"],
            counts["node1:diagnostic"]
        ),
        (1, 1, 1)
    );
    let error = bmc.wait_for_power(PowerState::On, grace).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotReached);
    assert!(error.to_string().contains("it is off"), "{error}");
}

/// No power cycle: reset instead. Controls that are dropped in a transition: given again until the state holds.
#[tokio::test]
async fn restart_without_power_cycle_and_controls_that_are_dropped() {
    let quirks = Quirks {
        no_cycle: true,
        ..Quirks::default()
    };
    let (sim, _client, bmc) = with(BmcSpec::new("node1").powered(true).quirks(quirks)).await;
    assert_eq!(bmc.restart(WAIT).await.unwrap(), PowerChange::Reset);
    assert_eq!(sim.counts()["node1:reset"], 1);

    let quirks = Quirks {
        drops_early_controls: true,
        ..Quirks::default()
    };
    let durations = Durations {
        power_off: Duration::from_secs(2),
        ..Durations::default()
    };
    let spec = BmcSpec::new("node1")
        .powered(true)
        .quirks(quirks)
        .durations(durations);
    let (sim, _client, bmc) = with(spec).await;
    bmc.chassis_control(ChassisControl::Off).await.unwrap();
    // Answered with "OK" and dropped; the machine goes off, and stays off until it is told again.
    bmc.chassis_control(ChassisControl::On).await.unwrap();
    bmc.wait_for_power(PowerState::Off, WAIT).await.unwrap();
    let change = bmc.ensure_power(PowerState::On, WAIT).await.unwrap();
    assert_eq!(change, PowerChange::TurnedOn);
    assert_eq!(sim.counts()["node1:power-on"], 1);
}

#[tokio::test]
async fn a_session_is_kept_alive_where_that_is_asked_for() {
    let mut spec = BmcSpec::new("node1");
    spec.session_timeout = Duration::from_secs(1);
    let sim = Simulator::builder().bmc(spec).start().await.unwrap();
    let mut timing = Timing::default();
    timing.keepalive = Some(Duration::from_millis(100));
    let client = Client::builder().timing(timing).build();
    let bmc = client.bmc(sim.bmc(0).addr(), admin());
    bmc.power_state().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    bmc.power_state().await.unwrap();
    assert_eq!(sim.counts()["node1:session"], 1);
}

/// A console that is being shut down deactivates itself while its session is closed: neither waits for the other's deadline.
#[tokio::test]
async fn closing_outlasts_what_is_asked_meanwhile() {
    let (sim, _client, bmc) = with(BmcSpec::new("node1")).await;
    bmc.power_state().await.unwrap();
    let both = async {
        let ((), late) = tokio::join!(bmc.close(), bmc.power_state());
        late.unwrap();
    };
    tokio::time::timeout(bmc.deadline() / 2, both)
        .await
        .expect("the session closes once all is answered");
    assert_eq!(sim.bmc(0).sessions(), (0, 0));
}

/// Through a port forward: datagrams go to another address, errors name the BMC's own.
#[tokio::test]
async fn a_route() {
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1"))
        .start()
        .await
        .unwrap();
    let there = sim.bmc(0).addr();
    let own = "10.42.1.7:623".parse().unwrap();
    let client = Client::builder()
        .deadline(Duration::from_millis(1500))
        .route(move |addr| if addr == own { there } else { addr })
        .build();
    let bmc = client.bmc(own, admin());
    assert_eq!(bmc.power_state().await.unwrap(), PowerState::Off);
    let mut down = Network::default();
    down.down = true;
    sim.bmc(0).set_network(down);
    let error = bmc.power_state().await.unwrap_err();
    assert!(error.to_string().contains("10.42.1.7:623"), "{error}");
    assert_eq!(error.bmc(), Some(own));
}
