//! Payload activation (IPMI v2.0, sections 24.1 and 24.2), for serial over LAN.

use super::{Command, DecodeError, NETFN_APP, Reader};

/// Activate Payload (24.1) for serial over LAN, instance 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivateSol {
    /// The line is encrypted.
    pub encrypted: bool,
    /// The line is authenticated.
    pub authenticated: bool,
}

/// What an activated line is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SolActivated {
    /// Packets to the BMC carry at most that many bytes.
    pub inbound: u16,
    /// Packets from the BMC carry at most that many bytes.
    pub outbound: u16,
    /// The UDP port that the payload uses.
    pub port: u16,
}

impl Command for ActivateSol {
    is!("Activate Payload (serial over LAN)", NETFN_APP, 0x48);
    needs!(Administrator);
    type Response = SolActivated;

    fn encode(&self, out: &mut Vec<u8>) {
        let flags = u8::from(self.encrypted) << 7 | u8::from(self.authenticated) << 6;
        out.extend([1, 1, flags, 0, 0, 0]);
    }

    fn decode(&self, data: &[u8]) -> Result<SolActivated, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        r.bytes(4, "auxiliary data")?;
        // Some leave the sizes out: 0 stands for "not told".
        let inbound = r.u16("inbound payload size").unwrap_or(0);
        let outbound = r.u16("outbound payload size").unwrap_or(0);
        Ok(SolActivated {
            inbound,
            outbound,
            port: r.u16("UDP port").unwrap_or(crate::wire::PORT),
        })
    }
}

/// Deactivate Payload (24.2) for serial over LAN, instance 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeactivateSol;

impl Command for DeactivateSol {
    is!("Deactivate Payload (serial over LAN)", NETFN_APP, 0x49);
    needs!(Administrator);
    answers_nothing!();

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([1, 1, 0, 0, 0, 0]);
    }
}
