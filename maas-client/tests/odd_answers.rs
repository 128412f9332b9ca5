//! Odd bodies, statuses and broken connections: each a clear error, and nothing repeated that must not be.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use maas_client::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SECRET: &str = "fthc37xFAFNCMPWTRMBjN6JvAbVsHCvW";

fn client(url: &str) -> Client {
    let retry = Retry {
        attempts: 3,
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_secs(2),
    };
    Client::builder(url)
        .api_key(format!("con:tok:{SECRET}").parse().unwrap())
        .retry(retry)
        .timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

async fn always(template: ResponseTemplate) -> (MockServer, Client) {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(template)
        .mount(&server)
        .await;
    let client = client(&server.uri());
    (server, client)
}

async fn count(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

fn id() -> SystemId {
    "gxg7pw".parse().unwrap()
}

#[tokio::test]
async fn a_401_echoes_the_secret() {
    let body = format!(
        "Authorization Error: 'Invalid signature. Expected signature base string: &{SECRET}'"
    );
    let (server, client) =
        always(ResponseTemplate::new(401).set_body_raw(body, "text/html; charset=utf-8")).await;
    let error = client.users().whoami().await.unwrap_err();
    assert!(error.is_authentication());
    for text in [
        error.to_string(),
        format!("{error:?}"),
        error.body().to_owned(),
    ] {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn the_clock_is_named_when_it_is_wrong() {
    let body = "Authorization Error: 'Expired timestamp: given 1 and now 1000 has a greater difference than threshold 300'";
    let (_server, client) =
        always(ResponseTemplate::new(401).set_body_raw(body, "text/html")).await;
    assert!(
        client
            .users()
            .whoami()
            .await
            .unwrap_err()
            .to_string()
            .contains("clocks")
    );
}

#[tokio::test]
async fn the_409_page_that_promises_too_much_is_not_repeated() {
    let page = "<html><head><title>Error: Conflict Error</title></head><body><h2>Conflict error. Try your request again, as it will most likely succeed.</h2></body></html>";
    let (server, client) = always(
        ResponseTemplate::new(409)
            .insert_header("Retry-After", "0")
            .set_body_raw(page, "text/html; charset=utf-8"),
    )
    .await;
    let error = client
        .users()
        .create("bob", "b@x.y", &"pw".to_owned().into(), false)
        .await
        .unwrap_err();
    assert!(
        error.is_conflict()
            && error.is_false_conflict()
            && error.is_already_exists()
            && !error.is_retryable()
            && !error.is_unclear()
    );
    assert!(!error.to_string().contains('<'), "{error}");
    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn busy_is_repeated_and_then_told() {
    let text = "Unable to change power state to 'off' for node node1: another action is already in progress for that node.";
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(503).set_body_raw(text, "text/plain; charset=utf-8"))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_raw(r#"{"system_id":"gxg7pw","status":12}"#, "application/json"),
        )
        .mount(&server)
        .await;
    let client = client(&server.uri());
    assert_eq!(
        client
            .machines()
            .release(&id(), &ReleaseParams::new())
            .await
            .unwrap()
            .status,
        NodeStatus::Releasing
    );
    let nonces: Vec<String> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|r| {
            r.headers["authorization"]
                .to_str()
                .unwrap()
                .split("oauth_nonce=\"")
                .nth(1)
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(nonces.len(), 2);
    assert_ne!(nonces[0], nonces[1], "each try is signed afresh");
}

#[tokio::test]
async fn retry_after_is_honoured_and_given_up_when_too_long() {
    let text = "Unable to connect to any rack controller kqywdf; no connections available.";
    let (server, client) = always(
        ResponseTemplate::new(503)
            .insert_header("Retry-After", "10")
            .set_body_raw(text, "text/plain"),
    )
    .await;
    let error = client
        .machines()
        .query_power_state(&id())
        .await
        .unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(10)));
    assert!(error.is_retryable() && !error.is_unclear());
    assert_eq!(
        count(&server).await,
        1,
        "ten seconds are more than this client waits"
    );
}

#[tokio::test]
async fn a_gateway_error_is_repeated_for_get_only() {
    let (server, client) = always(ResponseTemplate::new(502).set_body_raw(
        "<html><body><h1>502 Bad Gateway</h1></body></html>",
        "text/html",
    ))
    .await;
    let error = client
        .machines()
        .list(&MachineFilter::new())
        .await
        .unwrap_err();
    assert!(error.is_retryable() && !error.is_unclear());
    assert_eq!(count(&server).await, 3);
    let error = client
        .machines()
        .allocate(&AllocateParams::new())
        .await
        .unwrap_err();
    assert!(error.is_unclear() && !error.is_retryable());
    assert_eq!(
        count(&server).await,
        4,
        "an allocate that may have been done is not repeated"
    );
}

#[tokio::test]
async fn exhaustion_is_not_repeated() {
    let (server, client) = always(ResponseTemplate::new(503).set_body_raw(
        "No more IPs available in subnet: 10.83.0.0/30.",
        "text/plain",
    ))
    .await;
    let error = client
        .machines()
        .deploy(&id(), &DeployParams::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    assert!(!error.is_retryable() && !error.is_unclear());
    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn what_is_not_maas_is_said() {
    let page =
        "<html><head><title>Welcome to Squid</title></head><body>Please log in</body></html>";
    let (_server, client) =
        always(ResponseTemplate::new(200).set_body_raw(page, "text/html")).await;
    let error = client
        .machines()
        .list(&MachineFilter::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(
        error.to_string().contains("Welcome to Squid") && !error.is_unclear(),
        "{error}"
    );
    assert!(
        client
            .machines()
            .allocate(&AllocateParams::new())
            .await
            .unwrap_err()
            .is_unclear()
    );

    let (_server, client) =
        always(ResponseTemplate::new(302).insert_header("Location", "https://maas.example/MAAS/"))
            .await;
    let error = client.version().await.unwrap_err();
    assert!(
        error.to_string().contains("https://maas.example/MAAS/"),
        "{error}"
    );

    for body in [
        "",
        "{",
        "[1,2",
        "{}",
        "null",
        "[{\"system_id\": 7}]",
        "\u{0}",
    ] {
        let (_server, client) =
            always(ResponseTemplate::new(200).set_body_raw(body, "application/json")).await;
        let error = client.machines().read(&id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body:?}");
    }
}

#[tokio::test]
async fn a_field_of_another_type_does_not_hide_the_rest() {
    let body = r#"[{"system_id":"gxg7pw","hostname":"one","memory":"much","ip_addresses":[null],"hardware_info":{"x":null},
                    "interface_set":[{"id":1,"name":"eth0","link_speed":-1.5}]},
                   {"system_id":"6fn3h6","hostname":"two","memory":4096,"status":99,"power_state":"melting"}]"#;
    let (server, client) =
        always(ResponseTemplate::new(200).set_body_raw(body, "application/json")).await;
    let machines = client.machines().list(&MachineFilter::new()).await.unwrap();
    assert_eq!(
        (
            machines[0].hostname.as_str(),
            machines[0].memory,
            machines[0].interface_set[0].name.as_str()
        ),
        ("one", 0, "eth0")
    );
    assert_eq!(
        (machines[1].memory, machines[1].status),
        (4096, NodeStatus::Unknown(99))
    );
    assert_eq!(
        machines[1].power_state,
        PowerState::Unknown("melting".into())
    );
    assert_eq!(count(&server).await, 1);
    // An id is not made up.
    let (_server, client) = always(
        ResponseTemplate::new(200).set_body_raw(r#"[{"hostname":"x"}]"#, "application/json"),
    )
    .await;
    assert_eq!(
        client
            .machines()
            .list(&MachineFilter::new())
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Decode
    );
}

#[tokio::test]
async fn a_body_too_large_is_said() {
    let (server, client) = always(ResponseTemplate::new(413).set_body_raw(
        "<html><head><title>413 Request Entity Too Large</title></head></html>",
        "text/html",
    ))
    .await;
    let error = client
        .boot_resources()
        .upload(&UploadParams::new().name("x"), vec![0u8; 1000])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(count(&server).await, 1);
}

/// Serves raw bytes on a socket, once for each connection; how often it was asked is counted.
async fn raw(answer: &'static [u8]) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 8192];
            if stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let _ = stream.write_all(answer).await;
            }
        }
    });
    (url, asked)
}

#[tokio::test]
async fn cut_answers() {
    let cases: [&'static [u8]; 4] = [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n[{\"system_id\"",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n[{\"syste",
        b"HTTP/1.1 200 OK\r\nConte",
    ];
    for case in cases {
        let (url, asked) = raw(case).await;
        let client = client(&url);
        let error = client
            .machines()
            .list(&MachineFilter::new())
            .await
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Transport) && error.is_retryable(),
            "{error}"
        );
        assert_eq!(
            asked.swap(0, std::sync::atomic::Ordering::SeqCst),
            3,
            "a read is repeated"
        );
        let error = client
            .vm_hosts()
            .compose(VmHostId(1), &ComposeParams::new())
            .await
            .unwrap_err();
        assert!(error.is_unclear() && !error.is_retryable(), "{error}");
        assert_eq!(
            asked.load(std::sync::atomic::Ordering::SeqCst),
            1,
            "a change is not"
        );
    }
}

