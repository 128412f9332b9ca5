//! Stage 9: The machines appear, are named and tagged, and commissioned.
//!
//! The thesis: `commission_node()`, `await_nodes_status()`, `get_nodes_id()`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maas_client::{
    Client, CommissionParams, Machine, MachineFilter, NodeStatus, PowerParameters, SystemId,
    TagParams, UpdateMachine,
};

use super::power::{Racked, boot_from_network, machines_with_bmcs};
use super::{Attempt as _, Site, created, ensure_tag};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};

/// The tag of machines that commissioning gave up on.
const QUARANTINE: &str = "quarantined";

/// A compute node in MAAS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its system id.
    pub id: SystemId,
    /// Its host name.
    pub name: String,
}

/// Every racked machine known to MAAS by its name and tags.
pub struct Enlist {
    pub(super) site: Arc<Site>,
}

impl Enlist {
    fn tags<'a>(&'a self, racked: &'a Racked) -> impl Iterator<Item = &'a str> {
        std::iter::once(self.site.config.compute.tag.as_str())
            .chain(racked.tags.iter().map(String::as_str))
    }

    fn differences(&self, racked: &Racked, machine: &Machine) -> Vec<String> {
        let mut missing = Vec::new();
        if machine.hostname != racked.name {
            missing.push(format!(
                "{} is called {}, not {}",
                racked.address(),
                machine.hostname,
                racked.name
            ));
        }
        missing.extend(
            self.tags(racked)
                .filter(|tag| !machine.has_tag(tag))
                .map(|tag| format!("{} has no tag {tag}", racked.name)),
        );
        missing
    }
}

#[async_trait]
impl Step for Enlist {
    type Needs = (Client, Vec<Racked>, ());
    type Output = Vec<Node>;

    fn id(&self) -> StepId {
        "metal.enlisted".into()
    }

