//! The facade `ApplicationOffers` (on the controller's connection), and consuming what is offered (on a model's).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ErrorResult, Results, nullable, single};
use crate::client::Client;
use crate::error::Result;
use crate::ids::ModelUuid;

/// Endpoints that other models may relate to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct OfferDetails {
    /// `model-<uuid>` of the model it is in.
    #[serde(deserialize_with = "nullable")]
    pub source_model_tag: String,
    /// Its UUID.
    #[serde(deserialize_with = "nullable")]
    pub offer_uuid: String,
    /// `admin/openstack.keystone`.
    pub offer_url: String,
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub offer_name: String,
    /// The application, where the user may know it.
    #[serde(deserialize_with = "nullable")]
    pub application_name: String,
    /// What it is.
    #[serde(deserialize_with = "nullable")]
    pub application_description: String,
    /// The application's charm, where the user may know it.
    #[serde(deserialize_with = "nullable")]
    pub charm_url: String,
    /// What can be related to.
    #[serde(deserialize_with = "nullable")]
    pub endpoints: Vec<OfferedEndpoint>,
    /// Who may do what.
    #[serde(deserialize_with = "nullable")]
    pub users: Vec<OfferUser>,
    /// Who is connected, as it comes.
    #[serde(deserialize_with = "nullable")]
    pub connections: Vec<Value>,
}

/// An endpoint that is offered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OfferedEndpoint {
    /// Its name.
    pub name: String,
    /// `provider` or `requirer`.
    pub role: String,
    /// `pgsql`.
    pub interface: String,
}

/// A user of an offer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OfferUser {
    /// The user.
    pub user: String,
    /// `read`, `consume` or `admin`.
    pub access: String,
}

/// The facade, as [`Client::offers`] gives it.
#[derive(Debug, Clone)]
pub struct Offers(Client);

impl Client {
    /// Offers, on the controller's connection.
    pub fn offers(&self) -> Offers {
        Offers(self.clone())
    }
}

impl Offers {
    /// Offers endpoints of an application, under a name (its own, by default).
    ///
    /// # Errors
    /// An unknown model, application or endpoint.
    pub async fn create(
        &self,
        model: &ModelUuid,
        application: &str,
        endpoints: &[&str],
        name: Option<&str>,
    ) -> Result<()> {
        let endpoints: BTreeMap<&str, &str> = endpoints.iter().map(|e| (*e, *e)).collect();
        let params = json!({"Offers": [{"model-tag": model.tag(), "offer-name": name.unwrap_or(application), "application-name": application,
            "application-description": "", "endpoints": endpoints, "owner-tag": format!("user-{}", self.0.user())}]});
        let r: Results<ErrorResult> = self.0.call("ApplicationOffers", "Offer", params).await?;
        super::all_ok(r, "ApplicationOffers.Offer")
    }

    /// The offers of a model, by its name without owner.
    ///
    /// # Errors
    /// As every call.
    pub async fn list(&self, owner: &str, model: &str) -> Result<Vec<OfferDetails>> {
        const OP: &str = "ApplicationOffers.ListApplicationOffers";
        let version = self
            .0
            .negotiate("ApplicationOffers", Some(&[4, 5, 6]), OP)?;
        let mut filter = json!({"model-name": model, "offer-name": "", "application-name": "", "application-description": "", "application-user": "",
            "endpoints": [], "connected-users": [], "allowed-users": []});
        // Version 6 calls a model's owner its qualifier, as 4.0 does everywhere.
        let key = if version >= 6 {
            "model-qualifier"
        } else {
            "owner-name"
        };
        filter[key] = json!(owner);
        let r: Results<OfferDetails> = self
            .0
            .read(
                "ApplicationOffers",
                "ListApplicationOffers",
                json!({"Filters": [filter]}),
            )
            .await?;
        Ok(r.results.unwrap_or_default())
    }