#[tokio::test]
async fn a_chunked_answer_is_read() {
    let (url, _) = raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n").await;
    assert!(
        client(&url)
            .machines()
            .list(&MachineFilter::new())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let error = client(&format!("http://{addr}"))
        .machines()
        .allocate(&AllocateParams::new())
        .await
        .unwrap_err();
    assert!(
        error.is_connect() && error.is_retryable() && !error.is_unclear(),
        "{error}"
    );
}

#[tokio::test]
async fn silence_ends_in_time() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(5)))
        .mount(&server)
        .await;
    let client = Client::builder(server.uri())
        .retry(Retry::never())
        .timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let error = client.machines().power_off(&id(), false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_unclear());
}

#[tokio::test]
async fn everything_goes_through_the_proxy() {
    let proxy = MockServer::start().await;
    Mock::given(any())
        .respond_with(
            ResponseTemplate::new(200).set_body_raw(r#"{"version":"3.4.10"}"#, "application/json"),
        )
        .mount(&proxy)
        .await;
    let client = Client::builder("http://10.42.0.7:5240/MAAS")
        .proxy(proxy.uri().parse().unwrap())
        .build()
        .unwrap();
    assert_eq!(client.version().await.unwrap().version, "3.4.10");
    let seen = proxy.received_requests().await.unwrap();
    assert_eq!(seen[0].headers["host"], "10.42.0.7:5240");
}
