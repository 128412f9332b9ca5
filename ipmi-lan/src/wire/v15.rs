//! The IPMI v1.5 session header (IPMI v1.5, section 12.8; v2.0, section 13.6) and its authentication codes (22.17.1).

use md5::{Digest, Md5};

use super::crypto::same;
use super::{DecodeError, RMCP_IPMI, Reader};

/// An authentication type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthType {
    /// None, 0.
    None,
    /// MD5, 2.
    Md5,
    /// The password itself, 4.
    Password,
    /// MD2 (1), OEM (5) and whatever else: not spoken here.
    Unknown(u8),
}

impl AuthType {
    /// Its number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Md5 => 2,
            Self::Password => 4,
            Self::Unknown(code) => code,
        }
    }

    /// From its number.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code {
            0 => Self::None,
            2 => Self::Md5,
            4 => Self::Password,
            other => Self::Unknown(other),
        }
    }
}

impl std::fmt::Display for AuthType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Md5 => f.write_str("MD5"),
            Self::Password => f.write_str("password"),
            Self::Unknown(code) => write!(f, "type {code:x}h"),
        }
    }
}

/// A datagram taken apart, nothing of it verified yet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Its authentication type.
    pub auth: AuthType,
    /// The session sequence number.
    pub seq: u32,
    /// The session id.
    pub session: u32,
    /// The authentication code, absent for type none.
    pub code: Option<[u8; 16]>,
    /// The IPMI message.
    pub payload: &'a [u8],
}

fn padded(password: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(password) {
        *to = *from;
    }
    out
}

/// The authentication code of a message.
#[must_use]
pub fn code(auth: AuthType, password: &[u8], session: u32, seq: u32, payload: &[u8]) -> [u8; 16] {
    let password = padded(password);
    match auth {
        AuthType::Md5 => {
            let mut md5 = Md5::new();
            md5.update(password);
            md5.update(session.to_le_bytes());
            md5.update(payload);
            md5.update(seq.to_le_bytes());
            md5.update(password);
            md5.finalize().into()
        }
        AuthType::Password => password,
        AuthType::None | AuthType::Unknown(_) => [0; 16],
    }
}

impl<'a> Packet<'a> {
    /// Takes a datagram apart.
    ///
    /// # Errors
    /// Names the field that is short or wrong.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("IPMI 1.5 packet", datagram);
        let rmcp: [u8; 4] = r.array("RMCP header")?;
        if rmcp[0] != 0x06 || rmcp[3] & 0x1f != 0x07 {
            return Err(r.error("RMCP header", "is not of the IPMI class"));
        }
        let auth = AuthType::from_code(r.u8("authentication type")?);
        let seq = r.u32("session sequence number")?;
        let session = r.u32("session id")?;
        let code = if auth == AuthType::None {
            None
        } else {
            Some(r.array("authentication code")?)
        };
        let len = usize::from(r.u8("payload length")?);
        Ok(Self {
            auth,
            seq,
            session,
            code,
            payload: r.bytes(len, "payload")?,
        })
    }

    /// Does the authentication code verify with this password?
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        match self.code {
            None => true,
            Some(received) => same(
                &received,
                &code(self.auth, password, self.session, self.seq, self.payload),
            ),
        }
    }
}

/// A datagram with the authentication code of its type.
#[must_use]
pub fn seal(auth: AuthType, password: &[u8], session: u32, seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(30 + payload.len());
    out.extend(RMCP_IPMI);
    out.push(auth.code());
    out.extend(seq.to_le_bytes());
    out.extend(session.to_le_bytes());
    if auth != AuthType::None {
        out.extend(code(auth, password, session, seq, payload));
    }
    out.push(payload.len() as u8);
    out.extend_from_slice(payload);
    out
}
