//! Open Session and RAKP messages 1 to 4 (IPMI v2.0, sections 13.17 to 13.24) and the codes that they carry (13.28).

use super::crypto::{CipherSuite, hash, rakp4_len};
use super::{DecodeError, Reader};

/// RMCP+ and RAKP status codes (table 13-15).
pub mod status {
    /// No errors.
    pub const OK: u8 = 0x00;
    /// Insufficient resources to create a session.
    pub const NO_RESOURCES: u8 = 0x01;
    /// Invalid session id.
    pub const INVALID_SESSION: u8 = 0x02;
    /// Invalid role.
    pub const INVALID_ROLE: u8 = 0x09;
    /// Unauthorised role or privilege level requested.
    pub const UNAUTHORIZED_ROLE: u8 = 0x0a;
    /// Insufficient resources to create a session at the requested role.
    pub const NO_RESOURCES_ROLE: u8 = 0x0b;
    /// Invalid name length.
    pub const INVALID_NAME_LENGTH: u8 = 0x0c;
    /// Unauthorised name.
    pub const UNAUTHORIZED_NAME: u8 = 0x0d;
    /// Unauthorised GUID.
    pub const UNAUTHORIZED_GUID: u8 = 0x0e;
    /// Invalid integrity check value.
    pub const INVALID_INTEGRITY: u8 = 0x0f;
    /// No cipher suite match.
    pub const NO_SUITE: u8 = 0x11;
    /// Illegal or unrecognised parameter.
    pub const ILLEGAL_PARAMETER: u8 = 0x12;

    /// The meaning of a status code.
    #[must_use]
    pub fn meaning(code: u8) -> &'static str {
        match code {
            OK => "no errors",
            NO_RESOURCES => "insufficient resources to create a session",
            INVALID_SESSION => "invalid session id",
            0x03 => "invalid payload type",
            0x04 => "invalid authentication algorithm",
            0x05 => "invalid integrity algorithm",
            0x06 => "no matching authentication payload",
            0x07 => "no matching integrity payload",
            0x08 => "inactive session id",
            INVALID_ROLE => "invalid role",
            UNAUTHORIZED_ROLE => "unauthorised role or privilege requested",
            NO_RESOURCES_ROLE => "insufficient resources at the requested role",
            INVALID_NAME_LENGTH => "invalid name length",
            UNAUTHORIZED_NAME => "unauthorised name",
            UNAUTHORIZED_GUID => "unauthorised GUID",
            INVALID_INTEGRITY => "invalid integrity check value",
            0x10 => "invalid confidentiality algorithm",
            NO_SUITE => "no cipher suite match",
            ILLEGAL_PARAMETER => "illegal or unrecognised parameter",
            _ => "unknown status",
        }
    }
}

/// Open Session Request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRequest {
    /// Message tag, echoed by the answer.
    pub tag: u8,
    /// The highest privilege asked for; 0 lets the BMC choose.
    pub privilege: u8,
    /// The console's session id.
    pub console: u32,
    /// Authentication, integrity and confidentiality algorithm numbers.
    pub algorithms: (u8, u8, u8),
}

fn algorithm(out: &mut Vec<u8>, kind: u8, code: u8) {
    out.extend([kind, 0, 0, 8, code, 0, 0, 0]);
}

fn read_algorithm(r: &mut Reader<'_>, field: &'static str) -> Result<u8, DecodeError> {
    let [_, _, _, len, code, ..] = r.array::<8>(field)?;
    // A length of zero means "any": it is the console's wildcard.
    Ok(if len == 0 { 0xff } else { code & 0x3f })
}

impl OpenRequest {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.tag, self.privilege, 0, 0];
        out.extend(self.console.to_le_bytes());
        algorithm(&mut out, 0, self.algorithms.0);
        algorithm(&mut out, 1, self.algorithms.1);
        algorithm(&mut out, 2, self.algorithms.2);
        out
    }

    /// Reads the payload.
    ///
    /// # Errors
    /// Names the field that is short.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("Open Session Request", payload);
        let tag = r.u8("message tag")?;
        let privilege = r.u8("maximum privilege")?;
        r.bytes(2, "reserved")?;
        Ok(Self {
            tag,
            privilege: privilege & 0x0f,
            console: r.u32("console session id")?,
            algorithms: (
                read_algorithm(&mut r, "authentication algorithm")?,
                read_algorithm(&mut r, "integrity algorithm")?,
                read_algorithm(&mut r, "confidentiality algorithm")?,
            ),
        })
    }
}

/// Open Session Response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenResponse {
    /// The request's tag.
    pub tag: u8,
    /// A status of [`status`].
    pub status: u8,
    /// The console's session id, where the answer is long enough to hold it.
    pub console: Option<u32>,
    /// What the BMC chose, if the status is 0.
    pub accepted: Option<OpenAccepted>,
}

