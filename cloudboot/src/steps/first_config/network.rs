//! The machines' network: the dynamic range, DHCP, the gateway.

use std::sync::Arc;

use async_trait::async_trait;
use maas_client::{
    Client, IpRangeParams, IpRangeType, SubnetId, SubnetParams, SystemId, VlanId, VlanParams,
};

use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};
use crate::steps::{Attempt as _, Site, create, created};

/// The machines' network as MAAS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineNetwork {
    /// Its subnet.
    pub subnet: SubnetId,
    /// The space that the subnet is in, `undefined` for none.
    pub space: String,
    /// Its VLAN.
    pub vlan: VlanId,
    /// The rack controller that serves DHCP on it.
    pub rack: SystemId,
}

/// The dynamic range, DHCP and the gateway of the machines' network.
pub struct Network {
    pub(in crate::steps) site: Arc<Site>,
}

/// What MAAS has of the network, before it is judged.
struct Found {
    subnet: maas_client::Subnet,
    vlan: maas_client::Vlan,
    rack: SystemId,
    range: bool,
}

impl Network {
    /// `Err` is what is missing, in a sentence: the rack tells the region its networks only after a while.
    async fn look(&self, maas: &Client) -> Result<Result<Found, String>, Error> {
        let dhcp = &self.site.config.maas.dhcp;
        let cidr = dhcp.cidr.trunc().to_string();
        let subnets = maas.subnets().list().await.attempt("list the subnets")?;
        let Some(subnet) = subnets.into_iter().find(|subnet| subnet.cidr == cidr) else {
            return Ok(Err(format!(
                "no rack controller has told the region of a subnet {cidr}"
            )));
        };
        let Some(vlan) = subnet.vlan.clone() else {
            return Ok(Err(format!("the subnet {cidr} has no VLAN")));
        };
        let racks = maas
            .racks()
            .list()
            .await
            .attempt("list the rack controllers")?;
        // Only a rack that has an interface on this VLAN can serve it.
        let on_vlan = |rack: &&maas_client::Controller| {
            rack.interface_set
                .iter()
                .any(|nic| nic.vlan.as_ref().is_some_and(|on| on.id == vlan.id))
        };
        let serving: Vec<_> = racks.iter().filter(on_vlan).collect();
        // Where two are on it, the one that serves it goes on.
        let primary = vlan.primary_rack.as_ref();
        let rack = serving
            .iter()
            .find(|rack| Some(&rack.system_id) == primary)
            .or(serving.first());
        let Some(rack) = rack else {
            let names: Vec<&str> = racks.iter().map(|rack| rack.hostname.as_str()).collect();
            return Ok(Err(format!(
                "no rack controller has an interface on the VLAN of {cidr} (there are: {})",
                names.join(", ")
            )));
        };
        let (start, end) = (
            dhcp.ip_range.start.to_string(),
            dhcp.ip_range.end.to_string(),
        );
        let ranges = maas
            .ip_ranges()
            .list()
            .await
            .attempt("list the IP ranges")?;
        let range = ranges.iter().any(|range| {
            range.r#type == IpRangeType::Dynamic && range.start_ip == start && range.end_ip == end
        });
        Ok(Ok(Found {
            rack: rack.system_id.clone(),
            range,
            subnet,
            vlan,
        }))
    }

    fn differences(&self, found: &Found) -> Vec<String> {
        let dhcp = &self.site.config.maas.dhcp;
        let mut missing = Vec::new();
        if !found.range {
            missing.push(format!(
                "there is no dynamic range {} to {}",
                dhcp.ip_range.start, dhcp.ip_range.end
            ));
        }
        if found.subnet.gateway_ip.as_deref() != Some(dhcp.gateway.to_string().as_str()) {
            missing.push(format!(
                "the subnet's gateway is {}, not {}",
                found.subnet.gateway_ip.as_deref().unwrap_or("not set"),
                dhcp.gateway
            ));
        }
        if !found.vlan.dhcp_on {
            missing.push("DHCP is off".to_owned());
        } else if found.vlan.primary_rack.as_ref() != Some(&found.rack) {
            missing.push(format!(
                "DHCP is served by the rack controller {}, which is not on the VLAN; {} is",
                found
                    .vlan
                    .primary_rack
                    .as_ref()
                    .map_or("nobody", |id| id.as_str()),
                found.rack
            ));
        }
        missing
    }
}

