//! What happens on the controller host, for the rest of the world.

use async_trait::async_trait;

use super::world::World;
use crate::testing::lab_host::HostWorld;

/// The host's events, for the rest of the world.
pub(super) struct HostEvents(pub(super) std::sync::Weak<World>);

#[async_trait]
impl HostWorld for HostEvents {
    async fn snap_installed(&self, name: &str, channel: &str) {
        let Some(world) = self.0.upgrade() else {
            return;
        };
        world.note(|book| book.snaps.insert(name.to_owned(), channel.to_owned()));
        if name == "lxd"
            && let Err(error) = world.start_lxd().await
        {
            tracing::error!(%error, "the lab's LXD does not start");
        }
    }

    async fn snap_removed(&self, name: &str) {
        let Some(world) = self.0.upgrade() else {
            return;
        };
        world.note(|book| book.snaps.remove(name));
        match name {
            "lxd" => world.stop_lxd(),
            "maas" => world.forget_region(),
            _ => {}
        }
    }

    async fn maas_initialised(&self, _: &str, _: &str) -> Result<(), String> {
        let world = self.0.upgrade().ok_or("the lab is closed")?;
        if !world.maas().is_initialised() {
            world.maas().initialise();
        }
        world.maas().set_serving(true);
        Ok(())
    }

    async fn maas_admin_created(
        &self,
        username: &str,
        email: &str,
        password: &str,
    ) -> Result<(), String> {
        let world = self.0.upgrade().ok_or("the lab is closed")?;
        world.note(|book| book.admin = Some(username.to_owned()));
        if world.maas().create_admin(username, password, email) {
            Ok(())
        } else {
            Err(format!(
                "django.db.utils.IntegrityError: a user {username} already exists"
            ))
        }
    }
}
