//! What a client meets in the field: clocks that are off, regions that sign themselves, uploads, odd headers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use maas_client::*;
use serde_json::json;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SECRET: &str = "fthc37xFAFNCMPWTRMBjN6JvAbVsHCvW";

fn client(server: &MockServer) -> Client {
    let retry = Retry {
        attempts: 3,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_secs(2),
    };
    Client::builder(server.uri())
        .api_key(format!("con:tok:{SECRET}").parse().unwrap())
        .retry(retry)
        .build()
        .unwrap()
}

async fn always(template: ResponseTemplate) -> (MockServer, Client) {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(template)
        .mount(&server)
        .await;
    let client = client(&server);
    (server, client)
}

/// A 401 of whatever words, whose `Date` is far from this machine's.
#[tokio::test]
async fn a_clock_that_is_off_is_told_by_how_much() {
    let refused = |date: &str| {
        ResponseTemplate::new(401)
            .insert_header("Date", date)
            .set_body_raw("Unauthorized", "text/plain")
    };
    let (_server, client) = always(refused("Mon, 23 Nov 2015 03:54:29 GMT")).await;
    let text = client.users().whoami().await.unwrap_err().to_string();
    assert!(
        text.contains("clock is") && text.contains("s ahead of the region's"),
        "{text}"
    );
    let (_server, client) = always(refused("Fri, 23 Nov 2096 03:54:29 GMT")).await;
    let text = client.users().whoami().await.unwrap_err().to_string();
    assert!(text.contains("s behind the region's"), "{text}");
    // The right time, and what is no time, say nothing of clocks.
    let now = jiff::fmt::rfc2822::DateTimePrinter::new();
    let now = now
        .timestamp_to_rfc9110_string(&jiff::Timestamp::now())
        .unwrap();
    for date in [now.as_str(), "yesterday"] {
        let (_server, client) = always(refused(date)).await;
        let text = client.users().whoami().await.unwrap_err().to_string();
        assert!(
            text.contains("check the API key") && !text.contains("clock"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let (server, client) = always(
        ResponseTemplate::new(503)
            .insert_header("Date", "Mon, 23 Nov 2026 03:54:29 GMT")
            .insert_header("Retry-After", "Mon, 23 Nov 2026 03:54:59 GMT")
            .set_body_raw("maintenance", "text/plain"),
    )
    .await;
    let error = client.version().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn credentials_in_the_url_are_not_sent_beside_the_signature() {
    let server = MockServer::start().await;
    let version = ResponseTemplate::new(200).set_body_json(json!({"username": "admin"}));
    Mock::given(any())
        .respond_with(version)
        .mount(&server)
        .await;
    let url = server.uri().replace("http://", "http://admin:hunter2@");
    let client = Client::builder(url)
        .api_key("a:b:c".parse().unwrap())
        .build()
        .unwrap();
    client.users().whoami().await.unwrap();
    let sent = &server.received_requests().await.unwrap()[0];
    let headers: Vec<_> = sent.headers.get_all("authorization").iter().collect();
    assert_eq!(headers.len(), 1);
    assert!(headers[0].to_str().unwrap().starts_with("OAuth "));
}

/// A page that echoes what a machine was added with shows no password and no key of its BMC.
#[tokio::test]
async fn what_a_page_echoes_of_a_bmc_is_hidden() {
    let page = "<html><td>hunter2-bmc</td><td>0123456789abcdef</td><td>proxmox-token</td><td>10.0.0.9</td></html>";
    let (_server, client) =
        always(ResponseTemplate::new(500).set_body_raw(page, "text/html")).await;
    let power = PowerParameters::new()
        .set("power_address", "10.0.0.9")
        .set("power_pass", "hunter2-bmc")
        .set("k_g", "0123456789abcdef")
        .set("power_token_secret", "proxmox-token");
    let machine = CreateMachine::from_pairs(&[]).power_parameters(power);
    let error = client.machines().create(&machine).await.unwrap_err();
    let shown = format!("{error} {error:?} {}", error.body());
    for hidden in ["hunter2", "0123456789", "proxmox-token"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert!(shown.contains("10.0.0.9"), "{shown}");
}

/// Every request of a thousand, repeated ones too, has a nonce of its own.
#[tokio::test]
async fn no_nonce_is_used_twice() {
    let (server, client) = always(ResponseTemplate::new(502)).await;
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let client = client.clone();
        reads.spawn(async move { client.zones().list().await.unwrap_err().status() });
    }
    assert!(reads.join_all().await.iter().all(|s| *s == Some(502)));
    let sent = server.received_requests().await.unwrap();
    let nonces: BTreeSet<String> = sent
        .iter()
        .map(|r| {
            let header = r.headers["authorization"].to_str().unwrap();
            let nonce = header.split("oauth_nonce=\"").nth(1).unwrap();
            nonce.split('"').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!((sent.len(), nonces.len()), (900, 900));
}

#[tokio::test]
async fn an_image_is_uploaded_in_parts() {
    let server = MockServer::start().await;
    let content: Vec<u8> = (0..9_000_000_u32).map(|n| (n % 251) as u8).collect();
    let file = |complete: bool| {
        json!({"id": 7, "type": "Uploaded", "name": "custom/mine", "architecture": "amd64/generic",
            "sets": {"1": {"version": "1", "complete": complete, "files": {"root-tgz": {
                "filename": "root-tgz", "size": 9_000_000, "complete": complete,
                "upload_uri": if complete { json!(null) } else { json!("/MAAS/api/2.0/boot-resources/7/upload/3/") }}}}}})
    };
    Mock::given(method("POST"))
        .and(path("/MAAS/api/2.0/boot-resources/"))
        .respond_with(ResponseTemplate::new(201).set_body_json(file(false)))
        .mount(&server)
        .await;
    Mock::given(method("PUT"))
        .and(path("/MAAS/api/2.0/boot-resources/7/upload/3/"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/MAAS/api/2.0/boot-resources/7/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(file(true)))
        .mount(&server)
        .await;
    let params = UploadParams::new()
        .name("custom/mine")
        .architecture("amd64/generic");
    let image = client(&server)
        .boot_resources()
        .upload_in_parts(&params, content.clone())
        .await
        .unwrap();
    assert_eq!(image.is_complete(), Some(true));
    let sent = server.received_requests().await.unwrap();
    let announced = String::from_utf8(sent[0].body.clone()).unwrap();
    assert!(
        announced.contains("size=9000000") && announced.contains("sha256="),
        "{announced}"
    );
    let parts: Vec<&[u8]> = sent
        .iter()
        .filter(|r| r.method.as_str() == "PUT")
        .map(|r| r.body.as_slice())
        .collect();
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|part| part.len() <= 4 << 20));
    assert_eq!(parts.concat(), content);
    assert!(sent[1].headers["content-type"] == "application/octet-stream");
}

#[tokio::test]
async fn the_hardware_s_description_is_read() {
    let recorded = include_str!("fixtures/recordings/319_machine_details.json");
    let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
    let body = {
        use base64::Engine;
        let text = recorded["response"]["text"]["base64"].as_str().unwrap();
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap()
    };
    let (_server, client) =
        always(ResponseTemplate::new(200).set_body_raw(body, "application/bson")).await;
    let id: SystemId = "gxg7pw".parse().unwrap();
    let details = client.machines().details(&id).await.unwrap();
    let lshw = String::from_utf8(details.lshw.unwrap().to_vec()).unwrap();
    assert!(lshw.starts_with("<?xml version=\"1.0\"?><list>"), "{lshw}");
    assert!(details.lldp.unwrap().ends_with(b"\"LLDP neighbors\"/>"));
    assert!(details.more.is_empty());
    // The fake's is one too.
    let region = maas_client::testing::FakeRegion::builder()
        .start()
        .await
        .unwrap();
    region.create_admin("admin", "secret", "a@b.c");
    region.enlist(maas_client::testing::MachineSpec {
        macs: vec!["52:54:00:aa:00:01".into()],
        ..Default::default()
    });
    region.tick().await;
    let client = Client::builder(region.url())
        .api_key(region.api_key("admin").parse().unwrap())
        .build()
        .unwrap();
    let machine = client
        .machines()
        .list(&MachineFilter::new())
        .await
        .unwrap()
        .remove(0);
    client.machines().details(&machine.system_id).await.unwrap();
    // A page in its place is said to be none.
    let (_server, client) =
        always(ResponseTemplate::new(200).set_body_raw("<html>", "text/html")).await;
    let error = client.machines().details(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

#[test]
fn keys_come_from_a_text_a_file_and_the_environment() {
    let file = std::env::temp_dir().join(format!("maas-key-{}", std::process::id()));
    std::fs::write(&file, format!("con:tok:{SECRET}\n")).unwrap();
    let key = ApiKey::from_file(&file).unwrap();
    assert_eq!((key.consumer(), key.token()), ("con", "tok"));
    std::fs::write(&file, SECRET).unwrap();
    let error = ApiKey::from_file(&file).unwrap_err().to_string();
    assert!(
        error.contains("1 parts") && !error.contains(SECRET),
        "{error}"
    );
    std::fs::remove_file(&file).unwrap();
    let error = ApiKey::from_file(&file).unwrap_err();
    assert!(
        error.to_string().contains(&*file.to_string_lossy()),
        "{error}"
    );
    // What the test runner set: a variable that is there and is no key.
    let error = ApiKey::from_env("CARGO_MANIFEST_DIR").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    let error = ApiKey::from_env("NO_SUCH_VARIABLE").unwrap_err();
    assert!(error.to_string().contains("$NO_SUCH_VARIABLE"), "{error}");
}
