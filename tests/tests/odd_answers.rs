//! Odd bodies, statuses, redirects and cut connections, as Vault's, Keystone's, Nova's and the dashboard's clients take them.

use std::time::Duration;

use cloudboot::engine::MemorySecretStore;
use cloudboot::openstack::{Credential, ErrorKind, Keystone, Reach, Scope, login_page};
use cloudboot::vault::{self, Shares, State, keys};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn answering(verb: &str, at: &str, answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method(verb))
        .and(path(at))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

fn quick() -> Reach {
    let mut reach = Reach::default();
    reach.timeout = Duration::from_millis(300);
    reach
}

fn vault(server: &MockServer) -> vault::Client {
    vault::Client::new(server.uri().parse().unwrap(), &quick()).unwrap()
}

fn keystone(server: &MockServer) -> Keystone {
    let credential = Credential::Password {
        user: "admin".into(),
        user_domain: "Default".into(),
        password: "hunter2".into(),
    };
    let scope = Scope::Project {
        name: "admin".into(),
        domain: "Default".into(),
    };
    Keystone::new(server.uri().parse().unwrap(), credential, scope, &quick()).unwrap()
}

/// A server that answers each connection with these bytes and closes it.
async fn raw(bytes: &'static [u8]) -> url::Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(bytes).await;
        }
    });
    url
}

#[tokio::test]
async fn every_health_code_is_a_state() {
    for (code, body, state) in [
        (
            200,
            json!({"initialized": true, "sealed": false, "standby": false, "version": null}),
            State::Active,
        ),
        (
            200,
            json!({"initialized": true, "sealed": false}),
            State::Active,
        ),
        (
            429,
            json!({"initialized": true, "sealed": false, "standby": true, "performance_standby": false}),
            State::Standby,
        ),
        (
            472,
            json!({"initialized": true, "sealed": false, "standby": true, "unknown": [{}]}),
            State::Standby,
        ),
        (
            473,
            json!({"initialized": true, "sealed": false, "standby": true}),
            State::Standby,
        ),
        (
            501,
            json!({"initialized": false, "sealed": true}),
            State::Uninitialised,
        ),
        (
            503,
            json!({"initialized": true, "sealed": true}),
            State::Sealed,
        ),
    ] {
        let server = answering(
            "GET",
            "/v1/sys/health",
            ResponseTemplate::new(code).set_body_json(&body),
        )
        .await;
        assert_eq!(
            vault(&server).health().await.unwrap().state(),
            state,
            "{code} {body}"
        );
    }
}

