//! Systems that come and go while the lab is open: LXD with its snap, Juju's controller, what the bundle brings.

use std::sync::{Arc, Weak};

use juju_client::testing::FakeController;
use serde_json::{Value, json};

use super::builder::{LXD_SOCKET, changed, tap};
use super::world::World;
use crate::testing::lab_host::{Hardware, LabHostServer};
use crate::testing::{dashboard, hooks, keystone, nova, vault};

impl World {
    /// LXD, as its snap starts it.
    pub(super) async fn start_lxd(self: &Arc<Self>) -> Result<(), String> {
        let closed = self.closed.load(std::sync::atomic::Ordering::SeqCst);
        if closed || self.lxd.lock().is_ok_and(|lxd| lxd.is_some()) {
            return Ok(());
        }
        let socket = self.host_root.join(LXD_SOCKET);
        if let Some(folder) = socket.parent() {
            std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        let host = self
            .host
            .get()
            .map(LabHostServer::snapshot)
            .unwrap_or_default();
        let hardware: Hardware =
            serde_json::from_value(host["hardware"].clone()).unwrap_or_default();
        let mut builder = lxd_client::testing::Fake::builder()
            .socket(socket)
            .like("5.21.3")
            .clock(self.clock.as_fn())
            .tap(tap!(self, "lxd", lxd_client::testing))
            .changed(changed(self, "lxd", |world| {
                let lxd = world.lxd.lock().ok()?;
                lxd.as_ref().map(|lxd| lxd.snapshot())
            }));
        if let Some(saved) = self.folder.load("lxd").map_err(|error| error.to_string())? {
            builder = builder.restore(saved);
        }
        let mut machine = lxd_client::testing::Machine::default();
        machine.cores = u64::from(hardware.cores);
        machine.memory = hardware.memory_mib << 20;
        machine.pool = hardware.disk_mib << 20;
        machine.name = hardware.hostname;
        for name in ["br0", "eno2", "eno3"] {
            machine.interfaces.insert(
                name.to_owned(),
                if name == "br0" { "bridge" } else { "physical" }.to_owned(),
            );
        }
        let fake = builder
            .machine(machine)
            .start()
            .await
            .map_err(|error| error.to_string())?;
        fake.set_world(Arc::new(Inside(Arc::downgrade(self))));
        if let Ok(mut lxd) = self.lxd.lock()
            && !self.closed.load(std::sync::atomic::Ordering::SeqCst)
        {
            *lxd = Some(fake);
        }
        Ok(())
    }

    /// LXD is gone with its snap.
    pub(super) fn stop_lxd(&self) {
        if let Ok(mut lxd) = self.lxd.lock() {
            *lxd = None;
        }
        self.folder.remove("lxd");
    }

    /// The region is gone with its snap and its database.
    pub(super) fn forget_region(&self) {
        self.maas().set_serving(false);
        if let Ok(Some(blank)) = self.folder.load("maas-blank") {
            let _ = self.maas().restore(blank);
        }
        self.note(|book| {
            book.admin = None;
            book.leases_at = None;
            book.booting.clear();
        });
        self.save("maas", &self.maas().snapshot());
    }

    /// The state of what the bundle brings.
    pub(super) fn cloud(&self) -> Value {
        json!({
            "vault": self.vault.get().map(vault::Fake::snapshot),
            "keystone": self.keystone.get().map(keystone::Fake::snapshot),
            "nova": self.nova.get().map(nova::Fake::snapshot),
            "dashboard": self.dashboard.get().map(dashboard::Fake::snapshot),
        })
    }

    /// What the bundle brought is gone with its units: the next ones begin with empty storage.
    pub(super) fn forget_cloud(&self) {
        if !self.vault().is_initialised() {
            return;
        }
        let Ok(Some(mut blank)) = self.folder.load("cloud-blank") else {
            return;
        };
        let mut take = |name: &str| blank[name].take();
        let mut results = vec![
            self.vault().restore(take("vault")),
            self.keystone().restore(take("keystone")),
        ];
        results.extend(self.nova.get().map(|nova| nova.restore(take("nova"))));
        results.extend(
            self.dashboard
                .get()
                .map(|dashboard| dashboard.restore(take("dashboard"))),
        );
        for error in results.into_iter().filter_map(Result::err) {
            tracing::error!(%error, "the lab's cloud could not be forgotten");
        }
        if let Value::Object(parts) = self.cloud() {
            for (name, state) in &parts {
                self.save(name, state);
            }
        }
    }

    pub(super) fn set_juju(&self, juju: Option<(FakeController, String)>) {
        if let Some((fake, address)) = &juju {
            self.save("juju", &super::inside::kept(fake.snapshot(), address));
        }
        if let Ok(mut there) = self.juju.lock() {
            *there = juju;
        }
    }
}

/// What LXD tells of its instances.
struct Inside(Weak<World>);

#[async_trait::async_trait]
impl lxd_client::testing::InstanceWorld for Inside {
    async fn changed(&self, instance: lxd_client::testing::InstanceView) {
        let Some(world) = self.0.upgrade() else {
            return;
        };
        if instance.kind == lxd_client::InstanceKind::VirtualMachine
            && instance.change == lxd_client::testing::InstanceChange::Started
        {
            world.virtual_machine_started(&instance.name);
        }
    }
}
