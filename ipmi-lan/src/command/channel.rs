//! Channels (IPMI v2.0, sections 22.13, 22.15 and 22.22 to 22.24).

use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_APP, Reader};
use crate::credentials::Privilege;

/// Get Channel Authentication Capabilities (22.13): what a BMC offers before any login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetAuthCapabilities {
    /// The channel.
    pub channel: u8,
    /// For which privilege.
    pub privilege: Privilege,
}

/// What a BMC offers for logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuthCapabilities {
    /// The channel's number.
    pub channel: u8,
    /// v1.5 authentication types: bit 0 none, 1 MD2, 2 MD5, 4 password, 5 OEM.
    pub types: u8,
    /// K_G is set: two-key login.
    pub two_key: bool,
    /// v1.5: messages after the login need no authentication code.
    pub per_message_off: bool,
    /// v1.5: User-level commands need no authentication code.
    pub user_level_off: bool,
    /// Users with a name can log in.
    pub named_users: bool,
    /// Users without a name can log in.
    pub null_users: bool,
    /// Nobody's login (no name, no password) is possible.
    pub anonymous: bool,
    /// The channel speaks IPMI v1.5.
    pub v15: bool,
    /// The channel speaks IPMI v2.0.
    pub v2: bool,
}

impl Command for GetAuthCapabilities {
    is!("Get Channel Authentication Capabilities", NETFN_APP, 0x38);
    needs!(Callback);
    type Response = AuthCapabilities;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([0x80 | (self.channel & 0x0f), self.privilege.code()]);
    }

    fn decode(&self, data: &[u8]) -> Result<AuthCapabilities, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let channel = r.u8("channel")?;
        let types = r.u8("authentication types")?;
        let status = r.u8("authentication status")?;
        let extended = r.u8("extended capabilities").unwrap_or(0);
        let has_extended = types & 0x80 != 0;
        Ok(AuthCapabilities {
            channel,
            types: types & 0x3f,
            two_key: status & 0x20 != 0,
            per_message_off: status & 0x10 != 0,
            user_level_off: status & 0x08 != 0,
            named_users: status & 0x04 != 0,
            null_users: status & 0x02 != 0,
            anonymous: status & 0x01 != 0,
            v15: !has_extended || extended & 0x01 != 0,
            v2: has_extended && extended & 0x02 != 0,
        })
    }
}

/// Get Channel Info (22.24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetChannelInfo(
    /// The channel.
    pub u8,
);

/// What a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Its number.
    pub channel: u8,
    /// Its medium (table 6-3): 1 IPMB, 4 LAN, 5 serial, 6 other LAN, 12 system interface.
    pub medium: u8,
    /// Its protocol (table 6-2).
    pub protocol: u8,
    /// 0 no sessions, 1 one, 2 many, 3 either.
    pub session_support: u8,
    /// How many sessions are active on it.
    pub active_sessions: u8,
}

impl Command for GetChannelInfo {
    is!("Get Channel Info", NETFN_APP, 0x42);
    type Response = ChannelInfo;

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0 & 0x0f);
    }

    fn decode(&self, data: &[u8]) -> Result<ChannelInfo, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let channel = r.u8("channel")?;
        let medium = r.u8("medium")?;
        let protocol = r.u8("protocol")?;
        let sessions = r.u8("session support")?;
        Ok(ChannelInfo {
            channel: channel & 0x0f,
            medium: medium & 0x7f,
            protocol: protocol & 0x1f,
            session_support: sessions >> 6,
            active_sessions: sessions & 0x3f,
        })
    }
}

/// Get Channel Access (22.23), the present (volatile) settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetChannelAccess(
    /// The channel.
    pub u8,
);

/// How a channel may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChannelAccess {
    /// 0 disabled, 1 before boot only, 2 always, 3 shared.
    pub mode: u8,
    /// The highest privilege on it; `None` where unspecified.
    pub privilege: Option<Privilege>,
    /// Alerting is on.
    pub alerting: bool,
    /// v1.5: messages carry authentication codes.
    pub per_message: bool,
    /// v1.5: User-level messages carry them.
    pub user_level: bool,
}

impl Command for GetChannelAccess {
    is!("Get Channel Access", NETFN_APP, 0x41);
    type Response = ChannelAccess;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.0 & 0x0f, 0x80]);
    }

    fn decode(&self, data: &[u8]) -> Result<ChannelAccess, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let access = r.u8("access")?;
        let privilege = r.u8("privilege limit")?;
        Ok(ChannelAccess {
            mode: access & 7,
            privilege: Privilege::from_code(privilege),
            alerting: access & 0x20 == 0,
            per_message: access & 0x10 == 0,
            user_level: access & 0x08 == 0,
        })
    }
}

/// Get Channel Cipher Suites (22.15), one block of 16 bytes. Some BMCs never answer it, so nothing here depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetCipherSuites {
    /// The channel.
    pub channel: u8,
    /// Which block, from 0; the last one is shorter than 16 bytes.
    pub block: u8,
}

impl Command for GetCipherSuites {
    is!("Get Channel Cipher Suites", NETFN_APP, 0x54);
    needs!(Callback);
    type Response = Vec<u8>;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.channel & 0x0f, 0, 0x80 | (self.block & 0x3f)]);
    }

    fn decode(&self, data: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        r.u8("channel")?;
        Ok(r.rest().to_vec())
    }
}

/// The suites' numbers in the records that [`GetCipherSuites`] returns, put together; records that make no sense are passed over.
#[must_use]
pub fn cipher_suite_numbers(records: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = records;
    while let Some((start, tail)) = rest.split_first() {
        rest = tail;
        let skip = match start {
            0xc0 => 0,
            0xc1 => 3,
            _ => continue,
        };
        if let Some(number) = rest.first() {
            out.push(*number);
            rest = rest.get(1 + skip..).unwrap_or(&[]);
        }
    }
    out
}