#[tokio::test]
async fn a_load_balancers_503_is_not_a_sealed_vault() {
    let page =
        ResponseTemplate::new(503).set_body_raw("<html>No server is available</html>", "text/html");
    let error = vault(&answering("GET", "/v1/sys/health", page).await)
        .health()
        .await
        .unwrap_err();
    assert!(
        error.is_retryable() && error.kind() == ErrorKind::Status,
        "{error:?}"
    );
    assert!(error.to_string().ends_with("HTTP 503 Service Unavailable. The answer is not Vault's: is there something else at this address?"), "{error}");
    let page = ResponseTemplate::new(200).set_body_raw("<html>It works!</html>", "text/html");
    let error = vault(&answering("GET", "/v1/sys/health", page).await)
        .health()
        .await
        .unwrap_err();
    assert!(
        error.kind() == ErrorKind::Decode && !error.is_retryable(),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_old_server_that_was_not_initialised_says_so_with_400() {
    let old = ResponseTemplate::new(400)
        .set_body_json(json!({"errors": ["server is not yet initialized"]}));
    let status = vault(&answering("GET", "/v1/sys/seal-status", old).await)
        .seal_status()
        .await
        .unwrap();
    assert!(!status.initialized && status.sealed);
}

/// What the pipeline does with an answer to init that holds no usable keys, when the Vault says afterwards that it is initialised.
#[tokio::test]
async fn an_init_answer_that_cannot_be_used_is_a_lost_one() {
    let key = "c2VjcmV0LXNlY3JldC1zZWNyZXQ=";
    for answer in [
        ResponseTemplate::new(200)
            .set_body_string(format!("{{\"keys_base64\": [\"{key}\", 7], \"root_token\"")),
        ResponseTemplate::new(200)
            .set_body_json(json!({"keys_base64": [key], "root_token": "s.abc"})),
        ResponseTemplate::new(200).set_body_json(json!({"keys_base64": key})),
        ResponseTemplate::new(200),
        ResponseTemplate::new(502),
        ResponseTemplate::new(504),
        ResponseTemplate::new(500).set_body_json(json!({"errors": ["internal error"]})),
        ResponseTemplate::new(200).set_delay(Duration::from_secs(3)),
    ] {
        let server = answering("PUT", "/v1/sys/init", answer).await;
        Mock::given(path("/v1/sys/seal-status"))
            .respond_with(
                ResponseTemplate::new(200)
                    .set_body_json(json!({"initialized": false, "sealed": true})),
            )
            .up_to_n_times(1)
            .mount(&server)
            .await;
        Mock::given(path("/v1/sys/seal-status"))
            .respond_with(
                ResponseTemplate::new(200)
                    .set_body_json(json!({"initialized": true, "sealed": true})),
            )
            .mount(&server)
            .await;
        let store = MemorySecretStore::new();
        let error = keys::initialise(&vault(&server), &store, "vault", Shares::default())
            .await
            .unwrap_err();
        assert!(error.needs_operator(), "{error:?}");
        let told = format!("{error} {error:?}");
        assert!(
            !told.contains(key) && !told.contains("s.abc"),
            "a secret in {told}"
        );
        let inits = server
            .received_requests()
            .await
            .unwrap()
            .iter()
            .filter(|r| r.url.path() == "/v1/sys/init")
            .count();
        assert_eq!(inits, 1, "one-shot calls are sent once");
    }
}

#[tokio::test]
async fn a_refused_init_is_clear() {
    let refused = ResponseTemplate::new(400)
        .set_body_json(json!({"errors": ["invalid seal configuration: x"]}));
    let server = answering("PUT", "/v1/sys/init", refused).await;
    Mock::given(path("/v1/sys/seal-status"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"initialized": false, "sealed": true})),
        )
        .mount(&server)
        .await;
    let error = keys::initialise(
        &vault(&server),
        &MemorySecretStore::new(),
        "vault",
        Shares::default(),
    )
    .await
    .unwrap_err();
    assert!(
        !error.needs_operator()
            && !error.is_unclear()
            && error.answer() == "invalid seal configuration: x",
        "{error:?}"
    );
}

#[tokio::test]
async fn a_redirect_gets_no_token() {
    let other = MockServer::start().await;
    let to = ResponseTemplate::new(307).insert_header(
        "location",
        format!("{}/v1/auth/token/lookup-self", other.uri()),
    );
    let server = answering("GET", "/v1/auth/token/lookup-self", to).await;
    let error = vault(&server)
        .lookup_self(&"s.secret".into())
        .await
        .unwrap_err();
    assert_eq!(error.status().unwrap().as_u16(), 307, "{error:?}");
    assert!(other.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn retry_after_is_heard() {
    let busy = ResponseTemplate::new(429)
        .insert_header("retry-after", "7")
        .set_body_json(json!({"errors": ["request rate"]}));
    let error = vault(&answering("GET", "/v1/sys/seal-status", busy).await)
        .seal_status()
        .await
        .unwrap_err();
    assert!(
        error.is_retryable() && error.retry_after() == Some(Duration::from_secs(7)),
        "{error:?}"
    );
    let busy = ResponseTemplate::new(503).insert_header("retry-after", "soon");
    let error = vault(&answering("GET", "/v1/sys/seal-status", busy).await)
        .seal_status()
        .await
        .unwrap_err();
    assert_eq!(error.retry_after(), None);
}

#[tokio::test]
async fn a_connection_that_is_cut() {
    for bytes in [
        b"".as_slice(),
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"initialized\"",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
    ] {
        let client = vault::Client::new(raw(bytes).await, &quick()).unwrap();
        let read = client.health().await.unwrap_err();
        assert!(read.is_retryable() && !read.is_unclear(), "{read:?}");
        let written = client.unseal(&"a key".into()).await.unwrap_err();
        assert!(
            written.is_unclear() && !written.is_retryable(),
            "{written:?}"
        );
        assert!(
            written
                .to_string()
                .ends_with("It may have been acted upon: observe before sending it again"),
            "{written}"
        );
    }
}

#[tokio::test]
async fn nothing_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client =
        vault::Client::new(format!("http://u:pw@{free}/").parse().unwrap(), &quick()).unwrap();
    let error = client.init(Shares::default()).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Connect && error.is_retryable() && !error.is_unclear(),
        "nothing was sent: {error:?}"
    );
    assert!(
        !format!("{error} {error:?} {client:?}").contains("pw@"),
        "{error:?}"
    );
}

