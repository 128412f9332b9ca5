//! IPMI v1.5, against the simulator and its network.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use ipmi_lan::testing::{BmcSpec, Network, Simulator};
use ipmi_lan::{Client, Credentials, ErrorKind, PowerState, Protocol};

#[tokio::test]
async fn a_v15_session_does_what_a_v2_session_does() {
    for network in [
        Network::default(),
        Network::delay(Duration::from_millis(1))
            .loss(0.1)
            .chaos(0.1, 0.1),
    ] {
        let sim = Simulator::builder()
            .bmc(BmcSpec::new("node1").network(network).slots(16))
            .start()
            .await
            .unwrap();
        let client = Client::builder()
            .protocol(Protocol::V15)
            .deadline(Duration::from_secs(10))
            .build();
        let bmc = client.bmc(
            sim.bmc(0).addr(),
            Credentials::new("admin", "secret".into()),
        );
        bmc.ensure_power(PowerState::On, Duration::from_secs(10))
            .await
            .unwrap();
        assert_eq!(bmc.sensors().await.unwrap().len(), 4);
        bmc.close().await;
    }
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1"))
        .start()
        .await
        .unwrap();
    let client = Client::builder()
        .protocol(Protocol::V15)
        .deadline(Duration::from_secs(2))
        .build();
    let kind = async |user: &str, password: &str| {
        let bmc = client.bmc(sim.bmc(0).addr(), Credentials::new(user, password.into()));
        bmc.power_state().await.unwrap_err().kind().clone()
    };
    assert_eq!(kind("nobody", "secret").await, ErrorKind::UnknownUser);
    assert_eq!(kind("admin", "wrong").await, ErrorKind::BadPassword);
    assert_eq!(
        kind("admin", "longer than sixteen").await,
        ErrorKind::InvalidInput
    );
}
