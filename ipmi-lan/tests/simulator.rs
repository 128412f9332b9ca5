//! The simulator itself: virtual time, boot flags that expire, snapshots, taps.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipmi_lan::command::boot::{BootDevice, BootOverride};
use ipmi_lan::command::chassis::ChassisControl;
use ipmi_lan::testing::{
    BmcSpec, Clock, Durations, Phase, PowerEventKind, Simulator, SimulatorBuilder, Verdict,
};
use ipmi_lan::{Bmc, Client, Credentials, ErrorKind, PowerState};

fn hand_clock() -> (Arc<AtomicU64>, Clock) {
    let seconds = Arc::new(AtomicU64::new(0));
    let read = seconds.clone();
    (
        seconds,
        Arc::new(move || Duration::from_secs(read.load(Ordering::SeqCst))),
    )
}

async fn start(builder: SimulatorBuilder) -> (Simulator, Bmc) {
    let sim = builder.start().await.unwrap();
    let bmc = Client::builder()
        .deadline(Duration::from_secs(2))
        .build()
        .bmc(
            sim.bmc(0).addr(),
            Credentials::new("admin", "secret".into()),
        );
    (sim, bmc)
}

#[tokio::test]
async fn power_follows_virtual_time() {
    let (seconds, clock) = hand_clock();
    let slow = Durations {
        power_on: Duration::from_secs(10),
        soft_off: Duration::from_secs(30),
        ..Durations::default()
    };
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let builder = Simulator::builder()
        .bmc(BmcSpec::new("node1"))
        .clock(clock)
        .durations(slow)
        .on_power(Arc::new(move |event| {
            seen.lock()
                .unwrap()
                .push((event.kind, event.boot.device, event.at))
        }));
    let (sim, bmc) = start(builder).await;
    bmc.set_boot(BootOverride::next(BootDevice::Pxe))
        .await
        .unwrap();
    bmc.chassis_control(ChassisControl::On).await.unwrap();
    seconds.store(9, Ordering::SeqCst);
    assert_eq!(bmc.power_state().await.unwrap(), PowerState::Off);
    seconds.store(10, Ordering::SeqCst);
    assert_eq!(bmc.power_state().await.unwrap(), PowerState::On);
    bmc.chassis_control(ChassisControl::Soft).await.unwrap();
    // Nobody asks: it happens by itself.
    seconds.store(100, Ordering::SeqCst);
    for _ in 0..500 {
        if events.lock().unwrap().len() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let expected = [
        (PowerEventKind::On, BootDevice::Pxe, Duration::from_secs(10)),
        (
            PowerEventKind::Off,
            BootDevice::None,
            Duration::from_secs(40),
        ),
    ];
    assert_eq!(*events.lock().unwrap(), expected);
    assert_eq!(sim.counts()["node1:booted"], 1);
}

#[tokio::test]
async fn boot_flags_expire_after_sixty_seconds_unless_held_or_used() {
    let (seconds, clock) = hand_clock();
    let (_sim, bmc) = start(Simulator::builder().bmc(BmcSpec::new("node1")).clock(clock)).await;
    bmc.set_boot(BootOverride::next(BootDevice::Disk))
        .await
        .unwrap();
    seconds.store(59, Ordering::SeqCst);
    assert!(bmc.boot_flags().await.unwrap().valid);
    seconds.store(60, Ordering::SeqCst);
    assert!(!bmc.boot_flags().await.unwrap().valid);
    bmc.set_boot(BootOverride::next(BootDevice::Disk).hold(true))
        .await
        .unwrap();
    seconds.store(1000, Ordering::SeqCst);
    assert!(bmc.boot_flags().await.unwrap().valid);
    // Persistent flags outlive the boot, others do not.
    bmc.set_boot(BootOverride::next(BootDevice::Pxe).persistent(true))
        .await
        .unwrap();
    bmc.chassis_control(ChassisControl::On).await.unwrap();
    seconds.store(1001, Ordering::SeqCst);
    assert!(bmc.boot_flags().await.unwrap().valid);
}

#[tokio::test]
async fn a_snapshot_is_the_world_again_with_its_due_changes() {
    let (seconds, clock) = hand_clock();
    let saved = Arc::new(AtomicUsize::new(0));
    let saves = saved.clone();
    let slow = Durations {
        power_on: Duration::from_secs(10),
        ..Durations::default()
    };
    let builder = || {
        Simulator::builder()
            .bmc(BmcSpec::new("node1"))
            .clock(clock.clone())
            .durations(slow)
    };
    let (sim, bmc) = start(builder().changed(Arc::new(move || {
        saves.fetch_add(1, Ordering::SeqCst);
    })))
    .await;
    bmc.chassis_control(ChassisControl::On).await.unwrap();
    assert!(
        saved.load(Ordering::SeqCst) > 0,
        "saved before the answer went out"
    );
    let snapshot = sim.snapshot();
    drop((sim, bmc));
    let (sim, bmc) = start(builder().snapshot(snapshot.clone())).await;
    assert_eq!(bmc.power_state().await.unwrap(), PowerState::Off);
    seconds.store(10, Ordering::SeqCst);
    assert_eq!(bmc.power_state().await.unwrap(), PowerState::On);
    assert_eq!(
        (sim.counts()["node1:power-on"], sim.counts()["node1:booted"]),
        (1, 1)
    );
    let two = Simulator::builder()
        .bmc(BmcSpec::new("a"))
        .bmc(BmcSpec::new("b"))
        .snapshot(snapshot)
        .start()
        .await;
    assert_eq!(two.unwrap_err().kind(), &ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_tap_sees_drops_and_fails_messages() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let dropped = Arc::new(AtomicUsize::new(0));
    let (names, drops) = (seen.clone(), dropped.clone());
    let tap = Arc::new(move |phase: Phase, name: &str| {
        let verdict = match (phase, name) {
            (Phase::Before, "node1 Get Chassis Status")
                if drops.fetch_add(1, Ordering::SeqCst) == 0 =>
            {
                Verdict::Drop
            }
            (Phase::Before, "node1 Get Device ID") => Verdict::Fail(0xff),
            (Phase::After, "node1 Chassis Control") => Verdict::Drop,
            _ => Verdict::Continue,
        };
        if phase == Phase::Before {
            names.lock().unwrap().push(name.to_owned());
        }
        let answer: ipmi_lan::testing::BoxFuture<'static, Verdict> =
            Box::pin(async move { verdict });
        answer
    });
    let (sim, bmc) = start(
        Simulator::builder()
            .bmc(BmcSpec::new("node1").powered(true))
            .tap(tap),
    )
    .await;
    bmc.power_state().await.unwrap();
    assert_eq!(
        seen.lock().unwrap()[..5],
        [
            "node1 Open Session",
            "node1 RAKP 1",
            "node1 RAKP 3",
            "node1 Get Chassis Status",
            "node1 Get Chassis Status"
        ]
    );
    assert_eq!(
        bmc.device_id().await.unwrap_err().kind(),
        &ErrorKind::Completion(0xff)
    );
    // Acted upon, and the answer lost every time: once, and the caller is told that it is unclear.
    let error = bmc
        .chassis_control(ChassisControl::Reset)
        .await
        .unwrap_err();
    assert!(error.is_unclear(), "{error}");
    assert_eq!(sim.counts()["node1:reset"], 1);
}

#[test]
fn handles_are_send_and_their_debug_holds_no_secret() {
    fn send<T: Send + Sync + Clone>(_: &T) {}
    let client = Client::default();
    send(&client);
    let credentials = Credentials::new("admin", "hunter2".into()).kg(b"the-kg-key".to_vec().into());
    let bmc = client.bmc("192.0.2.1:623".parse().unwrap(), credentials);
    send(&bmc);
    fn future<F: Future + Send>(_: F) {}
    future(bmc.ensure_power(PowerState::On, Duration::ZERO));
    let shown = format!("{client:?} {bmc:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("kg-key"),
        "{shown}"
    );
}