#[tokio::test]
async fn https_without_a_ca_is_not_attempted() {
    let client = vault::Client::new("https://127.0.0.1:1/".parse().unwrap(), &quick()).unwrap();
    let error = client.health().await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Config && !error.is_retryable(),
        "{error:?}"
    );
    for pem in [
        "",
        "no pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let error = vault::Client::new(
            "https://127.0.0.1:1/".parse().unwrap(),
            &quick().ca_pem(pem),
        )
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{pem:?}: {error:?}");
    }
}

/// Keystone's answer to the first and every later authentication, with Nova on the same server.
async fn cloud() -> MockServer {
    let server = MockServer::start().await;
    let endpoint = |url: String| json!([{"id": "1", "interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": url}]);
    let catalog = json!([
        {"type": "compute", "name": "nova", "id": "a", "endpoints": endpoint(format!("{}/v2.1/0123abcd", server.uri()))},
        {"type": "image", "endpoints": []},
        {"type": "odd", "name": "x", "endpoints": endpoint("no url".into())},
    ]);
    let token = json!({"token": {"expires_at": "2030-01-01T00:00:00Z", "user": {"id": "u", "name": "admin"}, "roles": [], "catalog": catalog}});
    Mock::given(method("POST"))
        .and(path("/v3/auth/tokens"))
        .respond_with(
            ResponseTemplate::new(201)
                .insert_header("x-subject-token", "gAAAA-secret")
                .set_body_json(token),
        )
        .mount(&server)
        .await;
    server
}