/// What a BMC that accepts chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAccepted {
    /// The highest privilege it will give.
    pub privilege: u8,
    /// The BMC's session id.
    pub managed: u32,
    /// The algorithms.
    pub algorithms: (u8, u8, u8),
}

impl OpenResponse {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![
            self.tag,
            self.status,
            self.accepted.map_or(0, |a| a.privilege),
            0,
        ];
        out.extend(self.console.unwrap_or(0).to_le_bytes());
        if let Some(accepted) = self.accepted {
            out.extend(accepted.managed.to_le_bytes());
            algorithm(&mut out, 0, accepted.algorithms.0);
            algorithm(&mut out, 1, accepted.algorithms.1);
            algorithm(&mut out, 2, accepted.algorithms.2);
        }
        out
    }

    /// Reads the payload. Some BMCs refuse with two bytes alone: that is an answer too.
    ///
    /// # Errors
    /// Names the field that is short.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("Open Session Response", payload);
        let tag = r.u8("message tag")?;
        let status = r.u8("status")?;
        let privilege = r.u8("maximum privilege");
        let _ = r.u8("reserved");
        let console = r.u32("console session id");
        if status != status::OK {
            return Ok(Self {
                tag,
                status,
                console: console.ok(),
                accepted: None,
            });
        }
        let accepted = OpenAccepted {
            privilege: privilege? & 0x0f,
            managed: r.u32("managed system session id")?,
            algorithms: (
                read_algorithm(&mut r, "authentication algorithm")?,
                read_algorithm(&mut r, "integrity algorithm")?,
                read_algorithm(&mut r, "confidentiality algorithm")?,
            ),
        };
        Ok(Self {
            tag,
            status,
            console: Some(console?),
            accepted: Some(accepted),
        })
    }
}

/// RAKP 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp1 {
    /// Message tag.
    pub tag: u8,
    /// The BMC's session id.
    pub managed: u32,
    /// The console's random number.
    pub random: [u8; 16],
    /// Privilege in bits 3:0; bit 4 set looks the user up by name alone.
    pub role: u8,
    /// The user's name, at most 16 bytes.
    pub user: Vec<u8>,
}

impl Rakp1 {
    /// The payload; `padded` sends 16 bytes of name whatever its length (the `intel20` workaround).
    #[must_use]
    pub fn encode(&self, padded: bool) -> Vec<u8> {
        let mut out = vec![self.tag, 0, 0, 0];
        out.extend(self.managed.to_le_bytes());
        out.extend(self.random);
        out.extend([self.role, 0, 0, self.user.len() as u8]);
        out.extend_from_slice(&self.user);
        if padded {
            out.resize(28 + 16.max(self.user.len()), 0);
        }
        out
    }

    /// Reads the payload.
    ///
    /// # Errors
    /// Names the field that is short.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("RAKP 1", payload);
        let tag = r.u8("message tag")?;
        r.bytes(3, "reserved")?;
        let managed = r.u32("managed system session id")?;
        let random = r.array("console random number")?;
        let role = r.u8("role")?;
        r.bytes(2, "reserved")?;
        let len = usize::from(r.u8("user name length")?);
        Ok(Self {
            tag,
            managed,
            random,
            role,
            user: r.bytes(len, "user name")?.to_vec(),
        })
    }
}

/// RAKP 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp2 {
    /// The tag of RAKP 1.
    pub tag: u8,
    /// A status of [`status`].
    pub status: u8,
    /// The console's session id, where the answer is long enough to hold it.
    pub console: Option<u32>,
    /// The BMC's random number, GUID and key exchange code, if the status is 0.
    pub proof: Option<Rakp2Proof>,
}

/// What RAKP 2 carries where it does not refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp2Proof {
    /// The BMC's random number.
    pub random: [u8; 16],
    /// The BMC's GUID.
    pub guid: [u8; 16],
    /// The key exchange authentication code.
    pub code: Vec<u8>,
}

impl Rakp2 {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.tag, self.status, 0, 0];
        out.extend(self.console.unwrap_or(0).to_le_bytes());
        if let Some(proof) = &self.proof {
            out.extend(proof.random);
            out.extend(proof.guid);
            out.extend_from_slice(&proof.code);
        }
        out
    }

    /// Reads the payload.
    ///
    /// # Errors
    /// Names the field that is short.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("RAKP 2", payload);
        let tag = r.u8("message tag")?;
        let status = r.u8("status")?;
        let _ = r.bytes(2, "reserved");
        let console = r.u32("console session id");
        if status != status::OK {
            return Ok(Self {
                tag,
                status,
                console: console.ok(),
                proof: None,
            });
        }
        let console = Some(console?);
        let random = r.array("BMC random number")?;
        let guid = r.array("BMC GUID")?;
        Ok(Self {
            tag,
            status,
            console,
            proof: Some(Rakp2Proof {
                random,
                guid,
                code: r.rest().to_vec(),
            }),
        })
    }
}

