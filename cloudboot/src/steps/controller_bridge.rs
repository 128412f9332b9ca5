//! Stage 11a: The controller's own bridge, which the VMs join. It comes before MAAS is initialised, so that nothing is
//! restarted in the middle.
//!
//! The thesis: `create_lxd_bridge()`, which knew one NIC's name, lost routes and name servers, and had no way back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Attempt as _, Site, create, created};
use crate::engine::{Context, Deadline, Error, Observation, Step, StepId, Undo};
use crate::host::bridge::BridgeState;

/// How long the moved network may be unconfirmed before netplan takes it back.
const ROLLBACK: Duration = Duration::from_secs(60);

/// The bridge that holds the internal NIC and its addresses.
pub struct ControllerBridge {
    pub(super) site: Arc<Site>,
}

impl ControllerBridge {
    fn made(&self) -> String {
        format!("bridge {}", self.site.config.lxd.bridge)
    }

    /// The internal NIC: the configured one, else the one that holds the gateway's address. `None` where the
    /// bridge itself holds it already.
    async fn nic(&self) -> Result<Option<String>, Error> {
        let bridge = &self.site.config.lxd.bridge;
        if let Some(nic) = &self.site.config.lxd.interface {
            return Ok(Some(nic.clone()));
        }
        let gateway = self.site.config.maas.dhcp.gateway;
        let attempted = "find the internal NIC";
        let interfaces = self.site.host.interfaces().await.attempt(attempted)?;
        let holder = interfaces.iter().find(|nic| {
            nic.addresses
                .iter()
                .any(|net| net.addr() == IpAddr::V4(gateway))
        });
        match holder {
            Some(holder) if holder.name == *bridge => {
                Ok(interfaces.iter().find(|nic| nic.master.as_ref() == Some(bridge) && nic.kind.is_none()).map(|nic| nic.name.clone()))
            }
            Some(holder) => Ok(Some(holder.name.clone())),
            None => Err(Error::needs_operator(attempted, format!("no interface of this host holds maas.dhcp.gateway, {gateway}"))
                .next("set lxd.interface to the NIC of the machines' network, or give the NIC that address")),
        }
    }
}

#[async_trait]
impl Step for ControllerBridge {
    type Needs = ();
    type Output = ();

    fn id(&self) -> StepId {
        "host.bridge".into()
    }

    fn about(&self) -> String {
        format!(
            "move the internal NIC's addresses to the bridge {}",
            self.site.config.lxd.bridge
        )
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("host.bridge", Deadline::minutes(3, 5))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
        let bridge = &self.site.config.lxd.bridge;
        let Some(nic) = self.nic().await? else {
            return Ok(Observation::Satisfied(()));
        };
        Ok(
            match self
                .site
                .host
                .observe_bridge(&nic, bridge)
                .await
                .attempt("look at the live network")?
            {
                BridgeState::Ready { .. } => Observation::Satisfied(()),
                BridgeState::Absent => {
                    Observation::absent(format!("there is no bridge {bridge} over {nic}"))
                }
                BridgeState::Drifted(what) => Observation::drifted([what]),
            },
        )
    }

    async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
        let bridge = &self.site.config.lxd.bridge;
        let Some(nic) = self.nic().await? else {
            return Ok(());
        };
        create(cx, &self.made()).await?;
        self.site
            .host
            .create_bridge(&nic, bridge, &self.site.config.deployment, ROLLBACK)
            .await
            .attempt(&format!("move {nic} into the bridge {bridge}"))
    }

    async fn undo(&self, _: &(), cx: &Context) -> Result<Undo, Error> {
        let bridge = &self.site.config.lxd.bridge;
        if !created(cx, &self.made()) {
            return Ok(Undo::kept(format!("the bridge {bridge} was there before")));
        }
        let Some(nic) = self.nic().await? else {
            return Ok(Undo::NothingToDo);
        };
        cx.intend(format!("remove bridge {bridge}")).await?;
        self.site
            .host
            .remove_bridge(&nic, bridge, ROLLBACK)
            .await
            .attempt(&format!("give {nic} back what {bridge} took"))?;
        Ok(Undo::removed(format!("the bridge {bridge}")))
    }
}
