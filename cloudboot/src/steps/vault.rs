//! Stage 16: Vault, as soon as its unit waits to be initialised: initialised with the keys durable first, unsealed, the
//! charm authorised, the root CA made.
//!
//! The thesis: `unseal_vault()`, with one share, after everything else, printing into world-readable files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use juju_client::Client as Juju;
use juju_client::bundle::Bundle;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::bundle::application_of;
use super::{Attempt as _, Site};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId};
use crate::vault::{Client, Shares, keys};

/// The keys' name in the secret store.
const KEYS: &str = "vault-keys";
/// The root CA's name in the secret store. It is no secret; it is kept with what belongs to it.
const ROOT_CA: &str = "vault-root-ca";
/// How long the charm may use the token that authorises it. The charm guide's figure.
const TOKEN_TTL: Duration = Duration::from_secs(600);
/// The port of the charm's Vault; plain HTTP until it has a certificate.
const PORT: u16 = 8200;

/// A unit of Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultUnit {
    /// Its name in Juju.
    pub name: String,
    /// Its Vault.
    pub url: Url,
}

/// What the four steps share.
#[derive(Clone)]
pub(super) struct Vault {
    pub(super) site: Arc<Site>,
    pub(super) bundle: Arc<Bundle>,
}

impl Vault {
    /// The application of the charm vault. A bundle without one needs none of these steps.
    fn application(&self) -> Option<String> {
        application_of(&self.bundle, "vault")
    }

    fn client(&self, unit: &VaultUnit) -> Result<Client, Error> {
        Client::new(unit.url.clone(), &self.site.reach())
            .attempt(&format!("prepare the client of {}", unit.name))
    }

    /// Vault's units with their addresses, in their order, those without an address left out.
    async fn units(&self, model: &Juju, application: &str) -> Result<Vec<VaultUnit>, Error> {
        let status = model.status().await.attempt("read the model's status")?;
        let units = status
            .units_of(application)
            .filter(|(_, unit)| !unit.public_address.is_empty());
        Ok(units
            .filter_map(|(name, unit)| {
                let host = if unit.public_address.contains(':') {
                    format!("[{}]", unit.public_address)
                } else {
                    unit.public_address.to_string()
                };
                Some(VaultUnit {
                    name: name.to_owned(),
                    url: Url::parse(&format!("http://{host}:{PORT}/")).ok()?,
                })
            })
            .collect())
    }

    /// Waits until Vault answers on a unit that waits to be initialised, or is past that.
    async fn await_units(
        &self,
        model: &Juju,
        application: &str,
        cx: &Context,
        deadline: Deadline,
    ) -> Result<Vec<VaultUnit>, Error> {
        cx.waiting("Vault's unit to wait for its initialisation", deadline)
            .advice(format!(
                "look at `juju status {application}` and its unit's log"
            ))
            .poll(async || {
                let status = model.status().await.attempt("read the model's status")?;
                let said: Vec<String> = status
                    .units_of(application)
                    .map(|(name, unit)| {
                        format!(
                            "{name}: {} {}",
                            unit.workload_status.status, unit.workload_status.info
                        )
                    })
                    .collect();
                let units = self.units(model, application).await?;
                let waits = juju_client::wait::vault_waits_for_init(&status, application);
                if units.is_empty() {
                    return Ok(Polled::pending(if said.is_empty() {
                        "there is no unit yet".to_owned()
                    } else {
                        said.join("; ")
                    }));
                }
                let mut answers = true;
                let mut initialised = false;
                for unit in &units {
                    match self.client(unit)?.seal_status().await {
                        Ok(status) => initialised |= status.initialized,
                        Err(_) => answers = false,
                    }
                }
                // The charm says when Vault's storage is there; asked earlier, Vault may be initialised on nothing.
                Ok(if answers && (initialised || waits.len() == units.len()) {
                    Polled::Done(units)
                } else {
                    Polled::pending(said.join("; "))
                })
            })
            .await
    }

