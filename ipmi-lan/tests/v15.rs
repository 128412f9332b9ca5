//! IPMI v1.5, against the simulator, its network and its faults.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ipmi_lan::testing::{BmcSpec, BoxFuture, Network, Phase, Quirks, Simulator, Tap, Verdict};
use ipmi_lan::{
    AuthType, Bmc, Client, ClientBuilder, Credentials, Error, ErrorKind, PowerState, Protocol,
    Workarounds,
};

const WAIT: Duration = Duration::from_secs(10);

fn old() -> ClientBuilder {
    Client::builder().protocol(Protocol::V15)
}

async fn with(spec: BmcSpec, client: ClientBuilder) -> (Simulator, Client, Bmc) {
    let sim = Simulator::builder().bmc(spec).start().await.unwrap();
    let client = client.build();
    let admin = Credentials::new("admin", "secret".into());
    let bmc = client.bmc(sim.bmc(0).addr(), admin);
    (sim, client, bmc)
}

/// On, sensors, off: and no session is left.
async fn works(spec: BmcSpec, client: ClientBuilder) {
    let named = format!("{:?} {:?}", spec.quirks, spec.auth_types);
    let (sim, _client, bmc) = with(spec, client).await;
    bmc.ensure_power(PowerState::On, WAIT)
        .await
        .unwrap_or_else(|e| panic!("{named}: {e}"));
    assert_eq!(bmc.sensors().await.unwrap().len(), 4, "{named}");
    bmc.close().await;
    assert_eq!(sim.bmc(0).sessions(), (0, 0), "{named}");
}

async fn fails(spec: BmcSpec, client: ClientBuilder) -> Error {
    let (_sim, _client, bmc) = with(spec, client.deadline(Duration::from_millis(1500))).await;
    bmc.power_state().await.unwrap_err()
}

#[tokio::test]
async fn a_v15_session_does_what_a_v2_session_does() {
    works(BmcSpec::new("node1"), old()).await;
    // A bad network; each Get Session Challenge takes a slot, and those of lost answers go with time.
    let network = Network::delay(Duration::from_millis(1))
        .loss(0.1)
        .chaos(0.1, 0.1);
    let spec = BmcSpec::new("node1").network(network).slots(16);
    let (_sim, _client, bmc) = with(spec, old().deadline(WAIT)).await;
    bmc.ensure_power(PowerState::On, WAIT).await.unwrap();
    assert_eq!(bmc.sensors().await.unwrap().len(), 4);
}

#[tokio::test]
async fn none_password_and_md5_each_where_it_is_allowed() {
    for auth in [AuthType::None, AuthType::Password, AuthType::Md5] {
        let spec = BmcSpec::new("node1").auth_types([auth]);
        works(spec.clone(), old().auth_types([auth])).await;
        // Messages without codes, where the BMC announces that.
        works(spec.clone().per_message_off(true), old().auth_types([auth])).await;
        if auth != AuthType::Md5 {
            let error = fails(spec, old()).await;
            assert_eq!(error.kind(), &ErrorKind::SuiteRefused, "{error}");
            assert!(error.to_string().contains(&auth.to_string()), "{error}");
        }
    }
    // The best of what both have.
    let all = [AuthType::None, AuthType::Password, AuthType::Md5];
    let spec = BmcSpec::new("node1").auth_types(all);
    works(spec, old().auth_types([AuthType::Md5, AuthType::None])).await;
}

#[tokio::test]
async fn errors_are_told_apart() {
    let (sim, _, _) = with(BmcSpec::new("node1").slots(2), old()).await;
    let client = old().deadline(Duration::from_secs(2)).build();
    let bmc = |user: &str, password: &str| {
        client.bmc(sim.bmc(0).addr(), Credentials::new(user, password.into()))
    };
    let kind = async |user: &str, password: &str| {
        let error = bmc(user, password).power_state().await.unwrap_err();
        error.kind().clone()
    };
    assert_eq!(kind("nobody", "secret").await, ErrorKind::UnknownUser);
    assert_eq!(
        kind("admin", "longer than sixteen").await,
        ErrorKind::InvalidInput
    );
    assert_eq!(kind("admin", "wrong").await, ErrorKind::BadPassword);
    let error = fails(BmcSpec::new("full").slots(0), old()).await;
    assert_eq!(error.kind(), &ErrorKind::NoFreeSession, "{error}");
}

