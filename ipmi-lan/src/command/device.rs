//! Who the BMC is (IPMI v2.0, chapter 20).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_APP, Reader};
use crate::credentials::Privilege;

/// Get Device ID (20.1).
#[derive(Debug, Clone, Copy, Default)]
pub struct GetDeviceId;

/// What a BMC says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceId {
    /// The maker's id for the device.
    pub device: u8,
    /// Its revision.
    pub revision: u8,
    /// The device holds SDRs of its own.
    pub provides_sdrs: bool,
    /// It is updating or initialising and answers few commands only.
    pub updating: bool,
    /// Firmware major revision.
    pub firmware_major: u8,
    /// Firmware minor revision (travels as BCD).
    pub firmware_minor: u8,
    /// The IPMI version, for instance (2, 0).
    pub ipmi: (u8, u8),
    /// Additional device support bits: 0 sensor, 1 SDR repository, 2 SEL, 3 FRU, 4 event receiver, 5 event generator, 6 bridge, 7 chassis.
    pub support: u8,
    /// The maker's IANA enterprise number.
    pub manufacturer: u32,
    /// The maker's product id.
    pub product: u16,
    /// Auxiliary firmware revision, if the BMC has one.
    pub auxiliary: Option<[u8; 4]>,
}

impl Command for GetDeviceId {
    type Response = DeviceId;

    fn name(&self) -> &'static str {
        "Get Device ID"
    }

    fn net_fn(&self) -> u8 {
        NETFN_APP
    }

    fn code(&self) -> u8 {
        0x01
    }

    fn decode(&self, data: &[u8]) -> Result<DeviceId, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let device = r.u8("device id")?;
        let revision = r.u8("device revision")?;
        let major = r.u8("firmware revision 1")?;
        let minor = r.u8("firmware revision 2")?;
        let version = r.u8("IPMI version")?;
        let support = r.u8("additional device support")?;
        let manufacturer = r.u24("manufacturer id")?;
        let product = r.u16("product id")?;
        Ok(DeviceId {
            device,
            revision: revision & 0x0f,
            provides_sdrs: revision & 0x80 != 0,
            updating: major & 0x80 != 0,
            firmware_major: major & 0x7f,
            firmware_minor: (minor >> 4) * 10 + (minor & 0x0f),
            ipmi: (version & 0x0f, version >> 4),
            support,
            manufacturer: manufacturer & 0x000f_ffff,
            product,
            auxiliary: r.array("auxiliary firmware revision").ok(),
        })
    }
}

/// Get Self Test Results (20.4).
#[derive(Debug, Clone, Copy, Default)]
pub struct GetSelfTest;

/// The result of the BMC's self test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SelfTest {
    /// No error (55h).
    Passed,
    /// Not implemented (56h).
    NotImplemented,
    /// Corrupted or inaccessible data or devices (57h): bits of what.
    Corrupted(u8),
    /// Fatal hardware error (58h).
    Fatal(u8),
    /// Anything else: result and detail.
    Unknown(u8, u8),
}

impl Command for GetSelfTest {
    type Response = SelfTest;

    fn name(&self) -> &'static str {
        "Get Self Test Results"
    }

    fn net_fn(&self) -> u8 {
        NETFN_APP
    }

    fn code(&self) -> u8 {
        0x04
    }

    fn decode(&self, data: &[u8]) -> Result<SelfTest, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let result = r.u8("result")?;
        let detail = r.u8("detail").unwrap_or(0);
        Ok(match result {
            0x55 => SelfTest::Passed,
            0x56 => SelfTest::NotImplemented,
            0x57 => SelfTest::Corrupted(detail),
            0x58 => SelfTest::Fatal(detail),
            other => SelfTest::Unknown(other, detail),
        })
    }
}

/// Cold Reset (20.2) or Warm Reset (20.3) of the BMC itself, not of the machine. Sessions are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetBmc {
    /// As after a power loss of the BMC.
    Cold,
    /// Its software starts anew.
    Warm,
}

impl Command for ResetBmc {
    type Response = ();

    fn name(&self) -> &'static str {
        match self {
            Self::Cold => "Cold Reset",
            Self::Warm => "Warm Reset",
        }
    }

    fn net_fn(&self) -> u8 {
        NETFN_APP
    }

    fn code(&self) -> u8 {
        match self {
            Self::Cold => 0x02,
            Self::Warm => 0x03,
        }
    }

    fn decode(&self, _data: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    fn privilege(&self) -> Privilege {
        Privilege::Administrator
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}

/// Get System GUID (22.14) or Get Device GUID (20.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetGuid {
    /// The machine's.
    System,
    /// The BMC's.
    Device,
}

/// A GUID, its bytes in the order in which they travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Guid(
    /// As they travel: the specification sends them least significant byte first, many BMCs the SMBIOS way or RFC 4122's.
    pub [u8; 16],
);

impl Guid {
    fn grouped(bytes: [u8; 16]) -> String {
        let mut out = String::with_capacity(36);
        for (i, byte) in bytes.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            out.push_str(&format!("{byte:02x}"));
        }
        out
    }

    /// Read as SMBIOS writes it (the first three fields little-endian): what `dmidecode` and MAAS show on most machines.
    #[must_use]
    pub fn smbios(self) -> String {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let mut bytes = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
        for (to, from) in bytes[8..].iter_mut().zip(rest) {
            *to = from;
        }
        Self::grouped(bytes)
    }

    /// Read as the specification sends it (table 20-10, all of it reversed).
    #[must_use]
    pub fn ipmi(self) -> String {
        let mut bytes = self.0;
        bytes.reverse();
        Self::grouped(bytes)
    }
}

/// As RFC 4122 writes it, in the order in which the bytes travel.
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::grouped(self.0))
    }
}

impl Command for GetGuid {
    type Response = Guid;

    fn name(&self) -> &'static str {
        match self {
            Self::System => "Get System GUID",
            Self::Device => "Get Device GUID",
        }
    }

    fn net_fn(&self) -> u8 {
        NETFN_APP
    }

    fn code(&self) -> u8 {
        match self {
            Self::System => 0x37,
            Self::Device => 0x08,
        }
    }

    fn decode(&self, data: &[u8]) -> Result<Guid, DecodeError> {
        Reader::new(self.name(), data).array("GUID").map(Guid)
    }
}
