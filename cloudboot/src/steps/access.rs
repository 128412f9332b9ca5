//! Stage 18: The access parameters, in the user's hands: done when Keystone issues a token over TLS verified with Vault's
//! root CA, and the dashboard's login page answers.
//!
//! The thesis stops before this.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use juju_client::bundle::Bundle;
use juju_client::{Client as Juju, FullStatus};
use secrecy::SecretString;
use url::Url;

use super::bundle::application_of;
use super::{Attempt as _, Site};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};
use crate::openstack::{Access, login_page};

/// The administrator's password in the secret store.
const PASSWORD: &str = "keystone-admin-password";

/// `clouds.yaml`, `openrc` and the CA, written and tried.
pub struct AccessParameters {
    pub(super) site: Arc<Site>,
    pub(super) bundle: Arc<Bundle>,
}

impl AccessParameters {
    fn application(&self, charm: &str) -> Result<String, Error> {
        application_of(&self.bundle, charm).ok_or_else(|| {
            Error::terminal(
                "find the cloud's access parameters",
                format!("the bundle has no application of the charm {charm}"),
            )
        })
    }

    fn address(&self, status: &FullStatus, charm: &str) -> Result<String, Error> {
        let application = self.application(charm)?;
        let address = status
            .units_of(&application)
            .map(|(_, unit)| unit.public_address.to_string())
            .find(|address| !address.is_empty());
        let address = address.ok_or_else(|| {
            Error::transient(
                format!("find the address of {application}"),
                "none of its units has one",
            )
        })?;
        Ok(if address.contains(':') {
            format!("[{address}]")
        } else {
            address
        })
    }

    async fn access(
        &self,
        model: &Juju,
        ca: &str,
        password: SecretString,
    ) -> Result<Access, Error> {
        let status = model.status().await.attempt("read the model's status")?;
        let url = |text: String| {
            Url::parse(&text).map_err(|error| {
                Error::terminal(format!("read the address {text}"), error.to_string())
            })
        };
        let scheme = if ca.is_empty() { "http" } else { "https" };
        Ok(Access {
            dashboard: url(format!(
                "{scheme}://{}/horizon",
                self.address(&status, "openstack-dashboard")?
            ))?,
            auth_url: url(format!(
                "{scheme}://{}:5000/v3",
                self.address(&status, "keystone")?
            ))?,
            user: "admin".to_owned(),
            user_domain: "admin_domain".to_owned(),
            password,
            project: "admin".to_owned(),
            project_domain: "admin_domain".to_owned(),
            region: "RegionOne".to_owned(),
            ca_pem: ca.to_owned(),
        })
    }

    /// Why the parameters do not work, in a sentence; `None` when they do.
    async fn trouble(&self, access: &Access) -> Option<String> {
        let mut reach = self.site.reach();
        reach.ca_pem = Some(access.ca_pem.clone()).filter(|pem| !pem.is_empty());
        let token = match access.keystone(&reach) {
            Ok(keystone) => keystone.authenticate().await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = token {
            return Some(error.to_string());
        }
        login_page(&access.dashboard, &reach)
            .await
            .err()
            .map(|error| error.to_string())
    }

    /// The administrator's password: from keystone's action, or on older charms from its leader's data.
    async fn password(&self, model: &Juju, cx: &Context) -> Result<SecretString, Error> {
        let keystone = self.application("keystone")?;
        let attempted = format!("get the administrator's password from {keystone}");
        let leader = format!("{keystone}/leader");
        cx.intend(attempted.clone()).await?;
        let id = model
            .actions()
            .enqueue(&leader, "get-admin-password", &BTreeMap::new())
            .await;
        if let Ok(id) = id {
            let run = cx
                .wait("keystone's action", Deadline::minutes(10, 10), async || {
                    let run = model.actions().result(&id).await.attempt(&attempted)?;
                    Ok(if run.status.is_terminal() {
                        Polled::Done(run)
                    } else {
                        Polled::pending(run.status.to_string())
                    })
                })
                .await?;
            if let Some(password) = run.get_str("admin-password") {
                return Ok(password.into());
            }
        }
        let unit = model
            .applications()
            .leader(&keystone)
            .await
            .attempt(&attempted)?;
        match model.applications().relation_value(&unit, "admin_passwd").await.attempt(&attempted)? {
            Some(password) => Ok(password.into()),
            None => Err(Error::terminal(attempted, "neither its action nor its leader's data has it")
                .next(format!("run `juju run {leader} get-admin-password` by hand, and put it into the secret {PASSWORD}"))),
        }
    }
}

#[async_trait]
impl Step for AccessParameters {
    type Needs = (Juju, String, ());
    type Output = Access;

    fn id(&self) -> StepId {
        "cloud.access".into()
    }

    fn about(&self) -> String {
        "write the access parameters, and try them".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("cloud.access", Deadline::minutes(15, 30))
    }

    async fn observe(
        &self,
        (model, ca, ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<Access>, Error> {
        let Some(password) = cx.secrets().get(PASSWORD).await? else {
            return Ok(Observation::absent(
                "the administrator's password is not known yet",
            ));
        };
        let access = self.access(model, ca, password).await?;
        if !access.is_written(&self.site.config.access.dir, &self.site.config.deployment) {
            return Ok(Observation::absent(
                "the access parameters are not written, or differ",
            ));
        }
        Ok(match self.trouble(&access).await {
            None => Observation::Satisfied(access),
            Some(trouble) => Observation::absent(trouble),
        })
    }

    async fn apply(&self, (model, ca, ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        // A password that was changed since is asked for anew.
        let password = self.password(model, cx).await?;
        cx.secrets().put(PASSWORD, &password).await?;
        let access = self.access(model, ca, password).await?;
        cx.intend("write clouds.yaml and openrc").await?;
        access
            .write(&self.site.config.access.dir, &self.site.config.deployment)
            .attempt("write the access parameters")?;
        cx.waiting("Keystone and the dashboard to answer", self.deadline())
            .advice("look at `juju status keystone openstack-dashboard`")
            .poll(async || {
                Ok(self
                    .trouble(&access)
                    .await
                    .map_or(Polled::Done(()), Polled::pending))
            })
            .await
    }

    async fn undo(&self, _: &Self::Needs, cx: &Context) -> Result<Undo, Error> {
        if cx.own_intents().is_empty() {
            return Ok(Undo::NothingToDo);
        }
        cx.intend("delete the access parameters").await?;
        Access::remove(&self.site.config.access.dir).attempt("delete the access parameters")?;
        cx.secrets().remove(PASSWORD).await?;
        Ok(Undo::removed("clouds.yaml, openrc and the CA"))
    }
}