    fn about(&self) -> String {
        "wait until the machines appear in MAAS, name and tag them".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("metal.enlisted", Deadline::minutes(15, 60))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(246))
    }

    async fn observe(
        &self,
        (maas, racked, ()): &Self::Needs,
        _: &Context,
    ) -> Result<Observation<Vec<Node>>, Error> {
        let known = machines_with_bmcs(maas).await?;
        let mut nodes = Vec::new();
        let mut missing = Vec::new();
        for one in racked {
            match one.find(&known) {
                None => missing.push(format!("{} ({}) has not appeared", one.name, one.address())),
                Some(machine) => {
                    missing.extend(self.differences(one, machine));
                    nodes.push(Node {
                        id: machine.system_id.clone(),
                        name: one.name.clone(),
                    });
                }
            }
        }
        Ok(if missing.is_empty() {
            Observation::Satisfied(nodes)
        } else {
            Observation::absent(missing.join("; "))
        })
    }

    async fn apply(&self, (maas, racked, ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let deadline = self.deadline();
        for boots in 0.. {
            let absent = cx
                .waiting("the machines to appear in MAAS", deadline)
                .poll(async || {
                    let known = machines_with_bmcs(maas).await?;
                    let absent: Vec<&Racked> = racked
                        .iter()
                        .filter(|one| one.find(&known).is_none())
                        .collect();
                    Ok(if absent.is_empty() {
                        Polled::Done(())
                    } else {
                        let names: Vec<&str> = absent.iter().map(|one| one.name.as_str()).collect();
                        Polled::pending(format!(
                            "{} of {} are there, not {}",
                            racked.len() - absent.len(),
                            racked.len(),
                            names.join(", ")
                        ))
                    })
                })
                .await;
            let Err(error) = absent else { break };
            if boots == 2 || error.is_cancelled() || error.is_lease_lost() {
                return Err(error.next(
                    "look at the machines' consoles: do they boot from the network, by the NIC that is cabled to it? Their BMC's address \
                     must be the one in MAAS, or machines[].boot_mac be set",
                ));
            }
            // No word from a machine for as long as the stall: it booted something else. Once more.
            let known = machines_with_bmcs(maas).await?;
            for one in racked.iter().filter(|one| one.find(&known).is_none()) {
                boot_from_network(one, &self.site, cx, deadline).await?;
            }
        }
        let known = machines_with_bmcs(maas).await?;
        for one in racked {
            let Some(machine) = one.find(&known) else {
                continue;
            };
            let mut update = UpdateMachine::new();
            let mut change = false;
            if machine.hostname != one.name {
                update = update.hostname(one.name.clone());
                change = true;
            }
            // A machine whose BMC MAAS could not configure by itself.
            if machine.power_type.is_empty() || machine.power_type == "manual" {
                let parameters = PowerParameters::new()
                    .set("power_address", one.address().ip().to_string())
                    .set("power_user", one.bmc.user.clone())
                    .set("power_pass", one.bmc.password.expose())
                    .set("power_driver", "LAN_2_0");
                update = update.power_type("ipmi").power_parameters(parameters);
                change = true;
            }
            if machine.architecture.is_empty() {
                update = update.architecture(one.arch.clone());
                change = true;
            }
            if change {
                cx.intend(format!("name {} {}", machine.system_id, one.name))
                    .await?;
                maas.machines()
                    .update(&machine.system_id, &update)
                    .await
                    .attempt(&format!("name the machine {}", one.name))?;
            }
            for tag in self.tags(one) {
                if !machine.has_tag(tag) {
                    ensure_tag(maas, cx, tag, &TagParams::new().comment(cx.owner_mark())).await?;
                    cx.intend(format!("tag {} {tag}", one.name)).await?;
                    let ids = [machine.system_id.clone()];
                    maas.tags()
                        .update_nodes(tag, &ids, &[])
                        .await
                        .attempt(&format!("tag {} {tag}", one.name))?;
                }
            }
        }
        Ok(())
    }

    async fn undo(&self, (maas, racked, ()): &Self::Needs, cx: &Context) -> Result<Undo, Error> {
        // The machines came to MAAS because we booted them: they leave it again. One that holds something stays.
        let mut removed = Vec::new();
        let known = machines_with_bmcs(maas).await?;
        for one in racked {
            let Some(machine) = one.find(&known) else {
                continue;
            };
            let named = cx
                .own_intents()
                .iter()
                .any(|intent| intent.what == format!("name {} {}", machine.system_id, one.name));
            if !named {
                continue;
            }
            if machine
                .owner
                .as_deref()
                .is_some_and(|owner| !owner.is_empty())
            {
                return Ok(Undo::kept(format!(
                    "the machine {} is {} and in use by {}",
                    one.name,
                    machine.status_name,
                    machine.owner.clone().unwrap_or_default()
                )));
            }
            cx.intend(format!("delete machine {}", one.name)).await?;
            maas.machines()
                .delete(&machine.system_id)
                .await
                .attempt(&format!("delete the machine {}", one.name))?;
            removed.push(format!("the machine {}", one.name));
        }
        for tag in racked.iter().flat_map(|one| self.tags(one)) {
            if created(cx, &format!("tag {tag}")) && !removed.contains(&format!("the tag {tag}")) {
                cx.intend(format!("delete tag {tag}")).await?;
                match maas.tags().delete(tag).await {
                    Ok(()) => removed.push(format!("the tag {tag}")),
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error).attempt(&format!("delete the tag {tag}")),
                }
            }
        }
        Ok(super::removed(removed))
    }
}

/// Enough machines commissioned; those that failed again and again set aside.
pub struct Commission {
    pub(super) site: Arc<Site>,
}

/// How one machine stands on its way to Ready.
enum Stand {
    Ready,
    Commissioning,
    Waits,
    Failed(String),
    Quarantined,
}

fn stand(machine: &Machine) -> Stand {
    match machine.status {
        _ if machine.has_tag(QUARANTINE) => Stand::Quarantined,
        NodeStatus::New => Stand::Waits,
        NodeStatus::Commissioning | NodeStatus::Testing => Stand::Commissioning,
        NodeStatus::FailedCommissioning
        | NodeStatus::FailedTesting
        | NodeStatus::Missing
        | NodeStatus::Broken => Stand::Failed(format!(
            "{} is {}: {}",
            machine.hostname, machine.status_name, machine.status_message
        )),
        _ => Stand::Ready,
    }
}

impl Commission {
    async fn machines(&self, maas: &Client, nodes: &[Node]) -> Result<Vec<Machine>, Error> {
        let ids: Vec<SystemId> = nodes.iter().map(|node| node.id.clone()).collect();
        maas.machines()
            .list(&MachineFilter::new().id(ids))
            .await
            .attempt("list the machines")
    }
}

