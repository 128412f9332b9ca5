//! https: a CA of one's own, with and without a proxy, and what is said without the CA.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use maas_client::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A region's front over TLS: its address, and the CA that signed its certificate.
async fn front() -> (std::net::SocketAddr, String) {
    let (ca, cert, key) = signed();
    (serve(cert, key).await, ca)
}

/// A CA in PEM, and a certificate of it with its key.
fn signed() -> (
    String,
    rustls_pki_types::CertificateDer<'static>,
    rcgen::KeyPair,
) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["maas.internal".to_owned(), "127.0.0.1".to_owned()];
    let cert = rcgen::CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    (ca_cert.pem(), cert.der().clone(), key)
}

/// Serves the version over TLS with this certificate.
async fn serve(
    cert: rustls_pki_types::CertificateDer<'static>,
    key: rcgen::KeyPair,
) -> std::net::SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert],
            rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let _ = stream.read(&mut [0; 8192]).await;
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"version\": \"3.5.1\"}";
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    addr
}

#[tokio::test]
async fn a_ca_of_ones_own() {
    let (addr, ca) = front().await;
    let url = format!("https://{addr}/MAAS");
    let client = Client::builder(&url).ca(ca).build().unwrap();
    assert_eq!(client.version().await.unwrap().version, "3.5.1");

    let stranger = Client::builder(&url).retry(Retry::never()).build().unwrap();
    let error = stranger.version().await.unwrap_err();
    let text = error.to_string().replace(&addr.port().to_string(), "PORT");
    insta::assert_snapshot!(text);

    // A key, or nothing at all, is no CA.
    for pem in [
        "",
        "no PEM",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        let built = Client::builder(&url).ca(pem).build();
        assert_eq!(built.unwrap_err().kind(), ErrorKind::Input, "{pem}");
    }
}

/// What `openssl req -x509` makes: a certificate that is its own CA, for these names.
fn of_itself(names: &[&str]) -> (rcgen::Certificate, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    (params.self_signed(&key).unwrap(), key)
}

#[tokio::test]
async fn a_region_that_signed_itself() {
    let (cert, key) = of_itself(&["maas.internal", "127.0.0.1"]);
    let addr = serve(cert.der().clone(), key).await;
    let at = |ca: String| {
        let builder = Client::builder(format!("https://{addr}/MAAS")).retry(Retry::never());
        if ca.is_empty() {
            builder
        } else {
            builder.ca(ca)
        }
        .build()
        .unwrap()
    };
    assert_eq!(at(cert.pem()).version().await.unwrap().version, "3.5.1");
    // Not given, or another one of the same name, it is a stranger's.
    let (other, _) = of_itself(&["maas.internal", "127.0.0.1"]);
    for ca in [String::new(), other.pem()] {
        let error = at(ca).version().await.unwrap_err();
        assert!(
            error.is_connect() && error.to_string().contains("certificate"),
            "{error}"
        );
    }
    // Given, but for another name.
    let (cert, key) = of_itself(&["maas.elsewhere"]);
    let addr = serve(cert.der().clone(), key).await;
    let client = Client::builder(format!("https://{addr}/MAAS"))
        .ca(cert.pem())
        .retry(Retry::never())
        .build()
        .unwrap();
    let error = client.version().await.unwrap_err();
    assert!(error.is_connect(), "{error}");
    // And out of date.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let cert = params.self_signed(&key).unwrap();
    let addr = serve(cert.der().clone(), key).await;
    let client = Client::builder(format!("https://{addr}/MAAS"))
        .ca(cert.pem())
        .retry(Retry::never())
        .build()
        .unwrap();
    let error = client.version().await.unwrap_err().to_string();
    assert!(error.contains("expired"), "{error}");
}

/// https goes through the proxy in a tunnel to the name that was given, which nobody here resolves.
#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    let (addr, ca) = front().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(near.read_u8().await.unwrap());
        }
        let mut far = TcpStream::connect(addr).await.unwrap();
        near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .await
            .unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        String::from_utf8(head).unwrap()
    });
    let client = Client::builder("https://maas.internal:5443/MAAS/")
        .ca(ca)
        .proxy(proxy.parse().unwrap())
        .build()
        .unwrap();
    assert_eq!(client.version().await.unwrap().version, "3.5.1");
    drop(client);
    let head = asked.await.unwrap();
    assert!(
        head.starts_with("CONNECT maas.internal:5443 HTTP/1.1\r\n"),
        "{head}"
    );
}
