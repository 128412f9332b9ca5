//! Stage 8: The machines' BMCs, found; the machines, powered to boot from the network.
//!
//! The thesis: `ipmi_reset()`, which took any address for a node and skipped a BMC that failed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use ipmi_lan::command::boot::{BootDevice, BootOverride};
use ipmi_lan::{Bmc, Credentials, PowerState};
use maas_client::{Client, Machine, MachineFilter};

use super::first_config::MachineNetwork;
use super::{Attempt as _, Site};
use crate::config::{Config, Ipmi};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Resource, Step, StepId};

/// A racked machine, as its BMC.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Racked {
    /// The machine's name.
    pub name: String,
    /// The BMC, and how it is logged in to.
    pub bmc: crate::config::Bmc,
    /// The NIC that boots, where the configuration says it.
    pub boot_mac: Option<String>,
    /// Tags besides the compute nodes' own.
    pub tags: Vec<String>,
    /// The architecture, in MAAS's words.
    pub arch: String,
}

impl Racked {
    /// The BMC's address.
    pub fn address(&self) -> SocketAddr {
        self.bmc.address
    }

    pub(super) fn client(&self) -> ipmi_lan::Client {
        let suites = self
            .bmc
            .suites
            .iter()
            .filter_map(|number| ipmi_lan::CipherSuite::new(*number));
        ipmi_lan::Client::builder().suites(suites).build()
    }

    pub(super) fn bmc(&self, client: &ipmi_lan::Client, site: &Site) -> Bmc {
        let privilege = match self.bmc.privilege {
            crate::config::Privilege::User => ipmi_lan::Privilege::User,
            crate::config::Privilege::Operator => ipmi_lan::Privilege::Operator,
            crate::config::Privilege::Administrator => ipmi_lan::Privilege::Administrator,
        };
        let mut credentials =
            Credentials::new(self.bmc.user.clone(), self.bmc.password.value().clone())
                .privilege(privilege);
        if let Some(kg) = &self.bmc.kg {
            credentials = credentials.kg(kg.expose().as_bytes().to_vec().into());
        }
        client.bmc(site.config.reach.forwarded(self.bmc.address), credentials)
    }

    /// The machine in MAAS that is this one: by the NIC that boots, else by the BMC's address.
    pub(super) fn find<'a>(
        &self,
        machines: &'a [(Machine, Option<IpAddr>)],
    ) -> Option<&'a Machine> {
        machines
            .iter()
            .find(|(machine, power_address)| match &self.boot_mac {
                Some(mac) => machine.has_mac(mac),
                None => *power_address == Some(self.bmc.address.ip()),
            })
            .map(|(machine, _)| machine)
    }
}

/// All machines of the region, each with its BMC's address. Two calls, however many machines.
pub(super) async fn machines_with_bmcs(
    maas: &Client,
) -> Result<Vec<(Machine, Option<IpAddr>)>, Error> {
    let machines = maas
        .machines()
        .list(&MachineFilter::new())
        .await
        .attempt("list the machines")?;
    if machines.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = machines
        .iter()
        .map(|machine| machine.system_id.clone())
        .collect();
    let parameters: BTreeMap<_, _> = maas
        .machines()
        .power_parameters_many(&ids)
        .await
        .attempt("read the machines' power parameters")?
        .into_iter()
        .collect();
    Ok(machines
        .into_iter()
        .map(|machine| {
            let address = parameters
                .get(&machine.system_id)
                .and_then(|map| map.get("power_address"))
                .and_then(|value| value.as_str())
                .and_then(|text| text.parse().ok());
            (machine, address)
        })
        .collect())
}

/// The BMCs: the configured ones, else those that answer an RMCP ping in the given ranges, else among the leases.
pub struct FindBmcs {
    pub(super) site: Arc<Site>,
}

impl FindBmcs {
    /// Every address that may be a BMC's.
    async fn candidates(
        &self,
        maas: &Client,
        network: &MachineNetwork,
    ) -> Result<Vec<SocketAddr>, Error> {
        let ipmi = &self.site.config.ipmi;
        if !ipmi.ranges.is_empty() {
            return Ok(in_ranges(ipmi));
        }
        let at = |ip: IpAddr| SocketAddr::new(ip, ipmi.port);
        let leases = maas
            .subnets()
            .ip_addresses(network.subnet)
            .await
            .attempt("list the addresses in use")?;
        let gateway = IpAddr::V4(self.site.config.maas.dhcp.gateway);
        Ok(leases
            .iter()
            .filter_map(|lease| lease.ip.parse().ok())
            .filter(|ip| *ip != gateway)
            .map(at)
            .collect())
    }

    async fn answering(
        &self,
        maas: &Client,
        network: &MachineNetwork,
    ) -> Result<Vec<SocketAddr>, Error> {
        let candidates = self.candidates(maas, network).await?;
        Ok(answering(&self.site.config, candidates).await)
    }
}

