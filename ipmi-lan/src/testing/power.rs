//! The machine behind a BMC: its power, and what it boots from.

use std::time::Duration;

use super::state::{BmcState, Due};
use super::{Durations, PowerEventKind};
use crate::command::boot::{BootDevice, BootFlags};
use crate::command::chassis::ChassisControl;

/// "Not supported in the present state".
const WRONG_STATE: u8 = 0xd5;

impl BmcState {
    /// Carries out a chassis control; an error is a completion code.
    pub(crate) fn control(
        &mut self,
        control: ChassisControl,
        now: Duration,
        durations: &Durations,
    ) -> Result<(), u8> {
        self.boot_controlled = true;
        self.due.clear();
        let mut due = |after: Duration, kind| {
            self.due.push(Due {
                at: now + after,
                kind,
            })
        };
        match control {
            ChassisControl::On if self.power => {}
            ChassisControl::On => due(durations.power_on, PowerEventKind::On),
            ChassisControl::Off if !self.power => {}
            ChassisControl::Off => due(durations.power_off, PowerEventKind::Off),
            ChassisControl::Cycle | ChassisControl::Reset | ChassisControl::Diagnostic
                if !self.power =>
            {
                return Err(WRONG_STATE);
            }
            ChassisControl::Cycle => {
                due(durations.power_off, PowerEventKind::Off);
                due(
                    durations.power_off + durations.cycle + durations.power_on,
                    PowerEventKind::On,
                );
            }
            ChassisControl::Reset => due(durations.reset, PowerEventKind::Reset),
            ChassisControl::Diagnostic => {}
            ChassisControl::Soft if !self.power => return Err(WRONG_STATE),
            ChassisControl::Soft => due(durations.soft_off, PowerEventKind::Off),
        }
        Ok(())
    }

    /// Runs what is due, in order, and says what happened.
    pub(crate) fn advance(
        &mut self,
        now: Duration,
        durations: &Durations,
    ) -> Vec<(Duration, PowerEventKind, BootFlags)> {
        self.expire_boot(now, durations);
        let mut happened = Vec::new();
        while let Some(due) = self.due.first().copied() {
            if due.at > now {
                break;
            }
            self.due.remove(0);
            let boot = match due.kind {
                PowerEventKind::Off => {
                    self.power = false;
                    BootFlags::default()
                }
                PowerEventKind::On => {
                    self.power = true;
                    self.on_by_command = true;
                    self.take_boot()
                }
                PowerEventKind::Reset => self.take_boot(),
            };
            happened.push((due.at, due.kind, boot));
        }
        happened
    }

    /// What the firmware finds when it starts: an override for one boot is used up by it.
    fn take_boot(&mut self) -> BootFlags {
        let boot = self.boot;
        if !boot.valid {
            return BootFlags {
                device: BootDevice::None,
                ..BootFlags::default()
            };
        }
        if !boot.persistent {
            self.boot = BootFlags::default();
        }
        boot
    }

    /// The valid bit goes after 60 s without a chassis control, unless parameter 3, bit 3 says otherwise.
    fn expire_boot(&mut self, now: Duration, durations: &Durations) {
        let held = self.boot_hold & 0x08 != 0 || self.boot_controlled;
        if self.boot.valid && !held && now.saturating_sub(self.boot_set) >= durations.boot_flags {
            self.boot.valid = false;
        }
    }
}
