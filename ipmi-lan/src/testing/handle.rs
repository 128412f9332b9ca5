//! A test's handle to one simulated BMC.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::server::{Shared, lock};
use super::state::BmcState;
use super::{Network, Quirks};
use crate::command::boot::BootFlags;
use crate::command::chassis::ChassisControl;

/// A handle to one simulated BMC.
#[derive(Clone)]
pub struct SimBmc {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
}

impl std::fmt::Debug for SimBmc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimBmc")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl SimBmc {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.shared
            .machines
            .get(self.index)
            .map_or_else(super::default_addr, |m| lock(m).addr)
    }

    /// A copy of its state, as of now.
    #[must_use]
    pub fn state(&self) -> Option<BmcState> {
        self.shared.advance_one(self.index, (self.shared.clock)());
        lock(&self.shared.world).bmcs.get(self.index).cloned()
    }

    /// Is the machine powered?
    #[must_use]
    pub fn power(&self) -> bool {
        self.state().is_some_and(|s| s.power)
    }

    /// Its boot flags.
    #[must_use]
    pub fn boot(&self) -> BootFlags {
        self.state().map(|s| s.boot).unwrap_or_default()
    }

    /// Changes its state as its own front panel would: users, LAN parameters, anything.
    pub fn edit(&self, edit: impl FnOnce(&mut BmcState)) {
        if let Some(state) = lock(&self.shared.world).bmcs.get_mut(self.index) {
            edit(state);
        }
        self.shared.has_changed();
    }

    /// Controls power as a command would, at the present virtual time.
    ///
    /// # Errors
    /// The completion code of a BMC that refuses.
    pub fn control(&self, control: ChassisControl) -> std::result::Result<(), u8> {
        let now = (self.shared.clock)();
        let durations = self.shared.durations_of(self.index);
        let done = match lock(&self.shared.world).bmcs.get_mut(self.index) {
            Some(state) => state.control(control, now, &durations),
            None => Err(0xcb),
        };
        self.shared.has_changed();
        self.shared.advance_one(self.index, now);
        done
    }

    /// Sets the boot flags as a command would.
    pub fn set_boot(&self, flags: BootFlags) {
        let now = (self.shared.clock)();
        self.edit(|state| {
            state.boot = flags;
            state.boot_set = now;
            state.boot_controlled = false;
        });
    }

    /// Changes the network to it, from now on.
    pub fn set_network(&self, network: Network) {
        if let Some(machine) = self.shared.machines.get(self.index) {
            lock(machine).spec.network = network;
        }
    }

    /// Changes how it strays, from now on.
    pub fn set_quirks(&self, quirks: Quirks) {
        if let Some(machine) = self.shared.machines.get(self.index) {
            lock(machine).spec.quirks = quirks;
        }
    }

    /// How many sessions it holds: half-open, active.
    #[must_use]
    pub fn sessions(&self) -> (usize, usize) {
        let Some(machine) = self.shared.machines.get(self.index) else {
            return (0, 0);
        };
        let mut machine = lock(machine);
        let timeout = machine.spec.session_timeout;
        machine.engine.expire(Instant::now(), timeout);
        machine.engine.taken()
    }

    /// Restarts the BMC: its sessions are forgotten, the machine runs on.
    pub fn restart_bmc(&self) {
        if let Some(machine) = self.shared.machines.get(self.index) {
            lock(machine).engine.forget_sessions();
        }
    }
}
