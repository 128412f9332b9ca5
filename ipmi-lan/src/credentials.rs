//! Who we are to a BMC: user, password, K_G, privilege, and the cipher suites that we accept.

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};

/// A privilege level (IPMI v2.0, section 6.8).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Privilege {
    /// Level 1: only what is needed to call back.
    Callback,
    /// Level 2: reads.
    User,
    /// Level 3: power and other actions, no configuration.
    Operator,
    /// Level 4: everything.
    #[default]
    Administrator,
    /// Level 5: the vendor's own.
    Oem,
}

impl Privilege {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Callback => 1,
            Self::User => 2,
            Self::Operator => 3,
            Self::Administrator => 4,
            Self::Oem => 5,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Some(match code & 0x0f {
            1 => Self::Callback,
            2 => Self::User,
            3 => Self::Operator,
            4 => Self::Administrator,
            5 => Self::Oem,
            _ => return None,
        })
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Callback => "callback",
            Self::User => "user",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
            Self::Oem => "OEM",
        })
    }
}

/// A user's name and password, the BMC's key, and the privilege that is asked for.
#[derive(Clone)]
#[non_exhaustive]
pub struct Credentials {
    /// The user's name, at most 16 bytes; empty is the null user.
    pub user: String,
    /// The password, at most 20 bytes (16 for IPMI 1.5).
    pub password: SecretString,
    /// The BMC's key K_G, at most 20 bytes; `None` where the BMC has none (one-key login).
    pub kg: Option<SecretSlice<u8>>,
    /// The highest privilege that the session may take.
    pub privilege: Privilege,
}

impl Credentials {
    /// A user and its password, with administrator privilege and no K_G.
    pub fn new(user: impl Into<String>, password: SecretString) -> Self {
        Self {
            user: user.into(),
            password,
            kg: None,
            privilege: Privilege::Administrator,
        }
    }

    /// Sets the BMC's key K_G (two-key login).
    #[must_use]
    pub fn kg(mut self, kg: SecretSlice<u8>) -> Self {
        self.kg = Some(kg);
        self
    }

    /// Sets the privilege that is asked for.
    #[must_use]
    pub fn privilege(mut self, privilege: Privilege) -> Self {
        self.privilege = privilege;
        self
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.user == other.user
            && self.privilege == other.privilege
            && self.password.expose_secret() == other.password.expose_secret()
            && match (&self.kg, &other.kg) {
                (None, None) => true,
                (Some(a), Some(b)) => a.expose_secret() == b.expose_secret(),
                _ => false,
            }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("kg", &self.kg.is_some())
            .field("privilege", &self.privilege)
            .finish_non_exhaustive()
    }
}

/// Which protocol a session speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// IPMI v2.0, RMCP+.
    #[default]
    V2,
    /// IPMI v1.5 with MD5 or a straight password: no encryption; only where asked for.
    V15,
}
