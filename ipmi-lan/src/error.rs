//! The one error of this crate: what was attempted, on which BMC, what came back, and what to do next.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use crate::wire::DecodeError;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, coarsely enough to decide what to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The BMC knows no such user, or not at that privilege (RAKP status 0Dh).
    UnknownUser,
    /// The password is wrong: the BMC's RAKP 2 key exchange code, or its status 0Fh, says so.
    BadPassword,
    /// The password is right and the BMC key K_G is wrong: RAKP 4's integrity check does not verify.
    BadKg,
    /// Every session slot of the BMC stayed taken until the deadline (RAKP status 01h).
    NoFreeSession,
    /// The BMC accepted none of the cipher suites that were offered.
    SuiteRefused,
    /// The user or the session lacks the privilege that the command needs (completion code D4h).
    Privilege,
    /// Nothing at all came back from that address.
    Unreachable,
    /// The BMC answered earlier and then fell silent until the deadline.
    TimedOut,
    /// The BMC sent something that the specification does not allow; [`Error::bytes`] holds it.
    Protocol,
    /// The command was refused with this completion code (IPMI v2.0, table 5-2).
    Completion(u8),
    /// The command was acted upon and the state that was asked for never held.
    NotReached,
    /// An argument cannot be sent (a name or password that is too long, for instance).
    InvalidInput,
    /// The client was closed while the command was under way.
    Closed,
    /// The operating system refused the socket.
    Io,
}

