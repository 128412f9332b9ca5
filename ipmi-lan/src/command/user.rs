//! Users (IPMI v2.0, sections 22.26 to 22.30).

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_APP, Reader};
use crate::credentials::Privilege;

/// Get User Access (22.27).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetUserAccess {
    /// The channel, [`THIS_CHANNEL`](super::lan::THIS_CHANNEL) for the one in use.
    pub channel: u8,
    /// The user's id, 1 to 63.
    pub user: u8,
}

/// What a user may do on a channel, and how many users there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserAccess {
    /// How many users the BMC can have on that channel.
    pub max_users: u8,
    /// How many of them are enabled.
    pub enabled_users: u8,
    /// How many names are fixed.
    pub fixed_names: u8,
    /// The user is enabled; `None` where the BMC does not say (IPMI 1.5).
    pub enabled: Option<bool>,
    /// The highest privilege on that channel; `None` is "no access".
    pub privilege: Option<Privilege>,
    /// IPMI messaging is enabled for the user.
    pub ipmi: bool,
    /// Link authentication is enabled for the user.
    pub link: bool,
    /// Only by callback.
    pub callback_only: bool,
}

impl Command for GetUserAccess {
    is!("Get User Access", NETFN_APP, 0x44);
    needs!(Operator);
    type Response = UserAccess;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.channel & 0x0f, self.user & 0x3f]);
    }

    fn decode(&self, data: &[u8]) -> Result<UserAccess, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let max = r.u8("maximum users")?;
        let enabled = r.u8("enabled users")?;
        let fixed = r.u8("fixed names")?;
        let access = r.u8("channel access")?;
        Ok(UserAccess {
            max_users: max & 0x3f,
            enabled_users: enabled & 0x3f,
            fixed_names: fixed & 0x3f,
            enabled: match enabled >> 6 {
                1 => Some(true),
                2 => Some(false),
                _ => None,
            },
            privilege: Privilege::from_code(access),
            ipmi: access & 0x10 != 0,
            link: access & 0x20 != 0,
            callback_only: access & 0x40 != 0,
        })
    }
}

/// Set User Access (22.26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetUserAccess {
    /// The channel.
    pub channel: u8,
    /// The user's id.
    pub user: u8,
    /// IPMI messaging.
    pub ipmi: bool,
    /// Link authentication.
    pub link: bool,
    /// Only by callback.
    pub callback_only: bool,
    /// The highest privilege; `None` is "no access".
    pub privilege: Option<Privilege>,
}

impl Command for SetUserAccess {
    is!("Set User Access", NETFN_APP, 0x43);
    needs!(Administrator);
    answers_nothing!();

    fn encode(&self, out: &mut Vec<u8>) {
        let flags =
            u8::from(self.callback_only) << 6 | u8::from(self.link) << 5 | u8::from(self.ipmi) << 4;
        out.extend([
            0x80 | flags | (self.channel & 0x0f),
            self.user & 0x3f,
            self.privilege.map_or(0x0f, Privilege::code),
            0,
        ]);
    }
}

/// Get User Name (22.29).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetUserName(
    /// The user's id.
    pub u8,
);

impl Command for GetUserName {
    is!("Get User Name", NETFN_APP, 0x46);
    needs!(Operator);
    type Response = String;

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0 & 0x3f);
    }

    fn decode(&self, data: &[u8]) -> Result<String, DecodeError> {
        let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
        Ok(String::from_utf8_lossy(&data[..end]).into_owned())
    }
}

/// Set User Name (22.28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetUserName {
    /// The user's id.
    pub user: u8,
    /// The name, cut to 16 bytes.
    pub name: String,
}

impl Command for SetUserName {
    is!("Set User Name", NETFN_APP, 0x45);
    needs!(Administrator);
    answers_nothing!();

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.user & 0x3f);
        let mut name = self.name.as_bytes().to_vec();
        name.resize(16, 0);
        out.extend(name);
    }
}

/// What Set User Password does (22.30).
#[derive(Clone)]
#[non_exhaustive]
pub enum PasswordChange {
    /// Disables the user.
    Disable,
    /// Enables the user.
    Enable,
    /// Sets the password: up to 16 bytes the short form, up to 20 the long one.
    Set(SecretString),
    /// Compares the password with the stored one (completion code 80h: it differs).
    Test(SecretString),
}

impl fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disable => "Disable",
            Self::Enable => "Enable",
            Self::Set(_) => "Set(..)",
            Self::Test(_) => "Test(..)",
        })
    }
}

/// Set User Password (22.30).
#[derive(Debug, Clone)]
pub struct SetUserPassword {
    /// The user's id.
    pub user: u8,
    /// What is done.
    pub change: PasswordChange,
}

impl Command for SetUserPassword {
    is!("Set User Password", NETFN_APP, 0x47);
    needs!(Administrator);
    answers_nothing!();

    fn encode(&self, out: &mut Vec<u8>) {
        let (operation, password) = match &self.change {
            PasswordChange::Disable => (0, None),
            PasswordChange::Enable => (1, None),
            PasswordChange::Set(password) => (2, Some(password)),
            PasswordChange::Test(password) => (3, Some(password)),
        };
        let bytes = password.map_or(&[][..], |p| p.expose_secret().as_bytes());
        let long = bytes.len() > 16;
        out.extend([u8::from(long) << 7 | (self.user & 0x3f), operation]);
        if password.is_some() {
            let mut bytes = bytes.to_vec();
            bytes.resize(if long { 20 } else { 16 }, 0);
            out.extend(bytes);
        }
    }
}
