//! System boot options (IPMI v2.0, sections 28.12 and 28.13): what the machine boots from next.

use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_CHASSIS, Reader};
use crate::credentials::Privilege;

/// A boot device (table 28-14, parameter 5, data 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BootDevice {
    /// No override: the machine's own order (0).
    #[default]
    None,
    /// Network (1).
    Pxe,
    /// The default hard disk (2).
    Disk,
    /// The default hard disk in safe mode (3).
    SafeDisk,
    /// The diagnostic partition (4).
    Diagnostic,
    /// CD or DVD (5).
    Cd,
    /// The firmware's setup (6).
    Bios,
    /// A remote floppy (7).
    RemoteFloppy,
    /// A remote CD (8).
    RemoteCd,
    /// The primary remote medium (9).
    RemoteMedia,
    /// A remote hard disk (11).
    RemoteDisk,
    /// A floppy or primary removable medium (15).
    Floppy,
    /// A reserved selector.
    Unknown(u8),
}

impl BootDevice {
    /// Its selector, 0 to 15.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Pxe => 1,
            Self::Disk => 2,
            Self::SafeDisk => 3,
            Self::Diagnostic => 4,
            Self::Cd => 5,
            Self::Bios => 6,
            Self::RemoteFloppy => 7,
            Self::RemoteCd => 8,
            Self::RemoteMedia => 9,
            Self::RemoteDisk => 11,
            Self::Floppy => 15,
            Self::Unknown(code) => code & 0x0f,
        }
    }

    /// From its selector.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code & 0x0f {
            0 => Self::None,
            1 => Self::Pxe,
            2 => Self::Disk,
            3 => Self::SafeDisk,
            4 => Self::Diagnostic,
            5 => Self::Cd,
            6 => Self::Bios,
            7 => Self::RemoteFloppy,
            8 => Self::RemoteCd,
            9 => Self::RemoteMedia,
            11 => Self::RemoteDisk,
            15 => Self::Floppy,
            other => Self::Unknown(other),
        }
    }
}

/// Boot flags (parameter 5), as they are set and as they are read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BootFlags {
    /// The flags are valid: the firmware will heed them at the next start.
    pub valid: bool,
    /// For every boot from now on, not for the next one only.
    pub persistent: bool,
    /// Boot the UEFI way, not the BIOS way.
    pub uefi: bool,
    /// From where.
    pub device: BootDevice,
}

impl BootFlags {
    /// The five bytes of parameter 5.
    #[must_use]
    pub fn encode(self) -> [u8; 5] {
        let first =
            u8::from(self.valid) << 7 | u8::from(self.persistent) << 6 | u8::from(self.uefi) << 5;
        [first, self.device.code() << 2, 0, 0, 0]
    }

    /// Reads the bytes of parameter 5.
    ///
    /// # Errors
    /// If they are fewer than two.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("boot flags", data);
        let first = r.u8("flags")?;
        let second = r.u8("device selector")?;
        Ok(Self {
            valid: first & 0x80 != 0,
            persistent: first & 0x40 != 0,
            uefi: first & 0x20 != 0,
            device: BootDevice::from_code(second >> 2),
        })
    }
}

/// Set System Boot Options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetBootOption {
    /// Parameter 0: opens (true) or completes (false) a change.
    InProgress(bool),
    /// Parameter 3: what does *not* clear the valid bit. 1Fh cancels the 60 seconds after which the flags expire.
    ValidBitClearing(u8),
    /// Parameter 4: no boot software has handled the boot information yet.
    ClearAcknowledge,
    /// Parameter 5.
    Flags(BootFlags),
}

impl Command for SetBootOption {
    type Response = ();

