//! What went wrong is told apart, each kind against the simulator: its kind, its predicates, what it says, and what it keeps to itself.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use ipmi_lan::command::chassis::ChassisControl;
use ipmi_lan::command::device::GetDeviceId;
use ipmi_lan::command::{Command, DecodeError, Reader};
use ipmi_lan::testing::{BmcSpec, BoxFuture, Network, Phase, Quirks, Simulator, User, Verdict};
use ipmi_lan::{
    Bmc, CipherSuite, Client, Credentials, Error, ErrorKind, PowerState, Privilege, Protocol,
};
use secrecy::SecretSlice;

fn admin() -> Credentials {
    Credentials::new("admin", "secret".into())
}

fn client() -> Client {
    Client::builder()
        .deadline(Duration::from_millis(1500))
        .build()
}

async fn simulate(spec: BmcSpec) -> Simulator {
    Simulator::builder().bmc(spec).start().await.unwrap()
}

async fn refused(spec: BmcSpec, credentials: Credentials) -> Error {
    let sim = simulate(spec).await;
    let bmc = client().bmc(sim.bmc(0).addr(), credentials);
    bmc.power_state().await.unwrap_err()
}

/// Its kind and words; who can do something about it; and that it holds no secret.
#[track_caller]
fn told(error: &Error, kind: &ErrorKind, words: &[&str], operator: bool, retry: bool) {
    println!("{error}");
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` in: {text}");
    }
    assert!(text.ends_with(error.advice()), "{text}");
    assert_eq!(
        (error.needs_operator(), error.is_retryable()),
        (operator, retry),
        "{text}"
    );
    assert!(error.bmc().is_some(), "{text}");
    let shown = format!("{text} {error:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("the-key"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_bad_user() {
    let nobody = Credentials::new("nobody", "secret".into());
    let error = refused(BmcSpec::new("node1"), nobody).await;
    told(
        &error,
        &ErrorKind::UnknownUser,
        &["Get Chassis Status", "`nobody`", "0dh"],
        true,
        false,
    );
    assert!(error.is_credentials());
}

#[tokio::test]
async fn a_bad_password() {
    let wrong = Credentials::new("admin", "wrong".into());
    let error = refused(BmcSpec::new("node1"), wrong).await;
    told(
        &error,
        &ErrorKind::BadPassword,
        &["`admin`", "check the password"],
        true,
        false,
    );
    assert!(error.is_credentials());
}

#[tokio::test]
async fn a_bad_k_g() {
    let spec = || BmcSpec::new("node1").kg(b"the-key".to_vec());
    let key = |key: &[u8]| admin().kg(SecretSlice::from(key.to_vec()));
    let error = refused(spec(), admin()).await;
    told(
        &error,
        &ErrorKind::BadKg,
        &["none was given", "K_G"],
        true,
        false,
    );
    let error = refused(spec(), key(b"other")).await;
    told(&error, &ErrorKind::BadKg, &["another K_G"], true, false);
    let sim = simulate(spec()).await;
    let bmc = client().bmc(sim.bmc(0).addr(), key(b"the-key"));
    assert_eq!(bmc.power_state().await.unwrap(), PowerState::Off);
}

#[tokio::test]
async fn no_free_session() {
    let error = refused(BmcSpec::new("node1").slots(0), admin()).await;
    told(
        &error,
        &ErrorKind::NoFreeSession,
        &["01h", "another tool holds the sessions"],
        false,
        true,
    );
}

#[tokio::test]
async fn a_suite_refused() {
    let error = refused(
        BmcSpec::new("node1").suites([CipherSuite::S2, CipherSuite::S0]),
        admin(),
    )
    .await;
    told(
        &error,
        &ErrorKind::SuiteRefused,
        &["17 (11h", "3 (11h"],
        true,
        false,
    );
}

#[tokio::test]
async fn insufficient_privilege() {
    // The user may not take what is asked for.
    let spec = || BmcSpec::new("node1").users([User::new("reader", "secret", Privilege::User)]);
    let reader = || Credentials::new("reader", "secret".into());
    let error = refused(spec(), reader()).await;
    told(
        &error,
        &ErrorKind::Privilege,
        &["`reader`", "administrator"],
        true,
        false,
    );
    // The session may not do what is asked for.
    let sim = simulate(spec()).await;
    let bmc = client().bmc(sim.bmc(0).addr(), reader().privilege(Privilege::User));
    assert_eq!(bmc.power_state().await.unwrap(), PowerState::Off);
    let error = bmc.chassis_control(ChassisControl::On).await.unwrap_err();
    told(&error, &ErrorKind::Privilege, &["d4h", "user"], true, false);
    assert_eq!(error.completion_code(), Some(0xd4));
}

#[tokio::test]
async fn unreachable() {
    let nobody = client().bmc("127.0.0.1:1".parse().unwrap(), admin());
    let error = nobody.power_state().await.unwrap_err();
    told(
        &error,
        &ErrorKind::Unreachable,
        &[
            "127.0.0.1:1",
            "nothing came back",
            "Open Session",
            "UDP port 623",
        ],
        false,
        true,
    );
    assert!(error.is_timeout() && !error.is_unclear());
}

#[tokio::test]
async fn timed_out_with_what_was_last_sent() {
    let sim = simulate(BmcSpec::new("node1")).await;
    let client = Client::builder()
        .deadline(Duration::from_millis(1500))
        .build();
    let bmc = client.bmc(sim.bmc(0).addr(), admin());
    bmc.power_state().await.unwrap();
    let mut down = Network::default();
    down.down = true;
    sim.bmc(0).set_network(down);
    let error = bmc.send(&GetDeviceId).await.unwrap_err();
    told(
        &error,
        &ErrorKind::TimedOut,
        &["Get Device ID on", "fell silent; last sent:"],
        false,
        true,
    );
    // What may have been done is unclear.
    sim.bmc(0).set_network(Network::default());
    bmc.ensure_power(PowerState::On, Duration::from_secs(5))
        .await
        .unwrap();
    sim.bmc(0).set_network(down);
    let error = bmc
        .chassis_control(ChassisControl::Reset)
        .await
        .unwrap_err();
    told(
        &error,
        &ErrorKind::TimedOut,
        &["last sent: Chassis Control", "may have been acted upon"],
        false,
        true,
    );
    assert!(error.is_unclear());
}

/// pyghmi's BMC, and so VirtualBMC, says nothing where it ought to refuse. The error says which message it was that went unanswered, and what that may mean.
#[tokio::test]
async fn silence_instead_of_a_refusal_is_told_with_its_likely_meaning() {
    let spec = || {
        BmcSpec::new("node1").quirks(Quirks {
            silent_refusals: true,
            ..Quirks::default()
        })
    };
    let sim = simulate(spec()).await;
    let client = Client::builder().deadline(Duration::from_secs(3)).build();
    let nobody = client.bmc(
        sim.bmc(0).addr(),
        Credentials::new("nobody", "secret".into()),
    );
    let error = nobody.power_state().await.unwrap_err();
    told(
        &error,
        &ErrorKind::TimedOut,
        &["answered until RAKP 1", "do not know"],
        false,
        true,
    );
    let wrong = client.bmc(sim.bmc(0).addr(), Credentials::new("admin", "wrong".into()));
    let error = wrong.power_state().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::BadPassword, "{error}");
}

/// A response that is two bytes short of its field.
struct Cut;

impl Command for Cut {
    type Response = u32;

    fn name(&self) -> &'static str {
        "Get Something"
    }

    fn net_fn(&self) -> u8 {
        0x06
    }

    fn code(&self) -> u8 {
        0x04
    }

    fn decode(&self, data: &[u8]) -> Result<u32, DecodeError> {
        Reader::new(self.name(), data).u32("the count")
    }
}

#[tokio::test]
async fn a_protocol_violation_with_its_bytes() {
    let quirks = Quirks {
        downgrade: Some(2),
        ..Quirks::default()
    };
    let error = refused(BmcSpec::new("node1").quirks(quirks), admin()).await;
    told(
        &error,
        &ErrorKind::Protocol,
        &["algorithms 1/1/0", "downgrade"],
        false,
        false,
    );
    // The payload of Open Session Response, with the BMC's session id and the three algorithms.
    assert_eq!(error.bytes().len(), 36);
    // A decode error names the field.
    let sim = simulate(BmcSpec::new("node1")).await;
    let error = client()
        .bmc(sim.bmc(0).addr(), admin())
        .send(&Cut)
        .await
        .unwrap_err();
    told(
        &error,
        &ErrorKind::Protocol,
        &["field `the count` is cut short", "[5500]"],
        false,
        false,
    );
    assert_eq!(error.bytes(), [0x55, 0]);
}

#[tokio::test]
async fn a_refusal_by_completion_code_a_busy_bmc_and_a_wrong_state() {
    let tap = Arc::new(|phase: Phase, name: &str| {
        let verdict = match (phase, name) {
            (Phase::Before, "node1 Get Self Test Results") => Verdict::Fail(0xc1),
            (Phase::Before, "node1 Get Device ID") => Verdict::Fail(0xc0),
            _ => Verdict::Continue,
        };
        let answer: BoxFuture<'static, Verdict> = Box::pin(async move { verdict });
        answer
    });
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1"))
        .tap(tap)
        .start()
        .await
        .unwrap();
    let client = Client::builder()
        .deadline(Duration::from_millis(1500))
        .build();
    let bmc: Bmc = client.bmc(sim.bmc(0).addr(), admin());
    let error = bmc.self_test().await.unwrap_err();
    told(
        &error,
        &ErrorKind::Completion(0xc1),
        &["c1h", "invalid command"],
        false,
        false,
    );
    assert!(error.is_unsupported());
    let error = bmc.device_id().await.unwrap_err();
    told(
        &error,
        &ErrorKind::Completion(0xc0),
        &["node busy"],
        false,
        true,
    );
    let error = bmc
        .chassis_control(ChassisControl::Reset)
        .await
        .unwrap_err();
    told(
        &error,
        &ErrorKind::Completion(0xd5),
        &["present state", "read the state"],
        false,
        true,
    );
    assert!(!error.is_unclear(), "it was refused: nothing was done");
}

#[tokio::test]
async fn arguments_that_cannot_be_sent() {
    let too_long = [
        (
            Protocol::V2,
            Credentials::new("a name of seventeen", "".into()),
        ),
        (
            Protocol::V2,
            Credentials::new("admin", "twenty-one bytes long".into()),
        ),
        (Protocol::V2, admin().kg(SecretSlice::from(vec![b'k'; 21]))),
        (
            Protocol::V15,
            Credentials::new("admin", "seventeen bytes..".into()),
        ),
    ];
    for (protocol, credentials) in too_long {
        let client = Client::builder().protocol(protocol).build();
        let bmc = client.bmc("127.0.0.1:1".parse().unwrap(), credentials);
        let error = bmc.power_state().await.unwrap_err();
        told(
            &error,
            &ErrorKind::InvalidInput,
            &["bytes long, at most"],
            true,
            false,
        );
    }
}
