//! The new controller taken over: what was in the user data, and so counts as seen, is replaced.

use juju_client::api::cloud::CloudCredential;
use juju_client::{Client as Juju, ControllerAccess, Options};
use secrecy::ExposeSecret as _;

use super::Attempt as _;
use super::controller_access::{keep, kept, maas_key};
use super::native::{Begun, Native};
use crate::engine::{Context, Deadline, Error, Polled};

impl Native {
    /// Logs in, replaces the first password and the first key, and keeps the access.
    pub(super) async fn take_over(
        &self,
        begun: &Begun,
        cx: &Context,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let juju = &self.site.config.juju;
        let endpoints = match kept(cx).await? {
            Some(access) => access.endpoints,
            None => Self::addresses(&self.read().await?),
        };
        let access = |password: &str| {
            let mut access = ControllerAccess::new(
                &juju.bootstrap.name,
                &begun.controller_uuid,
                endpoints.clone(),
                begun.ca_cert.clone().unwrap_or_default(),
                "admin",
                password.to_owned().into(),
            );
            access.cloud.clone_from(&juju.cloud.name);
            "default".clone_into(&mut access.region);
            access.agent_version.clone_from(&begun.agent.version);
            access
        };
        let ours = access(&begun.password);
        let first = access(&begun.first_password);
        let (client, is_first) = cx
            .waiting("the controller to answer", deadline)
            .poll(async || self.log_in(&first, &ours).await)
            .await?;
        if is_first {
            cx.intend("replace the controller's first password").await?;
            client
                .controller()
                .set_password("admin", &ours.password)
                .await
                .attempt("replace the controller's first password")?;
        }
        let key = maas_key(&self.site, cx).await?;
        cx.intend("replace the controller's first MAAS key").await?;
        let credential = CloudCredential::maas(key.expose().expose_secret());
        client
            .cloud()
            .update_credential(&juju.cloud.name, &juju.credential.name, &credential)
            .await
            .attempt("replace the controller's first MAAS key")?;
        self.delete_first_key(cx).await?;
        keep(&ours, cx).await?;
        cx.made("juju-controller", ours.uuid.clone()).await?;
        self.forget(cx).await
    }

    /// With the first password, or with ours where a former run replaced it already.
    async fn log_in(
        &self,
        first: &ControllerAccess,
        ours: &ControllerAccess,
    ) -> Result<Polled<(Juju, bool)>, Error> {
        let mut refused = None;
        for (access, is_first) in [(first, true), (ours, false)] {
            let connected = access.connect(self.site.proxy().cloned(), Options::default());
            match connected.await {
                Ok(client) => return Ok(Polled::Done((client, is_first))),
                Err(error) if error.is_unauthorized() => refused = Some(error),
                Err(error) => return Ok(Polled::pending(error.to_string())),
            }
        }
        Ok(Polled::Failed(match refused {
            Some(error) => Error::needs_operator(
                "log in to the new controller",
                "it refuses both the first password and the one that replaces it",
            )
            .next("somebody else has changed it: put the right one into the secret juju-controller, or release the machine and run again")
            .because(error),
            None => Error::transient("log in to the new controller", "nothing was tried"),
        }))
    }
}