/// RAKP 3; a status other than 0 tells the BMC to forget the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp3 {
    /// Message tag.
    pub tag: u8,
    /// A status of [`status`].
    pub status: u8,
    /// The BMC's session id.
    pub managed: u32,
    /// The key exchange authentication code, empty with a status.
    pub code: Vec<u8>,
}

impl Rakp3 {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.tag, self.status, 0, 0];
        out.extend(self.managed.to_le_bytes());
        out.extend_from_slice(&self.code);
        out
    }

    /// Reads the payload.
    ///
    /// # Errors
    /// Names the field that is short.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("RAKP 3", payload);
        let tag = r.u8("message tag")?;
        let status = r.u8("status")?;
        r.bytes(2, "reserved")?;
        Ok(Self {
            tag,
            status,
            managed: r.u32("managed system session id")?,
            code: r.rest().to_vec(),
        })
    }
}

/// RAKP 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp4 {
    /// The tag of RAKP 3.
    pub tag: u8,
    /// A status of [`status`].
    pub status: u8,
    /// The console's session id, where the answer is long enough to hold it.
    pub console: Option<u32>,
    /// The integrity check value.
    pub code: Vec<u8>,
}

impl Rakp4 {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.tag, self.status, 0, 0];
        out.extend(self.console.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&self.code);
        out
    }

    /// Reads the payload.
    ///
    /// # Errors
    /// Names the field that is short.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("RAKP 4", payload);
        let tag = r.u8("message tag")?;
        let status = r.u8("status")?;
        let _ = r.bytes(2, "reserved");
        let console = r.u32("console session id");
        if status != status::OK {
            return Ok(Self {
                tag,
                status,
                console: console.ok(),
                code: Vec::new(),
            });
        }
        Ok(Self {
            tag,
            status,
            console: Some(console?),
            code: r.rest().to_vec(),
        })
    }
}

/// Everything that both sides mix into the RAKP codes.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The suite that was agreed.
    pub suite: CipherSuite,
    /// The console's session id (SID_M).
    pub console: u32,
    /// The BMC's session id (SID_C).
    pub managed: u32,
    /// The console's random number (R_M).
    pub console_random: [u8; 16],
    /// The BMC's random number (R_C).
    pub managed_random: [u8; 16],
    /// The BMC's GUID.
    pub guid: [u8; 16],
    /// The role byte of RAKP 1 (ROLE_M).
    pub role: u8,
    /// The user's name.
    pub user: Vec<u8>,
}

impl Exchange {
    fn name(&self) -> Vec<u8> {
        let mut out = vec![self.role, self.user.len() as u8];
        out.extend_from_slice(&self.user);
        out
    }

    /// The key exchange code of RAKP 2, keyed with the user's password.
    #[must_use]
    pub fn rakp2_code(&self, password: &[u8]) -> Vec<u8> {
        let (m, c) = (self.console.to_le_bytes(), self.managed.to_le_bytes());
        let parts: [&[u8]; 6] = [
            &m,
            &c,
            &self.console_random,
            &self.managed_random,
            &self.guid,
            &self.name(),
        ];
        hash(self.suite.authentication(), password, &parts)
    }

    /// The key exchange code of RAKP 3, keyed with the user's password.
    #[must_use]
    pub fn rakp3_code(&self, password: &[u8]) -> Vec<u8> {
        let m = self.console.to_le_bytes();
        hash(
            self.suite.authentication(),
            password,
            &[&self.managed_random, &m, &self.name()],
        )
    }

    /// The session integrity key, keyed with K_G, or with the password where there is none.
    #[must_use]
    pub fn sik(&self, kg_or_password: &[u8]) -> Vec<u8> {
        let parts: [&[u8]; 3] = [&self.console_random, &self.managed_random, &self.name()];
        hash(self.suite.authentication(), kg_or_password, &parts)
    }

    /// The integrity check value of RAKP 4, cut to its length.
    #[must_use]
    pub fn rakp4_code(&self, sik: &[u8]) -> Vec<u8> {
        let c = self.managed.to_le_bytes();
        let mut code = hash(
            self.suite.authentication(),
            sik,
            &[&self.console_random, &c, &self.guid],
        );
        code.truncate(rakp4_len(self.suite.authentication()));
        code
    }
}
