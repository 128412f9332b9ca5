//! What a session is opened with, what it is asked, and what it tells.

use std::time::Instant;

use secrecy::ExposeSecret;

use super::{Timing, Workarounds};
use crate::credentials::{Credentials, Privilege, Protocol};
use crate::error::{Error, ErrorKind};
use crate::wire::crypto::CipherSuite;
use crate::wire::v2::PayloadType;
use crate::wire::v15::AuthType;

/// What a session is opened with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// Who we are.
    pub credentials: Credentials,
    /// Which protocol.
    pub protocol: Protocol,
    /// The suites that are offered, the best first (RMCP+).
    pub suites: Vec<CipherSuite>,
    /// The authentication types that may be used, the best first (IPMI v1.5).
    pub auth_types: Vec<AuthType>,
    /// What to tolerate.
    pub workarounds: Workarounds,
    /// How long to wait.
    pub timing: Timing,
}

impl SessionConfig {
    /// RMCP+ with suite 17, then 3.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            protocol: Protocol::V2,
            suites: vec![CipherSuite::S17, CipherSuite::S3],
            auth_types: vec![AuthType::Md5],
            workarounds: Workarounds::default(),
            timing: Timing::default(),
        }
    }

    pub(super) fn password(&self) -> &[u8] {
        let password = self.credentials.password.expose_secret().as_bytes();
        if self.workarounds.short_password {
            &password[..password.len().min(16)]
        } else {
            password
        }
    }

    pub(super) fn kg_or_password(&self) -> &[u8] {
        match &self.credentials.kg {
            Some(kg) if !kg.expose_secret().is_empty() => kg.expose_secret(),
            _ => self.password(),
        }
    }

    /// Checks the lengths that the protocol allows.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let too_long = |what: &str, is: usize, most: usize| {
            Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{what} is {is} bytes long, at most {most} are possible"),
            ))
        };
        let password = self.credentials.password.expose_secret().len();
        let most = if self.protocol == Protocol::V15 {
            16
        } else {
            20
        };
        if self.credentials.user.len() > 16 {
            return too_long("the user's name", self.credentials.user.len(), 16);
        }
        if password > most {
            return too_long("the password", password, most);
        }
        if let Some(kg) = &self.credentials.kg
            && kg.expose_secret().len() > 20
        {
            return too_long("K_G", kg.expose_secret().len(), 20);
        }
        if self.protocol == Protocol::V15 && self.auth_types.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "no authentication type is allowed",
            ));
        }
        if self.suites.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "no cipher suite is offered",
            ));
        }
        Ok(())
    }
}

/// Fills bytes with randomness. Tests pass fixed bytes, so that a transcript is exact.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// Names a request towards the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(
    /// Any number that the caller does not use twice.
    pub u64,
);

/// A request that is to be sent in the session.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its name towards the core.
    pub id: RequestId,
    /// Its name in errors.
    pub name: &'static str,
    /// The network function.
    pub net_fn: u8,
    /// The logical unit.
    pub lun: u8,
    /// The command.
    pub code: u8,
    /// Its data.
    pub data: Vec<u8>,
    /// The least privilege.
    pub privilege: Privilege,
    /// May it be carried out twice?
    pub idempotent: bool,
    /// When it fails.
    pub deadline: Instant,
}

/// Why a request failed; it can be given to several.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind.
    pub kind: ErrorKind,
    /// What came back.
    pub detail: String,
    /// The bytes, if the protocol was broken.
    pub bytes: Vec<u8>,
    /// It may have been acted upon.
    pub unclear: bool,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            bytes: Vec::new(),
            unclear: false,
        }
    }

    pub(super) fn protocol(detail: impl Into<String>, bytes: &[u8]) -> Self {
        Self {
            kind: ErrorKind::Protocol,
            detail: detail.into(),
            bytes: bytes.to_vec(),
            unclear: false,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = match failure.kind {
            ErrorKind::Protocol => Self::protocol(failure.detail, &failure.bytes),
            kind => Self::new(kind, failure.detail),
        };
        error.unclear(failure.unclear)
    }
}

/// What the core has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request was answered, with this completion code and data.
    Answered {
        /// Which.
        id: RequestId,
        /// The completion code.
        completion: u8,
        /// The data after it.
        data: Vec<u8>,
    },
    /// A request failed.
    Failed {
        /// Which.
        id: RequestId,
        /// Why.
        failure: Failure,
    },
    /// A session was opened, with this suite.
    Opened(CipherSuite),
    /// The session is closed, or given up: nothing of it is left at the BMC that we could close.
    Closed,
    /// A payload that is not an IPMI message arrived in the session (serial over LAN).
    Payload(PayloadType, Vec<u8>),
}
