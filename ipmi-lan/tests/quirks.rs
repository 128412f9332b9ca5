//! Each way in which BMCs stray, on the simulator, and what the client makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::{Duration, Instant};

use ipmi_lan::command::chassis::ChassisControl;
use ipmi_lan::command::device::GetDeviceId;
use ipmi_lan::testing::{BmcSpec, Network, Quirks, Simulator, User};
use ipmi_lan::{
    Bmc, CipherSuite, Client, ClientBuilder, Credentials, Error, ErrorKind, PowerChange,
    PowerState, Privilege, Workarounds,
};

const WAIT: Duration = Duration::from_secs(5);

fn admin() -> Credentials {
    Credentials::new("admin", "secret".into())
}

async fn with(spec: BmcSpec, client: ClientBuilder) -> (Simulator, Client, Bmc) {
    let sim = Simulator::builder().bmc(spec).start().await.unwrap();
    let client = client.build();
    let bmc = client.bmc(sim.bmc(0).addr(), admin());
    (sim, client, bmc)
}

/// A quirk that the client is to cope with unasked: it powers the machine on, and leaves no session behind.
async fn copes(quirks: Quirks, suites: &[CipherSuite]) -> Client {
    let named = format!("{quirks:?}");
    let spec = BmcSpec::new("node1").quirks(quirks).suites(suites.to_vec());
    let (sim, client, bmc) = with(spec, Client::builder()).await;
    let change = bmc.ensure_power(PowerState::On, WAIT).await;
    assert_eq!(
        change.unwrap_or_else(|e| panic!("{named}: {e}")),
        PowerChange::TurnedOn
    );
    bmc.close().await;
    assert_eq!(sim.bmc(0).sessions(), (0, 0), "{named}");
    client
}

#[tokio::test]
async fn a_bmc_without_suite_17_is_talked_to_with_3_and_that_is_remembered() {
    let old = [CipherSuite::S3];
    for quirks in [
        Quirks::default(),
        Quirks {
            suite_status: Some(0x01),
            ..Quirks::default()
        },
        Quirks {
            suite_status: Some(0x0a),
            ..Quirks::default()
        },
        Quirks {
            suite_status: Some(0x12),
            ..Quirks::default()
        },
        Quirks {
            short_refusal: true,
            ..Quirks::default()
        },
        Quirks {
            silent_suite: true,
            ..Quirks::default()
        },
    ] {
        copes(quirks, &old).await;
    }
    // The second session begins with what worked: one Open Session Request, not two.
    let spec = BmcSpec::new("node1").suites(old);
    let (sim, client, bmc) = with(spec, Client::builder()).await;
    bmc.power_state().await.unwrap();
    assert_eq!(
        client.remembered_suite(sim.bmc(0).addr()),
        Some(CipherSuite::S3)
    );
    bmc.close().await;
    drop(bmc);
    let again = client.bmc(sim.bmc(0).addr(), admin());
    again.power_state().await.unwrap();
    assert_eq!(sim.counts()["node1:open-session"], 3);
}

#[tokio::test]
async fn numbers_repetitions_and_silence_are_coped_with() {
    let both = [CipherSuite::S17, CipherSuite::S3];
    for quirks in [
        Quirks {
            skips_numbers: true,
            ..Quirks::default()
        },
        Quirks {
            stutters: true,
            ..Quirks::default()
        },
        Quirks {
            long_rakp2: true,
            ..Quirks::default()
        },
        Quirks {
            administrator_only: true,
            ..Quirks::default()
        },
        Quirks {
            silent_close: true,
            ..Quirks::default()
        },
        Quirks {
            silent_cipher_suites: true,
            ..Quirks::default()
        },
        Quirks {
            busy: 2,
            ..Quirks::default()
        },
    ] {
        copes(quirks, &both).await;
    }
}

#[tokio::test]
async fn what_weakens_nothing_has_to_be_named_where_it_cannot_be_detected() {
    let zero = Quirks {
        id_zero: true,
        ..Quirks::default()
    };
    let checksums = Quirks {
        bad_checksums: true,
        ..Quirks::default()
    };
    let intel = Quirks {
        intel20: true,
        ..Quirks::default()
    };
    let mut named = Workarounds::default();
    named.id_zero = true;
    let mut unchecked = Workarounds::default();
    unchecked.no_checksums = true;
    for (quirks, workarounds) in [
        (zero, named),
        (checksums, unchecked),
        (intel, Workarounds::intel20()),
    ] {
        let deadline = Duration::from_millis(1500);
        let spec = BmcSpec::new("node1").quirks(quirks.clone()).slots(64);
        let (_sim, _client, bmc) = with(spec.clone(), Client::builder().deadline(deadline)).await;
        bmc.power_state()
            .await
            .expect_err("not without the workaround");
        let (_sim, _client, bmc) = with(
            spec,
            Client::builder()
                .deadline(deadline)
                .workarounds(workarounds),
        )
        .await;
        bmc.power_state()
            .await
            .unwrap_or_else(|e| panic!("{quirks:?}: {e}"));
    }
    // intel20 ends passwords at 16 bytes.
    let user = User::new("admin", "twenty-bytes-secret!", Privilege::Administrator);
    let spec = BmcSpec::new("node1").users([user]).quirks(Quirks {
        intel20: true,
        ..Quirks::default()
    });
    let sim = Simulator::builder().bmc(spec).start().await.unwrap();
    let client = Client::builder()
        .workarounds(Workarounds::intel20())
        .build();
    let bmc = client.bmc(
        sim.bmc(0).addr(),
        Credentials::new("admin", "twenty-bytes-secret!".into()),
    );
    bmc.power_state().await.unwrap();
}

