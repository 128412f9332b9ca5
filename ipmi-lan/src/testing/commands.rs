//! What a simulated BMC answers to each command.

use std::time::Duration;

use super::Durations;
use super::state::{BmcState, Quirks};
use crate::command::boot::BootFlags;
use crate::command::chassis::{ChassisControl, RestorePolicy};
use crate::credentials::Privilege;
use crate::wire::message::{
    NETFN_APP, NETFN_CHASSIS, NETFN_SENSOR, NETFN_STORAGE, NETFN_TRANSPORT,
};

pub(crate) const INVALID_COMMAND: u8 = 0xc1;
pub(crate) const BAD_LENGTH: u8 = 0xc7;
pub(crate) const INVALID_FIELD: u8 = 0xcc;
pub(crate) const NO_PRIVILEGE: u8 = 0xd4;
const NO_PARAMETER: u8 = 0x80;

/// A completion code other than 0, or the data.
pub(crate) type Answer = Result<Vec<u8>, u8>;

/// What a command runs with.
pub(crate) struct Context<'a> {
    pub(crate) now: Duration,
    pub(crate) durations: &'a Durations,
    pub(crate) quirks: &'a Quirks,
    pub(crate) counts: &'a mut dyn FnMut(&str),
    pub(crate) changed: bool,
}

/// A command's name, for taps and counts.
pub(crate) fn name(net_fn: u8, code: u8) -> &'static str {
    match (net_fn, code) {
        (NETFN_CHASSIS, 0x00) => "Get Chassis Capabilities",
        (NETFN_CHASSIS, 0x01) => "Get Chassis Status",
        (NETFN_CHASSIS, 0x02) => "Chassis Control",
        (NETFN_CHASSIS, 0x04) => "Chassis Identify",
        (NETFN_CHASSIS, 0x06) => "Set Power Restore Policy",
        (NETFN_CHASSIS, 0x08) => "Set System Boot Options",
        (NETFN_CHASSIS, 0x09) => "Get System Boot Options",
        (NETFN_APP, 0x01) => "Get Device ID",
        (NETFN_APP, 0x02) => "Cold Reset",
        (NETFN_APP, 0x03) => "Warm Reset",
        (NETFN_APP, 0x04) => "Get Self Test Results",
        (NETFN_APP, 0x08) => "Get Device GUID",
        (NETFN_APP, 0x37) => "Get System GUID",
        (NETFN_APP, 0x38) => "Get Channel Authentication Capabilities",
        (NETFN_APP, 0x39) => "Get Session Challenge",
        (NETFN_APP, 0x3a) => "Activate Session",
        (NETFN_APP, 0x3b) => "Set Session Privilege Level",
        (NETFN_APP, 0x3c) => "Close Session",
        (NETFN_APP, 0x22) => "Reset Watchdog Timer",
        (NETFN_APP, 0x24) => "Set Watchdog Timer",
        (NETFN_APP, 0x25) => "Get Watchdog Timer",
        (NETFN_APP, 0x41) => "Get Channel Access",
        (NETFN_APP, 0x42) => "Get Channel Info",
        (NETFN_APP, 0x43) => "Set User Access",
        (NETFN_APP, 0x44) => "Get User Access",
        (NETFN_APP, 0x45) => "Set User Name",
        (NETFN_APP, 0x46) => "Get User Name",
        (NETFN_APP, 0x47) => "Set User Password",
        (NETFN_SENSOR, 0x27) => "Get Sensor Thresholds",
        (NETFN_SENSOR, 0x2d) => "Get Sensor Reading",
        (NETFN_STORAGE, 0x10) => "Get FRU Inventory Area Info",
        (NETFN_STORAGE, 0x11) => "Read FRU Data",
        (NETFN_STORAGE, 0x20) => "Get SDR Repository Info",
        (NETFN_STORAGE, 0x22) => "Reserve SDR Repository",
        (NETFN_STORAGE, 0x23) => "Get SDR",
        (NETFN_STORAGE, 0x40) => "Get SEL Info",
        (NETFN_STORAGE, 0x42) => "Reserve SEL",
        (NETFN_STORAGE, 0x43) => "Get SEL Entry",
        (NETFN_STORAGE, 0x44) => "Add SEL Entry",
        (NETFN_STORAGE, 0x47) => "Clear SEL",
        (NETFN_STORAGE, 0x48) => "Get SEL Time",
        (NETFN_STORAGE, 0x49) => "Set SEL Time",
        (NETFN_APP, 0x54) => "Get Channel Cipher Suites",
        (NETFN_TRANSPORT, 0x01) => "Set LAN Configuration Parameters",
        (NETFN_TRANSPORT, 0x02) => "Get LAN Configuration Parameters",
        _ => "Other command",
    }
}

