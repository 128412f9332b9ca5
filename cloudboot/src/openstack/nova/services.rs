//! Services and hypervisors: which hosts there are, which may be used, which are dead.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::types::{Hypervisor, Service, ServiceId};
use super::{Nova, query};
use crate::rest::Result;

impl Nova {
    /// The services, of one binary (`nova-compute`) or one host if asked so.
    pub async fn services(&self, binary: Option<&str>, host: Option<&str>) -> Result<Vec<Service>> {
        #[derive(Deserialize)]
        struct Found {
            services: Vec<Service>,
        }
        Ok(self
            .get::<Found>(&format!(
                "os-services{}",
                query(&[("binary", binary), ("host", host)])
            ))
            .await?
            .services)
    }

    /// The compute service of one host, if there is one.
    pub async fn compute_service(&self, host: &str) -> Result<Option<Service>> {
        Ok(self
            .services(Some("nova-compute"), Some(host))
            .await?
            .into_iter()
            .next())
    }

    /// Keeps the scheduler away from a service's host. What runs there goes on.
    pub async fn disable_service(&self, id: &ServiceId, reason: &str) -> Result<Service> {
        self.change(id, json!({"status": "disabled", "disabled_reason": reason}))
            .await
    }

    /// Lets the scheduler use a service's host again.
    pub async fn enable_service(&self, id: &ServiceId) -> Result<Service> {
        self.change(id, json!({"status": "enabled"})).await
    }

    /// Says that a service is down, at once, before Nova has noticed: **only after its host was fenced**. An evacuation needs it.
    /// A host that returns stays down until this is taken back, which must wait until it has tidied up after the evacuation (400 before).
    pub async fn force_down(&self, id: &ServiceId, down: bool) -> Result<Service> {
        self.change(id, json!({"forced_down": down})).await
    }

    async fn change(&self, id: &ServiceId, change: Value) -> Result<Service> {
        #[derive(Deserialize)]
        struct Changed {
            service: Service,
        }
        let answer = self
            .send(Method::PUT, &format!("os-services/{id}"), Some(&change))
            .await?;
        Ok(answer.json::<Changed>()?.service)
    }

    /// Takes a service out of the cloud, with its hypervisor and its Placement provider. 409 while it hosts servers.
    pub async fn delete_service(&self, id: &ServiceId) -> Result<()> {
        self.send(Method::DELETE, &format!("os-services/{id}"), None)
            .await
            .map(|_| ())
    }

    /// The hypervisors whose host name matches `pattern` (all without one), with the servers on them.
    /// A new compute node is in the services some seconds before it is here: it is usable when it is in both, and in Placement.
    pub async fn hypervisors(&self, pattern: Option<&str>) -> Result<Vec<Hypervisor>> {
        #[derive(Deserialize)]
        struct Found {
            hypervisors: Vec<Hypervisor>,
        }
        let path = format!(
            "os-hypervisors/detail{}",
            query(&[
                ("hypervisor_hostname_pattern", pattern),
                ("with_servers", Some("true"))
            ])
        );
        match self.get::<Found>(&path).await {
            Ok(found) => Ok(found.hypervisors),
            // A pattern that matches nothing is answered 404.
            Err(e) if e.is_not_found() && pattern.is_some() => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }
}