/// `authcap`: it announces nothing that is of use.
#[tokio::test]
async fn authcap() {
    let quirks = Quirks {
        no_auth_types: true,
        ..Quirks::default()
    };
    let spec = BmcSpec::new("node1").quirks(quirks);
    let error = fails(spec.clone(), old()).await;
    assert_eq!(error.kind(), &ErrorKind::SuiteRefused, "{error}");
    let mut named = Workarounds::default();
    named.auth_capabilities = true;
    works(spec, old().workarounds(named)).await;
}

/// `forcepermsg`: it announces messages without codes, and heeds none.
#[tokio::test]
async fn forcepermsg() {
    let quirks = Quirks {
        forcepermsg: true,
        ..Quirks::default()
    };
    let spec = BmcSpec::new("node1").quirks(quirks);
    let error = fails(spec.clone(), old()).await;
    assert!(error.is_timeout(), "{error}");
    let mut named = Workarounds::default();
    named.force_per_message = true;
    works(spec, old().workarounds(named)).await;
}

/// `unexpectedauth`: codes where none were announced. They are checked, and so need no permission.
#[tokio::test]
async fn unexpectedauth() {
    let quirks = Quirks {
        unexpected_auth: true,
        ..Quirks::default()
    };
    let spec = BmcSpec::new("node1").per_message_off(true).quirks(quirks);
    works(spec, old()).await;
}

/// `noauthcodecheck`: its codes are wrong. To accept them weakens security, and has to be asked for.
#[tokio::test]
async fn noauthcodecheck() {
    let quirks = Quirks {
        wrong_auth_codes: true,
        ..Quirks::default()
    };
    let spec = BmcSpec::new("node1").quirks(quirks);
    fails(spec.clone(), old()).await;
    let mut named = Workarounds::default();
    named.unauthenticated = true;
    works(spec, old().workarounds(named)).await;
}

/// `endianseq`: its numbers are the wrong way round. Named or not, hundreds of them are taken, past the turn of the lowest byte.
#[tokio::test]
async fn endianseq() {
    let quirks = Quirks {
        big_endian_seq: true,
        ..Quirks::default()
    };
    let mut named = Workarounds::default();
    named.big_endian_seq = true;
    for workarounds in [named, Workarounds::default()] {
        let spec = BmcSpec::new("node1").quirks(quirks.clone());
        let (sim, _client, bmc) = with(spec, old().workarounds(workarounds)).await;
        for n in 0..600 {
            bmc.power_state()
                .await
                .unwrap_or_else(|e| panic!("{n}: {e}"));
        }
        assert_eq!(sim.counts().get("node1:session"), None, "RMCP+ sessions");
    }
}

/// A Get Session Challenge that is repeated comes from a new port, and the session goes on from there: some BMCs hear nothing more from the old one.
#[tokio::test]
async fn a_repeated_challenge_comes_from_a_new_port() {
    for lost in 1..=2 {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        // Acted upon, and its answer lost.
        let tap: Tap = Arc::new(move |phase: Phase, name: &str| {
            let lose = phase == Phase::After
                && name == "node1 Get Session Challenge"
                && count.fetch_add(1, Ordering::SeqCst) < lost;
            let verdict = if lose {
                Verdict::Drop
            } else {
                Verdict::Continue
            };
            let answer: BoxFuture<'static, Verdict> = Box::pin(async move { verdict });
            answer
        });
        let quirks = Quirks {
            deaf_after_challenges: true,
            ..Quirks::default()
        };
        let sim = Simulator::builder()
            .bmc(BmcSpec::new("node1").quirks(quirks))
            .tap(tap)
            .start()
            .await
            .unwrap();
        let client = old().build();
        let bmc = client.bmc(
            sim.bmc(0).addr(),
            Credentials::new("admin", "secret".into()),
        );
        bmc.ensure_power(PowerState::On, WAIT).await.unwrap();
        assert_eq!(bmc.sensors().await.unwrap().len(), 4);
        bmc.close().await;
        assert_eq!(asked.load(Ordering::SeqCst), lost + 1);
        assert_eq!(
            sim.bmc(0).sessions().1,
            0,
            "the session was closed from its own port"
        );
    }
}
