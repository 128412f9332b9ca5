//! Power and boot, against the simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipmi_lan::command::boot::{BootDevice, BootOverride};
use ipmi_lan::testing::{BmcSpec, PowerEvent, PowerEventKind, Quirks, Simulator};
use ipmi_lan::{CipherSuite, Client, Credentials, ErrorKind, PowerChange, PowerState};

const WAIT: Duration = Duration::from_secs(5);

fn admin() -> Credentials {
    Credentials::new("admin", "secret".into())
}

#[tokio::test]
async fn a_machine_boots_from_the_network_and_is_powered_once() {
    let events: Arc<Mutex<Vec<PowerEvent>>> = Arc::default();
    let seen = events.clone();
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1"))
        .on_power(Arc::new(move |event| seen.lock().unwrap().push(event)))
        .start()
        .await
        .unwrap();
    let client = Client::default();
    let bmc = client.bmc(sim.bmc(0).addr(), admin());

    let flags = bmc
        .set_boot(BootOverride::next(BootDevice::Pxe).uefi(true))
        .await
        .unwrap();
    assert!(flags.valid && flags.uefi && !flags.persistent);
    assert_eq!(
        bmc.ensure_power(PowerState::On, WAIT).await.unwrap(),
        PowerChange::TurnedOn
    );
    assert_eq!(
        bmc.ensure_power(PowerState::On, WAIT).await.unwrap(),
        PowerChange::Unchanged
    );
    assert_eq!(bmc.restart(WAIT).await.unwrap(), PowerChange::Cycled);
    assert_eq!(
        bmc.ensure_power(PowerState::Off, WAIT).await.unwrap(),
        PowerChange::TurnedOff
    );

    let events = events.lock().unwrap();
    let kinds: Vec<_> = events.iter().map(|e| (e.kind, e.boot.device)).collect();
    assert_eq!(
        kinds,
        [
            (PowerEventKind::On, BootDevice::Pxe),
            (PowerEventKind::Off, BootDevice::None),
            (PowerEventKind::On, BootDevice::None),
            (PowerEventKind::Off, BootDevice::None),
        ]
    );
    assert_eq!(
        client.remembered_suite(sim.bmc(0).addr()),
        Some(CipherSuite::S17)
    );
    assert_eq!(sim.counts()["node1:session"], 1);
}

#[tokio::test]
async fn identity_is_read() {
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1"))
        .start()
        .await
        .unwrap();
    let bmc = Client::default().bmc(sim.bmc(0).addr(), admin());
    let id = bmc.device_id().await.unwrap();
    assert_eq!(
        (id.ipmi, id.firmware_major, id.firmware_minor),
        ((2, 0), 1, 23)
    );
    assert_eq!(
        bmc.guid().await.unwrap().0,
        sim.bmc(0).state().unwrap().guid
    );
    assert_eq!(
        bmc.mac_address().await.unwrap(),
        sim.bmc(0).state().unwrap().mac
    );
    assert_eq!(
        bmc.lan_config().await.unwrap().address,
        Some([127, 0, 0, 1].into())
    );
}

#[tokio::test]
async fn flags_that_do_not_read_back_are_an_error() {
    let quirks = Quirks {
        forgets_uefi: true,
        ..Quirks::default()
    };
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1").quirks(quirks))
        .start()
        .await
        .unwrap();
    let bmc = Client::default().bmc(sim.bmc(0).addr(), admin());
    let error = bmc
        .set_boot(BootOverride::next(BootDevice::Pxe).uefi(true))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotReached, "{error}");
    bmc.set_boot(BootOverride::next(BootDevice::Pxe))
        .await
        .unwrap();
}