    /// An offer by its URL, `admin/openstack.keystone`.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn get(&self, url: &str) -> Result<OfferDetails> {
        const OP: &str = "ApplicationOffers.ApplicationOffers";
        let r: Results<super::OneResult<OfferDetails>> = self
            .0
            .read(
                "ApplicationOffers",
                "ApplicationOffers",
                json!({"offer-urls": [url], "bakery-version": 3}),
            )
            .await?;
        single(r, OP)?.take(OP)
    }

    /// Takes an offer back; with `force` its relations with it.
    ///
    /// # Errors
    /// `is_not_found()`; it is in use.
    pub async fn destroy(&self, url: &str, force: bool) -> Result<()> {
        let mut params = json!({"offer-urls": [url]});
        if force {
            params["force"] = json!(true);
        }
        let r: Results<ErrorResult> = self
            .0
            .call("ApplicationOffers", "DestroyOffers", params)
            .await?;
        super::all_ok(r, "ApplicationOffers.DestroyOffers")
    }

    /// Gives a user access (`read`, `consume`, `admin`) to an offer.
    ///
    /// # Errors
    /// An unknown user or offer; the user has it already.
    pub async fn grant(&self, url: &str, user: &str, access: &str) -> Result<()> {
        self.access(url, user, "grant", access).await
    }

    /// Takes a user's access away.
    ///
    /// # Errors
    /// An unknown user or offer.
    pub async fn revoke(&self, url: &str, user: &str, access: &str) -> Result<()> {
        self.access(url, user, "revoke", access).await
    }

    async fn access(&self, url: &str, user: &str, action: &str, access: &str) -> Result<()> {
        let params = json!({"changes": [{"user-tag": format!("user-{user}"), "action": action, "access": access, "offer-url": url}]});
        let r: Results<ErrorResult> = self
            .0
            .call("ApplicationOffers", "ModifyOfferAccess", params)
            .await?;
        super::all_ok(r, "ApplicationOffers.ModifyOfferAccess")
    }

    /// All that a model needs to consume an offer, macaroon included, as it comes: for [`Client::consume`].
    ///
    /// # Errors
    /// `is_not_found()`; the user may not consume it.
    pub async fn consume_details(&self, url: &str) -> Result<ConsumeDetails> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Wire {
            #[serde(default)]
            offer: Option<Value>,
            #[serde(default)]
            macaroon: Option<Value>,
            #[serde(default)]
            external_controller: Option<Value>,
            #[serde(default)]
            error: Option<super::WireError>,
        }
        const OP: &str = "ApplicationOffers.GetConsumeDetails";
        let params =
            json!({"offer-urls": {"offer-urls": [url], "bakery-version": 3}, "user-tag": ""});
        let r: Results<Wire> = self
            .0
            .call("ApplicationOffers", "GetConsumeDetails", params)
            .await?;
        let w = single(r, OP)?;
        ErrorResult { error: w.error }.check(OP)?;
        Ok(ConsumeDetails {
            offer: w.offer.unwrap_or_default(),
            macaroon: w.macaroon,
            controller: w.external_controller,
        })
    }
}

/// What it takes to consume an offer. Its macaroon is a secret.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConsumeDetails {
    offer: Value,
    macaroon: Option<Value>,
    controller: Option<Value>,
}

impl std::fmt::Debug for ConsumeDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsumeDetails")
            .field("offer", &self.offer["offer-url"])
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Brings an offer into this connection's model, as a remote application of this name (its own, by default).
    ///
    /// # Errors
    /// The name is taken.
    pub async fn consume(&self, details: &ConsumeDetails, alias: Option<&str>) -> Result<()> {
        let mut one = details.offer.clone();
        if !one.is_object() {
            one = json!({});
        }
        if let Some(m) = &details.macaroon {
            one["macaroon"] = m.clone();
        }
        if let Some(c) = &details.controller {
            one["external-controller"] = c.clone();
        }
        if let Some(a) = alias {
            one["application-alias"] = json!(a);
        }
        let r: Results<ErrorResult> = self
            .call("Application", "Consume", json!({"args": [one]}))
            .await?;
        super::all_ok(r, "Application.Consume")
    }

    /// Forgets a remote application.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn destroy_consumed(&self, application: &str) -> Result<()> {
        let params =
            json!({"applications": [{"application-tag": crate::application_tag(application)}]});
        let r: Results<ErrorResult> = self
            .call("Application", "DestroyConsumedApplications", params)
            .await?;
        super::all_ok(r, "Application.DestroyConsumedApplications")
    }
}