#[async_trait]
impl Step for Commission {
    type Needs = (Client, Vec<Node>, (), ());
    /// The nodes that are Ready.
    type Output = Vec<Node>;

    fn id(&self) -> StepId {
        "metal.commissioned".into()
    }

    fn about(&self) -> String {
        "commission the machines".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("metal.commissioned", Deadline::minutes(30, 120))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(592))
    }

    async fn observe(
        &self,
        (maas, nodes, (), ()): &Self::Needs,
        _: &Context,
    ) -> Result<Observation<Vec<Node>>, Error> {
        let machines = self.machines(maas, nodes).await?;
        let mut ready = Vec::new();
        let mut open = Vec::new();
        let mut aside = Vec::new();
        for machine in &machines {
            match stand(machine) {
                Stand::Ready => ready.push(Node {
                    id: machine.system_id.clone(),
                    name: machine.hostname.clone(),
                }),
                Stand::Quarantined => aside.push(machine.hostname.as_str()),
                Stand::Failed(why) => open.push(why),
                Stand::Waits | Stand::Commissioning => {
                    open.push(format!("{} is {}", machine.hostname, machine.status_name))
                }
            }
        }
        let quorum = self.site.config.maas.quorum;
        Ok(if !open.is_empty() {
            Observation::absent(open.join("; "))
        } else if ready.len() >= quorum {
            Observation::Satisfied(ready)
        } else {
            Observation::needs_operator(format!(
                "{} of {} machines are Ready and maas.quorum is {quorum}: mend {}, take the tag {QUARANTINE} from what is mended and \
                 run again, or lower maas.quorum",
                ready.len(),
                nodes.len(),
                aside.join(", ")
            ))
        })
    }

    async fn apply(&self, (maas, nodes, (), ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let retries = self.site.config.maas.commission_retries;
        let mut tries: std::collections::BTreeMap<SystemId, u32> =
            std::collections::BTreeMap::new();
        loop {
            // One list a round for all machines; what needs a hand ends the wait.
            let idle = cx
                .waiting("the machines to be Ready", self.deadline())
                .advice("look at the commissioning results of the machines in MAAS")
                .poll(async || {
                    let machines = self.machines(maas, nodes).await?;
                    let idle: Vec<Machine> = machines
                        .iter()
                        .filter(|machine| matches!(stand(machine), Stand::Waits | Stand::Failed(_)))
                        .cloned()
                        .collect();
                    let under_way = machines
                        .iter()
                        .filter(|machine| matches!(stand(machine), Stand::Commissioning))
                        .count();
                    Ok(if idle.is_empty() && under_way > 0 {
                        let messages: Vec<&str> = machines
                            .iter()
                            .map(|machine| machine.status_message.as_str())
                            .collect();
                        Polled::pending(format!(
                            "{under_way} of {} are commissioning ({})",
                            machines.len(),
                            messages.join(", ")
                        ))
                    } else {
                        Polled::Done(idle)
                    })
                })
                .await?;
            if idle.is_empty() {
                return Ok(());
            }
            for machine in idle {
                let tried = tries.entry(machine.system_id.clone()).or_default();
                *tried += 1;
                if *tried > retries + 1 {
                    let why = match stand(&machine) {
                        Stand::Failed(why) => why,
                        _ => machine.status_name.to_string(),
                    };
                    cx.progress(format!("{} is set aside: {why}", machine.hostname), None);
                    ensure_tag(
                        maas,
                        cx,
                        QUARANTINE,
                        &TagParams::new().comment(cx.owner_mark()),
                    )
                    .await?;
                    cx.intend(format!("set {} aside", machine.hostname)).await?;
                    let ids = [machine.system_id.clone()];
                    maas.tags()
                        .update_nodes(QUARANTINE, &ids, &[])
                        .await
                        .attempt(&format!("tag {} {QUARANTINE}", machine.hostname))?;
                    continue;
                }
                cx.intend(format!("commission {}", machine.hostname))
                    .await?;
                let commission = maas
                    .machines()
                    .commission(
                        &machine.system_id,
                        &CommissionParams::new().enable_ssh(true),
                    )
                    .await;
                commission.attempt(&format!("commission {}", machine.hostname))?;
            }
        }
    }
}
