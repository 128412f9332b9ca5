//! The facade `Charms`: what a charm's name means, bringing it into the model, what it says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::status::Base;
use super::{Results, WireError, nullable, single};
use crate::client::Client;
use crate::error::{Error, Result};

/// Where a charm comes from, in the wire's form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Origin {
    /// `charm-hub` or `local`.
    pub source: String,
    /// `charm` or `bundle`; empty in questions.
    #[serde(rename = "type")]
    pub kind: String,
    /// The store's id.
    pub id: String,
    /// Its hash.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "nullable"
    )]
    pub hash: String,
    /// `stable`.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "nullable"
    )]
    pub risk: String,
    /// The revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// `2023.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Branch of a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// `amd64`.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "nullable"
    )]
    pub architecture: String,
    /// Operating system.
    pub base: Base,
    /// The id of this very installation, after `AddCharm`.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "nullable"
    )]
    pub instance_key: String,
}

impl Origin {
    /// A question to the store: channel, architecture, and revision and base where they are given.
    pub fn charmhub(
        channel: &Channel,
        architecture: &str,
        base: Option<Base>,
        revision: Option<i64>,
    ) -> Self {
        Self {
            source: "charm-hub".into(),
            risk: channel.risk.clone(),
            track: channel.track.clone(),
            branch: channel.branch.clone(),
            architecture: architecture.into(),
            base: base.unwrap_or_default(),
            revision,
            ..Self::default()
        }
    }

    /// A charm that was uploaded.
    pub fn local(architecture: &str, base: Base) -> Self {
        Self {
            source: "local".into(),
            kind: "charm".into(),
            architecture: architecture.into(),
            base,
            ..Self::default()
        }
    }
}

/// A channel: `track/risk/branch`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Channel {
    /// `2023.1`.
    pub track: Option<String>,
    /// `stable`, `candidate`, `beta`, `edge`.
    pub risk: String,
    /// A branch.
    pub branch: Option<String>,
}

const RISKS: [&str; 4] = ["stable", "candidate", "beta", "edge"];

impl Channel {
    /// Reads `8.0`, `stable`, `8.0/stable`, `edge/fix` or `8.0/edge/fix`; a missing risk is `stable`.
    ///
    /// # Errors
    /// Too many or empty parts, or a risk that is none.
    pub fn parse(s: &str) -> Result<Self> {
        let bad = |m: &str| Error::invalid(format!("read the channel {s:?}"), m.to_owned());
        if s.is_empty() {
            return Err(bad("channel cannot be empty"));
        }
        let parts: Vec<&str> = s.split('/').collect();
        if parts.iter().any(|p| p.is_empty()) {
            return Err(bad("a part is empty"));
        }
        let risk = |r: &str| RISKS.contains(&r);
        match parts[..] {
            [a] if risk(a) => Ok(Self {
                track: None,
                risk: a.into(),
                branch: None,
            }),
            [a] => Ok(Self {
                track: Some(a.into()),
                risk: "stable".into(),
                branch: None,
            }),
            [a, b] if risk(a) => Ok(Self {
                track: None,
                risk: a.into(),
                branch: Some(b.into()),
            }),
            [a, b] if risk(b) => Ok(Self {
                track: Some(a.into()),
                risk: b.into(),
                branch: None,
            }),
            [a, b, c] if risk(b) => Ok(Self {
                track: Some(a.into()),
                risk: b.into(),
                branch: Some(c.into()),
            }),
            _ => Err(bad("the risk is not one of stable, candidate, beta, edge")),
        }
    }
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(t) = &self.track {
            write!(f, "{t}/")?;
        }
        f.write_str(&self.risk)?;
        if let Some(b) = &self.branch {
            write!(f, "/{b}")?;
        }
        Ok(())
    }
}

/// What the store answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Resolved {
    /// `ch:amd64/keystone-1101`.
    pub url: String,
    /// The origin to add it with.
    pub origin: Origin,
    /// The bases that it supports. (Charms 6 gives series; they are turned into bases.)
    pub supported_bases: Vec<Base>,
}

/// What a charm says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct CharmInfo {
    /// Its URL.
    pub url: String,
    /// Its revision.
    pub revision: i64,
    /// Its options.
    #[serde(deserialize_with = "nullable")]
    pub config: BTreeMap<String, CharmOption>,
    /// Its metadata.
    pub meta: CharmMeta,
    /// Its actions, as they come.
    pub actions: Option<Value>,
}

/// An option of a charm.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CharmOption {
    /// `string`, `int`, `float`, `boolean`, `secret`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its default.
    pub default: Option<Value>,
}

/// The metadata of a charm.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct CharmMeta {
    /// Its name.
    pub name: String,
    /// Whether it lives beside others.
    pub subordinate: bool,
    /// What it provides.
    #[serde(deserialize_with = "nullable")]
    pub provides: BTreeMap<String, CharmRelation>,
    /// What it requires.
    #[serde(deserialize_with = "nullable")]
    pub requires: BTreeMap<String, CharmRelation>,
    /// Its peers.
    #[serde(deserialize_with = "nullable")]
    pub peers: BTreeMap<String, CharmRelation>,
    /// Its resources.
    #[serde(deserialize_with = "nullable")]
    pub resources: BTreeMap<String, CharmResource>,
    /// Whether it works without trust (`required` if not).
    #[serde(deserialize_with = "nullable")]
    pub assumes_trust: String,
}