    async fn keys(&self, cx: &Context) -> Result<Option<crate::vault::InitKeys>, Error> {
        keys::load(cx.secrets().as_ref(), KEYS)
            .await
            .attempt("read Vault's keys")
    }

    /// The last result of an action on the application that did not fail: completed, or under way.
    async fn action(
        &self,
        model: &Juju,
        application: &str,
        name: &str,
    ) -> Result<Option<juju_client::api::actions::ActionResult>, Error> {
        let status = model.status().await.attempt("read the model's status")?;
        let units: Vec<&str> = status.units_of(application).map(|(name, _)| name).collect();
        let results = model
            .actions()
            .list(&units, &[name])
            .await
            .attempt(&format!("list the runs of {name}"))?;
        use juju_client::api::actions::ActionStatus::{Completed, Pending, Running};
        Ok(results
            .into_iter()
            .rev()
            .find(|run| matches!(run.status, Completed | Pending | Running)))
    }

    /// Runs an action on the leader, or goes on waiting for one that is under way.
    async fn run_action(
        &self,
        model: &Juju,
        application: &str,
        name: &str,
        parameters: &BTreeMap<String, serde_json::Value>,
        cx: &Context,
        deadline: Deadline,
    ) -> Result<juju_client::api::actions::ActionResult, Error> {
        let attempted = format!("run {name} on {application}");
        let id = match self.action(model, application, name).await? {
            Some(run) if !run.status.is_terminal() => juju_client::ActionId(run.id),
            _ => {
                cx.intend(attempted.clone()).await?;
                model
                    .actions()
                    .enqueue(&format!("{application}/leader"), name, parameters)
                    .await
                    .attempt(&attempted)?
            }
        };
        let result = cx
            .wait(format!("the action {name}"), deadline, async || {
                let run = model.actions().result(&id).await.attempt(&attempted)?;
                Ok(if run.status.is_terminal() {
                    Polled::Done(run)
                } else {
                    Polled::pending(run.status.to_string())
                })
            })
            .await?;
        if result.status != juju_client::api::actions::ActionStatus::Completed {
            return Err(Error::transient(
                attempted,
                format!("it ended {}: {}", result.status, result.message),
            ));
        }
        Ok(result)
    }
}

/// Vault initialised, its keys in the secret store.
pub struct Initialise(pub(super) Vault);

#[async_trait]
impl Step for Initialise {
    type Needs = (Juju, ());
    /// Vault's units.
    type Output = Vec<VaultUnit>;

    fn id(&self) -> StepId {
        "vault.initialised".into()
    }

    fn about(&self) -> String {
        let vault = self.0.site.config.vault;
        format!(
            "initialise Vault with {} shares, {} of which open it, and keep them",
            vault.shares, vault.threshold
        )
    }

    fn deadline(&self) -> Deadline {
        self.0
            .site
            .deadline("vault.initialised", Deadline::minutes(60, 180))
    }

    fn approval(&self) -> Option<String> {
        self.0.application().map(|name| {
            format!("initialise {name}: its keys are shown once, and are kept in the secret store")
        })
    }

