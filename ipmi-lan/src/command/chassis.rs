//! Chassis commands (IPMI v2.0, chapter 28).

use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_CHASSIS, Reader};
use crate::credentials::Privilege;

/// Get Chassis Status (28.2).
#[derive(Debug, Clone, Copy, Default)]
pub struct GetChassisStatus;

/// What a machine does when its mains power returns (28.2, bits 6:5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RestorePolicy {
    /// Stays off.
    AlwaysOff,
    /// Returns to the state it had.
    Previous,
    /// Powers up.
    AlwaysOn,
    /// The BMC does not say.
    Unknown,
}

/// The identify light, as far as the BMC tells (28.2, byte 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum IdentifyState {
    /// Off.
    Off,
    /// On for a while.
    Temporary,
    /// On until told otherwise.
    Indefinite,
    /// The BMC does not say.
    Unknown,
}

/// The state of a chassis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChassisStatus {
    /// System power is on.
    pub power_on: bool,
    /// Power is off because of an overload.
    pub overload: bool,
    /// Power is off because of the interlock.
    pub interlock: bool,
    /// The main power subsystem has a fault.
    pub power_fault: bool,
    /// The power controller has a fault.
    pub power_control_fault: bool,
    /// What happens when mains power returns.
    pub restore_policy: RestorePolicy,
    /// The last power-down was caused by a loss of mains power.
    pub last_ac_failed: bool,
    /// The last power-on came over IPMI.
    pub last_on_by_command: bool,
    /// The chassis was opened.
    pub intrusion: bool,
    /// The front panel is locked out.
    pub front_panel_lockout: bool,
    /// A drive has a fault.
    pub drive_fault: bool,
    /// A cooling fault was detected.
    pub cooling_fault: bool,
    /// The identify light.
    pub identify: IdentifyState,
}

impl Command for GetChassisStatus {
    type Response = ChassisStatus;

    fn name(&self) -> &'static str {
        "Get Chassis Status"
    }

    fn net_fn(&self) -> u8 {
        NETFN_CHASSIS
    }

    fn code(&self) -> u8 {
        0x01
    }

    fn decode(&self, data: &[u8]) -> Result<ChassisStatus, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let power = r.u8("current power state")?;
        // Some BMCs leave out what follows; it is not worth failing for.
        let last = r.u8("last power event").unwrap_or(0);
        let misc = r.u8("miscellaneous chassis state").unwrap_or(0);
        Ok(ChassisStatus {
            power_on: power & 0x01 != 0,
            overload: power & 0x02 != 0,
            interlock: power & 0x04 != 0,
            power_fault: power & 0x08 != 0,
            power_control_fault: power & 0x10 != 0,
            restore_policy: match power >> 5 & 3 {
                0 => RestorePolicy::AlwaysOff,
                1 => RestorePolicy::Previous,
                2 => RestorePolicy::AlwaysOn,
                _ => RestorePolicy::Unknown,
            },
            last_ac_failed: last & 0x01 != 0,
            last_on_by_command: last & 0x10 != 0,
            intrusion: misc & 0x01 != 0,
            front_panel_lockout: misc & 0x02 != 0,
            drive_fault: misc & 0x04 != 0,
            cooling_fault: misc & 0x08 != 0,
            identify: match (misc & 0x40 != 0, misc >> 4 & 3) {
                (true, 0) => IdentifyState::Off,
                (true, 1) => IdentifyState::Temporary,
                (true, 2) => IdentifyState::Indefinite,
                _ => IdentifyState::Unknown,
            },
        })
    }
}

/// Chassis Control (28.3): what is done to the machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChassisControl {
    /// Power off at once (0).
    Off,
    /// Power on (1).
    On,
    /// Off for at least a second, then on (2); refused by many BMCs while the machine is off.
    Cycle,
    /// Hard reset (3); refused by many BMCs while the machine is off.
    Reset,
    /// A diagnostic interrupt, an NMI as a rule (4).
    Diagnostic,
    /// Asks the operating system to shut down, by ACPI (5).
    Soft,
}

impl ChassisControl {
    /// Its number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::On => 1,
            Self::Cycle => 2,
            Self::Reset => 3,
            Self::Diagnostic => 4,
            Self::Soft => 5,
        }
    }
}

impl Command for ChassisControl {
    type Response = ();

    fn name(&self) -> &'static str {
        match self {
            Self::Off => "Chassis Control (power off)",
            Self::On => "Chassis Control (power on)",
            Self::Cycle => "Chassis Control (power cycle)",
            Self::Reset => "Chassis Control (hard reset)",
            Self::Diagnostic => "Chassis Control (diagnostic interrupt)",
            Self::Soft => "Chassis Control (soft shutdown)",
        }
    }

    fn net_fn(&self) -> u8 {
        NETFN_CHASSIS
    }

    fn code(&self) -> u8 {
        0x02
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::code(*self));
    }

    fn decode(&self, _data: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    fn privilege(&self) -> Privilege {
        Privilege::Operator
    }

    fn is_idempotent(&self) -> bool {
        matches!(self, Self::Off | Self::On | Self::Soft)
    }
}

/// Chassis Identify (28.5): the light by which a person finds the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChassisIdentify {
    /// Turns it off.
    Off,
    /// On for that many seconds.
    Seconds(u8),
    /// On until it is turned off.
    Indefinitely,
}

impl Command for ChassisIdentify {
    type Response = ();

    fn name(&self) -> &'static str {
        "Chassis Identify"
    }

    fn net_fn(&self) -> u8 {
        NETFN_CHASSIS
    }

    fn code(&self) -> u8 {
        0x04
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Off => out.push(0),
            Self::Seconds(seconds) => out.push(*seconds),
            Self::Indefinitely => out.extend([0, 1]),
        }
    }

    fn decode(&self, _data: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    fn privilege(&self) -> Privilege {
        Privilege::Operator
    }
}

/// Set Power Restore Policy (28.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetRestorePolicy(
    /// The policy; [`RestorePolicy::Unknown`] changes nothing and only asks which ones there are.
    pub RestorePolicy,
);

impl Command for SetRestorePolicy {
    /// The policies that the BMC supports: bit 0 always off, bit 1 previous, bit 2 always on.
    type Response = u8;

    fn name(&self) -> &'static str {
        "Set Power Restore Policy"
    }

    fn net_fn(&self) -> u8 {
        NETFN_CHASSIS
    }

    fn code(&self) -> u8 {
        0x06
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self.0 {
            RestorePolicy::AlwaysOff => 0,
            RestorePolicy::Previous => 1,
            RestorePolicy::AlwaysOn => 2,
            RestorePolicy::Unknown => 3,
        });
    }

    fn decode(&self, data: &[u8]) -> Result<u8, DecodeError> {
        Reader::new(self.name(), data)
            .u8("supported policies")
            .map(|p| p & 7)
    }

    fn privilege(&self) -> Privilege {
        Privilege::Operator
    }
}
