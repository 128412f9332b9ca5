//! Servers: list, show, create, delete.

use std::collections::BTreeSet;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::types::{InstanceAction, RequestId, Server, ServerId};
use super::{Nova, query};
use crate::rest::{Error, ErrorKind, Result};

/// Which servers are listed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ServerFilter {
    /// Those of all projects (administrators only).
    pub all_projects: bool,
    /// Those on one host (administrators only).
    pub host: Option<String>,
    /// Those whose name matches this regular expression.
    pub name: Option<String>,
}

impl ServerFilter {
    /// All servers on `host`, whoever owns them.
    pub fn on_host(host: &str) -> Self {
        Self {
            all_projects: true,
            host: Some(host.to_owned()),
            name: None,
        }
    }
}

/// A server to be made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewServer {
    /// Its name.
    pub name: String,
    /// The flavor's id.
    pub flavor: String,
    /// The image's id.
    pub image: String,
    /// The networks' ids; none at all if empty.
    pub networks: Vec<String>,
    /// The host that it must be on (administrators only).
    pub host: Option<String>,
}

impl NewServer {
    /// A server without networks, on a host that the scheduler picks.
    pub fn new(
        name: impl Into<String>,
        flavor: impl Into<String>,
        image: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            flavor: flavor.into(),
            image: image.into(),
            networks: Vec::new(),
            host: None,
        }
    }

    /// The same server, on `host`.
    #[must_use]
    pub fn on(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }
}

impl Nova {
    /// The servers that the filter lets through, all pages of them.
    pub async fn servers(&self, filter: &ServerFilter) -> Result<Vec<Server>> {
        #[derive(Deserialize)]
        struct Page {
            servers: Vec<Server>,
            #[serde(default)]
            servers_links: Vec<Link>,
        }
        #[derive(Deserialize)]
        struct Link {
            rel: String,
        }
        let mut all: Vec<Server> = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let path = query(&[
                ("all_tenants", filter.all_projects.then_some("1")),
                ("host", filter.host.as_deref()),
                ("name", filter.name.as_deref()),
                ("marker", all.last().map(|s| s.id.as_str())),
            ]);
            let page: Page = self.get(&format!("servers/detail{path}")).await?;
            let Some(last) = page.servers.last().map(|s| s.id.clone()) else {
                return Ok(all);
            };
            all.extend(page.servers);
            if !page.servers_links.iter().any(|l| l.rel == "next") {
                return Ok(all);
            }
            if !seen.insert(last) {
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    "Nova: list the servers",
                    "its pages go round in a circle",
                ));
            }
        }
    }

    /// One server.
    pub async fn server(&self, id: &ServerId) -> Result<Server> {
        #[derive(Deserialize)]
        struct Found {
            server: Server,
        }
        Ok(self.get::<Found>(&format!("servers/{id}")).await?.server)
    }

    /// Asks for a server (202: it is being made). Not cancel safe; after an unclear failure look for its name before asking again.
    pub async fn create_server(&self, new: &NewServer) -> Result<ServerId> {
        #[derive(Deserialize)]
        struct Made {
            server: Id,
        }
        #[derive(Deserialize)]
        struct Id {
            id: ServerId,
        }
        let networks = match new.networks.as_slice() {
            [] => json!("none"),
            ids => ids.iter().map(|id| json!({"uuid": id})).collect(),
        };
        let mut server = json!({"name": new.name, "flavorRef": new.flavor, "imageRef": new.image, "networks": networks});
        if let (Some(host), Some(fields)) = (&new.host, server.as_object_mut()) {
            fields.insert("host".into(), json!(host));
        }
        let answer = self
            .send(Method::POST, "servers", Some(&json!({"server": server})))
            .await?;
        Ok(answer.json::<Made>()?.server.id)
    }

    /// Asks for a server to be deleted; one that is not there is deleted.
    pub async fn delete_server(&self, id: &ServerId) -> Result<()> {
        match self
            .send(Method::DELETE, &format!("servers/{id}"), None)
            .await
        {
            Err(e) if e.is_not_found() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Asks for an action on a server. The request's id is the key of [`Nova::action`], which tells what became of it.
    pub(super) async fn act(&self, id: &ServerId, action: &Value) -> Result<RequestId> {
        let answer = self
            .send(Method::POST, &format!("servers/{id}/action"), Some(action))
            .await?;
        Ok(RequestId::new(answer.request_id().unwrap_or_default()))
    }

    /// What was done to a server, the latest first, without events.
    pub async fn actions(&self, id: &ServerId) -> Result<Vec<InstanceAction>> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(rename = "instanceActions")]
            actions: Vec<InstanceAction>,
        }
        Ok(self
            .get::<Found>(&format!("servers/{id}/os-instance-actions"))
            .await?
            .actions)
    }

    /// What became of one request on a server, with its events and, where it failed, Nova's reasons.
    pub async fn action(&self, id: &ServerId, request: &RequestId) -> Result<InstanceAction> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(rename = "instanceAction")]
            action: InstanceAction,
        }
        Ok(self
            .get::<Found>(&format!("servers/{id}/os-instance-actions/{request}"))
            .await?
            .action)
    }
}
