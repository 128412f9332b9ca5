//! The command layer: a request type with its response type. Others extend it by implementing [`Command`].

/// The fixed part of a [`Command`]: name, network function, number.
macro_rules! is {
    ($name:literal, $net_fn:expr, $code:literal) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn net_fn(&self) -> u8 {
            $net_fn
        }

        fn code(&self) -> u8 {
            $code
        }
    };
}

/// A [`Command`] that answers nothing.
macro_rules! answers_nothing {
    () => {
        type Response = ();

        fn decode(&self, _data: &[u8]) -> Result<(), DecodeError> {
            Ok(())
        }
    };
}

/// A [`Command`]'s privilege.
macro_rules! needs {
    ($privilege:ident) => {
        fn privilege(&self) -> crate::credentials::Privilege {
            crate::credentials::Privilege::$privilege
        }
    };
}

pub mod boot;
pub mod channel;
pub mod chassis;
pub mod device;
pub mod fru;
pub mod lan;
pub mod sdr;
pub mod sel;
pub mod sensor;
pub mod sol;
pub mod user;
pub mod watchdog;

use crate::credentials::Privilege;
pub use crate::wire::message::{
    NETFN_APP, NETFN_CHASSIS, NETFN_SENSOR, NETFN_STORAGE, NETFN_TRANSPORT,
};
pub use crate::wire::{DecodeError, Reader};

/// A command that a BMC can be asked to carry out.
///
/// ```
/// use ipmi_lan::command::{Command, DecodeError, Reader, NETFN_APP};
///
/// /// Get Self Test Results (IPMI v2.0, section 20.4).
/// struct SelfTest;
///
/// impl Command for SelfTest {
///     type Response = u8;
///     fn name(&self) -> &'static str { "Get Self Test Results" }
///     fn net_fn(&self) -> u8 { NETFN_APP }
///     fn code(&self) -> u8 { 0x04 }
///     fn decode(&self, data: &[u8]) -> Result<u8, DecodeError> {
///         Reader::new(self.name(), data).u8("result")
///     }
/// }
/// ```
pub trait Command: Sync {
    /// What the BMC answers.
    type Response: Send;

    /// The specification's name for it; errors carry it.
    fn name(&self) -> &'static str;

    /// The network function, even.
    fn net_fn(&self) -> u8;

    /// The logical unit number, 0 for the BMC itself.
    fn lun(&self) -> u8 {
        0
    }

    /// The command's number.
    fn code(&self) -> u8;

    /// Appends the request's data.
    fn encode(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Reads the response's data, without the completion code.
    ///
    /// # Errors
    /// Names the field that is short or wrong.
    fn decode(&self, data: &[u8]) -> Result<Self::Response, DecodeError>;

    /// The least privilege that it needs (IPMI v2.0, appendix G). The session is raised to it first where it stands lower; never above the
    /// credentials' own.
    fn privilege(&self) -> Privilege {
        Privilege::User
    }

    /// May the BMC carry it out twice without harm? Those that may not are sent again with the same sequence number only, so that the BMC's window
    /// drops the second; where no answer comes the error [is unclear](crate::Error::is_unclear).
    fn is_idempotent(&self) -> bool {
        true
    }
}

/// Any command at all, by its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Raw {
    /// The network function, even.
    pub net_fn: u8,
    /// The logical unit number.
    pub lun: u8,
    /// The command.
    pub code: u8,
    /// Its data.
    pub data: Vec<u8>,
    /// The least privilege that it needs.
    pub privilege: Privilege,
    /// May it be carried out twice?
    pub idempotent: bool,
}

impl Raw {
    /// A command that may not be repeated and needs the administrator, until told otherwise.
    #[must_use]
    pub fn new(net_fn: u8, code: u8, data: impl Into<Vec<u8>>) -> Self {
        Self {
            net_fn,
            lun: 0,
            code,
            data: data.into(),
            privilege: Privilege::Administrator,
            idempotent: false,
        }
    }

    /// Addresses another logical unit.
    #[must_use]
    pub fn lun(mut self, lun: u8) -> Self {
        self.lun = lun;
        self
    }

    /// Says the least privilege that it needs.
    #[must_use]
    pub fn privilege(mut self, privilege: Privilege) -> Self {
        self.privilege = privilege;
        self
    }

    /// Says that it may be repeated.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}

impl Command for Raw {
    type Response = Vec<u8>;

    fn name(&self) -> &'static str {
        "Raw command"
    }

    fn net_fn(&self) -> u8 {
        self.net_fn
    }

    fn lun(&self) -> u8 {
        self.lun
    }

    fn code(&self) -> u8 {
        self.code
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.data);
    }

    fn decode(&self, data: &[u8]) -> Result<Vec<u8>, DecodeError> {
        Ok(data.to_vec())
    }

    fn privilege(&self) -> Privilege {
        self.privilege
    }

    fn is_idempotent(&self) -> bool {
        self.idempotent
    }
}