/// The least privilege that a command needs (appendix G).
pub(crate) fn privilege(net_fn: u8, code: u8) -> Privilege {
    match (net_fn, code) {
        (NETFN_CHASSIS, 0x02..=0x08) => Privilege::Operator,
        (NETFN_CHASSIS, 0x09) => Privilege::Operator,
        (NETFN_APP, 0x02 | 0x03 | 0x40 | 0x43 | 0x45 | 0x47) => Privilege::Administrator,
        (NETFN_APP, 0x22 | 0x24 | 0x44 | 0x46) => Privilege::Operator,
        (NETFN_STORAGE, 0x12 | 0x44 | 0x46 | 0x47 | 0x49) => Privilege::Operator,
        (NETFN_TRANSPORT, 0x01) => Privilege::Administrator,
        (NETFN_TRANSPORT, 0x02) => Privilege::Operator,
        _ => Privilege::User,
    }
}

impl BmcState {
    /// Carries a command out.
    pub(crate) fn execute(
        &mut self,
        ctx: &mut Context<'_>,
        net_fn: u8,
        code: u8,
        data: &[u8],
    ) -> Answer {
        match net_fn {
            NETFN_CHASSIS => self.chassis(ctx, code, data),
            NETFN_APP => self.app(ctx, code, data),
            NETFN_SENSOR => self.storage.sensor(code, data),
            NETFN_STORAGE => self.storage.command(ctx, code, data),
            NETFN_TRANSPORT => self.transport(ctx, code, data),
            _ => Err(INVALID_COMMAND),
        }
    }

    fn chassis(&mut self, ctx: &mut Context<'_>, code: u8, data: &[u8]) -> Answer {
        match (code, data) {
            (0x00, _) => Ok(vec![0x00, 0x20, 0x20, 0x20, 0x20]),
            (0x01, _) => {
                let policy = match self.restore_policy {
                    RestorePolicy::Previous => 1,
                    RestorePolicy::AlwaysOn => 2,
                    RestorePolicy::AlwaysOff | RestorePolicy::Unknown => 0,
                };
                let identify = if self.identify_until.is_some_and(|until| until > ctx.now) {
                    0x50
                } else {
                    0x40
                };
                let last = if self.on_by_command { 0x10 } else { 0 };
                Ok(vec![u8::from(self.power) | policy << 5, last, identify, 0])
            }
            (0x02, [control, ..]) => {
                let control = match control & 0x0f {
                    0 => ChassisControl::Off,
                    1 => ChassisControl::On,
                    2 if ctx.quirks.no_cycle => return Err(INVALID_FIELD),
                    2 => ChassisControl::Cycle,
                    3 => ChassisControl::Reset,
                    4 => ChassisControl::Diagnostic,
                    5 => ChassisControl::Soft,
                    _ => return Err(INVALID_FIELD),
                };
                if ctx.quirks.drops_early_controls && !self.due.is_empty() {
                    return Ok(Vec::new());
                }
                self.control(control, ctx.now, ctx.durations)?;
                (ctx.counts)(match control {
                    ChassisControl::Off => "power-off",
                    ChassisControl::On => "power-on",
                    ChassisControl::Cycle => "power-cycle",
                    ChassisControl::Reset => "reset",
                    ChassisControl::Diagnostic => "diagnostic",
                    ChassisControl::Soft => "soft-off",
                });
                ctx.changed = true;
                Ok(Vec::new())
            }
            (0x04, _) => {
                let seconds = data.first().copied().unwrap_or(15);
                let forever = data.get(1).is_some_and(|b| b & 1 != 0);
                let lasts = if forever {
                    Duration::from_secs(u32::MAX.into())
                } else {
                    Duration::from_secs(seconds.into())
                };
                self.identify_until = Some(ctx.now + lasts);
                ctx.changed = true;
                Ok(Vec::new())
            }
            (0x06, [policy, ..]) => {
                match policy & 7 {
                    0 => self.restore_policy = RestorePolicy::AlwaysOff,
                    1 => self.restore_policy = RestorePolicy::Previous,
                    2 => self.restore_policy = RestorePolicy::AlwaysOn,
                    3 => {}
                    _ => return Err(INVALID_FIELD),
                }
                ctx.changed = true;
                Ok(vec![7])
            }
            (0x08, [parameter, value @ ..]) => self.set_boot_option(ctx, parameter & 0x7f, value),
            (0x09, [parameter, ..]) => self.get_boot_option(ctx, parameter & 0x7f),
            (0x02 | 0x06 | 0x08 | 0x09, _) => Err(BAD_LENGTH),
            _ => Err(INVALID_COMMAND),
        }
    }

