//! A mirror on the Internet, as far as the lab has one: it serves the boot loader's archive and Juju's agents, and tells which charms
//! there are.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use sha2::Digest as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// The folder of Juju's agents, in the world's addresses.
pub(super) const AGENTS: &str = "http://mirror.lab/juju/";
/// The version of Juju's agent that it has.
pub(super) const AGENT_VERSION: &str = "4.0.15";

/// The archive of Juju's agent: not one that runs.
pub(super) fn agent() -> &'static [u8] {
    b"the agent of the lab"
}

/// A file of the folder of Juju's agents, laid out as simplestreams is.
fn agents(path: &str) -> Option<Vec<u8>> {
    let product = "com.ubuntu.juju:ubuntu:amd64";
    let archive = format!("agent/{AGENT_VERSION}/juju-{AGENT_VERSION}-linux-amd64.tgz");
    if path == archive {
        return Some(agent().to_vec());
    }
    let list = "streams/v1/com.ubuntu.juju-released-agents.json";
    let document = match path {
        "streams/v1/index2.json" => json!({"format": "index:1.0", "index": {
            "com.ubuntu.juju:released:agents": {"format": "products:1.0", "path": list, "products": [product]}}}),
        path if path == list => {
            json!({"format": "products:1.0", "products": {product: {"arch": "amd64", "versions": {
            "20260101": {"items": {"agent": {
                "version": AGENT_VERSION, "arch": "amd64", "release": "ubuntu", "ftype": "tar.gz",
                "path": archive, "size": agent().len(), "sha256": sha256(agent())}}}}}}})
        }
        _ => return None,
    };
    Some(document.to_string().into_bytes())
}

/// Where the archive is, in the world's addresses.
pub(super) const URL: &str = "http://mirror.lab/syslinux-6.03.tar.xz";
/// The world's address of the mirror.
pub(super) const ADDRESS: &str = "mirror.lab:80";

/// The archive: laid out as the real one, with a loader of a few bytes. Always the same bytes.
pub(super) fn archive() -> io::Result<Vec<u8>> {
    let loader = b"a boot loader of the lab";
    let mut header = tar::Header::new_gnu();
    header.set_size(loader.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(
        &mut header,
        "syslinux-6.03/bios/core/lpxelinux.0",
        &loader[..],
    )?;
    let tar = tar.into_inner()?;
    let mut xz = Vec::new();
    io::Read::read_to_end(&mut liblzma::read::XzEncoder::new(&tar[..], 6), &mut xz)?;
    Ok(xz)
}

/// The charm that Charmhub's API is asked for: `GET /v2/charms/info/keystone?fields=channel-map`.
fn charm_of(request: &str) -> Option<&str> {
    let path = request.split_once("/v2/charms/info/")?.1;
    path.split(['?', ' ']).next()
}

/// Charmhub's answer for a charm of the lab's bundle: it has the channels that the bundle asks for.
fn charm_info(charm: &str) -> Option<serde_json::Value> {
    if charm == "juju-controller" {
        return Some(
            serde_json::json!({"name": charm, "type": "charm", "channel-map": [{"channel": {"name": "4.0/stable"}}]}),
        );
    }
    let bundle = juju_client::Bundle::parse_with(super::BUNDLE, &[], None).ok()?;
    let channels: Vec<serde_json::Value> = bundle
        .data()
        .applications
        .values()
        .flatten()
        .filter(|app| app.charm.trim_start_matches("ch:") == charm)
        .map(|app| serde_json::json!({"channel": {"name": app.channel}}))
        .collect();
    (!channels.is_empty())
        .then(|| serde_json::json!({"name": charm, "type": "charm", "channel-map": channels}))
}

/// The archive's SHA-256 in hexadecimal.
pub(super) fn sha256(archive: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(archive))
}

/// Serves the archive on loopback, after `delay` of real time, until the task is aborted.
pub(super) async fn serve(
    archive: Vec<u8>,
    delay: Duration,
) -> io::Result<(SocketAddr, tokio::task::JoinHandle<()>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let addr = listener.local_addr()?;
    let task = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let archive = archive.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                let read = socket.read(&mut request).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&request[..read]).into_owned();
                let target = head.split_whitespace().nth(1).unwrap_or_default();
                let juju = target
                    .split_once("/juju/")
                    .and_then(|(_, path)| agents(path));
                let found = target.contains("syslinux-6.03.tar.xz");
                if found {
                    tokio::time::sleep(delay).await;
                }
                let (status, body) = match juju {
                    Some(file) => ("200 OK", file),
                    None if found => ("200 OK", archive),
                    None => match charm_of(target).and_then(charm_info) {
                        Some(info) => ("200 OK", info.to_string().into_bytes()),
                        None => ("404 Not Found", Vec::new()),
                    },
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = socket.write_all(head.as_bytes()).await;
                let _ = socket.write_all(&body).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    Ok((addr, task))
}
