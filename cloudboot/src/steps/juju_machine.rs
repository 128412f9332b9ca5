//! Stage 12: The Juju machine: an empty VM, tagged, commissioned.
//!
//! The thesis: `create_vm()`, with a `disks` parameter that `compose` does not have.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maas_client::{
    Client, ComposeParams, Judgement, Machine, MachineFilter, MachineGoal, NodeStatus,
    ReleaseParams, SystemId, TagParams, VmHostId,
};

use super::{Attempt as _, Site, create, created, ensure_tag};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};

/// The VM that becomes Juju's controller.
pub struct JujuMachine {
    pub(super) site: Arc<Site>,
}

/// How often a machine whose deployment failed is released, so that it can be deployed again, before a person is asked.
const RELEASES: usize = 3;

impl JujuMachine {
    fn release_intent(&self) -> String {
        format!(
            "release {}, whose deployment failed",
            self.site.config.juju_vm.hostname
        )
    }

    /// Whether it is ours to release, once more.
    fn may_release(&self, cx: &Context) -> bool {
        let (intents, release) = (cx.own_intents(), self.release_intent());
        let before = intents.iter().filter(|known| known.what == release).count();
        created(
            cx,
            &format!("machine {}", self.site.config.juju_vm.hostname),
        ) && before < RELEASES
    }

    /// Its own tag, and those by which the bootstrap asks MAAS for it: a machine that lacks one of them is not found.
    fn tags(&self) -> Vec<&str> {
        let config = &self.site.config;
        let mut tags = vec![config.juju_vm.tag.as_str()];
        for tag in &config.juju.bootstrap.tags {
            if !tags.contains(&tag.as_str()) {
                tags.push(tag);
            }
        }
        tags
    }

    async fn find(&self, maas: &Client) -> Result<Option<Machine>, Error> {
        let name = self.site.config.juju_vm.hostname.clone();
        let filter = MachineFilter::new().hostname(vec![name]);
        Ok(maas
            .machines()
            .list(&filter)
            .await
            .attempt("look for the Juju machine")?
            .into_iter()
            .next())
    }
}

#[async_trait]
impl Step for JujuMachine {
    type Needs = (Client, VmHostId, ());
    type Output = SystemId;

    fn id(&self) -> StepId {
        "juju.machine".into()
    }

    fn about(&self) -> String {
        format!(
            "compose the VM {} for Juju's controller",
            self.site.config.juju_vm.hostname
        )
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("juju.machine", Deadline::minutes(20, 60))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(300))
    }

    async fn observe(
        &self,
        (maas, _, ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<SystemId>, Error> {
        let wanted = &self.site.config.juju_vm;
        let Some(machine) = self.find(maas).await? else {
            return Ok(Observation::absent(format!(
                "there is no machine {}",
                wanted.hostname
            )));
        };
        if let Some(tag) = self.tags().into_iter().find(|tag| !machine.has_tag(tag)) {
            return Ok(Observation::absent(format!(
                "{} has no tag {tag}",
                wanted.hostname
            )));
        }
        Ok(match machine.status {
            NodeStatus::Ready
            | NodeStatus::Allocated
            | NodeStatus::Deploying
            | NodeStatus::Deployed => Observation::Satisfied(machine.system_id),
            // Nobody has it yet: a disk or a download may be well the next time.
            NodeStatus::FailedDeployment if self.may_release(cx) => Observation::absent(format!(
                "{} is {}: it is released, to be deployed again",
                wanted.hostname, machine.status_name
            )),
            status if status.is_failed() => Observation::needs_operator(format!(
                "{} is {}: look at its results in MAAS, then commission it again or delete it and run again",
                wanted.hostname, machine.status_name
            )),
            _ => Observation::absent(format!("{} is {}", wanted.hostname, machine.status_name)),
        })
    }

    async fn apply(&self, (maas, host, ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let wanted = &self.site.config.juju_vm;
        let id = match self.find(maas).await? {
            Some(machine) => machine.system_id,
            None => {
                create(cx, &format!("machine {}", wanted.hostname)).await?;
                let params = ComposeParams::new()
                    .hostname(wanted.hostname.clone())
                    .cores(wanted.cpus)
                    .memory(u64::from(wanted.ram_gib) * 1024)
                    .storage(format!("root:{}", wanted.storage_gb));
                maas.vm_hosts()
                    .compose(*host, &params)
                    .await
                    .attempt(&format!("compose the VM {}", wanted.hostname))?
                    .system_id
            }
        };
        let machine = maas
            .machines()
            .read(&id)
            .await
            .attempt("read the Juju machine")?;
        for tag in self.tags() {
            if machine.has_tag(tag) {
                continue;
            }
            let params = TagParams::new().comment(cx.owner_mark());
            ensure_tag(maas, cx, tag, &params).await?;
            cx.intend(format!("tag {} {tag}", wanted.hostname)).await?;
            maas.tags()
                .update_nodes(tag, std::slice::from_ref(&id), &[])
                .await
                .attempt(&format!("tag {}", wanted.hostname))?;
        }
        if machine.status == NodeStatus::FailedDeployment && self.may_release(cx) {
            cx.intend(self.release_intent()).await?;
            let comment = ReleaseParams::new().comment(cx.owner_mark());
            maas.machines()
                .release(&id, &comment)
                .await
                .attempt(&format!("release {}", wanted.hostname))?;
        }
        // Everything after it waits for it: it is not looked at less often as it goes on.
        cx.waiting("the Juju machine to be Ready", self.deadline())
            .backoff(Duration::from_secs(1), Duration::from_secs(5))
            .advice("look at the machine's results in MAAS")
            .poll(async || {
                let machine = self.find(maas).await?;
                Ok(match MachineGoal::Ready.judge(machine.as_ref()) {
                    Judgement::Reached => Polled::Done(()),
                    Judgement::Pending(what) => Polled::pending(what),
                    Judgement::Failed(why) => Polled::Failed(
                        Error::terminal("commission the Juju machine", why)
                            .next("look at its results in MAAS; delete it and run again"),
                    ),
                    _ => Polled::pending("in a state that this version does not know"),
                })
            })
            .await
    }

    async fn undo(&self, (maas, _, ()): &Self::Needs, cx: &Context) -> Result<Undo, Error> {
        let wanted = &self.site.config.juju_vm;
        if !created(cx, &format!("machine {}", wanted.hostname)) {
            return Ok(Undo::kept(format!("{} was there before", wanted.hostname)));
        }
        let mut removed = Vec::new();
        if let Some(machine) = self.find(maas).await? {
            cx.intend(format!("delete machine {}", wanted.hostname))
                .await?;
            maas.machines()
                .delete(&machine.system_id)
                .await
                .attempt(&format!("delete the machine {}", wanted.hostname))?;
            removed.push(format!("the machine {}", wanted.hostname));
        }
        for tag in self.tags() {
            if !created(cx, &format!("tag {tag}")) {
                continue;
            }
            cx.intend(format!("delete tag {tag}")).await?;
            match maas.tags().delete(tag).await {
                Ok(()) => removed.push(format!("the tag {tag}")),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error).attempt(&format!("delete the tag {tag}")),
            }
        }
        Ok(super::removed(removed))
    }
}