#[async_trait]
impl Step for Network {
    type Needs = (Client,);
    type Output = MachineNetwork;

    fn id(&self) -> StepId {
        "maas.network".into()
    }

    fn about(&self) -> String {
        format!("serve DHCP on {}", self.site.config.maas.dhcp.cidr)
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("maas.network", Deadline::minutes(10, 20))
    }

    async fn observe(
        &self,
        (maas,): &(Client,),
        _: &Context,
    ) -> Result<Observation<MachineNetwork>, Error> {
        let found = match self.look(maas).await? {
            Ok(found) => found,
            Err(missing) => return Ok(Observation::absent(missing)),
        };
        if let Some(relay) = &found.vlan.relay_vlan {
            return Ok(Observation::needs_operator(format!(
                "the VLAN of {} relays its DHCP to VLAN {}: the mission serves DHCP itself; remove the relay, or give maas.dhcp the \
                 network that the machines boot from",
                self.site.config.maas.dhcp.cidr, relay.vid
            )));
        }
        let missing = self.differences(&found);
        Ok(if missing.is_empty() {
            Observation::Satisfied(MachineNetwork {
                subnet: found.subnet.id,
                space: found.subnet.space.clone(),
                vlan: found.vlan.id,
                rack: found.vlan.primary_rack.clone().unwrap_or(found.rack),
            })
        } else {
            Observation::absent(missing.join("; "))
        })
    }

    async fn apply(&self, (maas,): &(Client,), cx: &Context) -> Result<(), Error> {
        let dhcp = &self.site.config.maas.dhcp;
        let found = cx
            .wait(
                "the rack controller to tell its networks",
                self.deadline(),
                async || {
                    Ok(match self.look(maas).await? {
                        Ok(found) => Polled::Done(found),
                        Err(missing) => Polled::pending(missing),
                    })
                },
            )
            .await?;
        if !found.range {
            create(cx, "dynamic range").await?;
            let params = IpRangeParams::new()
                .start_ip(dhcp.ip_range.start.to_string())
                .end_ip(dhcp.ip_range.end.to_string())
                .subnet(found.subnet.id)
                .comment(cx.owner_mark());
            maas.ip_ranges()
                .create(IpRangeType::Dynamic, &params)
                .await
                .attempt("create the dynamic range")?;
        }
        let gateway = dhcp.gateway.to_string();
        if found.subnet.gateway_ip.as_deref() != Some(gateway.as_str()) {
            cx.intend(format!("set the subnet's gateway to {gateway}"))
                .await?;
            maas.subnets()
                .update(found.subnet.id, &SubnetParams::new().gateway_ip(gateway))
                .await
                .attempt("set the subnet's gateway")?;
        }
        let served = found.vlan.primary_rack.as_ref() == Some(&found.rack);
        if !found.vlan.dhcp_on || !served {
            if found.vlan.dhcp_on {
                cx.intend(format!("serve DHCP by {}", found.rack)).await?;
            } else {
                create(cx, "DHCP").await?;
            }
            let params = VlanParams::new().dhcp_on(true).primary_rack(found.rack);
            maas.vlans()
                .update(found.vlan.id, &params)
                .await
                .attempt("turn DHCP on")?;
        }
        Ok(())
    }

    async fn undo(&self, (maas,): &(Client,), cx: &Context) -> Result<Undo, Error> {
        let Ok(found) = self.look(maas).await? else {
            return Ok(Undo::NothingToDo);
        };
        let mut removed = Vec::new();
        if created(cx, "DHCP") && found.vlan.dhcp_on {
            cx.intend("turn DHCP off").await?;
            maas.vlans()
                .update(found.vlan.id, &VlanParams::new().dhcp_on(false))
                .await
                .attempt("turn DHCP off")?;
            removed.push("DHCP".to_owned());
        }
        if created(cx, "dynamic range") {
            for range in maas
                .ip_ranges()
                .list()
                .await
                .attempt("list the IP ranges")?
            {
                if range.comment == cx.owner_mark() {
                    cx.intend("delete the dynamic range").await?;
                    maas.ip_ranges()
                        .delete(range.id)
                        .await
                        .attempt("delete the dynamic range")?;
                    removed.push("the dynamic range".to_owned());
                }
            }
        }
        Ok(crate::steps::removed(removed))
    }
}
