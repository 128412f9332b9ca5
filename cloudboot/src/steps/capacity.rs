//! Before anything starts: whether the controller can hold the Juju machine and the bundle's VMs.
//!
//! MAAS composes one VM a machine of the bundle, and swallows a composition that fails, so a shortage that is
//! not told here shows an hour later as "no available machine".

use std::sync::Arc;

use async_trait::async_trait;
use juju_client::bundle::{Bundle, MachineNeed};

use super::{Attempt as _, Site};
use crate::engine::{Context, Error, Observation, Step, StepId};

/// What the VMs take, against what the controller has.
pub struct CheckCapacity {
    pub(super) site: Arc<Site>,
    pub(super) bundle: Arc<Bundle>,
}

/// A sum of VMs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) vms: u64,
    pub(super) cores: u64,
    pub(super) memory_mib: u64,
    pub(super) disk_mib: u64,
}

impl Sum {
    /// The bundle's machines that MAAS composes: those that do not go onto the racked nodes.
    pub(super) fn of_bundle(site: &Site, machines: &[MachineNeed]) -> Self {
        let composed = machines
            .iter()
            .map(|machine| &machine.constraints)
            .filter(|c| !c.wanted_tags().contains(&site.config.compute.tag.as_str()));
        // What Juju's MAAS provider and MAAS take where nothing is said: one core, 2 GiB, 8 GB.
        composed.fold(Self::default(), |sum, wanted| Self {
            vms: sum.vms + 1,
            cores: sum.cores + wanted.cores.unwrap_or(1),
            memory_mib: sum.memory_mib + wanted.mem.unwrap_or(2048),
            disk_mib: sum.disk_mib + wanted.root_disk.unwrap_or(8192),
        })
    }

    /// With the Juju machine.
    pub(super) fn and_juju(self, site: &Site) -> Self {
        let juju = &site.config.juju_vm;
        Self {
            vms: self.vms + 1,
            cores: self.cores + u64::from(juju.cpus),
            memory_mib: self.memory_mib + u64::from(juju.ram_gib) * 1024,
            disk_mib: self.disk_mib
                + u64::from(juju.storage_gb) * 1000 * 1000 * 1000 / (1024 * 1024),
        }
    }

    /// What is short of it, each in a sentence.
    pub(super) fn short_of(
        self,
        site: &Site,
        cores: u64,
        memory_mib: u64,
        disk_mib: u64,
    ) -> Vec<String> {
        let capacity = site.config.capacity;
        let over = |have: u64, ratio: f64| (have as f64 * ratio) as u64;
        let mut short = Vec::new();
        let mut check = |what: &str, want: u64, have: u64, unit: &str| {
            if want > have {
                short.push(format!(
                    "{what}: the {} VMs take {want}{unit}, the controller has {have}{unit}",
                    self.vms
                ));
            }
        };
        check("cores", self.cores, over(cores, capacity.cpu), "");
        check(
            "memory",
            self.memory_mib / 1024,
            over(memory_mib, capacity.memory) / 1024,
            " GiB",
        );
        check("disk", self.disk_mib / 1024, disk_mib / 1024, " GiB");
        short
    }
}

#[async_trait]
impl Step for CheckCapacity {
    type Needs = ();
    type Output = ();

    fn id(&self) -> StepId {
        "host.capacity".into()
    }

    fn about(&self) -> String {
        "check that the controller can hold the Juju machine and the bundle's VMs".to_owned()
    }

    async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
        let wanted = Sum::of_bundle(
            &self.site,
            &self
                .bundle
                .machines()
                .attempt("read the bundle's machines")?,
        )
        .and_juju(&self.site);
        // A VM host that is there already has room taken by the very VMs that are asked for.
        if self.vms_stand().await {
            return Ok(Observation::Satisfied(()));
        }
        let have = self
            .site
            .host
            .machine()
            .await
            .attempt("measure the controller")?;
        let short = wanted.short_of(
            &self.site,
            u64::from(have.cores),
            have.memory_mib,
            have.disk_free_mib,
        );
        Ok(if short.is_empty() {
            Observation::Satisfied(())
        } else {
            Observation::needs_operator(format!(
                "the bundle does not fit on the controller ({}): take a larger one, shrink the bundle's constraints by an overlay, \
                 or set capacity.cpu and capacity.memory if you mean to overcommit",
                short.join("; ")
            ))
        })
    }

    async fn apply(&self, _: &(), _: &Context) -> Result<(), Error> {
        Ok(())
    }
}

impl CheckCapacity {
    /// Whether LXD holds VMs of the VM host's project already.
    pub(super) async fn vms_stand(&self) -> bool {
        let Ok(lxd) = self.site.lxd() else {
            return false;
        };
        let lxd = lxd.project(&self.site.config.vm_host.project);
        lxd.instances()
            .list()
            .await
            .is_ok_and(|instances| !instances.is_empty())
    }
}
