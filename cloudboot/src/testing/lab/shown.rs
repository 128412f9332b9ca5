//! What the lab tells of its world: what was made how often, what was asked, where everything is, how it stands.

use std::collections::BTreeMap;

use serde_json::Value;

use super::world::{World, lock, missing, node_name, objects};
use super::{InventoryLine, mirror};

impl World {
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        let mut add = |system: &str, counts: BTreeMap<String, u64>| {
            all.extend(
                counts
                    .into_iter()
                    .map(|(what, times)| (format!("{system}/{what}"), times)),
            );
        };
        add("host", missing(self.host.get()).counts());
        add("maas", self.maas().counts());
        if let Some(lxd) = lock(&self.lxd).as_ref() {
            add("lxd", lxd.counts());
        }
        if let Some(juju) = self.juju() {
            add("juju", juju.counts());
        }
        add("vault", self.vault().counts());
        all
    }

    pub(super) fn calls(&self) -> BTreeMap<String, u64> {
        lock(&self.calls).clone()
    }

    pub(super) fn inventory(&self) -> Vec<InventoryLine> {
        let line = |what: &str, address: String, login: String| InventoryLine {
            what: what.to_owned(),
            address,
            login,
        };
        let mut lines = vec![
            line(
                "the way in (HTTP proxy)",
                self.wire().url().to_string(),
                "none; world addresses below go through it".to_owned(),
            ),
            line(
                "controller host",
                self.host_root.display().to_string(),
                "run/snapd.socket, run/lab-host.socket".to_owned(),
            ),
        ];
        let password = self.read(|book| book.bmc_password.clone());
        for (index, bmc) in self.bmcs().all().iter().enumerate() {
            lines.push(line(
                &format!("BMC of {}", node_name(index)),
                bmc.addr().to_string(),
                format!("root / {password} (suites 3 and 17)"),
            ));
        }
        if self.maas().is_serving() {
            let login = self
                .admin()
                .map_or("no administrator yet".to_owned(), |user| {
                    format!("{user}, API key {}", self.maas().api_key(&user))
                });
            lines.push(line(
                "MAAS",
                format!("{} = http://127.0.1.1:5240/MAAS", self.maas().url()),
                login,
            ));
        }
        if let Some(lxd) = lock(&self.lxd).as_ref() {
            lines.push(line(
                "LXD",
                lxd.socket().display().to_string(),
                "the socket".to_owned(),
            ));
        }
        if let Some(juju) = self.juju() {
            use secrecy::ExposeSecret as _;
            let access = juju.access();
            lines.push(line(
                "Juju",
                access.endpoints.join(", "),
                format!("{} / {}", access.user, access.password.expose_secret()),
            ));
        }
        lines.push(line(
            "Vault",
            self.vault().url().to_string(),
            "the keys are shown to whom initialises it".to_owned(),
        ));
        let (user, domain, project, _) = self.keystone().admin();
        lines.push(line(
            "Keystone",
            self.keystone().url().to_string(),
            format!("{user} in {domain}, project {project}"),
        ));
        lines.push(line("mirror", mirror::URL.to_owned(), "none".to_owned()));
        lines
    }

    /// What stands, in words that are the same for every run that ends the same.
    pub(super) fn end_state(&self) -> String {
        let mut lines = Vec::new();
        for (what, _) in missing(self.host.get()).counts() {
            lines.push(format!("host: {what}"));
        }
        for machine in self.maas().machines() {
            let mut tags = machine.tags.clone();
            tags.sort();
            let composed = if machine.vm_host.is_some() {
                " (a VM)"
            } else {
                ""
            };
            let bridges: Vec<&str> = machine
                .interfaces
                .iter()
                .filter(|nic| nic.kind == "bridge")
                .map(|nic| nic.name.as_str())
                .collect();
            // MAAS makes names up for the VMs that Juju asks for.
            let name = if machine.vm_host.is_some()
                && !machine.agent_name.is_empty()
                && !machine.hostname.contains("juju")
            {
                "VM"
            } else {
                machine.hostname.as_str()
            };
            lines.push(format!(
                "maas: machine {name} status {} tags {tags:?} bridges {bridges:?}{composed}",
                machine.status
            ));
        }
        if let Some(lxd) = lock(&self.lxd).as_ref() {
            let count = lxd.instances().len();
            lines.push(format!("lxd: {count} instances"));
        }
        if let Some(juju) = self.juju() {
            let state = juju.snapshot();
            for model in objects(state.get("models")) {
                let name = model
                    .get("name")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let machines = objects(model.get("machines")).count();
                let relations = model
                    .get("relations")
                    .and_then(Value::as_array)
                    .map_or(0, Vec::len);
                lines.push(format!(
                    "juju: model {name} with {machines} machines, {relations} relations"
                ));
                for (application, app) in model
                    .get("apps")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                {
                    lines.push(format!(
                        "juju: {name}/{application} with {} units",
                        objects(app.get("units")).count()
                    ));
                }
            }
            lines.push(format!("juju: vault {:?}", juju.vault()));
        }
        lines.push(format!(
            "vault: initialised {} sealed {}",
            self.vault().is_initialised(),
            self.vault().is_sealed()
        ));
        lines.push(format!("keystone: TLS {}", self.keystone().is_tls()));
        lines.sort();
        lines.join("\n")
    }
}