#[tokio::test]
async fn a_downgrade_is_refused_and_suite_0_only_spoken_where_offered() {
    let quirks = Quirks {
        downgrade: Some(2),
        ..Quirks::default()
    };
    let (sim, _client, bmc) = with(BmcSpec::new("node1").quirks(quirks), Client::builder()).await;
    let error = bmc.power_state().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("downgrade") && !error.bytes().is_empty());
    for _ in 0..500 {
        if sim.bmc(0).sessions() == (0, 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        sim.bmc(0).sessions(),
        (0, 0),
        "the half-open session is given back"
    );

    let zero = BmcSpec::new("node1").suites([CipherSuite::S0]);
    let (_sim, _client, bmc) = with(zero.clone(), Client::builder()).await;
    assert_eq!(
        bmc.power_state().await.unwrap_err().kind(),
        &ErrorKind::SuiteRefused
    );
    let (_sim, _client, bmc) = with(zero, Client::builder().suites([CipherSuite::S0])).await;
    bmc.power_state().await.unwrap();
}

#[tokio::test]
async fn every_suite_works_and_names_may_be_null() {
    for number in [1, 2, 3, 6, 7, 8, 11, 12, 15, 16, 17] {
        let suite = CipherSuite::new(number).unwrap();
        let (sim, _client, bmc) = with(
            BmcSpec::new("node1").suites([suite]),
            Client::builder().suites([suite]),
        )
        .await;
        bmc.ensure_power(PowerState::On, WAIT)
            .await
            .unwrap_or_else(|e| panic!("suite {suite}: {e}"));
        bmc.close().await;
        assert_eq!(sim.bmc(0).sessions(), (0, 0));
    }
    let users = [
        User::new("", "null-secret", Privilege::Administrator),
        User::new("admin", "secret", Privilege::Administrator),
    ];
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1").users(users))
        .start()
        .await
        .unwrap();
    let bmc = Client::default().bmc(
        sim.bmc(0).addr(),
        Credentials::new("", "null-secret".into()),
    );
    bmc.power_state().await.unwrap();
}

#[tokio::test]
async fn wrong_credentials_leave_no_slot_taken() {
    let spec = BmcSpec::new("node1").kg(b"key".to_vec());
    let (sim, client, _) = with(spec, Client::builder()).await;
    for _ in 0..20 {
        let wrong = client.bmc(sim.bmc(0).addr(), Credentials::new("admin", "wrong".into()));
        assert_eq!(
            wrong.power_state().await.unwrap_err().kind(),
            &ErrorKind::BadPassword
        );
        let nobody = client.bmc(
            sim.bmc(0).addr(),
            Credentials::new("nobody", "secret".into()),
        );
        assert_eq!(
            nobody.power_state().await.unwrap_err().kind(),
            &ErrorKind::UnknownUser
        );
    }
    assert_eq!(sim.bmc(0).sessions(), (0, 0));
}

#[tokio::test]
async fn slots_that_are_taken_are_waited_for() {
    let (sim, _client, bmc) = with(BmcSpec::new("node1").slots(1), Client::builder()).await;
    bmc.power_state().await.unwrap();
    // Another program, as it were: it has the only slot until it closes.
    let other = Client::default();
    let waiting = other.bmc(sim.bmc(0).addr(), admin());
    let waits = tokio::spawn(async move { waiting.power_state().await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waits.is_finished());
    bmc.close().await;
    waits.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_bmc_that_restarts_is_talked_to_anew() {
    let (sim, _client, bmc) = with(BmcSpec::new("node1"), Client::builder()).await;
    bmc.power_state().await.unwrap();
    sim.bmc(0).restart_bmc();
    bmc.power_state().await.unwrap();
    assert_eq!(sim.counts()["node1:session"], 2);
    // What may not be repeated is not risked on a session that nothing was heard from for a while.
    bmc.ensure_power(PowerState::On, WAIT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3100)).await;
    sim.bmc(0).restart_bmc();
    bmc.chassis_control(ChassisControl::Reset).await.unwrap();
    assert_eq!(sim.counts()["node1:reset"], 1);
}

#[tokio::test]
async fn a_dead_bmc_costs_its_deadline_and_says_so() {
    let spec = BmcSpec::new("node1").network(Network::default());
    let (sim, _client, bmc) = with(
        spec,
        Client::builder().deadline(Duration::from_millis(1500)),
    )
    .await;
    bmc.power_state().await.unwrap();
    let mut down = Network::default();
    down.down = true;
    sim.bmc(0).set_network(down);
    let begun = Instant::now();
    let error: Error = bmc.send(&GetDeviceId).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TimedOut, "{error}");
    assert!(
        error.to_string().contains("Get Device ID") || error.to_string().contains("Open Session"),
        "{error}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    assert!(!error.is_unclear());
    let error = bmc
        .chassis_control(ChassisControl::Reset)
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error}");
}
