//! The workarounds that FreeIPMI names, and pyghmi's ways, for RMCP+: each on a simulated BMC that strays so. Those of IPMI v1.5 are in `v15.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use ipmi_lan::testing::{BmcSpec, Quirks, Simulator};
use ipmi_lan::{
    CipherSuite, Client, ClientBuilder, Credentials, PowerChange, PowerState, Privilege,
    Workarounds,
};

fn admin() -> Credentials {
    Credentials::new("admin", "secret".into())
}

/// Powers the machine on and leaves no session behind. What it was asked how often is returned.
async fn copes(spec: BmcSpec, client: ClientBuilder) -> (Client, Simulator) {
    let named = format!("{:?}", spec.quirks);
    let sim = Simulator::builder().bmc(spec).start().await.unwrap();
    let client = client.build();
    let bmc = client.bmc(sim.bmc(0).addr(), admin());
    let change = bmc
        .ensure_power(PowerState::On, Duration::from_secs(5))
        .await;
    assert_eq!(
        change.unwrap_or_else(|e| panic!("{named}: {e}")),
        PowerChange::TurnedOn
    );
    bmc.close().await;
    assert_eq!(sim.bmc(0).sessions(), (0, 0), "{named}");
    (client, sim)
}

/// `authcap`: nothing is asked of Get Channel Authentication Capabilities before a session of RMCP+, so that it may say what it likes.
#[tokio::test]
async fn authcap() {
    let quirks = Quirks {
        no_auth_types: true,
        silent_cipher_suites: true,
        ..Quirks::default()
    };
    copes(BmcSpec::new("node1").quirks(quirks), Client::builder()).await;
}

/// `opensesspriv`, and its reverse: found out by the refusal.
#[tokio::test]
async fn opensesspriv() {
    let refuses = Quirks {
        refuses_open_privilege: true,
        ..Quirks::default()
    };
    let wants = Quirks {
        wants_open_privilege: true,
        ..Quirks::default()
    };
    let mut named = Workarounds::default();
    named.open_privilege = true;
    let mut opens = Vec::new();
    for quirks in [refuses, wants] {
        for workarounds in [Workarounds::default(), named] {
            let spec = BmcSpec::new("node1").quirks(quirks.clone());
            let (_, sim) = copes(spec, Client::builder().workarounds(workarounds)).await;
            opens.push(sim.counts()["node1:open-session"]);
        }
    }
    assert_eq!(
        opens,
        [1, 3, 3, 1],
        "right at once, or after both suites were refused"
    );
}

/// `supermicro20` and `sun20`: RAKP 2's code has a byte too many. A code that is wrong in itself is still refused.
#[tokio::test]
async fn supermicro20_and_sun20() {
    let quirks = Quirks {
        long_rakp2: true,
        ..Quirks::default()
    };
    for suite in [1, 2, 3, 6, 7, 8, 11, 12, 17] {
        let suite = CipherSuite::new(suite).unwrap();
        let spec = BmcSpec::new("node1").quirks(quirks.clone()).suites([suite]);
        copes(spec, Client::builder().suites([suite])).await;
    }
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1").quirks(quirks))
        .start()
        .await
        .unwrap();
    let wrong = Client::default().bmc(sim.bmc(0).addr(), Credentials::new("admin", "wrong".into()));
    let error = wrong.power_state().await.unwrap_err();
    assert_eq!(error.kind(), &ipmi_lan::ErrorKind::BadPassword);
}

/// `integritycheckvalue`: suite 0 has no code in RAKP 4, and some send one.
#[tokio::test]
async fn integritycheckvalue() {
    let quirks = Quirks {
        integrity_check_value: true,
        ..Quirks::default()
    };
    let spec = BmcSpec::new("node1")
        .quirks(quirks)
        .suites([CipherSuite::S0]);
    copes(spec, Client::builder().suites([CipherSuite::S0])).await;
}

/// `intel20`, with the names and passwords that it is about.
#[tokio::test]
async fn intel20() {
    let quirks = Quirks {
        intel20: true,
        ..Quirks::default()
    };
    for suite in [1, 2, 3, 6, 7, 8] {
        let suite = CipherSuite::new(suite).unwrap();
        let spec = BmcSpec::new("node1").quirks(quirks.clone()).suites([suite]);
        let client = Client::builder()
            .suites([suite])
            .workarounds(Workarounds::intel20());
        copes(spec, client).await;
    }
}

/// `nochecksumcheck` and `idzero` have to be named; they weaken nothing that the session's own code protects.
#[tokio::test]
async fn nochecksumcheck_and_idzero() {
    let checksums = Quirks {
        bad_checksums: true,
        ..Quirks::default()
    };
    let zero = Quirks {
        id_zero: true,
        ..Quirks::default()
    };
    let mut unchecked = Workarounds::default();
    unchecked.no_checksums = true;
    let mut id = Workarounds::default();
    id.id_zero = true;
    for (quirks, workarounds) in [(checksums, unchecked), (zero, id)] {
        let spec = BmcSpec::new("node1").quirks(quirks);
        copes(spec, Client::builder().workarounds(workarounds)).await;
    }
}

/// pyghmi's BMC, and so VirtualBMC, answers each Open Session with suite 3. It is one of those that we offer; it is remembered.
#[tokio::test]
async fn one_suite_whatever_was_asked_for() {
    let quirks = Quirks {
        one_suite: true,
        ..Quirks::default()
    };
    let spec = BmcSpec::new("node1")
        .quirks(quirks.clone())
        .suites([CipherSuite::S3]);
    let (client, sim) = copes(spec, Client::builder()).await;
    assert_eq!(
        client.remembered_suite(sim.bmc(0).addr()),
        Some(CipherSuite::S3)
    );
    assert_eq!(sim.counts()["node1:open-session"], 1);
    // One that was not offered is a downgrade.
    let spec = BmcSpec::new("node1")
        .quirks(quirks)
        .suites([CipherSuite::S3]);
    let sim = Simulator::builder().bmc(spec).start().await.unwrap();
    let strict = Client::builder().suites([CipherSuite::S17]).build();
    let error = strict
        .bmc(sim.bmc(0).addr(), admin())
        .power_state()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("downgrade"), "{error}");
}

/// Set Session Privilege is sent before what needs more than User, and only then.
#[tokio::test]
async fn privilege_is_raised_where_it_is_needed() {
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1"))
        .start()
        .await
        .unwrap();
    for privilege in [Privilege::Operator, Privilege::Administrator] {
        let client = Client::default();
        let bmc = client.bmc(sim.bmc(0).addr(), admin().privilege(privilege));
        bmc.restart(Duration::from_secs(5)).await.unwrap();
        client.close().await;
    }
}
