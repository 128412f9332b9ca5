//! LAN configuration (IPMI v2.0, sections 23.1 and 23.2, table 23-4).

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_TRANSPORT, Reader};
use crate::credentials::Privilege;

/// The channel that the command comes in on.
pub const THIS_CHANNEL: u8 = 0x0e;

/// A MAC address; written `52:54:00:12:34:56`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(
    /// Its six bytes.
    pub [u8; 6],
);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not a MAC address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacAddrError;

impl fmt::Display for MacAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MAC address is six hexadecimal pairs, for instance 52:54:00:12:34:56")
    }
}

impl std::error::Error for MacAddrError {}

impl FromStr for MacAddr {
    type Err = MacAddrError;

    fn from_str(s: &str) -> Result<Self, MacAddrError> {
        let mut out = [0u8; 6];
        let mut pairs = s.split([':', '-']);
        for to in &mut out {
            let pair = pairs.next().filter(|p| p.len() == 2).ok_or(MacAddrError)?;
            *to = u8::from_str_radix(pair, 16).map_err(|_| MacAddrError)?;
        }
        if pairs.next().is_some() {
            Err(MacAddrError)
        } else {
            Ok(Self(out))
        }
    }
}

impl Serialize for MacAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Get LAN Configuration Parameters: the bytes of one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetLanParameter {
    /// The channel, [`THIS_CHANNEL`] for the one in use.
    pub channel: u8,
    /// The parameter's number (table 23-4).
    pub parameter: u8,
    /// The set selector, 0 where there is one set only.
    pub set: u8,
}

impl Command for GetLanParameter {
    type Response = Vec<u8>;

    fn name(&self) -> &'static str {
        "Get LAN Configuration Parameters"
    }

    fn net_fn(&self) -> u8 {
        NETFN_TRANSPORT
    }

    fn code(&self) -> u8 {
        0x02
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.channel & 0x0f, self.parameter, self.set, 0]);
    }

    fn decode(&self, data: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        r.u8("parameter revision")?;
        Ok(r.rest().to_vec())
    }

    fn privilege(&self) -> Privilege {
        Privilege::Operator
    }
}

/// Set LAN Configuration Parameters: the bytes of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetLanParameter {
    /// The channel.
    pub channel: u8,
    /// The parameter's number (table 23-4).
    pub parameter: u8,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl Command for SetLanParameter {
    type Response = ();

    fn name(&self) -> &'static str {
        "Set LAN Configuration Parameters"
    }

    fn net_fn(&self) -> u8 {
        NETFN_TRANSPORT
    }

    fn code(&self) -> u8 {
        0x01
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.channel & 0x0f, self.parameter]);
        out.extend_from_slice(&self.data);
    }

    fn decode(&self, _data: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    fn privilege(&self) -> Privilege {
        Privilege::Administrator
    }
}

/// Where a BMC's address comes from (parameter 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum IpSource {
    /// Set by hand (1).
    Static,
    /// DHCP (2).
    Dhcp,
    /// Loaded by the firmware (3).
    Bios,
    /// Another protocol (4), or unspecified (0).
    Unknown(u8),
}

impl IpSource {
    /// From its number.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code & 0x0f {
            1 => Self::Static,
            2 => Self::Dhcp,
            3 => Self::Bios,
            other => Self::Unknown(other),
        }
    }
}

/// What is usually wanted of a BMC's LAN configuration; what the BMC does not tell is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LanConfig {
    /// Parameter 5.
    pub mac: Option<MacAddr>,
    /// Parameter 3.
    pub address: Option<Ipv4Addr>,
    /// Parameter 6.
    pub netmask: Option<Ipv4Addr>,
    /// Parameter 12.
    pub gateway: Option<Ipv4Addr>,
    /// Parameter 4.
    pub source: Option<IpSource>,
    /// Parameter 20: the VLAN's id, where it is enabled.
    pub vlan: Option<u16>,
}
