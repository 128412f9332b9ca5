//! What a preseed would change, one object at a time.

use std::fmt;

use serde_json::json;

use super::compare::{
    Object, canonical, describe, difference, found, labelled, merge, merge_devices, server_config,
};
use super::{Preseed, is_secret};
use crate::request::{Request, segment};
use crate::types::{Config, Network, Profile, Project, Server, StoragePool, StorageVolume};
use crate::{Client, Error, ErrorKind, Result};

/// What a preseed would change on a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreseedPlan {
    /// The changes, in the order they would be made.
    pub changes: Vec<PreseedChange>,
    /// What is worth knowing but changes nothing.
    pub notes: Vec<String>,
}

impl PreseedPlan {
    /// Whether the server already is as the preseed wants it.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl fmt::Display for PreseedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            writeln!(f, "nothing to change")?;
        }
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

/// One object that a preseed would make or change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreseedChange {
    /// Which, such as `storage pool default`.
    pub object: String,
    /// Whether it has to be made.
    pub create: bool,
    /// What differs, such as `config.core.https_address: (unset) -> [::]:8443`. No secrets.
    pub differs: Vec<String>,
}

impl fmt::Display for PreseedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.create { "create" } else { "update" };
        write!(f, "{verb} {}", self.object)?;
        for line in &self.differs {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// A change with the requests that make it and take it back.
pub(super) struct Step {
    pub(super) change: PreseedChange,
    pub(super) forward: Request,
    pub(super) backward: Option<Request>,
}

/// One object of a preseed.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Server(&'a Config),
    Pool(&'a super::PreseedPool),
    Network(&'a super::ProjectNetwork),
    Project(&'a super::PreseedProject),
    Volume(&'a super::PreseedVolume),
    Profile(&'a super::PreseedProfile),
    Cluster(&'a super::PreseedCluster),
}

impl Preseed {
    /// The objects, in the order in which LXD's own command makes them.
    pub(super) fn items(&self) -> Vec<Item<'_>> {
        let home = |n: &&super::ProjectNetwork| matches!(n.project.as_str(), "" | "default");
        let mut items = Vec::new();
        if let Some(cluster) = self.joining() {
            return vec![Item::Cluster(cluster)];
        }
        if !self.config.is_empty() {
            items.push(Item::Server(&self.config));
        }
        items.extend(self.storage_pools.iter().map(Item::Pool));
        items.extend(self.networks.iter().filter(home).map(Item::Network));
        items.extend(self.projects.iter().map(Item::Project));
        items.extend(self.networks.iter().filter(|n| !home(n)).map(Item::Network));
        items.extend(self.storage_volumes.iter().map(Item::Volume));
        items.extend(self.profiles.iter().map(Item::Profile));
        let cluster = self.cluster.iter().filter(|c| c.enabled);
        items.extend(cluster.map(Item::Cluster));
        items
    }

    /// The cluster to be joined, where it is one that stands.
    pub(super) fn joining(&self) -> Option<&super::PreseedCluster> {
        self.cluster.as_ref().filter(|c| c.enabled && c.joins())
    }

    /// What is said of a joining server's other objects.
    pub(super) fn passed_over(&self) -> Option<String> {
        let others = !self.config.is_empty()
            || !self.storage_pools.is_empty()
            || !self.networks.is_empty()
            || !self.projects.is_empty()
            || !self.storage_volumes.is_empty()
            || !self.profiles.is_empty();
        (self.joining().is_some() && others).then(|| {
            "a server that joins a cluster takes over its pools, networks, projects and profiles: \
             nothing else of the preseed is looked at"
                .into()
        })
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(cluster) = self.cluster.as_ref().filter(|c| c.enabled) {
            let bad = |what: &str| Err(Error::invalid("reading the preseed", what));
            if cluster.joins() && cluster.server_address.is_empty() {
                return bad(
                    "cluster.server_address: a joining server needs an address of its own (HOST:PORT)",
                );
            }
            if cluster.joins()
                && cluster.token().is_none()
                && cluster.cluster_certificate.is_empty()
            {
                return bad(
                    "cluster.cluster_certificate: joining without a token needs the cluster's \
                     certificate in PEM (its cluster.crt)",
                );
            }
            if cluster.name()?.is_empty() {
                return bad("cluster.server_name: a member needs a name");
            }
        }
        let nameless = self.storage_pools.iter().any(|p| p.name.is_empty())
            || self.networks.iter().any(|n| n.name.is_empty())
            || self.projects.iter().any(|p| p.name.is_empty())
            || self.profiles.iter().any(|p| p.name.is_empty())
            || self.storage_volumes.iter().any(|v| v.name.is_empty());
        if nameless {
            return Err(Error::invalid(
                "reading the preseed",
                "an object has no `name`",
            ));
        }
        Ok(())
    }
}

impl Client {
    /// What `apply_preseed` would change. Nothing is changed.
    ///
    /// # Errors
    /// If the server cannot be asked, a pool stands with another driver, the server is a member of
    /// a cluster under another name, or the cluster to be joined does not show the certificate that
    /// the token names.
    pub async fn plan_preseed(&self, preseed: &Preseed) -> Result<PreseedPlan> {
        preseed.check()?;
        let mut plan = PreseedPlan::default();
        plan.notes.extend(preseed.passed_over());
        for item in preseed.items() {
            if let Some(step) = self.preseed_step(item, &mut plan.notes).await? {
                plan.changes.push(step.change);
            }
        }
        Ok(plan)
    }

    pub(super) async fn preseed_step(
        &self,
        item: Item<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Step>> {
        match item {
            Item::Server(config) => self.server_step(config, notes).await,
            Item::Pool(pool) => self.pool_step(pool).await,
            Item::Network(network) => self.network_step(network).await,
            Item::Project(project) => self.project_step(project).await,
            Item::Volume(volume) => self.volume_step(volume).await,
            Item::Profile(profile) => self.profile_step(profile).await,
            Item::Cluster(cluster) => self.cluster_step(cluster).await,
        }
    }

    async fn server_step(&self, wanted: &Config, notes: &mut Vec<String>) -> Result<Option<Step>> {
        let server: Server = self.server().await?.into_inner();
        let wanted = server_config(wanted, &server, notes);
        let mut differs = Vec::new();
        let (mut forward, mut backward) = (Config::new(), Config::new());
        for (key, value) in &wanted {
            let now = server.config.get(key).map(String::as_str).unwrap_or("");
            // A password that is set reads as `true`: whether it is ours cannot be told.
            let same = if is_secret(key) {
                now.is_empty() == value.is_empty()
            } else {
                canonical(key, now) == canonical(key, value)
            };
            if same {
                continue;
            }
            differs.push(difference("config", key, now, value));
            forward.insert(key.clone(), value.clone());
            backward.insert(key.clone(), now.to_owned());
        }
        Ok((!differs.is_empty()).then(|| Step {
            change: PreseedChange {
                object: "server configuration".into(),
                create: false,
                differs,
            },
            forward: Request::patch("/1.0").json(json!({"config": forward})),
            backward: Some(Request::patch("/1.0").json(json!({"config": backward}))),
        }))
    }

    async fn pool_step(&self, pool: &super::PreseedPool) -> Result<Option<Step>> {
        let object = Object {
            label: format!("storage pool {}", pool.name),
            collection: "/1.0/storage-pools".into(),
            path: format!("/1.0/storage-pools/{}", segment(&pool.name)),
            project: String::new(),
        };
        match found(self.storage_pools().get(&pool.name).await)? {
            None => {
                let mut new = StoragePool::new(&pool.name, &pool.driver);
                new.config.clone_from(&pool.config);
                new.description.clone_from(&pool.description);
                let mut body = new.put();
                body["name"] = pool.name.clone().into();
                body["driver"] = pool.driver.clone().into();
                Ok(Some(
                    object.create(body, vec![format!("driver: {}", pool.driver)]),
                ))
            }
            Some((now, etag)) => {
                if !pool.driver.is_empty() && now.driver != pool.driver {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!("preseed: {}", object.label),
                        format!(
                            "it exists with the driver {:?}, the preseed asks for {:?}; rename it in \
                             the preseed or delete the pool",
                            now.driver, pool.driver
                        ),
                    ));
                }
                let mut wanted = pool.config.clone();
                // LXD rewrites `source`, and keeps what was asked for under another key.
                if wanted.get("source") == now.config.get("volatile.initial_source") {
                    wanted.remove("source");
                }
                let old = now.put();
                let mut new = now;
                let mut differs = merge("config", &mut new.config, &wanted);
                differs.extend(describe(&mut new.description, &pool.description));
                Ok(object.update(new.put(), old, etag, differs))
            }
        }
    }

    async fn network_step(&self, network: &super::ProjectNetwork) -> Result<Option<Step>> {
        let object = Object {
            label: labelled("network", &network.name, &network.project),
            collection: "/1.0/networks".into(),
            path: format!("/1.0/networks/{}", segment(&network.name)),
            project: network.project.clone(),
        };
        let client = self.within(&network.project);
        // The host's own interfaces are shown as networks too; those are not ours to change.
        let standing = found(client.networks().get(&network.name).await)?;
        match standing.filter(|(n, _)| n.managed) {
            None => {
                let mut new = Network::bridge(&network.name);
                new.config.clone_from(&network.config);
                new.description.clone_from(&network.description);
                let mut body = new.put();
                body["name"] = network.name.clone().into();
                if !network.kind.is_empty() {
                    new.kind.clone_from(&network.kind);
                    body["type"] = network.kind.clone().into();
                }
                Ok(Some(
                    object.create(body, vec![format!("type: {}", new.kind)]),
                ))
            }
            Some((now, etag)) => {
                let old = now.put();
                let mut new = now;
                let mut differs = merge("config", &mut new.config, &network.config);
                differs.extend(describe(&mut new.description, &network.description));
                Ok(object.update(new.put(), old, etag, differs))
            }
        }
    }

    async fn project_step(&self, project: &super::PreseedProject) -> Result<Option<Step>> {
        let object = Object {
            label: format!("project {}", project.name),
            collection: "/1.0/projects".into(),
            path: format!("/1.0/projects/{}", segment(&project.name)),
            project: String::new(),
        };
        match found(self.projects().get(&project.name).await)? {
            None => {
                let mut new = Project::named(&project.name);
                new.config.clone_from(&project.config);
                new.description.clone_from(&project.description);
                let mut body = new.put();
                body["name"] = project.name.clone().into();
                Ok(Some(object.create(body, Vec::new())))
            }
            Some((now, etag)) => {
                let old = now.put();
                let mut new = now;
                let mut differs = merge("config", &mut new.config, &project.config);
                differs.extend(describe(&mut new.description, &project.description));
                Ok(object.update(new.put(), old, etag, differs))
            }
        }
    }

    async fn volume_step(&self, volume: &super::PreseedVolume) -> Result<Option<Step>> {
        let collection = format!(
            "/1.0/storage-pools/{}/volumes/custom",
            segment(&volume.pool)
        );
        let object = Object {
            label: labelled("storage volume", &volume.name, &volume.project),
            path: format!("{collection}/{}", segment(&volume.name)),
            collection,
            project: volume.project.clone(),
        };
        let client = self.within(&volume.project);
        match found(
            client
                .storage_pools()
                .volume(&volume.pool, &volume.name)
                .await,
        )? {
            None => {
                let content = match volume.content_type.as_str() {
                    "" => "filesystem",
                    other => other,
                };
                let body = json!({
                    "name": volume.name, "type": "custom", "content_type": content,
                    "config": volume.config, "description": volume.description,
                });
                Ok(Some(
                    object.create(body, vec![format!("pool: {}", volume.pool)]),
                ))
            }
            Some((now, etag)) => {
                let put =
                    |v: &StorageVolume| json!({"config": v.config, "description": v.description});
                let old = put(&now);
                let mut new = now;
                let mut differs = merge("config", &mut new.config, &volume.config);
                differs.extend(describe(&mut new.description, &volume.description));
                Ok(object.update(put(&new), old, etag, differs))
            }
        }
    }

    async fn profile_step(&self, profile: &super::PreseedProfile) -> Result<Option<Step>> {
        let object = Object {
            label: labelled("profile", &profile.name, &profile.project),
            collection: "/1.0/profiles".into(),
            path: format!("/1.0/profiles/{}", segment(&profile.name)),
            project: profile.project.clone(),
        };
        let client = self.within(&profile.project);
        match found(client.profiles().get(&profile.name).await)? {
            None => {
                let mut new = Profile::named(&profile.name);
                new.config.clone_from(&profile.config);
                new.devices.clone_from(&profile.devices);
                new.description.clone_from(&profile.description);
                let mut body = new.put();
                body["name"] = profile.name.clone().into();
                Ok(Some(object.create(body, Vec::new())))
            }
            Some((now, etag)) => {
                let old = now.put();
                let mut new = now;
                let mut differs = merge("config", &mut new.config, &profile.config);
                differs.extend(merge_devices(&mut new.devices, &profile.devices));
                differs.extend(describe(&mut new.description, &profile.description));
                Ok(object.update(new.put(), old, etag, differs))
            }
        }
    }

    async fn cluster_step(&self, cluster: &super::PreseedCluster) -> Result<Option<Step>> {
        let wanted = cluster.name()?;
        let now = self.cluster().info().await?.into_inner();
        if now.enabled && now.server_name == wanted {
            return Ok(None);
        }
        if now.enabled {
            let what = format!(
                "the server is a member of a cluster already, as {:?}, the preseed asks for \
                 {wanted:?}; rename the member or change the preseed",
                now.server_name
            );
            return Err(Error::new(ErrorKind::Conflict, "preseed: cluster", what));
        }
        let mut differs = vec![format!("server_name: {wanted}")];
        let forward = if cluster.joins() {
            let join = cluster.join(self.proxy()).await?;
            differs.push(format!("joins: {}", join.cluster_address()));
            self.cluster().join_request(&join).await?
        } else {
            Request::put("/1.0/cluster").json(json!({"enabled": true, "server_name": wanted}))
        };
        Ok(Some(Step {
            change: PreseedChange {
                object: "cluster".into(),
                create: true,
                differs,
            },
            forward,
            // There is no way back; nothing comes after it.
            backward: None,
        }))
    }

    /// The client within a preseed's project (empty: the default one).
    fn within(&self, project: &str) -> Client {
        match project {
            "" => self.clone(),
            name => self.project(name),
        }
    }
}