    fn set_boot_option(&mut self, ctx: &mut Context<'_>, parameter: u8, value: &[u8]) -> Answer {
        match (parameter, value) {
            // A length of zero only marks the parameter valid or invalid.
            (_, []) => {}
            (0 | 1 | 2 | 4 | 6 | 7, _) => {}
            (3, [mask, ..]) => self.boot_hold = mask & 0x1f,
            (5, [_, _, ..]) => {
                self.boot = BootFlags::decode(value).map_err(|_| BAD_LENGTH)?;
                self.boot_set = ctx.now;
                self.boot_controlled = false;
                (ctx.counts)("boot-set");
            }
            (5, _) => return Err(BAD_LENGTH),
            _ => return Err(NO_PARAMETER),
        }
        ctx.changed = true;
        Ok(Vec::new())
    }

    fn get_boot_option(&mut self, ctx: &Context<'_>, parameter: u8) -> Answer {
        let value = match parameter {
            0 => vec![0],
            1 | 2 => vec![0],
            3 => vec![self.boot_hold],
            4 => vec![0, 0],
            5 => {
                let mut flags = self.boot;
                if ctx.quirks.forgets_boot_bits {
                    flags = BootFlags {
                        device: flags.device,
                        ..BootFlags::default()
                    };
                }
                flags.uefi &= !ctx.quirks.forgets_uefi;
                flags.encode().to_vec()
            }
            _ => return Err(NO_PARAMETER),
        };
        let mut out = vec![0x01, parameter];
        out.extend(value);
        Ok(out)
    }

    fn app(&mut self, ctx: &mut Context<'_>, code: u8, data: &[u8]) -> Answer {
        match code {
            0x01 => Ok(vec![
                0x20, 0x81, 0x01, 0x23, 0x02, 0xbf, 0xbe, 0x11, 0x00, 0x01, 0x00, 0, 0, 0, 0,
            ]),
            0x02 | 0x03 => Ok(Vec::new()),
            0x04 => Ok(vec![0x55, 0]),
            0x08 | 0x37 => Ok(self.guid.to_vec()),
            0x22 | 0x24 | 0x25 => self.storage.watchdog(ctx, code, data),
            0x40..=0x47 => self.user_command(ctx, code, data),
            _ => Err(INVALID_COMMAND),
        }
    }

    fn transport(&mut self, ctx: &mut Context<'_>, code: u8, data: &[u8]) -> Answer {
        let channel = |c: u8| match c & 0x0f {
            0x0e if ctx.quirks.no_this_channel => Err(INVALID_FIELD),
            0x0e | 0x01 => Ok(()),
            _ => Err(INVALID_FIELD),
        };
        match (code, data) {
            (0x01, [to, parameter, value @ ..]) => {
                channel(*to)?;
                if !self.lan.contains_key(parameter) {
                    return Err(NO_PARAMETER);
                }
                if *parameter != 0 {
                    self.lan.insert(*parameter, value.to_vec());
                    ctx.changed = true;
                }
                Ok(Vec::new())
            }
            (0x02, [of, parameter, ..]) => {
                channel(*of)?;
                let mut out = vec![0x11];
                out.extend(self.lan.get(parameter).ok_or(NO_PARAMETER)?);
                Ok(out)
            }
            (0x01 | 0x02, _) => Err(BAD_LENGTH),
            _ => Err(INVALID_COMMAND),
        }
    }
}
