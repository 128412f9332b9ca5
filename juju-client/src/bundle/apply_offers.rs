//! Offers made, granted and consumed. They are the controller's, so they go over its connection.

use serde_json::Value;

use super::apply::{Executor, Known, Outcome, resolve};
use super::plan::Change;
use crate::error::{Error, ErrorKind, Result};

impl Executor<'_> {
    /// The URL of an offer of this model, `admin/openstack.keystone`.
    async fn offer_url(&self, offer: &str) -> Result<String> {
        let (controller, model) = self.controller().await?;
        let all = controller.models().list().await?;
        let info = all
            .iter()
            .find(|m| m.uuid == model.to_string())
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("find the offer {offer}"),
                    format!("the controller does not list the model {model}"),
                )
            })?;
        Ok(format!("{}/{}.{offer}", info.qualifier, info.name))
    }

    pub(super) async fn create_offer(&self, c: &Change, known: &Known) -> Result<Outcome> {
        let (controller, model) = self.controller().await?;
        let endpoints: Vec<&str> = c
            .args
            .get("endpoints")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let application = resolve(c.arg("application").unwrap_or_default(), known);
        let made = controller
            .offers()
            .create(&model, &application, &endpoints, c.arg("offer-name"))
            .await;
        match made {
            Err(e) if !e.is_already_exists() => Err(e),
            _ => Ok(Outcome::Name(String::new())),
        }
    }

    pub(super) async fn grant_offer(&self, c: &Change) -> Result<Outcome> {
        let text = |k: &str| c.arg(k).unwrap_or_default();
        let url = self.offer_url(text("offer")).await?;
        let (controller, _) = self.controller().await?;
        match controller
            .offers()
            .grant(&url, text("user"), text("access"))
            .await
        {
            Err(e) if !(e.is_already_exists() || e.message().contains("already has")) => Err(e),
            _ => Ok(Outcome::Name(String::new())),
        }
    }

    pub(super) async fn consume_offer(&self, c: &Change) -> Result<Outcome> {
        let name = c.arg("application-name").unwrap_or_default();
        let url = c.arg("url").unwrap_or_default();
        // Another controller's offers are behind that controller's login.
        if let Some((other, _)) = url.split_once(':') {
            return Err(Error::new(
                ErrorKind::NotSupported,
                format!("consume {url}"),
                format!("the offer is on another controller, {other}"),
            )
            .hint("consume it with a client of that controller: Offers::consume_details there, Client::consume here"));
        }
        let (controller, _) = self.controller().await?;
        let details = controller.offers().consume_details(url).await?;
        match self.client.consume(&details, Some(name)).await {
            Err(e) if !e.is_already_exists() => Err(e),
            _ => Ok(Outcome::Name(name.to_owned())),
        }
    }
}