/// An endpoint of a charm.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CharmRelation {
    /// Its name.
    pub name: String,
    /// `provider`, `requirer`, `peer`.
    pub role: String,
    /// `mysql-shared`.
    pub interface: String,
    /// `global` or `container`.
    pub scope: String,
}

/// A resource of a charm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CharmResource {
    /// Its name.
    pub name: String,
    /// `file` or `oci-image`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The file's name.
    #[serde(deserialize_with = "nullable")]
    pub path: String,
    /// What it is.
    #[serde(deserialize_with = "nullable")]
    pub description: String,
}

/// The facade, as [`Client::charms`] gives it.
#[derive(Debug, Clone)]
pub struct Charms(Client);

impl Client {
    /// Charms, on a model's connection.
    pub fn charms(&self) -> Charms {
        Charms(self.clone())
    }
}

impl Charms {
    /// Asks the store what names mean. One outcome for each, in order.
    ///
    /// # Errors
    /// As every call.
    pub async fn resolve(&self, questions: &[(String, Origin)]) -> Result<Vec<Result<Resolved>>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Wire {
            #[serde(default)]
            url: String,
            #[serde(default)]
            charm_origin: Option<Origin>,
            #[serde(default, deserialize_with = "nullable")]
            supported_bases: Vec<Base>,
            #[serde(default, deserialize_with = "nullable")]
            supported_series: Vec<String>,
            #[serde(default)]
            error: Option<WireError>,
        }
        let resolve: Vec<_> = questions
            .iter()
            .map(|(name, origin)| json!({"reference": name, "charm-origin": origin}))
            .collect();
        let r: Results<Wire> = self
            .0
            .read("Charms", "ResolveCharms", json!({"resolve": resolve}))
            .await?;
        Ok(r.results
            .unwrap_or_default()
            .into_iter()
            .map(|w| match w.error {
                Some(e) if !e.message.is_empty() => Err(e.into_error("Charms.ResolveCharms")),
                _ => Ok(Resolved {
                    url: w.url,
                    origin: w.charm_origin.unwrap_or_default(),
                    supported_bases: if w.supported_bases.is_empty() {
                        w.supported_series
                            .iter()
                            .filter_map(|s| crate::bundle::base::of_series(s))
                            .collect()
                    } else {
                        w.supported_bases
                    },
                }),
            })
            .collect())
    }

    /// Brings a charm into the model (the archive follows in the background). Adding again what is there is fine.
    ///
    /// # Errors
    /// An unknown charm, a base that is missing.
    pub async fn add(&self, url: &str, origin: &Origin, force: bool) -> Result<Origin> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Wire {
            charm_origin: Origin,
        }
        let params = json!({"url": url, "charm-origin": origin, "force": force});
        let w: Wire = self.0.call("Charms", "AddCharm", params).await?;
        Ok(w.charm_origin)
    }

    /// What a charm of the model says of itself.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn info(&self, url: &str) -> Result<CharmInfo> {
        self.0
            .read("Charms", "CharmInfo", json!({"url": url}))
            .await
    }

    /// The charms of the model.
    ///
    /// # Errors
    /// As every call.
    pub async fn list(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Wire {
            #[serde(default, deserialize_with = "nullable")]
            charm_urls: Vec<String>,
        }
        let w: Wire = self.0.read("Charms", "List", json!({"names": []})).await?;
        Ok(w.charm_urls)
    }

    /// Uploads a charm (`*.charm`, a zip) of this name into the model, and says the URL that it has there: each upload is a new revision,
    /// even of the same bytes. `series` (`jammy`) matters to old 3.x alone.
    ///
    /// # Errors
    /// Not a charm; what the server refuses. After an unclear failure look with [`Charms::list`].
    pub async fn upload(&self, name: &str, archive: bytes::Bytes, series: &str) -> Result<String> {
        use sha2::Digest as _;
        let op = format!("upload the charm {name:?}");
        let model = self.0.need_model(&op)?;
        let digest = hex::encode(sha2::Sha256::digest(&archive));
        let put = http::Request::put(format!("/model-{model}/charms/{name}-{}", &digest[..7]))
            .header("Content-Type", "application/zip")
            .header("Juju-Curl", format!("local:{name}-0"));
        let limit = std::time::Duration::from_secs(600);
        let mut answer = self.0.http(&op, put, archive.clone(), limit).await?;
        if matches!(answer.status, 404 | 405 | 501) && self.0.server_version().starts_with("3.") {
            // 3.1 to 3.3: the form that 4.0 does not have any more.
            let post = http::Request::post(format!(
                "/model/{model}/charms?schema=local&series={series}&revision=0"
            ))
            .header("Content-Type", "application/zip");
            answer = self.0.http(&op, post, archive, limit).await?;
        }
        let json = answer.json(&op)?;
        json["charm-url"]
            .as_str()
            .map(str::to_owned)
            .or_else(|| {
                let header = answer.headers.get("juju-curl")?;
                header.to_str().ok().map(str::to_owned)
            })
            .ok_or_else(|| {
                Error::new(
                    crate::ErrorKind::Protocol,
                    &op,
                    "the answer names no charm URL",
                )
            })
    }

    /// The resources of a charm as the store has them now.
    ///
    /// # Errors
    /// As every call.
    pub async fn resources(&self, url: &str, origin: &Origin) -> Result<Vec<Value>> {
        let r: Results<Vec<Value>> = self
            .0
            .read(
                "Charms",
                "ListCharmResources",
                json!({"entities": [{"charm-url": url, "charm-origin": origin}]}),
            )
            .await?;
        single(r, "Charms.ListCharmResources")
    }
}
