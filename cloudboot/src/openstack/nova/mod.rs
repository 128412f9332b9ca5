//! Nova: services, hypervisors, servers, and moving servers from one machine to another.
//!
//! **202 is not success**: a live migration to a target that is disabled or dead is accepted, and the server stays where it was.
//! Ask [`Nova::moved`] what became of a move.

mod migrate;
mod servers;
mod services;
mod types;
mod version;

use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;
use url::Url;

use super::Keystone;
use crate::rest::{Answer, Result, under};

pub use migrate::Move;
pub use servers::{NewServer, ServerFilter};
pub use types::{
    ActionEvent, Hypervisor, HypervisorId, HypervisorServer, InstanceAction, Migration,
    MigrationId, MigrationStatus, RequestId, Server, ServerId, ServerStatus, Service, ServiceId,
    ServiceState, ServiceStatus,
};
pub use version::Microversion;

/// A client of Nova, with the microversion that both sides know.
#[derive(Debug, Clone)]
pub struct Nova {
    keystone: Keystone,
    url: Url,
    version: Microversion,
}

impl Nova {
    pub(super) async fn connect(keystone: Keystone) -> Result<Self> {
        let url = keystone.endpoint("compute").await?;
        let version = version::negotiate(&keystone, &url).await?;
        Ok(Self {
            keystone,
            url,
            version,
        })
    }

    /// The microversion that was agreed on.
    pub fn version(&self) -> Microversion {
        self.version
    }

    /// Nova's address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Any call of Nova's API: `path` is relative to the endpoint (`servers/detail?all_tenants=1`). The answer's body, `null` if it is empty.
    /// Not cancel safe for methods that change something.
    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.send(method, path, body).await?;
        if answer.body.is_empty() {
            Ok(Value::Null)
        } else {
            answer.json()
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let version = HeaderValue::from_str(&format!("compute {}", self.version))
            .unwrap_or(HeaderValue::from_static("compute 2.53"));
        let headers = [(HeaderName::from_static("openstack-api-version"), version)];
        self.keystone
            .send(method, under(&self.url, path), &headers, body)
            .await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Method::GET, path, None).await?.json()
    }
}

/// A query string out of those pairs that have a value.
fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value {
            out.append_pair(name, value);
        }
    }
    let out = out.finish();
    if out.is_empty() {
        out
    } else {
        format!("?{out}")
    }
}
