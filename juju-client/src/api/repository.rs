//! `Application.DeployFromRepository` (Application 19 and later) and `refresh`: what the server resolves by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::application::{Applications, SetCharm};
use super::charms::{Channel, Origin};
use super::machines::Placement;
use super::status::Base;
use super::{Results, WireError, nullable, single};
use crate::bundle::Constraints;
use crate::error::{Error, ErrorKind, Result};

/// A charm of the store to be deployed; the server chooses what is left out.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct FromRepository {
    /// The charm's name in the store.
    #[serde(rename = "CharmName")]
    pub charm: String,
    /// The application's name; empty: the charm's.
    #[serde(rename = "ApplicationName")]
    pub application: String,
    /// Storage that is there already, by tag.
    #[serde(rename = "AttachStorage")]
    pub attach_storage: Option<Vec<String>>,
    /// Operating system.
    #[serde(rename = "base", skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// `2023.1/stable`.
    #[serde(rename = "channel", skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Options as YAML under the application's name.
    #[serde(rename = "ConfigYAML")]
    pub config_yaml: String,
    /// What its machines must have.
    #[serde(rename = "Cons")]
    pub constraints: Constraints,
    /// Devices.
    #[serde(rename = "Devices")]
    pub devices: Option<BTreeMap<String, Value>>,
    /// Only say what would be done.
    #[serde(rename = "DryRun")]
    pub dry_run: bool,
    /// Endpoint to space.
    #[serde(
        rename = "endpoint-bindings",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub endpoint_bindings: BTreeMap<String, String>,
    /// Over what the charm supports.
    #[serde(rename = "force", skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Units; none: the server's choice.
    #[serde(rename = "num-units", skip_serializing_if = "Option::is_none")]
    pub num_units: Option<u32>,
    /// Where they go.
    #[serde(rename = "Placement")]
    pub placement: Option<Vec<Placement>>,
    /// The charm's revision; wants a channel as well.
    #[serde(rename = "revision", skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Resource name to revision, or to the path of a file that will be uploaded.
    #[serde(rename = "resources", skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Storage name to constraints.
    #[serde(rename = "storage")]
    pub storage: Option<BTreeMap<String, Value>>,
    /// With access to the cloud's credential.
    #[serde(rename = "Trust")]
    pub trust: bool,
}

impl FromRepository {
    /// A charm, one unit, everything else as the store and the model say.
    pub fn new(charm: impl Into<String>) -> Self {
        Self {
            charm: charm.into(),
            num_units: Some(1),
            ..Self::default()
        }
    }
}

/// What the server chose.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Deployed {
    /// The application.
    pub name: String,
    /// `amd64`.
    #[serde(deserialize_with = "nullable")]
    pub architecture: String,
    /// Operating system.
    pub base: Base,
    /// The channel.
    #[serde(deserialize_with = "nullable")]
    pub channel: String,
    /// The charm's revision.
    pub revision: i64,
    /// Resources that must be uploaded now.
    #[serde(skip)]
    pub uploads: Vec<PendingUpload>,
}

/// A resource that must be uploaded.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct PendingUpload {
    /// Its name.
    pub name: String,
    /// The file's name.
    pub filename: String,
    /// `file` or `oci-image`.
    #[serde(rename = "Type")]
    pub kind: String,
}

/// What a refresh is to come to.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Refresh {
    /// Another channel; none: the one it follows.
    pub channel: Option<String>,
    /// This revision; none: the channel's newest.
    pub revision: Option<i64>,
    /// Over what the charm supports.
    pub force: bool,
}

impl Refresh {
    /// The newest of this channel.
    pub fn to_channel(channel: impl Into<String>) -> Self {
        Self {
            channel: Some(channel.into()),
            ..Self::default()
        }
    }

    /// This revision of the channel that is followed.
    pub fn to_revision(revision: i64) -> Self {
        Self {
            revision: Some(revision),
            ..Self::default()
        }
    }
}