/// An error of this crate; small, boxed, and free of secrets.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    bmc: Option<SocketAddr>,
    operation: Cow<'static, str>,
    detail: String,
    bytes: Vec<u8>,
    unclear: bool,
    source: Option<std::io::Error>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            bmc: None,
            operation: Cow::Borrowed("IPMI"),
            detail: detail.into(),
            bytes: Vec::new(),
            unclear: false,
            source: None,
        }))
    }

    pub(crate) fn protocol(detail: impl Into<String>, bytes: &[u8]) -> Self {
        let mut error = Self::new(ErrorKind::Protocol, detail);
        error.0.bytes = bytes.to_vec();
        error
    }

    pub(crate) fn decode(error: &DecodeError, bytes: &[u8]) -> Self {
        Self::protocol(error.to_string(), bytes)
    }

    pub(crate) fn io(detail: impl Into<String>, source: std::io::Error) -> Self {
        let mut error = Self::new(ErrorKind::Io, detail);
        error.0.source = Some(source);
        error
    }

    pub(crate) fn closed() -> Self {
        Self::new(
            ErrorKind::Closed,
            "the client was closed while the command was under way",
        )
    }

    pub(crate) fn at(mut self, bmc: SocketAddr) -> Self {
        self.0.bmc = Some(bmc);
        self
    }

    pub(crate) fn doing(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation = operation.into();
        self
    }

    pub(crate) fn unclear(mut self, unclear: bool) -> Self {
        self.0.unclear = unclear;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The BMC's address, where the error belongs to one.
    #[must_use]
    pub fn bmc(&self) -> Option<SocketAddr> {
        self.0.bmc
    }

    /// The operation that was attempted, for instance `Chassis Control (power on)`.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The bytes that broke the protocol, empty for other kinds.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The completion code, if the BMC refused the command with one.
    #[must_use]
    pub fn completion_code(&self) -> Option<u8> {
        match self.0.kind {
            ErrorKind::Completion(code) => Some(code),
            ErrorKind::Privilege => Some(0xd4),
            _ => None,
        }
    }

    /// The user, the password or K_G is wrong, or the privilege is too low: an operator has to change the credentials.
    #[must_use]
    pub fn is_credentials(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::UnknownUser
                | ErrorKind::BadPassword
                | ErrorKind::BadKg
                | ErrorKind::Privilege
        )
    }

    /// Trying again is vain until somebody changes something: credentials, privileges, the BMC's cipher suites or an argument. [`advice`](Self::advice) says
    /// what.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        self.is_credentials()
            || matches!(
                self.0.kind,
                ErrorKind::SuiteRefused | ErrorKind::InvalidInput
            )
    }

    /// Nothing answered in time: [`ErrorKind::Unreachable`] or [`ErrorKind::TimedOut`].
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unreachable | ErrorKind::TimedOut)
    }

    /// The BMC does not have what was asked for (completion codes 80h of parameters, C1h, C2h, CBh, CCh).
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Completion(0x80 | 0xc1 | 0xc2 | 0xcb | 0xcc)
        )
    }

    /// Trying again later may help: silence, taken session slots, a busy BMC (C0h, C3h, D0h to D3h, D5h during a transition).
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Unreachable
                | ErrorKind::TimedOut
                | ErrorKind::NoFreeSession
                | ErrorKind::Completion(0xc0 | 0xc3 | 0xd0 | 0xd1 | 0xd2 | 0xd3 | 0xd5)
        )
    }

    /// The command may or may not have been acted upon: observe again before repeating it.
    #[must_use]
    pub fn is_unclear(&self) -> bool {
        self.0.unclear
    }

    /// What to do next, in a few words; the message ends with it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self.0.kind {
            ErrorKind::UnknownUser => {
                "check the user's name, that it is enabled, and its privilege limit on the LAN channel"
            }
            ErrorKind::BadPassword => {
                "check the password of that user (at most 20 bytes; some BMCs keep 16)"
            }
            ErrorKind::BadKg => {
                "check the BMC key K_G (Security > Encryption key in most BMC pages); without one, leave it empty"
            }
            ErrorKind::NoFreeSession => {
                "another tool holds the sessions; wait a minute for them to expire or reset the BMC"
            }
            ErrorKind::SuiteRefused => {
                "allow cipher suite 17 or 3 on the BMC, or name what it has when the client is built (suites; for IPMI 1.5 authentication types)"
            }
            ErrorKind::Privilege => {
                "use a user with a higher privilege, or ask for a higher one in the credentials"
            }
            ErrorKind::Unreachable => {
                "check the address, the cable, UDP port 623, and that IPMI over LAN is enabled"
            }
            ErrorKind::TimedOut => {
                "the BMC may be restarting; try again, or give it a longer deadline"
            }
            ErrorKind::Protocol => "this BMC may need one of the named workarounds",
            ErrorKind::Completion(0xc1) => "this BMC does not have the command",
            ErrorKind::Completion(0xd5) => {
                "the present state does not allow it; read the state and try again"
            }
            ErrorKind::Completion(_) => "see the completion code in IPMI v2.0, table 5-2",
            ErrorKind::NotReached => "look at the machine's console; a longer wait may be needed",
            ErrorKind::InvalidInput => "correct the argument",
            ErrorKind::Closed => "keep the client alive for as long as its commands run",
            ErrorKind::Io => "check the machine's own network",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.operation)?;
        if let Some(bmc) = self.0.bmc {
            write!(f, " on {bmc}")?;
        }
        write!(f, ": {}", self.0.detail)?;
        if !self.0.bytes.is_empty() {
            write!(f, " [")?;
            for byte in self.0.bytes.iter().take(32) {
                write!(f, "{byte:02x}")?;
            }
            write!(f, "{}]", if self.0.bytes.len() > 32 { "..." } else { "" })?;
        }
        if self.0.unclear {
            write!(
                f,
                " (it may have been acted upon: observe before repeating it)"
            )?;
        }
        write!(f, "; {}", self.advice())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.to_string())
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| e as _)
    }
}

/// The meaning of a completion code (IPMI v2.0, table 5-2).
#[must_use]
pub fn completion_meaning(code: u8) -> &'static str {
    match code {
        0x00 => "completed normally",
        0xc0 => "node busy",
        0xc1 => "invalid command",
        0xc2 => "command invalid for that LUN",
        0xc3 => "timeout while processing the command",
        0xc4 => "out of space",
        0xc5 => "reservation cancelled or invalid",
        0xc6 => "request data truncated",
        0xc7 => "request data length invalid",
        0xc8 => "request data field length limit exceeded",
        0xc9 => "parameter out of range",
        0xca => "cannot return that many bytes",
        0xcb => "requested sensor, data or record not present",
        0xcc => "invalid data field in the request",
        0xcd => "command illegal for that sensor or record type",
        0xce => "response could not be provided",
        0xcf => "cannot execute a duplicated request",
        0xd0 => "SDR repository in update mode",
        0xd1 => "device in firmware update mode",
        0xd2 => "BMC initialisation in progress",
        0xd3 => "destination unavailable",
        0xd4 => "insufficient privilege",
        0xd5 => "not supported in the present state",
        0xd6 => "sub-function disabled or unavailable",
        0xff => "unspecified error",
        0x01..=0x7e => "device-specific code",
        0x80..=0xbe => "command-specific code",
        _ => "reserved code",
    }
}
