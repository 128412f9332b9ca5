//! What a person reads when MAAS, or what stands in front of it, answers oddly: each sentence a snapshot,
//! with how often a read and a change were sent.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maas_client::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const SECRET: &str = "fthc37xFAFNCMPWTRMBjN6JvAbVsHCvW";
const PASSWORD: &str = "correct horse battery";

fn client(url: &str) -> Client {
    Client::builder(url)
        .api_key(format!("con:tok:{SECRET}").parse().unwrap())
        .retry(Retry {
            attempts: 3,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_secs(2),
        })
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

/// A read and two changes against one answer: what is said of each, and how often it was sent.
async fn said(url: &str, asked: impl AsyncFn() -> usize) -> String {
    let client = client(url);
    let mut text = String::new();
    let mut before = 0;
    let mut note = async |outcome: Result<String>| {
        let now = asked().await;
        let times = now - std::mem::replace(&mut before, now);
        let line = match outcome {
            Ok(fine) => format!("sent {times} times, fine: {fine}\n"),
            Err(e) => {
                assert!(!format!("{e} {e:?} {}", e.body()).contains(SECRET));
                // A page can only echo what was sent to it.
                let echo = e.operation().starts_with("POST users/");
                assert!(!echo || !format!("{e} {e:?} {}", e.body()).contains(PASSWORD));
                // A change whose end is open is never sent twice, and nobody is told to.
                assert!(!e.is_unclear() || (times == 1 && !e.is_retryable()));
                let mut is = vec![format!("{:?}", e.kind())];
                is.extend(e.is_retryable().then(|| "retryable".to_owned()));
                is.extend(e.is_unclear().then(|| "unclear".to_owned()));
                is.extend(e.retry_after().map(|after| format!("after {after:?}")));
                format!("sent {times} times, {}:\n  {e}\n", is.join(", "))
            }
        };
        text.push_str(&line);
    };
    let machines = client.machines();
    let list = machines.list(&MachineFilter::new()).await;
    note(list.map(|l| format!("{} machines", l.len()))).await;
    let allocated = machines.allocate(&AllocateParams::new()).await;
    note(allocated.map(|m| m.hostname)).await;
    let password = PASSWORD.to_owned().into();
    let user = client.users().create("bob", "b@x.y", &password, true).await;
    note(user.map(|u| u.username)).await;
    let port = url::Url::parse(url).unwrap().port().unwrap().to_string();
    text.replace(&port, "PORT")
}

macro_rules! sentence {
    ($($name:ident: $status:literal, $kind:literal, [$($header:literal = $value:literal),*], $body:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let server = MockServer::start().await;
            let template = ResponseTemplate::new($status)$(.insert_header($header, $value))*
                .set_body_raw($body.to_string(), $kind);
            Mock::given(any()).respond_with(template).mount(&server).await;
            let text = said(&server.uri(), async || server.received_requests().await.unwrap().len()).await;
            insta::assert_snapshot!(text);
        }
    )*};
}

sentence! {
    a_401_that_echoes_the_secret: 401, "text/html; charset=utf-8", [],
        format!("Authorization Error: 'Invalid signature. Expected signature base string: &{SECRET}'");
    a_401_for_a_wrong_clock: 401, "text/html; charset=utf-8", [],
        "Authorization Error: 'Expired timestamp: given 1795405829 and now 1795409999 has a greater difference than threshold 300'";
    a_401_for_a_replayed_nonce: 401, "text/html; charset=utf-8", [],
        "Authorization Error: 'Nonce already used: b8d0e36340e94c908534e1a65962f0d8'";
    a_409_page_that_will_never_succeed: 409, "text/html; charset=utf-8", ["Retry-After" = "0"],
        "<html><head><title>Error: Conflict Error</title></head><body><h2>Conflict error. Try your request again, as it will most likely succeed.</h2></body></html>";
    a_409_because_no_machine_fits: 409, "text/plain; charset=utf-8", [],
        "No available machine matches constraints: [('tags', ['gpu'])] (resolved to \"tags=gpu\")";
    a_503_with_retry_after: 503, "text/plain; charset=utf-8", ["Retry-After" = "1"],
        "Unable to connect to any rack controller kqywdf; no connections available.";
    a_503_with_a_long_retry_after: 503, "text/plain; charset=utf-8", ["Retry-After" = "10"],
        "Unable to connect to any rack controller kqywdf; no connections available.";
    a_503_because_an_action_is_in_progress: 503, "text/plain; charset=utf-8", [],
        "Unable to change power state to 'off' for node node1: another action is already in progress for that node.";
    a_503_because_addresses_are_used_up: 503, "text/plain; charset=utf-8", [],
        "No more IPs available in subnet: 10.83.0.0/30.";
    a_503_without_a_reason: 503, "text/html", [],
        "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>";
    a_502_of_a_gateway: 502, "text/html", [],
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>";
    a_500_page_that_echoes_the_form: 500, "text/html", [],
        format!("<html><h1>IntegrityError at /MAAS/api/2.0/users/</h1><td>password</td><td>{PASSWORD}</td></html>");
    a_413: 413, "text/html", [],
        "<html><head><title>413 Request Entity Too Large</title></head></html>";
    an_empty_answer: 200, "application/json", [], "";
    a_proxys_page_in_place_of_json: 200, "text/html", [],
        "<html><head><title>Welcome to Squid</title></head><body>Please log in</body></html>";
    a_proxys_page_that_calls_itself_json: 200, "application/json", [],
        "<!DOCTYPE html><html><body>Captive portal</body></html>";
    a_407_of_a_proxy: 407, "text/html", ["Proxy-Authenticate" = "Basic realm=\"squid\""],
        "<html><h1>Proxy Authentication Required</h1></html>";
    a_redirect: 302, "text/html", ["Location" = "https://maas.example/MAAS/"], "";
    json_of_something_else: 200, "application/json", [], r#"{"error": "no such host", "code": 7}"#;
    a_404_of_an_older_maas: 404, "text/html; charset=utf-8", [],
        "Unknown API endpoint: /MAAS/api/2.0/machines/.";
    a_400_with_fields: 400, "application/json", [],
        r#"{"mac_addresses": ["One or more MAC addresses is invalid."], "__all__": ["Something is wrong."]}"#;
    a_400_with_a_text: 400, "text/plain; charset=utf-8", [],
        "Ephemeral operating system ubuntu jammy is unavailable.";
    an_empty_403: 403, "text/html; charset=utf-8", [], "";
}

/// Serves these bytes to every connection and hangs up.
async fn raw(answer: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 8192];
            if stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(answer).await;
            }
        }
    });
    (url, asked)
}

macro_rules! broken {
    ($($name:ident: $answer:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let (url, asked) = raw($answer).await;
            let text = said(&url, async || asked.load(Ordering::SeqCst)).await;
            insta::assert_snapshot!(text);
        }
    )*};
}

broken! {
    hung_up_without_an_answer: b"";
    cut_in_the_header: b"HTTP/1.1 200 OK\r\nConte";
    cut_in_the_body: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n[{\"system_id\"";
    cut_in_a_chunk: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n[{\"syste";
    a_chunked_503: b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\nanother action is already i\r\n1b\r\nn progress for that node 7.\r\n0\r\n\r\n";
    a_503_cut_in_its_reason: b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nanother action is al";
    not_http: b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let text = said(&url, async || 0).await;
    insta::assert_snapshot!(text);
}
