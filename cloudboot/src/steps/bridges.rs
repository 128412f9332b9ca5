//! Stage 10: Bridges on the compute nodes, linked to their subnet.
//!
//! The thesis: `create_compute_bridge()`, which bridged every machine that it found.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maas_client::{
    BridgeParams, Client, Interface, LinkMode, LinkParams, Machine, MachineFilter, NodeStatus,
};

use super::first_config::MachineNetwork;
use super::nodes::Node;
use super::{Attempt as _, Site, create};
use crate::engine::{Context, Deadline, Error, Observation, Step, StepId};

/// The bridge of each compute node.
pub struct NodeBridges {
    pub(super) site: Arc<Site>,
}

impl NodeBridges {
    async fn machines(&self, maas: &Client, nodes: &[Node]) -> Result<Vec<Machine>, Error> {
        let ids: Vec<_> = nodes.iter().map(|node| node.id.clone()).collect();
        maas.machines()
            .list(&MachineFilter::new().id(ids))
            .await
            .attempt("list the machines")
    }

    fn mode(&self) -> LinkMode {
        LinkMode::from(
            self.site
                .config
                .compute
                .bridge
                .link_mode
                .to_ascii_lowercase()
                .as_str(),
        )
    }

    fn missing(&self, machine: &Machine, network: &MachineNetwork) -> Option<String> {
        let name = &self.site.config.compute.bridge.name;
        match machine.interface(name) {
            None => Some(format!("{} has no bridge {name}", machine.hostname)),
            Some(bridge) if bridge.link_to(network.subnet).is_none() => Some(format!(
                "the bridge {name} of {} is not linked to its subnet",
                machine.hostname
            )),
            Some(_) => None,
        }
    }

    async fn bridge(
        &self,
        maas: &Client,
        machine: &Machine,
        cx: &Context,
    ) -> Result<Interface, Error> {
        let wanted = &self.site.config.compute.bridge;
        if let Some(bridge) = machine.interface(&wanted.name) {
            return Ok(bridge.clone());
        }
        let attempted = format!("bridge {}", machine.hostname);
        let Some(boot) = &machine.boot_interface else {
            return Err(
                Error::terminal(attempted, "MAAS knows no boot interface of it")
                    .next("commission it again"),
            );
        };
        create(
            cx,
            &format!("bridge {} on {}", wanted.name, machine.hostname),
        )
        .await?;
        let params = BridgeParams::new()
            .name(wanted.name.clone())
            .parent(boot.id)
            .bridge_type(wanted.kind.clone());
        maas.interfaces()
            .create_bridge(&machine.system_id, &params)
            .await
            .attempt(&attempted)
    }
}

#[async_trait]
impl Step for NodeBridges {
    type Needs = (Client, Vec<Node>, MachineNetwork);
    type Output = ();

    fn id(&self) -> StepId {
        "metal.bridges".into()
    }

    fn about(&self) -> String {
        format!(
            "bridge the compute nodes ({})",
            self.site.config.compute.bridge.name
        )
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("metal.bridges", Deadline::minutes(5, 15))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(35))
    }

    async fn observe(
        &self,
        (maas, nodes, network): &Self::Needs,
        _: &Context,
    ) -> Result<Observation<()>, Error> {
        let machines = self.machines(maas, nodes).await?;
        let missing: Vec<(&Machine, String)> = machines
            .iter()
            .filter_map(|machine| Some((machine, self.missing(machine, network)?)))
            .collect();
        let said = missing
            .iter()
            .map(|(_, what)| what.as_str())
            .collect::<Vec<_>>()
            .join("; ");
        Ok(
            match missing
                .iter()
                .find(|(machine, _)| machine.status != NodeStatus::Ready)
            {
                _ if missing.is_empty() => Observation::Satisfied(()),
                // MAAS takes changes of interfaces only while a machine is free.
                Some((machine, _)) => Observation::needs_operator(format!(
                    "{said}, and {} is {}: release it first",
                    machine.hostname, machine.status_name
                )),
                None => Observation::absent(said),
            },
        )
    }

    async fn apply(&self, (maas, nodes, network): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let machines = self.machines(maas, nodes).await?;
        for machine in machines
            .iter()
            .filter(|machine| self.missing(machine, network).is_some())
        {
            let bridge = self.bridge(maas, machine, cx).await?;
            // `create_bridge` takes the parent's link away and leaves the bridge `link_up` only.
            if bridge.link_to(network.subnet).is_none() {
                cx.intend(format!("link the bridge of {}", machine.hostname))
                    .await?;
                let linked = maas
                    .interfaces()
                    .link_subnet(
                        &machine.system_id,
                        bridge.id,
                        self.mode(),
                        network.subnet,
                        &LinkParams::new(),
                    )
                    .await;
                linked.attempt(&format!("link the bridge of {}", machine.hostname))?;
            }
        }
        Ok(())
    }
}
