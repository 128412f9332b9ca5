//! The first contact: a CA is taken only from who proves that it holds the one-time key.

use std::time::Duration;

use juju_client::testing::{FakeController, Identity};
use juju_client::{ErrorKind, first_contact};

const KEY: &[u8] = b"thirty-two bytes that are a key.";
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_ca_that_is_proved_is_taken_and_another_is_not() {
    let identity = Identity::generate_with_proof(KEY).unwrap();
    let fake = FakeController::builder()
        .identity(identity)
        .start()
        .await
        .unwrap();
    let at = fake.addr().to_string();
    let ca = first_contact(&at, KEY, None, SOON).await.unwrap();
    let mut access = fake.access();
    access.ca_cert = ca;
    access.connect(None, Default::default()).await.unwrap();

    let error = first_contact(&at, b"another key", None, SOON)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    assert!(error.to_string().contains("one-time key"), "{error}");
}

#[tokio::test]
async fn who_has_no_proof_or_does_not_answer_is_told_apart() {
    let fake = FakeController::builder().start().await.unwrap();
    let at = fake.addr().to_string();
    let error = first_contact(&at, KEY, None, SOON).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    drop(fake);
    let error = first_contact("127.0.0.1:1", KEY, None, SOON)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
}
