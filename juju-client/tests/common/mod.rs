//! A controller that answers each call with what it is told to, and keeps what it was asked. And raw sockets for odd frames.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use juju_client::testing::Identity;
use juju_client::{Client, Credentials, Endpoint, Options};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub type Ws = WebSocketStream<TlsStream<TcpStream>>;

pub fn acceptor(identity: &Identity) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(identity.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(chain, key)
    .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

pub async fn listen() -> (TcpListener, String, Identity) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address, Identity::generate().unwrap())
}

pub async fn accept(listener: &TcpListener, identity: &Identity) -> Ws {
    let (tcp, _) = listener.accept().await.unwrap();
    let tls = acceptor(identity).accept(tcp).await.unwrap();
    tokio_tungstenite::accept_async(tls).await.unwrap()
}

pub async fn next(ws: &mut Ws) -> Option<Value> {
    loop {
        match ws.next().await? {
            Ok(Message::Text(t)) => return serde_json::from_str(&t).ok(),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

pub async fn say(ws: &mut Ws, v: Value) {
    let _ = ws.send(Message::text(v.to_string())).await;
}

pub fn login_answer(id: &Value, facades: &Value, version: &str) -> Value {
    json!({"request-id": id, "response": {"servers": [], "controller-tag": "controller-450b7011-eed6-4045-8284-a9dc5730e5f3",
        "user-info": {"identity": "user-admin"}, "facades": facades, "server-version": version}})
}

/// Answers the login, and each later call with `answer`; what was asked is kept.
pub struct Replay {
    pub client: Client,
    pub asked: Arc<Mutex<Vec<Value>>>,
    pub answer: Arc<Mutex<Value>>,
}

impl Replay {
    pub async fn start(facades: Value, version: &'static str) -> Self {
        let (listener, address, identity) = listen().await;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(json!({"response": {}})));
        let (a, b, id) = (asked.clone(), answer.clone(), identity.clone());
        tokio::spawn(async move {
            let mut ws = accept(&listener, &id).await;
            while let Some(request) = next(&mut ws).await {
                if request["type"] == "Admin" {
                    say(
                        &mut ws,
                        login_answer(&request["request-id"], &facades, version),
                    )
                    .await;
                    continue;
                }
                let mut reply = b.lock().unwrap().clone();
                reply["request-id"] = request["request-id"].clone();
                a.lock().unwrap().push(request);
                say(&mut ws, reply).await;
            }
        });
        let endpoint = Endpoint::new([address]).ca_cert(identity.ca_cert);
        let client = Client::connect(
            endpoint,
            Credentials::new("admin", "pw"),
            Options::default(),
        )
        .await
        .unwrap();
        Self {
            client,
            asked,
            answer,
        }
    }
}