async fn nova_doc(server: &MockServer, newest: &str, oldest: &str) {
    let doc = json!({"version": {"id": "v2.1", "version": newest, "min_version": oldest}});
    Mock::given(path("/v2.1/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(doc))
        .mount(server)
        .await;
}

#[tokio::test]
async fn odd_keystones() {
    let no_token = answering(
        "POST",
        "/v3/auth/tokens",
        ResponseTemplate::new(201).set_body_json(json!({"token": {}})),
    )
    .await;
    let error = keystone(&no_token).authenticate().await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Unexpected
            && error
                .to_string()
                .contains("without a token (X-Subject-Token)"),
        "{error:?}"
    );

    let bare = ResponseTemplate::new(201)
        .insert_header("x-subject-token", "t")
        .set_body_json(json!({"token": {"user": {"id": "u"}}}));
    let bare = answering("POST", "/v3/auth/tokens", bare).await;
    let token = keystone(&bare).authenticate().await.unwrap();
    assert!(
        token.project_id.is_none() && token.catalog.0.is_empty() && token.id.expose_secret() == "t"
    );
    let error = keystone(&bare).endpoint("compute").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the catalog has none; it knows: nothing"),
        "{error}"
    );

    let starting =
        ResponseTemplate::new(503).set_body_raw("<html>Service Unavailable</html>", "text/html");
    let error = keystone(&answering("POST", "/v3/auth/tokens", starting).await)
        .authenticate()
        .await
        .unwrap_err();
    assert!(
        error.is_retryable(),
        "a token may be asked for again: {error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("hunter2"));

    let odd = cloud().await;
    let error = keystone(&odd).endpoint("odd").await.unwrap_err();
    assert!(
        error.to_string().contains("it knows: compute, image, odd"),
        "{error}"
    );
    assert!(
        keystone(&odd)
            .with_endpoints(
                Some("Elsewhere".into()),
                cloudboot::openstack::Interface::Public
            )
            .endpoint("compute")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_microversion_is_the_newest_that_both_know() {
    for (newest, oldest, agreed) in [
        ("2.93", "2.1", Some("2.93")),
        ("2.100", "2.1", Some("2.93")),
        ("2.60", "2.1", Some("2.60")),
        ("2.42", "2.1", None),
        ("2.200", "2.95", None),
        ("", "", None),
    ] {
        let server = cloud().await;
        nova_doc(&server, newest, oldest).await;
        match (keystone(&server).nova().await, agreed) {
            (Ok(nova), Some(agreed)) => assert_eq!(nova.version().to_string(), agreed),
            (Err(error), None) => assert!(
                error.kind() == ErrorKind::Unexpected && !error.is_retryable(),
                "{error:?}"
            ),
            (got, wanted) => panic!("{newest} to {oldest}: {got:?}, not {wanted:?}"),
        }
    }
}

#[tokio::test]
async fn a_service_that_never_takes_the_token_is_asked_twice_and_no_more() {
    let server = cloud().await;
    nova_doc(&server, "2.93", "2.1").await;
    Mock::given(path("/v2.1/0123abcd/os-services"))
        .and(header("x-auth-token", "gAAAA-secret"))
        .respond_with(ResponseTemplate::new(401))
        .expect(2)
        .mount(&server)
        .await;
    let nova = keystone(&server).nova().await.unwrap();
    let error = nova.services(None, None).await.unwrap_err();
    assert!(error.is_denied() && !error.is_retryable(), "{error:?}");
    let logins = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .filter(|r| r.method.as_str() == "POST")
        .count();
    assert_eq!(logins, 2);
}

#[tokio::test]
async fn odd_novas() {
    let server = cloud().await;
    nova_doc(&server, "2.93", "2.1").await;
    let nova = keystone(&server).nova().await.unwrap();
    let services = json!({"services": [{"id": "a", "host": null, "status": "paused", "state": "unknown", "forced_down": null, "new": {}}]});
    Mock::given(path("/v2.1/0123abcd/os-services"))
        .and(header("openstack-api-version", "compute 2.93"))
        .respond_with(ResponseTemplate::new(200).set_body_json(services))
        .mount(&server)
        .await;
    let found = nova.services(None, None).await.unwrap();
    assert_eq!(
        (
            found[0].status.as_str(),
            found[0].state.as_str(),
            found[0].host.as_str()
        ),
        ("paused", "unknown", "")
    );

    Mock::given(path("/v2.1/0123abcd/servers/x"))
        .respond_with(ResponseTemplate::new(500).insert_header("x-openstack-request-id", "req-7").set_body_json(
            json!({"computeFault": {"code": 500, "message": "Unexpected API Error.\n<class 'oslo_db.exception.DBError'>"}}),
        ))
        .mount(&server)
        .await;
    let error = nova.server(&"x".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.request_id(), Some("req-7"));
    assert!(
        error.is_retryable()
            && error.to_string().contains(
                "HTTP 500 Unexpected API Error. <class 'oslo_db.exception.DBError'> (request req-7)"
            ),
        "{error}"
    );

    // A list whose pages never end ends here: the same page, again and again.
    let page = json!({"servers": [{"id": "s1"}], "servers_links": [{"rel": "next", "href": "x"}]});
    Mock::given(path("/v2.1/0123abcd/servers/detail"))
        .respond_with(ResponseTemplate::new(200).set_body_json(page))
        .mount(&server)
        .await;
    let error = nova.servers(&Default::default()).await.unwrap_err();
    assert_eq!(error.answer(), "its pages go round in a circle");
}

#[tokio::test]
async fn odd_dashboards() {
    let away = answering(
        "GET",
        "/horizon",
        ResponseTemplate::new(302).insert_header("location", "http://elsewhere.example/login"),
    )
    .await;
    let page = |server: &MockServer| {
        format!("{}/horizon", server.uri())
            .parse::<url::Url>()
            .unwrap()
    };
    let error = login_page(&page(&away), &quick()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a redirect that leaves the host: http://elsewhere.example/login"),
        "{error}"
    );

    let round = answering(
        "GET",
        "/horizon",
        ResponseTemplate::new(302).insert_header("location", "/horizon"),
    )
    .await;
    let error = login_page(&page(&round), &quick()).await.unwrap_err();
    assert!(
        error.answer() == "more than 5 redirects in a row" && !error.is_retryable(),
        "{error}"
    );

    let apache = answering(
        "GET",
        "/horizon",
        ResponseTemplate::new(200).set_body_string("<html>It works!</html>"),
    )
    .await;
    let error = login_page(&page(&apache), &quick()).await.unwrap_err();
    assert!(
        error.answer() == "a page without a login form" && !error.is_retryable(),
        "{error}"
    );

    let starting = answering("GET", "/horizon", ResponseTemplate::new(500)).await;
    assert!(
        login_page(&page(&starting), &quick())
            .await
            .unwrap_err()
            .is_retryable()
    );
}
