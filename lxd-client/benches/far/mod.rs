//! A line to the daemon's HTTPS on which everything takes its time: a site some way off.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lxd_client::{CertificateOptions, Client, Identity};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};

/// Each way.
const DELAY: Duration = Duration::from_millis(10);

pub(crate) struct Far {
    pub(crate) client: Client,
    at: SocketAddr,
    dir: tempfile::TempDir,
    identity: Identity,
    before: String,
    line: tokio::task::JoinHandle<()>,
}

impl Far {
    /// Has the daemon listen, and trust us; `None`, and why, where it cannot be reached by HTTPS.
    pub(crate) async fn reach(lxd: &Client) -> Option<Self> {
        let url = std::env::var("CLOUDBOOT_LXD_URL")
            .unwrap_or_else(|_| "https://198.18.53.2:8443".to_owned());
        let target = url.trim_start_matches("https://").to_owned();
        let server = lxd.server().await.unwrap().into_inner();
        let before = server.config.get("core.https_address").cloned();
        let before = before.unwrap_or_default();
        lxd.set_config([("core.https_address", "[::]:8443")])
            .await
            .unwrap();
        let reached = tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(&target));
        if !matches!(reached.await, Ok(Ok(_))) {
            println!("skipped: what is 20 ms off: no daemon at {url} (CLOUDBOOT_LXD_URL)");
            lxd.set_config([("core.https_address", before)])
                .await
                .unwrap();
            return None;
        }
        let identity = Identity::generate("race").unwrap();
        let options = CertificateOptions::named("race");
        lxd.certificates().add(&identity, &options).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("client.crt"), identity.certificate_pem()).unwrap();
        let key = identity.key_pem().expose_secret();
        std::fs::write(dir.path().join("client.key"), key).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let line = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let target = target.clone();
                tokio::spawn(async move {
                    // The handshake's round trip.
                    sleep(DELAY * 2).await;
                    let Ok(far) = TcpStream::connect(&target).await else {
                        return;
                    };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    let ((a, b), (c, d)) = (near.into_split(), far.into_split());
                    tokio::join!(carry(a, d), carry(c, b));
                });
            }
        });
        let pinned = server.environment.certificate_fingerprint.parse().unwrap();
        let url = format!("https://{at}").parse().unwrap();
        let client = Client::https(url, pinned)
            .identity(identity.clone())
            .build()
            .unwrap();
        client.server().await.unwrap();
        Some(Self {
            client,
            at,
            dir,
            identity,
            before,
            line,
        })
    }

    pub(crate) fn address(&self) -> String {
        format!("https://{}", self.at)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.path().join("client.crt")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.dir.path().join("client.key")
    }

    pub(crate) async fn leave(self, lxd: &Client) {
        self.line.abort();
        let trusted = lxd.certificates();
        trusted.delete(&self.identity.fingerprint()).await.unwrap();
        lxd.set_config([("core.https_address", self.before)])
            .await
            .unwrap();
    }
}

/// Passes on what comes, each piece a little later; pieces do not wait for each other.
async fn carry(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf) {
    let (put, mut take) = tokio::sync::mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let read = async move {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(length) = from.read(&mut piece).await {
            let due = (Instant::now() + DELAY, piece[..length].to_vec());
            if length == 0 || put.send(due).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = take.recv().await {
            sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(read, write);
}