/// The configured machines; empty if the configuration names none.
pub(super) fn configured(config: &Config) -> Vec<Racked> {
    let machine = |machine: &crate::config::Machine| Racked {
        name: machine.name.clone(),
        bmc: machine.bmc.clone(),
        boot_mac: machine.boot_mac.clone(),
        tags: machine.tags.clone(),
        arch: machine.arch.clone(),
    };
    config.machines.iter().map(machine).collect()
}

/// Who answers an RMCP ping, in order.
pub(super) async fn answering(config: &Config, candidates: Vec<SocketAddr>) -> Vec<SocketAddr> {
    // Who answers answers from where the ping went.
    let own: BTreeMap<SocketAddr, SocketAddr> = candidates
        .iter()
        .map(|own| (config.reach.forwarded(*own), *own))
        .collect();
    let found = ipmi_lan::discover(own.keys().copied().collect::<Vec<_>>(), 256);
    let mut answering: Vec<_> = found
        .filter_map(async |found| own.get(&found.ok()?.addr).copied())
        .collect()
        .await;
    answering.sort_unstable();
    answering.dedup();
    answering
}

/// Every address of the configured ranges.
pub(super) fn in_ranges(ipmi: &Ipmi) -> Vec<SocketAddr> {
    ipmi.ranges
        .iter()
        .flat_map(|range| addresses(range.from, range.to))
        .map(|ip| SocketAddr::new(ip, ipmi.port))
        .collect()
}

/// What answers, as machines of the configuration's login.
pub(super) fn racked(config: &Config, found: &[SocketAddr]) -> Result<Vec<Racked>, Error> {
    let ipmi = &config.ipmi;
    let (Some(user), Some(password)) = (&ipmi.user, &ipmi.password) else {
        return Err(Error::needs_operator(
            "log in to the BMCs",
            "the configuration has no ipmi.user and ipmi.password",
        ));
    };
    let racked = |(number, address): (usize, &SocketAddr)| Racked {
        name: format!("{}{number}", config.compute.hostname),
        bmc: crate::config::Bmc {
            address: *address,
            user: user.clone(),
            password: password.clone(),
            kg: ipmi.kg.clone(),
            suites: ipmi.suites.clone(),
            privilege: ipmi.privilege,
            uefi: ipmi.uefi,
        },
        boot_mac: None,
        tags: Vec::new(),
        arch: "amd64/generic".to_owned(),
    };
    Ok(found.iter().enumerate().map(racked).collect())
}

/// The addresses from one to another, both included; none where they are of different families or reversed.
fn addresses(from: IpAddr, to: IpAddr) -> Vec<IpAddr> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (from.to_bits()..=to.to_bits())
            .map(|bits| IpAddr::V4(bits.into()))
            .collect(),
        (IpAddr::V6(from), IpAddr::V6(to)) => (from.to_bits()..=to.to_bits())
            .map(|bits| IpAddr::V6(bits.into()))
            .take(65536)
            .collect(),
        _ => Vec::new(),
    }
}

#[async_trait]
impl Step for FindBmcs {
    type Needs = (Client, MachineNetwork);
    type Output = Vec<Racked>;

    fn id(&self) -> StepId {
        "metal.bmcs".into()
    }

    fn about(&self) -> String {
        if self.site.config.machines.is_empty() {
            format!(
                "find the BMCs of {} machines",
                self.site.config.maas.nodes_amount
            )
        } else {
            format!(
                "take the {} configured BMCs",
                self.site.config.machines.len()
            )
        }
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("metal.bmcs", Deadline::minutes(10, 20))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(4))
    }

    async fn observe(
        &self,
        (maas, network): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<Vec<Racked>>, Error> {
        let configured = configured(&self.site.config);
        if !configured.is_empty() {
            return Ok(Observation::Satisfied(configured));
        }
        let wanted = self.site.config.maas.nodes_amount;
        let found = self.answering(maas, network).await?;
        Ok(match found.len() {
            some if some < wanted => {
                Observation::absent(format!("{some} of {wanted} BMCs answer a ping"))
            }
            some if some > wanted => {
                let list: Vec<String> = found.iter().map(|addr| addr.ip().to_string()).collect();
                Observation::needs_operator(format!(
                    "{some} BMCs answer and maas.nodes_amount is {wanted}: name the machines that may be powered under `machines` \
                     (found: {})",
                    list.join(", ")
                ))
            }
            _ if !cx
                .own_intents()
                .iter()
                .any(|intent| intent.what == taken(&found)) =>
            {
                Observation::absent(format!(
                    "{wanted} BMCs answer a ping, and more may come ({})",
                    taken(&found)
                ))
            }
            _ => Observation::Satisfied(racked(&self.site.config, &found)?),
        })
    }

    async fn apply(&self, (maas, network): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let wanted = self.site.config.maas.nodes_amount;
        // As soon as there are enough one more may get its lease: which ones are meant is only sure once no more come.
        let seen = std::sync::Mutex::new((0, Duration::ZERO));
        cx.waiting(format!("{wanted} BMCs"), self.deadline())
            .advice("look whether the BMCs get their addresses by DHCP from this network; else name them under `machines` or in ipmi.ranges")
            .backoff(Duration::from_secs(1), Duration::from_secs(5))
            .poll(async || {
                let found = self.answering(maas, network).await?.len();
                let now = cx.clock().now();
                let since = seen.lock().map_or(now, |mut seen| {
                    if seen.0 != found {
                        *seen = (found, now);
                    }
                    seen.1
                });
                Ok(if found > wanted || (found == wanted && now.saturating_sub(since) >= NO_MORE_COME) {
                    Polled::Done(())
                } else {
                    Polled::pending(format!("{found} of {wanted} BMCs answer a ping"))
                })
            })
            .await?;
        let found = self.answering(maas, network).await?;
        if found.len() == wanted {
            cx.intend(taken(&found)).await?;
        }
        Ok(())
    }
}

