//! Stage 11: LXD initialised, and the VM host made of it, really usable: the thesis's manual step.
//!
//! The thesis: `lxd_init()`, whose preseed was empty, and `create_vm_host()`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maas_client::{Client, VmHost, VmHostId, VmHostParams};

use super::{Attempt as _, Site, create, created};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};

/// LXD with its preseed.
pub struct LxdInit {
    pub(super) site: Arc<Site>,
}

impl LxdInit {
    fn preseed(&self) -> Result<lxd_client::Preseed, Error> {
        serde_json::from_value(self.site.config.lxd.preseed()).map_err(|error| {
            Error::terminal("read lxd.init_file", error.to_string())
                .next("it is what `lxd init --preseed` takes")
                .because(error)
        })
    }
}

#[async_trait]
impl Step for LxdInit {
    type Needs = ((), ());
    type Output = lxd_client::Client;

    fn id(&self) -> StepId {
        "lxd.init".into()
    }

    fn about(&self) -> String {
        "initialise LXD".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("lxd.init", Deadline::minutes(5, 10))
    }

    async fn observe(
        &self,
        _: &((), ()),
        _: &Context,
    ) -> Result<Observation<lxd_client::Client>, Error> {
        let lxd = self.site.lxd().attempt("reach LXD")?;
        let plan = match lxd.plan_preseed(&self.preseed()?).await {
            Ok(plan) => plan,
            Err(error) if error.is_connection() => {
                return Ok(Observation::absent(format!(
                    "LXD does not answer yet: {error}"
                )));
            }
            Err(error) => return Err(error).attempt("compare LXD with its preseed"),
        };
        Ok(if plan.is_empty() {
            Observation::Satisfied(lxd)
        } else {
            Observation::absent(plan.to_string())
        })
    }

    async fn apply(&self, _: &((), ()), cx: &Context) -> Result<(), Error> {
        let lxd = self.site.lxd().attempt("reach LXD")?;
        cx.waiting("LXD to answer", self.deadline())
            .advice("look at `snap logs lxd` on the controller")
            .poll(async || match lxd.server().await {
                Ok(_) => Ok(Polled::Done(())),
                Err(error) => Ok(Polled::pending(error.to_string())),
            })
            .await?;
        create(cx, "LXD preseed").await?;
        lxd.apply_preseed(&self.preseed()?)
            .await
            .attempt("initialise LXD")
            .map(drop)
    }
}

/// LXD on the controller as MAAS's VM host.
pub struct CreateVmHost {
    pub(super) site: Arc<Site>,
}

impl CreateVmHost {
    async fn find(&self, maas: &Client) -> Result<Option<VmHost>, Error> {
        let hosts = maas.vm_hosts().list().await.attempt("list the VM hosts")?;
        Ok(hosts
            .into_iter()
            .find(|host| host.name == self.site.config.vm_host.name))
    }

    /// Whether the machine behind the VM host is still being commissioned.
    async fn is_settling(&self, maas: &Client, host: &VmHost) -> Result<bool, Error> {
        let Some(node) = host.host.as_ref().and_then(|host| host.system_id.clone()) else {
            return Ok(false);
        };
        match maas.machines().read(&node).await {
            Ok(machine) => Ok(machine.status.is_transient()),
            // The controller itself is no machine of MAAS.
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error).attempt("read the VM host's machine"),
        }
    }
}

#[async_trait]
impl Step for CreateVmHost {
    type Needs = (Client, lxd_client::Client, ());
    type Output = VmHostId;

    fn id(&self) -> StepId {
        "maas.vm-host".into()
    }

    fn about(&self) -> String {
        format!("make the VM host {}", self.site.config.vm_host.name)
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("maas.vm-host", Deadline::minutes(10, 30))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(130))
    }

    async fn observe(
        &self,
        (maas, _, ()): &Self::Needs,
        _: &Context,
    ) -> Result<Observation<VmHostId>, Error> {
        let name = &self.site.config.vm_host.name;
        let Some(host) = self.find(maas).await? else {
            return Ok(Observation::absent(format!("there is no VM host {name}")));
        };
        // A VM host is saved even when its discovery failed: resources tell whether it is one.
        Ok(if !host.is_usable() {
            Observation::absent(format!("the VM host {name} shows no resources"))
        } else if self.is_settling(maas, &host).await? {
            Observation::absent(format!("the VM host {name} is still being commissioned"))
        } else {
            Observation::Satisfied(host.id)
        })
    }

    async fn apply(&self, (maas, _, ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let wanted = &self.site.config.vm_host;
        if self.find(maas).await?.is_none() {
            create(cx, &format!("VM host {}", wanted.name)).await?;
            let capacity = self.site.config.capacity;
            let mut params = VmHostParams::new()
                .name(wanted.name.clone())
                .project(wanted.project.clone())
                .cpu_over_commit_ratio(capacity.cpu)
                .memory_over_commit_ratio(capacity.memory);
            if let Some(password) = &self.site.config.lxd.password {
                // LXD's own word for it: MAAS passes `power_pass` over in silence, and LXD then trusts nobody.
                params = if wanted.kind == "lxd" {
                    params.password(password.value().clone())
                } else {
                    params.power_pass(password.value().clone())
                };
            }
            maas.vm_hosts()
                .create(&wanted.kind, &wanted.address, &params)
                .await
                .attempt("create the VM host")?;
        }
        cx.waiting("the VM host to show its resources", self.deadline())
            .advice("look whether MAAS reaches LXD at vm_host.address, and whether lxd.password is LXD's trust password")
            .poll(async || {
                let Some(host) = self.find(maas).await? else { return Ok(Polled::pending("it is gone")) };
                if !host.is_usable() {
                    return match maas.vm_hosts().refresh(host.id).await {
                        Ok(_) => Ok(Polled::pending("it was refreshed and shows no resources yet")),
                        Err(error) => Ok(Polled::pending(error.to_string())),
                    };
                }
                if self.is_settling(maas, &host).await? {
                    return Ok(Polled::pending("its machine is being commissioned"));
                }
                Ok(Polled::Done(()))
            })
            .await?;
        Ok(())
    }

    async fn undo(&self, (maas, _, ()): &Self::Needs, cx: &Context) -> Result<Undo, Error> {
        let name = &self.site.config.vm_host.name;
        if !created(cx, &format!("VM host {name}")) {
            return Ok(Undo::kept(format!("the VM host {name} was there before")));
        }
        let Some(host) = self.find(maas).await? else {
            return Ok(Undo::NothingToDo);
        };
        cx.intend(format!("delete VM host {name}")).await?;
        maas.vm_hosts()
            .delete(host.id, true)
            .await
            .attempt("delete the VM host")?;
        Ok(Undo::removed(format!("the VM host {name} and its VMs")))
    }
}
