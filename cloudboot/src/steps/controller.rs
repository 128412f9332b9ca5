//! Stage 14: Juju: its client, its controller.
//!
//! The thesis: `juju_install()`, `juju_config()`, `juju_bootstrap()`.
//!
//! A controller is adopted where the configuration names one. Else Juju 3.x is bootstrapped by a throwaway container
//! on the controller host (`steps/bootstrap.rs`), and Juju 4.x by the Juju machine itself (`steps/native.rs`).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use juju_client::Client as Juju;
use maas_client::SystemId;

use super::bootstrap::Container;
use super::controller_access::{
    ACCESS, Way, adopted_name, held, keep, kept, log_in, maas_key, way,
};
use super::first_config::MachineNetwork;
use super::native::{self, Native};
use super::{Attempt as _, Site, created};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};

/// The container with the juju client, prepared while the Juju machine is still being composed.
pub struct JujuClient {
    pub(super) site: Arc<Site>,
}

#[async_trait]
impl Step for JujuClient {
    type Needs = (lxd_client::Client, MachineNetwork, ());
    type Output = ();

    fn id(&self) -> StepId {
        "juju.client".into()
    }

    fn about(&self) -> String {
        match way(&self.site) {
            Way::Delegated => format!(
                "install the juju client {} in a throwaway container",
                self.site.config.juju.channel
            ),
            Way::Adopt | Way::Native => "need no juju client".to_owned(),
        }
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("juju.client", Deadline::minutes(30, 45))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(150))
    }

    async fn observe(
        &self,
        (lxd, _, ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<()>, Error> {
        // Its work is done when the controller's access is in our hands.
        if way(&self.site) != Way::Delegated || kept(cx).await?.is_some() {
            return Ok(Observation::Satisfied(()));
        }
        let container = Container::new(&self.site, lxd);
        Ok(if container.is_ready().await? {
            Observation::Satisfied(())
        } else if container.exists().await? {
            Observation::absent(format!(
                "the container {} has no juju client yet",
                container.name()
            ))
        } else {
            Observation::absent(format!("there is no container {}", container.name()))
        })
    }

    async fn apply(&self, (lxd, _, ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        Container::new(&self.site, lxd)
            .ensure(cx, self.deadline())
            .await
    }

    async fn undo(&self, (lxd, _, ()): &Self::Needs, cx: &Context) -> Result<Undo, Error> {
        let container = Container::new(&self.site, lxd);
        Ok(if container.delete(cx).await? {
            Undo::removed(format!("the container {}", container.name()))
        } else {
            Undo::NothingToDo
        })
    }
}

/// The controller, logged in to.
pub struct Controller {
    pub(super) site: Arc<Site>,
}

#[async_trait]
impl Step for Controller {
    type Needs = (maas_client::Client, lxd_client::Client, SystemId, (), ());
    /// Connected to the controller.
    type Output = Juju;

    fn id(&self) -> StepId {
        "juju.controller".into()
    }

    fn about(&self) -> String {
        let name = &self.site.config.juju.bootstrap.name;
        match way(&self.site) {
            Way::Adopt => format!("adopt the controller {}", adopted_name(&self.site)),
            Way::Delegated => format!(
                "bootstrap the controller {name} onto {} with the juju client {}",
                self.site.config.juju_vm.hostname, self.site.config.juju.channel
            ),
            Way::Native => format!(
                "bootstrap the controller {name} natively: {} comes up as it, from one user data with Juju {}",
                self.site.config.juju_vm.hostname, self.site.config.juju.channel
            ),
        }
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("juju.controller", Deadline::minutes(30, 90))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(1210))
    }

    async fn observe(
        &self,
        (_, lxd, machine, (), ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<Juju>, Error> {
        let name = &self.site.config.juju.bootstrap.name;
        if way(&self.site) == Way::Native && native::is_begun(cx).await? {
            return Ok(Observation::absent(
                "the bootstrap is under way, or its first password and key still hold",
            ));
        }
        let access = held(&self.site, cx).await?;
        let Some(access) = access else {
            return Ok(Observation::absent(format!(
                "we hold no access to a controller {name}"
            )));
        };
        // It holds the administrator's password and MAAS's key: a run that was killed before it deleted it has not ended.
        let delegated = matches!(way(&self.site), Way::Delegated);
        if delegated && Container::new(&self.site, lxd).is_left(cx).await? {
            return Ok(Observation::absent(
                "the controller is there, and so is still the container that bootstrapped it",
            ));
        }
        match log_in(&self.site, &access).await {
            Ok(client) => Ok(Observation::Satisfied(client)),
            Err(error) if error.is_unauthorized() => Ok(Observation::needs_operator(format!(
                "the controller {name} refuses the password that we hold: put the right one into the secret {ACCESS}"
            ))),
            Err(error) => Ok(Observation::blocked(format!(
                "the controller {name} on {machine} does not answer: {error}"
            ))),
        }
    }

    async fn apply(
        &self,
        (maas, lxd, machine, (), ()): &Self::Needs,
        cx: &Context,
    ) -> Result<(), Error> {
        if way(&self.site) == Way::Native {
            return Native::new(&self.site, maas, lxd, machine)
                .bootstrap(cx, self.deadline())
                .await;
        }
        let container = Container::new(&self.site, lxd);
        let access = match kept(cx).await? {
            Some(access) => access,
            None => {
                container.ensure(cx, self.deadline()).await?;
                let key = maas_key(&self.site, cx).await?;
                let access = container.bootstrap(&key, cx, self.deadline()).await?;
                keep(&access, cx).await?;
                access
            }
        };
        cx.made("juju-controller", access.uuid.clone()).await?;
        cx.wait("the controller to answer", self.deadline(), async || {
            Ok(match log_in(&self.site, &access).await {
                Ok(_) => Polled::Done(()),
                Err(error) => Polled::pending(error.to_string()),
            })
        })
        .await?;
        container.delete(cx).await.map(drop)
    }

    async fn undo(
        &self,
        (maas, lxd, machine, (), ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Undo, Error> {
        let name = &self.site.config.juju.bootstrap.name;
        if native::is_begun(cx).await? {
            let native = Native::new(&self.site, maas, lxd, machine);
            native.delete_first_key(cx).await?;
            native.forget(cx).await?;
        }
        if !made_controller(cx, name) {
            return Ok(Undo::kept(format!(
                "the controller {name} was there before"
            )));
        }
        let mut removed = Vec::new();
        Container::new(&self.site, lxd).delete(cx).await?;
        if let Some(access) = kept(cx).await? {
            if let Ok(client) = log_in(&self.site, &access).await {
                cx.intend(format!("destroy controller {name}")).await?;
                match client.controller().destroy(true).await {
                    Ok(()) => {}
                    // The connection ends with the controller.
                    Err(error) if error.is_closed() || error.is_unclear() => {}
                    Err(error) => {
                        return Err(error).attempt(&format!("destroy the controller {name}"));
                    }
                }
                removed.push(format!("the controller {name}"));
            }
            cx.secrets().remove(ACCESS).await?;
        }
        // A controller does not release its own machine.
        let found = maas.machines().read(machine).await;
        if found.is_ok_and(|machine| machine.status != maas_client::NodeStatus::Ready) {
            cx.intend(format!("release machine {machine}")).await?;
            let comment = maas_client::ReleaseParams::new().comment(cx.owner_mark());
            maas.machines()
                .release(machine, &comment)
                .await
                .attempt("release the Juju machine")?;
            cx.wait(
                "the Juju machine to be released",
                self.site
                    .deadline("juju.controller", Deadline::minutes(10, 30)),
                async || {
                    Ok(match maas.machines().read(machine).await {
                        Ok(machine) if machine.status != maas_client::NodeStatus::Ready => {
                            Polled::pending(machine.status_name)
                        }
                        Err(error) if !error.is_not_found() => {
                            return Err(error).attempt("read the Juju machine");
                        }
                        _ => Polled::Done(()),
                    })
                },
            )
            .await?;
        }
        Ok(super::removed(removed))
    }
}

fn made_controller(cx: &Context, name: &str) -> bool {
    created(cx, &format!("controller {name}"))
}