    async fn observe(
        &self,
        (model, ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<Vec<VaultUnit>>, Error> {
        let Some(application) = self.0.application() else {
            return Ok(Observation::Satisfied(Vec::new()));
        };
        let units = self.0.units(model, &application).await?;
        let Some(first) = units.first() else {
            return Ok(Observation::absent("Vault has no unit with an address yet"));
        };
        let client = self.0.client(first)?;
        Ok(
            match keys::kept(&client, cx.secrets().as_ref(), KEYS).await {
                Ok(Some(_)) => Observation::Satisfied(units),
                Ok(None) => Observation::absent("Vault is not initialised"),
                Err(error) if error.needs_operator() => {
                    Observation::needs_operator(error.to_string())
                }
                Err(error) => Observation::absent(format!("Vault does not answer yet: {error}")),
            },
        )
    }

    async fn apply(&self, (model, ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let Some(application) = self.0.application() else {
            return Ok(());
        };
        let units = self
            .0
            .await_units(model, &application, cx, self.deadline())
            .await?;
        let Some(first) = units.first() else {
            return Err(Error::transient("initialise Vault", "it has no unit"));
        };
        cx.intend("initialise Vault").await?;
        // Between this line and the keys' being durable nothing can stop the run but a kill.
        match keys::initialise(
            &self.0.client(first)?,
            cx.secrets().as_ref(),
            KEYS,
            self.shares(),
        )
        .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.needs_operator() => {
                Err(Error::needs_operator("initialise Vault", error.to_string()).because(error))
            }
            Err(error) => Err(error).attempt("initialise Vault"),
        }
    }
}

impl Initialise {
    fn shares(&self) -> Shares {
        let vault = self.0.site.config.vault;
        Shares::new(vault.shares, vault.threshold)
    }
}

/// Every unit of Vault unsealed.
pub struct Unseal(pub(super) Vault);

#[async_trait]
impl Step for Unseal {
    type Needs = (Vec<VaultUnit>,);
    type Output = ();

    fn id(&self) -> StepId {
        "vault.unsealed".into()
    }

    fn about(&self) -> String {
        "unseal each unit of Vault".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.0
            .site
            .deadline("vault.unsealed", Deadline::minutes(5, 15))
    }

    async fn observe(&self, (units,): &Self::Needs, _: &Context) -> Result<Observation<()>, Error> {
        let mut sealed = Vec::new();
        for unit in units {
            if self
                .0
                .client(unit)?
                .seal_status()
                .await
                .attempt(&format!("ask {} for its seal", unit.name))?
                .sealed
            {
                sealed.push(unit.name.as_str());
            }
        }
        Ok(if sealed.is_empty() {
            Observation::Satisfied(())
        } else {
            Observation::absent(format!("sealed: {}", sealed.join(", ")))
        })
    }

    async fn apply(&self, (units,): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let Some(kept) = self.0.keys(cx).await? else {
            return Err(Error::needs_operator(
                "unseal Vault",
                "its keys are not in the secret store",
            )
            .next(format!("put them there as {KEYS}")));
        };
        for unit in units {
            let attempted = format!("unseal {}", unit.name);
            cx.intend(attempted.clone()).await?;
            let client = self.0.client(unit)?;
            match keys::unseal(&client, &kept).await {
                Ok(_) => {}
                Err(error) if error.needs_operator() => {
                    return Err(Error::needs_operator(attempted, error.to_string()).because(error));
                }
                Err(error) => return Err(error).attempt(&attempted),
            }
            // Raft needs a moment to elect a leader after the unsealing.
            cx.wait(
                format!("{} to be active", unit.name),
                self.deadline(),
                async || {
                    let health = client.health().await.attempt(&attempted)?;
                    Ok(match health.state() {
                        crate::vault::State::Sealed | crate::vault::State::Uninitialised => {
                            Polled::pending("it is sealed")
                        }
                        _ => Polled::Done(()),
                    })
                },
            )
            .await?;
        }
        Ok(())
    }
}

/// The charm allowed to use Vault.
pub struct Authorise(pub(super) Vault);

#[async_trait]
impl Step for Authorise {
    type Needs = (Juju, Vec<VaultUnit>, ());
    type Output = ();

    fn id(&self) -> StepId {
        "vault.authorised".into()
    }

    fn about(&self) -> String {
        "authorise the charm with a token of ten minutes".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.0
            .site
            .deadline("vault.authorised", Deadline::minutes(20, 40))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(635))
    }

    async fn observe(
        &self,
        (model, _, ()): &Self::Needs,
        _: &Context,
    ) -> Result<Observation<()>, Error> {
        let Some(application) = self.0.application() else {
            return Ok(Observation::Satisfied(()));
        };
        Ok(
            match self
                .0
                .action(model, &application, "authorize-charm")
                .await?
            {
                Some(run) if run.status.is_terminal() => Observation::Satisfied(()),
                Some(_) => Observation::absent("authorize-charm runs"),
                None => Observation::absent("the charm is not authorised"),
            },
        )
    }

    async fn apply(&self, (model, units, ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let (Some(application), Some(unit)) = (self.0.application(), units.first()) else {
            return Ok(());
        };
        let Some(kept) = self.0.keys(cx).await? else {
            return Err(Error::needs_operator(
                "authorise the charm",
                "Vault's keys are not in the secret store",
            ));
        };
        let mut parameters = BTreeMap::new();
        if self
            .0
            .action(model, &application, "authorize-charm")
            .await?
            .is_none()
        {
            cx.intend("make a token for the charm").await?;
            let token = self
                .0
                .client(unit)?
                .create_token(&kept.root_token, TOKEN_TTL)
                .await
                .attempt("make a token for the charm")?;
            parameters.insert("token".to_owned(), token.token.expose_secret().into());
        }
        self.0
            .run_action(
                model,
                &application,
                "authorize-charm",
                &parameters,
                cx,
                self.deadline(),
            )
            .await
            .map(drop)
    }
}

/// The root CA of the cloud's certificates.
pub struct RootCa(pub(super) Vault);

#[async_trait]
impl Step for RootCa {
    type Needs = (Juju, ());
    /// The CA in PEM; empty where the bundle has no Vault.
    type Output = String;

    fn id(&self) -> StepId {
        "vault.root-ca".into()
    }

    fn about(&self) -> String {
        "generate the root CA".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.0
            .site
            .deadline("vault.root-ca", Deadline::minutes(20, 40))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(635))
    }

    async fn observe(
        &self,
        (model, ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<String>, Error> {
        let Some(application) = self.0.application() else {
            return Ok(Observation::Satisfied(String::new()));
        };
        // Juju forgets actions after two weeks.
        if let Some(ca) = cx.secrets().get(ROOT_CA).await? {
            return Ok(Observation::Satisfied(ca.expose_secret().to_owned()));
        }
        let run = self
            .0
            .action(model, &application, "generate-root-ca")
            .await?;
        Ok(match run.and_then(|run| run.get_str("output")) {
            Some(_) => Observation::absent("the root CA is generated and not kept"),
            None => Observation::absent("there is no root CA"),
        })
    }

    async fn apply(&self, (model, ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let Some(application) = self.0.application() else {
            return Ok(());
        };
        let attempted = "generate the root CA";
        let done = self
            .0
            .action(model, &application, "generate-root-ca")
            .await?
            .filter(|run| run.status.is_terminal());
        let result = match done {
            Some(result) => result,
            None => {
                self.0
                    .run_action(
                        model,
                        &application,
                        "generate-root-ca",
                        &BTreeMap::new(),
                        cx,
                        self.deadline(),
                    )
                    .await?
            }
        };
        let Some(ca) = result
            .get_str("output")
            .filter(|text| text.contains("BEGIN CERTIFICATE"))
        else {
            return Err(
                Error::terminal(attempted, "the action's result holds no certificate")
                    .next("run `get-root-ca` on vault by hand"),
            );
        };
        cx.secrets().put(ROOT_CA, &SecretString::from(ca)).await
    }
}

/// Puts aside the secrets of a Vault that is gone: the keys under another name, so that a new Vault is not taken for it.
pub(super) async fn retire(cx: &Context) -> Result<(), Error> {
    let secrets = cx.secrets();
    if let Some(keys) = secrets.get(KEYS).await? {
        secrets.put(&format!("{KEYS}.retired"), &keys).await?;
    }
    for name in [
        KEYS.to_owned(),
        format!("{KEYS}.intent"),
        ROOT_CA.to_owned(),
    ] {
        secrets.remove(&name).await?;
    }
    Ok(())
}