impl Applications {
    /// Deploys a charm of the store; the server resolves it. (A bundle is deployed charm by charm: see [`crate::Bundle`].)
    ///
    /// # Errors
    /// The first of what the server finds wrong, the others in its info; `is_not_supported()` before Juju 3.3.
    pub async fn deploy_from_repository(&self, from: &FromRepository) -> Result<Deployed> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Wire {
            #[serde(default, deserialize_with = "nullable")]
            errors: Vec<WireError>,
            #[serde(default, deserialize_with = "nullable")]
            info: Deployed,
            #[serde(default, deserialize_with = "nullable")]
            pending_resource_uploads: Vec<PendingUpload>,
        }
        const OP: &str = "Application.DeployFromRepository";
        let version = self
            .client()
            .negotiate("Application", Some(&[19, 20, 21, 22]), OP)?;
        let r: Results<Wire> = self
            .client()
            .call_version(
                "Application",
                version,
                "DeployFromRepository",
                json!({"Args": [from]}),
            )
            .await?;
        let one = single(r, OP)?;
        let more: Vec<String> = one
            .errors
            .iter()
            .skip(1)
            .map(|e| e.message.clone())
            .collect();
        if let Some(mut first) = one.errors.into_iter().find(|e| !e.message.is_empty()) {
            if !more.is_empty() {
                first.info = Some(json!({"more": more}));
            }
            return Err(first.into_error(OP));
        }
        let mut deployed = one.info;
        deployed.uploads = one.pending_resource_uploads;
        Ok(deployed)
    }

    /// The number of units of an application of a container model. On machines, add and remove units instead.
    ///
    /// # Errors
    /// `is_not_supported()` on a model of machines.
    pub async fn scale(&self, application: &str, scale: u32) -> Result<()> {
        let params = json!({"applications": [{"application-tag": crate::application_tag(application), "scale": scale, "force": false}]});
        let r: Result<Results<super::ErrorResult>> = self
            .client()
            .call("Application", "ScaleApplications", params)
            .await;
        match r {
            Ok(r) => super::all_ok(r, "Application.ScaleApplications"),
            Err(e) if e.is_not_supported() && e.code().is_some() => {
                Err(e.hint("on machines, add and remove units"))
            }
            Err(e) => Err(e),
        }
    }

    /// Gives an application the newest charm of its channel, or of another. Says the charm that it has then and whether it changed.
    /// Resources come from the store anew, save those that were uploaded.
    ///
    /// # Errors
    /// `is_not_found()`; a local charm; the store's refusal. `is_retryable()` for two minutes after a deployment are waited out here.
    pub async fn refresh(&self, application: &str, to: &Refresh) -> Result<(String, bool)> {
        let op = format!("refresh {application}");
        let c = self.client();
        let (url, old) = self.charm_url_origin(application).await?;
        if old.source != "charm-hub" {
            return Err(Error::invalid(op, format!("{url} is not from the store"))
                .hint("upload the new charm and use set_charm"));
        }
        let channel = match &to.channel {
            Some(ch) => Channel::parse(ch)?,
            None => Channel {
                track: old.track.clone(),
                risk: old.risk.clone(),
                branch: old.branch.clone(),
            },
        };
        let mut question = old.clone();
        question.track.clone_from(&channel.track);
        question.risk.clone_from(&channel.risk);
        question.branch.clone_from(&channel.branch);
        question.revision = to.revision;
        question.instance_key.clear();
        question.hash.clear();
        question.kind.clear();
        let name = charm_name(&url);
        let resolved = c
            .charms()
            .resolve(&[(name.clone(), question)])
            .await?
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Protocol, &op, "the store said nothing"))??;
        if resolved.url == url && to.channel.is_none() {
            return Ok((url, false));
        }
        let mut origin = resolved.origin;
        origin.base = old.base.clone();
        origin.instance_key.clear();
        let origin = c.charms().add(&resolved.url, &origin, to.force).await?;
        let resources = self
            .fresh_resources(application, &resolved.url, &origin)
            .await?;
        let set = SetCharm {
            application: application.to_owned(),
            charm_url: resolved.url.clone(),
            charm_origin: origin,
            channel: channel.to_string(),
            force: to.force,
            force_base: to.force,
            resource_ids: resources,
            ..SetCharm::default()
        };
        let until = tokio::time::Instant::now() + Duration::from_secs(120);
        loop {
            match self.set_charm(&set).await {
                Err(e)
                    if e.message().contains("deploy incomplete")
                        && tokio::time::Instant::now() < until =>
                {
                    // The first charm's archive is still being fetched.
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                Err(e) => return Err(e),
                Ok(()) => return Ok((resolved.url, true)),
            }
        }
    }

    /// Pending ids of the charm's resources, without those that were uploaded for the application.
    async fn fresh_resources(
        &self,
        application: &str,
        url: &str,
        origin: &Origin,
    ) -> Result<BTreeMap<String, String>> {
        let c = self.client();
        let info = c.charms().info(url).await?;
        if info.meta.resources.is_empty() {
            return Ok(BTreeMap::new());
        }
        let kept: Vec<String> = c
            .list_resources(application)
            .await?
            .into_iter()
            .filter(|r| r.origin == "upload")
            .map(|r| r.name)
            .collect();
        let wanted: Vec<_> = info
            .meta
            .resources
            .into_iter()
            .filter(|(name, _)| !kept.contains(name))
            .map(|(_, r)| (r, -1))
            .collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids = c
            .add_pending_resources(application, url, origin, &wanted)
            .await?;
        Ok(wanted.into_iter().map(|(r, _)| r.name).zip(ids).collect())
    }
}

/// `ch:amd64/jammy/keystone-1101` is keystone.
fn charm_name(url: &str) -> String {
    let rest = url.rsplit('/').next().unwrap_or(url);
    let rest = rest.split_once(':').map_or(rest, |(_, r)| r);
    match rest.rsplit_once('-') {
        Some((n, r)) if !r.is_empty() && r.bytes().all(|b| b.is_ascii_digit()) => n.to_owned(),
        _ => rest.to_owned(),
    }
}
