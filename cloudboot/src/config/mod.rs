//! The user's YAML: typed, validated, with secrets by reference.
//!
//! [`Config::load`] reads a file and its overlays into plain structs, or says everything that is wrong with them at
//! once. The whole schema, commented, is `examples/configs/reference.yaml`.

mod error;
mod kinds;
mod load;
mod nearest;
mod net;
mod notes;
mod reader;
mod redact;
mod schema;
mod secret;
mod tree;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use error::{ConfigErrors, Fault, FaultKind, Warning};
pub use load::Loader;
pub use schema::*;
pub use value::{Channel, Place, Risk, Secret, SecretSource};

/// A whole configuration. Each field is the key of the same name at the top of the file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// `deployment`: the name of this cloud in journals, owner marks and reports. Default: the file's stem.
    pub deployment: String,
    /// `state_dir`: journal, secrets and access files. Default: `.cloudboot` beside the file.
    pub state_dir: PathBuf,
    /// `postgres`: the database under MAAS.
    pub postgres: Postgres,
    /// `ssh`: the machines' key.
    pub ssh: Ssh,
    /// `maas`: region, network and images.
    pub maas: Maas,
    /// `machines`: the racked compute nodes; may be empty, see [`Ipmi::ranges`].
    pub machines: Vec<Machine>,
    /// `ipmi`: what holds for all BMCs.
    pub ipmi: Ipmi,
    /// `lxd`: the VM host's LXD.
    pub lxd: Lxd,
    /// `vm_host`: LXD as MAAS sees it.
    pub vm_host: VmHost,
    /// `vm.juju`: the Juju machine.
    pub juju_vm: JujuVm,
    /// `compute`: what is done to each node.
    pub compute: Compute,
    /// `juju`: controller, model, bundle.
    pub juju: Juju,
    /// `vault`: shares and threshold.
    pub vault: VaultKeys,
    /// `net_fix`: forwarding and NAT; none if left out.
    pub net_fix: Option<NetFix>,
    /// `reach`: how this program reaches the cloud's addresses.
    pub reach: Reach,
    /// `proxy`: the machines' way out.
    pub proxy: Proxy,
    /// `mirrors`: where things are taken from.
    pub mirrors: Mirrors,
    /// `limits`: parallelism per resource.
    pub limits: Limits,
    /// `deadlines`: by step.
    pub deadlines: Deadlines,
    /// `access`: where the access parameters go.
    pub access: Access,
    /// `capacity`: overcommitment of the VM host.
    pub capacity: Capacity,
    /// What works and is probably not meant.
    pub warnings: Vec<Warning>,
    origins: BTreeMap<String, Place>,
    document: serde_json::Value,
}

impl Config {
    /// Reads a file and lays the overlays over it, in their order: maps merge, lists and values replace, `null`
    /// removes.
    ///
    /// # Errors
    /// Everything that is wrong in the files, at once.
    pub fn load(path: impl AsRef<Path>, overlays: &[PathBuf]) -> Result<Self, ConfigErrors> {
        overlays
            .iter()
            .fold(Loader::new(), Loader::overlay)
            .load(path)
    }

    /// Reads a configuration from text; paths in it are relative to `dir`. [`Loader`] has more to it.
    ///
    /// # Errors
    /// Everything that is wrong in it, at once.
    pub fn from_str(yaml: &str, dir: impl AsRef<Path>) -> Result<Self, ConfigErrors> {
        Loader::new().load_text(yaml, dir)
    }

    /// The merged document as YAML, with every secret hidden; references to secrets are kept.
    pub fn redacted_yaml(&self) -> String {
        serde_saphyr::to_string(&self.document).unwrap_or_default()
    }

    /// The merged document as JSON, with every secret hidden: what a journal may keep, to tell whether a
    /// configuration changed between two runs.
    pub fn redacted_json(&self) -> &serde_json::Value {
        &self.document
    }

    /// Holds the names of `deadlines` to those of the steps that there are.
    ///
    /// # Errors
    /// Each name that no step has, with its place and the nearest one that there is.
    pub fn check_step_names(&self, steps: &[&str]) -> Result<(), ConfigErrors> {
        let known: Vec<String> = steps.iter().map(|&step| step.to_owned()).collect();
        let unknown = self
            .deadlines
            .steps
            .keys()
            .filter(|name| !known.contains(name));
        let faults: Vec<Fault> = unknown
            .map(|name| {
                let path = tree::child("deadlines", name);
                let place = self.origin(&path).cloned();
                let expected = match nearest::nearest(name, &known) {
                    Some(near) => {
                        format!("the name of a step, or `default`; the nearest is `{near}`")
                    }
                    None => format!("`default`, or one of the steps: {}", known.join(", ")),
                };
                Fault::new(
                    FaultKind::UnknownKey,
                    path,
                    place,
                    format!("no step, `{name}`"),
                    expected,
                )
            })
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors::new(faults))
        }
    }

    /// Where the value at a path such as `maas.dhcp.gateway` was written; of its closest parent if it was not.
    pub fn origin(&self, path: &str) -> Option<&Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.origins.get(path) {
                return Some(place);
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }
}
