//! The RMCP+ session header and trailer (IPMI v2.0, section 13.6).

use super::crypto::{Confidentiality, Integrity, SessionKeys};
use super::{DecodeError, RMCP_IPMI, Reader};

/// What a payload is (table 13-16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadType {
    /// An IPMI message.
    Ipmi,
    /// Serial over LAN.
    Sol,
    /// RMCP+ Open Session Request.
    OpenRequest,
    /// RMCP+ Open Session Response.
    OpenResponse,
    /// RAKP 1.
    Rakp1,
    /// RAKP 2.
    Rakp2,
    /// RAKP 3.
    Rakp3,
    /// RAKP 4.
    Rakp4,
    /// Any other, OEM payloads too.
    Unknown(u8),
}

impl PayloadType {
    /// Its number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ipmi => 0x00,
            Self::Sol => 0x01,
            Self::OpenRequest => 0x10,
            Self::OpenResponse => 0x11,
            Self::Rakp1 => 0x12,
            Self::Rakp2 => 0x13,
            Self::Rakp3 => 0x14,
            Self::Rakp4 => 0x15,
            Self::Unknown(code) => code & 0x3f,
        }
    }

    /// From its number.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code & 0x3f {
            0x00 => Self::Ipmi,
            0x01 => Self::Sol,
            0x10 => Self::OpenRequest,
            0x11 => Self::OpenResponse,
            0x12 => Self::Rakp1,
            0x13 => Self::Rakp2,
            0x14 => Self::Rakp3,
            0x15 => Self::Rakp4,
            other => Self::Unknown(other),
        }
    }
}

/// A datagram taken apart, nothing of it verified yet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// What the payload is.
    pub payload_type: PayloadType,
    /// The payload is encrypted.
    pub encrypted: bool,
    /// The datagram carries an authentication code.
    pub authenticated: bool,
    /// The receiver's session id; 0 outside a session.
    pub session: u32,
    /// The session sequence number; 0 outside a session.
    pub seq: u32,
    /// The payload as it travels.
    pub payload: &'a [u8],
    /// The whole datagram, which the authentication code covers.
    datagram: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes a datagram apart.
    ///
    /// # Errors
    /// Names the field that is short or wrong.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("RMCP+ packet", datagram);
        let rmcp: [u8; 4] = r.array("RMCP header")?;
        if rmcp[0] != 0x06 || rmcp[3] & 0x1f != 0x07 {
            return Err(r.error("RMCP header", "is not of the IPMI class"));
        }
        if r.u8("authentication type")? != 0x06 {
            return Err(r.error("authentication type", "is not RMCP+"));
        }
        let kind = r.u8("payload type")?;
        if kind & 0x3f == 0x02 {
            r.bytes(6, "OEM payload id")?;
        }
        let session = r.u32("session id")?;
        let seq = r.u32("session sequence number")?;
        let len = usize::from(r.u16("payload length")?);
        let payload = r.bytes(len, "payload")?;
        Ok(Self {
            payload_type: PayloadType::from_code(kind),
            encrypted: kind & 0x80 != 0,
            authenticated: kind & 0x40 != 0,
            session,
            seq,
            payload,
            datagram,
        })
    }

    /// Verifies and decrypts the payload of an open session.
    ///
    /// # Errors
    /// If the datagram lacks the protection that the suite promises, or does not verify.
    pub fn open(&self, keys: &SessionKeys) -> Result<Vec<u8>, DecodeError> {
        let fail = |field, reason| {
            Err(DecodeError {
                what: "RMCP+ packet",
                field,
                reason,
            })
        };
        if keys.suite().integrity() != Integrity::None {
            if !self.authenticated {
                return fail(
                    "authentication code",
                    "is missing although the suite promises one",
                );
            }
            let Some(split) = self.datagram.len().checked_sub(keys.code_len()) else {
                return fail("authentication code", "is cut short");
            };
            let (head, code) = self.datagram.split_at(split);
            if head.len() <= 4 || !keys.verify(&head[4..], code) {
                return fail("authentication code", "does not verify");
            }
        }
        if keys.suite().confidentiality() == Confidentiality::None {
            return Ok(self.payload.to_vec());
        }
        if !self.encrypted {
            return fail(
                "payload",
                "is in the clear although the suite promises encryption",
            );
        }
        match keys.decrypt(self.payload) {
            Some(payload) => Ok(payload),
            None => fail("payload", "does not decrypt"),
        }
    }
}

/// A datagram outside any session: Open Session and RAKP.
#[must_use]
pub fn seal_plain(payload_type: PayloadType, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + payload.len());
    out.extend(RMCP_IPMI);
    out.extend([0x06, payload_type.code()]);
    out.extend([0; 8]);
    out.extend((payload.len() as u16).to_le_bytes());
    out.extend_from_slice(payload);
    out
}

/// A datagram of an open session, encrypted and authenticated as its suite says.
#[must_use]
pub fn seal(
    keys: &SessionKeys,
    payload_type: PayloadType,
    session: u32,
    seq: u32,
    payload: &[u8],
    iv: [u8; 16],
) -> Vec<u8> {
    let authenticated = keys.suite().integrity() != Integrity::None;
    let encrypted = keys.suite().confidentiality() != Confidentiality::None;
    let body = keys.encrypt(payload, iv);
    let mut out = Vec::with_capacity(16 + body.len() + 22);
    out.extend(RMCP_IPMI);
    out.push(0x06);
    out.push(payload_type.code() | u8::from(encrypted) << 7 | u8::from(authenticated) << 6);
    out.extend(session.to_le_bytes());
    out.extend(seq.to_le_bytes());
    out.extend((body.len() as u16).to_le_bytes());
    out.extend(body);
    if authenticated {
        // From the authentication type to the next header it is a multiple of four.
        let pad = (4 - (out.len() - 4 + 2) % 4) % 4;
        out.extend(std::iter::repeat_n(0xff, pad));
        out.extend([pad as u8, 0x07]);
        let code = keys.code(&out[4..]);
        out.extend(code);
    }
    out
}