/// The intent to take these BMCs, and no others, for those of the deployment.
fn taken(found: &[SocketAddr]) -> String {
    let list: Vec<String> = found.iter().map(|addr| addr.ip().to_string()).collect();
    format!("take the BMCs {}", list.join(", "))
}

/// For how long no further BMC must answer until those that do are taken for all. It passes while the image is imported.
const NO_MORE_COME: Duration = Duration::from_secs(15);

/// Each machine that MAAS does not know yet, booted from the network.
pub struct PowerOn {
    pub(super) site: Arc<Site>,
}

/// Boots a machine from the network: the boot device first, then the power, then a look at both.
pub(super) async fn boot_from_network(
    machine: &Racked,
    site: &Site,
    cx: &Context,
    deadline: Deadline,
) -> Result<(), Error> {
    let client = machine.client();
    let bmc = machine.bmc(&client, site);
    let at = machine.address();
    let boot = BootOverride::next(BootDevice::Pxe).uefi(machine.bmc.uefi);
    cx.intend(format!("boot {} from the network", at)).await?;
    bmc.set_boot(boot)
        .await
        .attempt(&format!("set the next boot of {} to PXE", at))?;
    let control = match bmc
        .power_state()
        .await
        .attempt(&format!("read the power state of {}", at))?
    {
        PowerState::On => ipmi_lan::command::chassis::ChassisControl::Reset,
        _ => ipmi_lan::command::chassis::ChassisControl::On,
    };
    match bmc.chassis_control(control).await {
        Ok(()) => {}
        // Whether it was heard shows in the power state.
        Err(error) if error.is_unclear() => {}
        Err(error) => return Err(error).attempt(&format!("power {}", at)),
    }
    let result = cx
        .waiting(format!("{} to be on", at), deadline)
        .advice("look at the machine's BMC by hand")
        .poll(async || {
            match bmc
                .power_state()
                .await
                .attempt(&format!("read the power state of {}", at))?
            {
                PowerState::On => Ok(Polled::Done(())),
                _ => Ok(Polled::pending("it is off")),
            }
        })
        .await;
    client.close().await;
    result
}

impl PowerOn {
    /// The machines that still have to be powered, and why.
    async fn dark(
        &self,
        maas: &Client,
        racked: &[Racked],
        cx: &Context,
    ) -> Result<Vec<Racked>, Error> {
        let known = machines_with_bmcs(maas).await?;
        let intents = cx.own_intents();
        let unknown = racked
            .iter()
            .filter(|machine| machine.find(&known).is_none());
        let looks = unknown.map(async |machine| {
            let at = machine.address();
            let begun = intents
                .iter()
                .any(|intent| intent.what == format!("boot {at} from the network"));
            let client = machine.client();
            let state = machine.bmc(&client, &self.site).power_state().await;
            client.close().await;
            let on = state.attempt(&format!("read the power state of {at}"))? == PowerState::On;
            // One that is on and that we have not booted runs something else.
            Ok::<_, Error>((!(begun && on)).then(|| machine.clone()))
        });
        let mut dark = Vec::new();
        for look in futures_util::future::join_all(looks).await {
            dark.extend(look?);
        }
        Ok(dark)
    }
}

#[async_trait]
impl Step for PowerOn {
    type Needs = (Client, Vec<Racked>, (), ());
    type Output = ();

    fn id(&self) -> StepId {
        "metal.power".into()
    }

    fn about(&self) -> String {
        "boot the machines from the network".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("metal.power", Deadline::minutes(5, 15))
    }

    fn resources(&self) -> Vec<Resource> {
        vec![Resource::up_to("ipmi", 64)]
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(48))
    }

    async fn observe(
        &self,
        (maas, racked, (), ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<()>, Error> {
        let dark = self.dark(maas, racked, cx).await?;
        let names: Vec<String> = dark
            .iter()
            .map(|machine| machine.address().to_string())
            .collect();
        Ok(if dark.is_empty() {
            Observation::Satisfied(())
        } else {
            Observation::absent(format!("not booted from the network: {}", names.join(", ")))
        })
    }

    async fn apply(&self, (maas, racked, (), ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let dark = self.dark(maas, racked, cx).await?;
        let boots = dark
            .iter()
            .map(|machine| boot_from_network(machine, &self.site, cx, self.deadline()));
        // Every machine is tried before the first failure is told.
        futures_util::future::join_all(boots)
            .await
            .into_iter()
            .collect()
    }
}
