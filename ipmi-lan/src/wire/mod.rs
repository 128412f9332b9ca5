//! The bytes of RMCP, IPMI v1.5 and v2.0, and nothing else: pure functions over slices.

pub mod asf;
pub mod crypto;
pub mod message;
pub mod rakp;
pub mod v15;
pub mod v2;
pub mod window;

use std::fmt;

/// The RMCP header of an IPMI datagram: version 1.0, no acknowledge, class IPMI (ASF 2.0, section 3.2.2).
pub const RMCP_IPMI: [u8; 4] = [0x06, 0x00, 0xff, 0x07];
/// The RMCP header of an ASF datagram.
pub const RMCP_ASF: [u8; 4] = [0x06, 0x00, 0xff, 0x06];
/// UDP port 623, the primary RMCP port.
pub const PORT: u16 = 623;

/// What a datagram is, by its RMCP class and authentication type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// ASF: presence ping and pong.
    Asf,
    /// An IPMI v1.5 session header.
    V15,
    /// An IPMI v2.0 (RMCP+) session header.
    V2,
    /// An RMCP acknowledge, or a class that is not ours.
    Other,
}

/// Tells what a datagram is; `Other` for whatever is too short to be anything.
#[must_use]
pub fn classify(datagram: &[u8]) -> Class {
    match datagram {
        [0x06, _, _, 0x06, ..] => Class::Asf,
        [0x06, _, _, 0x07, 0x06, ..] => Class::V2,
        [0x06, _, _, 0x07, auth, ..] if *auth <= 5 => Class::V15,
        _ => Class::Other,
    }
}

/// A field that could not be read: which one, of what, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// What was being read, for instance `RAKP 2`.
    pub what: &'static str,
    /// The field that failed.
    pub field: &'static str,
    /// Why.
    pub reason: &'static str,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: field `{}` {}", self.what, self.field, self.reason)
    }
}

impl std::error::Error for DecodeError {}

/// Reads fields from the front of a slice; every failure names the field.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over `data`, which is a `what`.
    #[must_use]
    pub fn new(what: &'static str, data: &'a [u8]) -> Self {
        Self { what, rest: data }
    }

    /// An error about a field of what is being read.
    #[must_use]
    pub fn error(&self, field: &'static str, reason: &'static str) -> DecodeError {
        DecodeError {
            what: self.what,
            field,
            reason,
        }
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(n) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.error(field, "is cut short")),
        }
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let bytes = self.bytes(N, field)?;
        <[u8; N]>::try_from(bytes).map_err(|_| self.error(field, "is cut short"))
    }

    /// One byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[b]| b)
    }

    /// Two bytes, least significant first.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    /// Three bytes, least significant first.
    pub fn u24(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array::<3>(field)
            .map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    /// Four bytes, least significant first.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}
