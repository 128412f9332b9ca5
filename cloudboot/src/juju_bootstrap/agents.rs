//! The agent's archive in Juju's streams, or a mirror of them.
//!
//! The index says where the list of a stream is, the list has path, size and SHA-256 of each archive. Source: simplestreams
//! as streams.canonical.com serves it.
//!
//! What pins what: the streams' index and list are trusted for their TLS (streams.canonical.com), or for being the operator's own mirror;
//! the list's SHA-256 and size pin the archive, which the machine checks before it unpacks it, however it was fetched; `jujud` checks them
//! again. The OpenPGP signature around `.sjson` files is **not** verified: it would take an OpenPGP implementation, and protects only where
//! the mirror is trusted less than the network. Whoever wants the archive pinned by himself gives its version, address, SHA-256 and size
//! under `juju.controller.agent`: then no stream is asked at all.

use serde::Deserialize;
use std::collections::BTreeMap;
use url::Url;

use super::Agent;
use crate::engine::{Class, Error};
use crate::rest::{Reach, download};

/// Where Juju's streams are.
pub const STREAMS: &str = "https://streams.canonical.com/juju/tools/";
/// Ubuntu on amd64, whatever its release.
const PRODUCT: &str = "com.ubuntu.juju:ubuntu:amd64";

#[derive(Deserialize)]
struct Index {
    index: BTreeMap<String, Listed>,
}

#[derive(Deserialize)]
struct Listed {
    path: String,
}

#[derive(Deserialize)]
struct Products {
    products: BTreeMap<String, Product>,
}

#[derive(Deserialize)]
struct Product {
    versions: BTreeMap<String, Version>,
}

#[derive(Deserialize)]
struct Version {
    items: BTreeMap<String, Item>,
}

#[derive(Deserialize)]
struct Item {
    version: String,
    arch: String,
    path: String,
    size: u64,
    sha256: String,
    #[serde(default)]
    ftype: String,
}

/// The newest agent of a track (`4.0`, or `4`, or `4.0.15` itself) in a stream (`released`, `proposed`, `devel`).
///
/// # Errors
/// The streams can't be read, or have none of that track.
pub async fn find(base: &Url, stream: &str, track: &str, reach: &Reach) -> Result<Agent, Error> {
    let attempted = format!(
        "find Juju's agent {track} in the streams at {}",
        crate::rest::shown(base)
    );
    let failed = |what: String| {
        Error::terminal(attempted.clone(), what).next(
            "set mirrors.juju_agents to a mirror that has it, or give the archive under juju.controller.agent",
        )
    };
    let base = folder(base).ok_or_else(|| failed("it is no address of a folder".to_owned()))?;
    let mut index: Option<Index> = None;
    let mut trouble = None;
    // A mirror may be without the signed form.
    for name in ["streams/v1/index2.sjson", "streams/v1/index2.json"] {
        let url = base.join(name).map_err(|error| failed(error.to_string()))?;
        match download(&url, reach).await {
            Ok(bytes) => {
                index = Some(decode(&bytes).map_err(|error| failed(format!("{name}: {error}")))?);
                break;
            }
            Err(error) => trouble = Some(error),
        }
    }
    let index = match (index, trouble) {
        (Some(index), _) => index,
        (None, Some(error)) => {
            let class = if error.is_retryable() {
                Class::Transient
            } else {
                Class::Terminal
            };
            return Err(Error::new(class, attempted.clone(), error.to_string())
                .next("set mirrors.juju_agents to a mirror that the controller reaches, or proxy.https")
                .because(error));
        }
        (None, None) => return Err(failed("it has no index".to_owned())),
    };
    let content = format!("com.ubuntu.juju:{stream}:agents");
    let listed = index
        .index
        .get(&content)
        .ok_or_else(|| failed(format!("its index has no {content}")))?;
    let url = base
        .join(&listed.path)
        .map_err(|error| failed(error.to_string()))?;
    let bytes = download(&url, reach).await.map_err(|error| {
        let class = if error.is_retryable() {
            Class::Transient
        } else {
            Class::Terminal
        };
        Error::new(class, attempted.clone(), error.to_string()).because(error)
    })?;
    let products: Products =
        decode(&bytes).map_err(|error| failed(format!("{}: {error}", listed.path)))?;
    let item = newest(&products, track).ok_or_else(|| {
        failed(format!(
            "the stream {stream} has no agent of {track} for Ubuntu on amd64"
        ))
    })?;
    let url = base
        .join(&item.path)
        .map_err(|error| failed(error.to_string()))?;
    Ok(Agent::new(&item.version, url, &item.sha256, item.size))
}

