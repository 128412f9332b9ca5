//! Event log, sensors, FRU, users and watchdog, against the simulator and its faults.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use futures_util::TryStreamExt;
use ipmi_lan::command::sel::{AddSelEntry, GetSelTime, SelEntry, SelEvent, SelRecord, SetSelTime};
use ipmi_lan::command::watchdog::{GetWatchdog, ResetWatchdog, SetWatchdog, WatchdogAction};
use ipmi_lan::testing::{BmcSpec, Quirks, Simulator};
use ipmi_lan::{Bmc, Client, Credentials, ErrorKind, PowerState, Privilege};

async fn bmc(quirks: Quirks) -> (Simulator, Client, Bmc) {
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1").quirks(quirks))
        .start()
        .await
        .unwrap();
    let client = Client::default();
    let bmc = client.bmc(
        sim.bmc(0).addr(),
        Credentials::new("admin", "secret".into()),
    );
    (sim, client, bmc)
}

#[tokio::test]
async fn sensors_have_values_units_and_thresholds() {
    for quirks in [
        Quirks::default(),
        Quirks {
            short_reads: Some(16),
            ..Quirks::default()
        },
        Quirks {
            short_reads: Some(16),
            lost_reservations: 3,
            ..Quirks::default()
        },
        Quirks {
            long_sdrs: true,
            ..Quirks::default()
        },
        Quirks {
            no_terminator: true,
            ..Quirks::default()
        },
        Quirks {
            wrong_counts: true,
            ..Quirks::default()
        },
    ] {
        let (_sim, _client, bmc) = bmc(quirks.clone()).await;
        let sensors = bmc
            .sensors()
            .await
            .unwrap_or_else(|e| panic!("{quirks:?}: {e}"));
        let shown: Vec<_> = sensors
            .iter()
            .map(|s| (s.record.name.as_str(), s.value, s.record.unit.to_string()))
            .collect();
        let expected = [
            ("CPU Temp", Some(42.0), "degrees C".to_owned()),
            ("Fan 1", Some(5600.0), "RPM".to_owned()),
            ("12V", Some(12.0), "V".to_owned()),
            ("PSU 1", None, String::new()),
        ];
        assert_eq!(shown, expected, "{quirks:?}");
        assert_eq!(sensors[0].thresholds.upper_critical, Some(90.0));
        assert_eq!(sensors[3].reading.unwrap().states, 1);
    }
}

#[tokio::test]
async fn the_event_log_is_listed_streamed_added_to_timed_and_cleared() {
    for quirks in [
        Quirks::default(),
        Quirks {
            no_terminator: true,
            ..Quirks::default()
        },
        Quirks {
            wrong_counts: true,
            ..Quirks::default()
        },
    ] {
        let wrong = if quirks.wrong_counts { 7 } else { 0 };
        let (sim, _client, bmc) = bmc(quirks).await;
        assert!(bmc.sel_list().await.unwrap().is_empty());
        sim.bmc(0).edit(|state| {
            state.storage.log(SelEvent::new(
                1_700_000_000,
                0x01,
                1,
                0x01,
                [0x59, 0x91, 0x90],
            ));
            state.storage.log(SelEvent::new(
                1_700_000_001,
                0x09,
                0,
                0x6f,
                [0x04, 0xff, 0xff],
            ));
        });
        let added = SelEntry::with(
            0,
            SelRecord::OemTimed(0xc1, 1_700_000_002, 0x1234, [1, 2, 3, 4, 5, 6]),
        );
        assert_eq!(bmc.send(&AddSelEntry(added)).await.unwrap(), 3);
        assert_eq!(bmc.sel_info().await.unwrap().entries, 3 + wrong);
        let entries: Vec<SelEntry> = bmc.sel().try_collect().await.unwrap();
        assert_eq!(entries.iter().map(|e| e.id).collect::<Vec<_>>(), [1, 2, 3]);
        let SelRecord::Event(event) = &entries[0].record else {
            panic!("{entries:?}")
        };
        assert_eq!(event.meaning(), "upper critical going high");
        let SelRecord::Event(event) = &entries[1].record else {
            panic!("{entries:?}")
        };
        assert_eq!(event.meaning(), "AC lost");
        assert_eq!(
            entries[2].record,
            SelRecord::OemTimed(0xc1, 1_700_000_002, 0x1234, [1, 2, 3, 4, 5, 6])
        );
        bmc.clear_sel().await.unwrap();
        assert!(bmc.sel_list().await.unwrap().is_empty());
        bmc.send(&SetSelTime(1_750_000_000)).await.unwrap();
        assert!((1_750_000_000..1_750_000_005).contains(&bmc.send(&GetSelTime).await.unwrap()));
    }
}

#[tokio::test]
async fn the_fru_is_read_in_parts() {
    for quirks in [
        Quirks::default(),
        Quirks {
            short_reads: Some(8),
            ..Quirks::default()
        },
    ] {
        let (_sim, _client, bmc) = bmc(quirks).await;
        let fru = bmc.fru(0).await.unwrap();
        assert_eq!(fru.serial(), Some("SN-node1"));
        assert_eq!(
            (fru.board[0].as_str(), fru.product[1].as_str()),
            ("Cloudboot", "Simulated server")
        );
        assert_eq!(
            bmc.fru(9).await.unwrap_err().kind(),
            &ErrorKind::Completion(0xcb)
        );
    }
}

#[tokio::test]
async fn a_user_is_made_logs_in_and_is_disabled() {
    let (sim, client, bmc) = bmc(Quirks::default()).await;
    bmc.set_user(
        3,
        "oper",
        "a password of 20 b.!".into(),
        Privilege::Operator,
    )
    .await
    .unwrap();
    let users = bmc.users().await.unwrap();
    let oper = users.iter().find(|u| u.name == "oper").unwrap();
    assert_eq!(
        (oper.id, oper.access.privilege, oper.access.enabled),
        (3, Some(Privilege::Operator), Some(true))
    );
    let credentials =
        Credentials::new("oper", "a password of 20 b.!".into()).privilege(Privilege::Operator);
    let oper = client.bmc(sim.bmc(0).addr(), credentials.clone());
    oper.ensure_power(PowerState::On, Duration::from_secs(5))
        .await
        .unwrap();
    oper.close().await;
    bmc.disable_user(3).await.unwrap();
    let error = client
        .bmc(sim.bmc(0).addr(), credentials)
        .power_state()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::UnknownUser, "{error}");
    let error = bmc
        .set_user(3, "a name of seventeen", "x".into(), Privilege::User)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_watchdog_and_the_channel() {
    let (_sim, _client, bmc) = bmc(Quirks::default()).await;
    let set = SetWatchdog {
        user: 4,
        action: WatchdogAction::PowerCycle,
        countdown: Duration::from_secs(60),
    };
    bmc.send(&set).await.unwrap();
    assert!(!bmc.send(&GetWatchdog).await.unwrap().running);
    bmc.send(&ResetWatchdog).await.unwrap();
    let watchdog = bmc.send(&GetWatchdog).await.unwrap();
    assert_eq!(
        (watchdog.running, watchdog.action, watchdog.initial),
        (true, WatchdogAction::PowerCycle, Duration::from_secs(60))
    );
    assert_eq!(bmc.cipher_suites().await.unwrap(), [17, 3]);
    let offered = bmc.auth_capabilities().await.unwrap();
    assert!(offered.v2 && offered.named_users && !offered.two_key);
}
