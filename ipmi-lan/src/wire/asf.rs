//! ASF presence ping and pong (ASF 2.0, sections 3.2.4.2 and 3.2.4.3): does a BMC live there, without any credentials.

use super::{DecodeError, RMCP_ASF, Reader};

const ASF_IANA: [u8; 4] = [0x00, 0x00, 0x11, 0xbe];
const PING: u8 = 0x80;
const PONG: u8 = 0x40;

/// A presence pong: what the BMC says that it supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pong {
    /// The tag of the ping that it answers.
    pub tag: u8,
    /// The IANA enterprise number of the maker, 4542 (ASF) where it has nothing to say.
    pub enterprise: u32,
    /// IPMI is supported (supported entities, bit 7).
    pub ipmi: bool,
    /// ASF 1.0 is supported (supported entities, bits 3:0 = 1).
    pub asf: bool,
    /// RMCP security extensions are supported (supported interactions, bit 7).
    pub security_extensions: bool,
}

impl Pong {
    /// A pong with this tag, from a BMC that has IPMI.
    #[must_use]
    pub fn ipmi(tag: u8) -> Self {
        Self {
            tag,
            enterprise: 4542,
            ipmi: true,
            asf: true,
            security_extensions: false,
        }
    }

    /// The datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = RMCP_ASF.to_vec();
        out.extend(ASF_IANA);
        out.extend([PONG, self.tag, 0, 16]);
        out.extend(self.enterprise.to_be_bytes());
        out.extend([0; 4]);
        out.push(u8::from(self.ipmi) << 7 | u8::from(self.asf));
        out.push(u8::from(self.security_extensions) << 7);
        out.extend([0; 6]);
        out
    }

    /// Reads a pong.
    ///
    /// # Errors
    /// If the datagram is not one.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("presence pong", datagram);
        let tag = header(&mut r, PONG)?;
        let enterprise = u32::from_be_bytes(r.array("enterprise")?);
        r.bytes(4, "OEM defined")?;
        let entities = r.u8("supported entities")?;
        let interactions = r.u8("supported interactions").unwrap_or(0);
        Ok(Self {
            tag,
            enterprise,
            ipmi: entities & 0x80 != 0,
            asf: entities & 0x0f == 1,
            security_extensions: interactions & 0x80 != 0,
        })
    }
}

/// A presence ping with this tag (FFh asks for no answer).
#[must_use]
pub fn ping(tag: u8) -> [u8; 12] {
    let [a, b, c, d] = RMCP_ASF;
    let [e, f, g, h] = ASF_IANA;
    [a, b, c, d, e, f, g, h, PING, tag, 0, 0]
}

/// Reads a presence ping and answers its tag.
///
/// # Errors
/// If the datagram is not one.
pub fn decode_ping(datagram: &[u8]) -> Result<u8, DecodeError> {
    header(&mut Reader::new("presence ping", datagram), PING)
}

fn header(r: &mut Reader<'_>, kind: u8) -> Result<u8, DecodeError> {
    let rmcp: [u8; 4] = r.array("RMCP header")?;
    if rmcp[0] != 0x06 || rmcp[3] & 0x1f != 0x06 {
        return Err(r.error("RMCP header", "is not of the ASF class"));
    }
    if r.array::<4>("IANA number")? != ASF_IANA {
        return Err(r.error("IANA number", "is not ASF's"));
    }
    if r.u8("message type")? != kind {
        return Err(r.error("message type", "is another one"));
    }
    let tag = r.u8("message tag")?;
    r.bytes(2, "data length")?;
    Ok(tag)
}
