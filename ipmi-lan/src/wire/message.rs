//! The IPMI message inside a LAN session (IPMI v2.0, section 13.8): addresses, network function, command, two checksums.

use super::{DecodeError, Reader};

/// The BMC's slave address.
pub const BMC: u8 = 0x20;
/// Our software id as the remote console.
pub const CONSOLE: u8 = 0x81;

/// Chassis requests.
pub const NETFN_CHASSIS: u8 = 0x00;
/// Sensor and event requests.
pub const NETFN_SENSOR: u8 = 0x04;
/// Application requests: identity, sessions, users, channels, watchdog.
pub const NETFN_APP: u8 = 0x06;
/// Storage requests: FRU, SDR, SEL.
pub const NETFN_STORAGE: u8 = 0x0a;
/// Transport requests: LAN and serial-over-LAN configuration.
pub const NETFN_TRANSPORT: u8 = 0x0c;

/// A request, as it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestMessage<'a> {
    /// Network function, even.
    pub net_fn: u8,
    /// Logical unit number of the responder, 0 to 3.
    pub lun: u8,
    /// The requester's sequence number, 0 to 63.
    pub seq: u8,
    /// The command.
    pub command: u8,
    /// Its data.
    pub data: &'a [u8],
    /// The responder's slave address.
    pub to: u8,
    /// The requester's address or software id.
    pub from: u8,
}

/// A response, as it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseMessage<'a> {
    /// Network function, odd: the request's plus one.
    pub net_fn: u8,
    /// The requester's sequence number, echoed.
    pub seq: u8,
    /// The command, echoed.
    pub command: u8,
    /// The completion code.
    pub completion: u8,
    /// The data after it.
    pub data: &'a [u8],
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0u8, |sum, b| sum.wrapping_add(*b))
        .wrapping_neg()
}

impl<'a> RequestMessage<'a> {
    /// A request from the console to the BMC itself.
    #[must_use]
    pub fn to_bmc(net_fn: u8, lun: u8, seq: u8, command: u8, data: &'a [u8]) -> Self {
        Self {
            net_fn,
            lun,
            seq: seq & 0x3f,
            command,
            data,
            to: BMC,
            from: CONSOLE,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(7 + self.data.len());
        out.extend([self.to, self.net_fn << 2 | (self.lun & 3)]);
        out.push(checksum(&out));
        out.extend([self.from, self.seq << 2, self.command]);
        out.extend_from_slice(self.data);
        out.push(checksum(&out[3..]));
        out
    }

    /// Reads a request and checks both checksums.
    ///
    /// # Errors
    /// Names the field that is short or wrong.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let m = parse("IPMI request", bytes, true)?;
        Ok(Self {
            net_fn: m.head[1] >> 2,
            lun: m.head[1] & 3,
            seq: m.head[4] >> 2,
            command: m.head[5],
            data: m.data,
            to: m.head[0],
            from: m.head[3],
        })
    }
}

impl<'a> ResponseMessage<'a> {
    /// The bytes of this response to `request`.
    #[must_use]
    pub fn encode(&self, request: &RequestMessage<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.data.len());
        out.extend([request.from, self.net_fn << 2]);
        out.push(checksum(&out));
        out.extend([
            request.to,
            self.seq << 2 | request.lun,
            self.command,
            self.completion,
        ]);
        out.extend_from_slice(self.data);
        out.push(checksum(&out[3..]));
        out
    }

    /// Reads a response; `checksums` is off for the `nochecksumcheck` workaround.
    ///
    /// # Errors
    /// Names the field that is short or wrong.
    pub fn decode(bytes: &'a [u8], checksums: bool) -> Result<Self, DecodeError> {
        let m = parse("IPMI response", bytes, checksums)?;
        let Some((completion, data)) = m.data.split_first() else {
            return Err(DecodeError {
                what: "IPMI response",
                field: "completion code",
                reason: "is missing",
            });
        };
        Ok(Self {
            net_fn: m.head[1] >> 2,
            seq: m.head[4] >> 2,
            command: m.head[5],
            completion: *completion,
            data,
        })
    }
}

struct Parsed<'a> {
    head: [u8; 6],
    data: &'a [u8],
}

fn parse<'a>(
    what: &'static str,
    bytes: &'a [u8],
    checksums: bool,
) -> Result<Parsed<'a>, DecodeError> {
    let mut r = Reader::new(what, bytes);
    let head: [u8; 6] = r.array("header")?;
    let Some((sum, data)) = r.rest().split_last() else {
        return Err(r.error("checksum 2", "is missing"));
    };
    if checksums {
        if checksum(&head[..2]) != head[2] {
            return Err(r.error("checksum 1", "does not match"));
        }
        if checksum(&bytes[3..bytes.len() - 1]) != *sum {
            return Err(r.error("checksum 2", "does not match"));
        }
    }
    Ok(Parsed { head, data })
}