fn newest<'a>(products: &'a Products, track: &str) -> Option<&'a Item> {
    let wanted = numbers(track)?;
    products
        .products
        .get(PRODUCT)?
        .versions
        .values()
        .flat_map(|version| version.items.values())
        .filter(|item| item.arch == "amd64" && matches!(item.ftype.as_str(), "" | "tar.gz"))
        .filter_map(|item| Some((numbers(&item.version)?, item)))
        .filter(|(version, _)| version.starts_with(&wanted))
        .max_by(|(one, _), (other, _)| one.cmp(other))
        .map(|(_, item)| item)
}

/// `4.0.15` as numbers; none for what is no release, `4.1-beta2`.
fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// An address that others are relative to: with a final slash.
fn folder(base: &Url) -> Option<Url> {
    let mut base = base.clone();
    if !base.path().ends_with('/') {
        let path = format!("{}/", base.path());
        base.set_path(&path);
    }
    (!base.cannot_be_a_base()).then_some(base)
}

/// JSON, perhaps inside a clearsigned message (RFC 4880, 7).
fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let json = match text.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----") {
        None => text.to_owned(),
        Some(signed) => signed
            .replace("\r\n", "\n")
            .split_once("\n\n")
            .and_then(|(_, rest)| rest.split_once("\n-----BEGIN PGP SIGNATURE-----"))
            .map(|(body, _)| {
                body.lines()
                    .map(|line| line.strip_prefix("- ").unwrap_or(line))
                    .collect::<Vec<_>>()
                    .join("\n")
            })
            .ok_or("its signature's frame is broken")?,
    };
    serde_json::from_str(&json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn item(version: &str, arch: &str) -> serde_json::Value {
        json!({"version": version, "arch": arch, "size": 38_783_505, "ftype": "tar.gz", "release": "ubuntu",
               "path": format!("agent/{version}/juju-{version}-linux-{arch}.tgz"), "sha256": "ab".repeat(32), "md5": ""})
    }

    async fn server(signed: bool) -> MockServer {
        let server = MockServer::start().await;
        let index = json!({"format": "index:1.0", "index": {"com.ubuntu.juju:released:agents":
            {"format": "products:1.0", "path": "streams/v1/com.ubuntu.juju-released-agents.json", "products": [PRODUCT]}}});
        let products = json!({"products": {PRODUCT: {"arch": "amd64", "versions": {
            "20260101": {"items": {"a": item("4.0.9", "amd64"), "b": item("3.6.20", "amd64")}},
            "20261101": {"items": {"c": item("4.0.15", "amd64"), "d": item("4.0.16", "arm64"), "e": item("4.1-beta1", "amd64"), "f": item("4.1.0", "amd64")}},
        }}}});
        let (name, body) = if signed {
            let body = format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{index:#}\n-----BEGIN PGP SIGNATURE-----\n\nxyz\n-----END PGP SIGNATURE-----\n"
            );
            ("index2.sjson", body)
        } else {
            ("index2.json", index.to_string())
        };
        for (at, body) in [
            (name, body),
            ("com.ubuntu.juju-released-agents.json", products.to_string()),
        ] {
            Mock::given(path(format!("/tools/streams/v1/{at}")))
                .respond_with(ResponseTemplate::new(200).set_body_string(body))
                .mount(&server)
                .await;
        }
        server
    }

    #[tokio::test]
    async fn the_newest_of_a_track_is_found_signed_or_not() {
        for signed in [true, false] {
            let server = server(signed).await;
            let base: Url = format!("{}/tools", server.uri()).parse().unwrap();
            for (track, version) in [
                ("4.0", "4.0.15"),
                ("4", "4.1.0"),
                ("4.0.9", "4.0.9"),
                ("3.6", "3.6.20"),
            ] {
                let agent = find(&base, "released", track, &Reach::default())
                    .await
                    .unwrap();
                assert_eq!(agent.version, version);
                assert_eq!(
                    agent.url.as_str(),
                    format!("{base}/agent/{version}/juju-{version}-linux-amd64.tgz")
                );
            }
            let error = find(&base, "released", "4.2", &Reach::default())
                .await
                .unwrap_err();
            assert!(error.to_string().contains("no agent of 4.2"), "{error}");
            let error = find(&base, "devel", "4.0", &Reach::default())
                .await
                .unwrap_err();
            assert!(
                error.to_string().contains("com.ubuntu.juju:devel:agents"),
                "{error}"
            );
        }
    }
}
