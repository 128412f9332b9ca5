//! The serial console of a simulated machine: it echoes what is typed.

use super::engine::{Call, Engine};
use super::state::BmcSpec;

const ALREADY_ACTIVE: u8 = 0x80;

/// A line that a session holds.
pub(super) struct Serial {
    session: u32,
    heard: u8,
    next: u8,
    /// The last packet that was sent, for when its acknowledgement does not come.
    last: Vec<u8>,
}

impl Engine {
    /// Activate and Deactivate Payload.
    pub(super) fn activate_sol(
        &mut self,
        spec: &BmcSpec,
        session: u32,
        call: &Call,
    ) -> Result<Vec<u8>, u8> {
        if call.code == 0x49 {
            // "Payload already deactivated", says a stuck one, and is not.
            if self.sol.is_some() && self.deactivations < spec.quirks.sol_stuck {
                self.deactivations += 1;
                return Err(ALREADY_ACTIVE);
            }
            self.sol = None;
            return Ok(Vec::new());
        }
        let holder = self.sol.as_ref().map(|sol| sol.session);
        if holder.is_some_and(|holder| holder != session && self.holds(holder)) {
            return Err(ALREADY_ACTIVE);
        }
        self.sol = Some(Serial {
            session,
            heard: 0,
            next: 1,
            last: Vec::new(),
        });
        let [low, high] = spec.quirks.sol_size.unwrap_or(0x40).to_le_bytes();
        Ok(vec![
            0, 0, 0, 0, low, high, low, high, 0x6f, 0x02, 0xff, 0xff,
        ])
    }

    /// One packet: acknowledged and echoed in the same answer; the same packet again gets the same answer.
    pub(super) fn serial(&mut self, session: u32, payload: &[u8]) -> Option<Vec<u8>> {
        let [seq, _, _, _, data @ ..] = payload else {
            return None;
        };
        let sol = self.sol.as_mut().filter(|sol| sol.session == session)?;
        if seq & 0x0f == 0 {
            return None;
        }
        if *seq != sol.heard {
            sol.heard = *seq;
            let mut answer = vec![sol.next, *seq, data.len() as u8, 0];
            answer.extend(data);
            sol.next = sol.next % 15 + 1;
            sol.last = answer;
        }
        let answer = sol.last.clone();
        self.seal_sol(session, &answer)
    }
}