    fn name(&self) -> &'static str {
        match self {
            Self::InProgress(_) => "Set System Boot Options (set in progress)",
            Self::ValidBitClearing(_) => "Set System Boot Options (valid bit clearing)",
            Self::ClearAcknowledge => "Set System Boot Options (boot info acknowledge)",
            Self::Flags(_) => "Set System Boot Options (boot flags)",
        }
    }

    fn net_fn(&self) -> u8 {
        NETFN_CHASSIS
    }

    fn code(&self) -> u8 {
        0x08
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::InProgress(open) => out.extend([0, u8::from(*open)]),
            Self::ValidBitClearing(mask) => out.extend([3, mask & 0x1f]),
            Self::ClearAcknowledge => out.extend([4, 0x01, 0x01]),
            Self::Flags(flags) => {
                out.push(5);
                out.extend(flags.encode());
            }
        }
    }

    fn decode(&self, _data: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    fn privilege(&self) -> Privilege {
        Privilege::Operator
    }
}

/// Get System Boot Options, parameter 5.
#[derive(Debug, Clone, Copy, Default)]
pub struct GetBootFlags;

impl Command for GetBootFlags {
    type Response = BootFlags;

    fn name(&self) -> &'static str {
        "Get System Boot Options (boot flags)"
    }

    fn net_fn(&self) -> u8 {
        NETFN_CHASSIS
    }

    fn code(&self) -> u8 {
        0x09
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([5, 0, 0]);
    }

    fn decode(&self, data: &[u8]) -> Result<BootFlags, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        r.u8("parameter version")?;
        let parameter = r.u8("parameter")?;
        if parameter & 0x7f != 5 {
            return Err(r.error("parameter", "is not the one that was asked for"));
        }
        let mut flags = BootFlags::decode(r.rest())?;
        // Bit 7 of the parameter byte: the BMC holds it as invalid or locked.
        flags.valid &= parameter & 0x80 == 0;
        Ok(flags)
    }

    fn privilege(&self) -> Privilege {
        Privilege::Operator
    }
}

/// How strictly a boot override is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BootVerify {
    /// Every flag must read back as it was set.
    #[default]
    Exact,
    /// The device must read back; the valid, persistent and UEFI bits may be lost (some BMCs never return them).
    Device,
    /// Nothing is required of what reads back.
    None,
}

/// What to boot from next, and how it is to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BootOverride {
    /// From where; [`BootDevice::None`] removes the override.
    pub device: BootDevice,
    /// The UEFI way.
    pub uefi: bool,
    /// For every boot from now on.
    pub persistent: bool,
    /// Cancel the 60 seconds after which the BMC forgets it (parameter 3); needed where the machine is powered later than that.
    pub hold: bool,
    /// How strictly it is read back.
    pub verify: BootVerify,
}

impl BootOverride {
    /// The next boot from this device, the BIOS way, once, read back exactly.
    #[must_use]
    pub fn next(device: BootDevice) -> Self {
        Self {
            device,
            ..Self::default()
        }
    }

    /// Boots the UEFI way, or not.
    #[must_use]
    pub fn uefi(mut self, uefi: bool) -> Self {
        self.uefi = uefi;
        self
    }

    /// For every boot from now on, or for the next one only.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// Cancels the 60 seconds, or not.
    #[must_use]
    pub fn hold(mut self, hold: bool) -> Self {
        self.hold = hold;
        self
    }

    /// How strictly it is read back.
    #[must_use]
    pub fn verify(mut self, verify: BootVerify) -> Self {
        self.verify = verify;
        self
    }

    /// The flags that say this.
    #[must_use]
    pub fn flags(&self) -> BootFlags {
        BootFlags {
            valid: self.device != BootDevice::None || self.persistent,
            persistent: self.persistent,
            uefi: self.uefi,
            device: self.device,
        }
    }

    /// Do these flags, read back, say this?
    #[must_use]
    pub fn holds(&self, flags: BootFlags) -> bool {
        match self.verify {
            BootVerify::Exact => flags == self.flags(),
            BootVerify::Device => flags.device == self.device,
            BootVerify::None => true,
        }
    }
}
