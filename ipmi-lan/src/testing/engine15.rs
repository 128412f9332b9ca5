//! The BMC's side of IPMI v1.5 sessions: challenge, activation, authentication codes.

use std::net::SocketAddr;
use std::time::Instant;

use rand::RngCore;

use super::engine::{Asked, Call, Engine};
use super::state::{BmcSpec, BmcState, User};
use crate::credentials::Privilege;
use crate::wire::message::NETFN_APP;
use crate::wire::v15::{AuthType, Packet, seal};
use crate::wire::window::Window;

const NO_SLOT: u8 = 0x81;
const NO_SUCH_USER: u8 = 0x81;
const NULL_USER: u8 = 0x82;
const PRIVILEGE_TOO_HIGH: u8 = 0x86;
const INVALID_SESSION: u8 = 0x85;

/// A v1.5 session, from its challenge on.
pub(super) struct Slot15 {
    pub(super) session: u32,
    pub(super) active: bool,
    pub(super) used: Instant,
    pub(super) privilege: Privilege,
    pub(super) limit: Privilege,
    /// Activate Session was answered.
    answered: bool,
    auth: AuthType,
    challenge: [u8; 16],
    user: User,
    seq: u32,
    window: Window,
}

impl Engine {
    fn slot15(&mut self, session: u32) -> Option<&mut Slot15> {
        self.old.iter_mut().find(|s| s.session == session)
    }

    pub(super) fn ask_v15(&mut self, now: Instant, spec: &BmcSpec, datagram: &[u8]) -> Asked {
        let Ok(packet) = Packet::parse(datagram) else {
            return Asked::Nothing;
        };
        if packet.session == 0 {
            return Self::call(packet.payload, None);
        }
        let Some(slot) = self.slot15(packet.session) else {
            return Asked::Nothing;
        };
        let codeless = slot.active && spec.per_message_off && packet.auth == AuthType::None;
        let coded = packet.auth == slot.auth && packet.verify(&slot.user.password);
        if !codeless && !coded {
            return Asked::Nothing;
        }
        // Activate Session itself is not numbered.
        if slot.active && packet.seq != 0 && !slot.window.accept(packet.seq) {
            return Asked::Nothing;
        }
        slot.used = now;
        Self::call(packet.payload, Some(packet.session))
    }

    /// Get Session Challenge and Activate Session; `None` for other commands.
    pub(super) fn login(
        &mut self,
        spec: &BmcSpec,
        state: &BmcState,
        call: &Call,
    ) -> Option<Result<Vec<u8>, u8>> {
        if call.net_fn != NETFN_APP || !spec.v15 {
            return None;
        }
        match (call.code, call.session) {
            (0x39, None) => Some(self.challenge(spec, state, &call.data)),
            (0x3a, Some(session)) => Some(self.activate(spec, session, &call.data)),
            _ => None,
        }
    }

    fn challenge(&mut self, spec: &BmcSpec, state: &BmcState, data: &[u8]) -> Result<Vec<u8>, u8> {
        let (Some(auth), Some(name)) = (data.first(), data.get(1..17)) else {
            return Err(super::commands::BAD_LENGTH);
        };
        let auth = AuthType::from_code(auth & 0x0f);
        if !spec.auth_types.contains(&auth) {
            return Err(super::commands::INVALID_FIELD);
        }
        let end = name.iter().position(|b| *b == 0).unwrap_or(16);
        let user = state
            .users
            .values()
            .find(|u| u.enabled && u.messaging && u.name.as_bytes() == &name[..end]);
        let Some(user) = user.cloned() else {
            return Err(if end == 0 { NULL_USER } else { NO_SUCH_USER });
        };
        if self.slots_taken() >= spec.slots {
            return Err(0xc0);
        }
        let mut challenge = [0; 16];
        rand::rng().fill_bytes(&mut challenge);
        let session = self.next_id();
        self.old.push(Slot15 {
            session,
            active: false,
            answered: false,
            used: Instant::now(),
            privilege: Privilege::User,
            limit: user.privilege,
            auth,
            challenge,
            user,
            seq: 0,
            window: Window::new(8, 8),
        });
        let mut out = session.to_le_bytes().to_vec();
        out.extend(challenge);
        Ok(out)
    }

    fn activate(&mut self, spec: &BmcSpec, session: u32, data: &[u8]) -> Result<Vec<u8>, u8> {
        let slot = self.slot15(session).ok_or(INVALID_SESSION)?;
        let (Some(privilege), Some(challenge), Some(first)) =
            (data.get(1), data.get(2..18), data.get(18..22))
        else {
            return Err(super::commands::BAD_LENGTH);
        };
        if challenge != slot.challenge {
            return Err(INVALID_SESSION);
        }
        let wanted = Privilege::from_code(*privilege).ok_or(super::commands::INVALID_FIELD)?;
        if wanted > slot.user.privilege {
            return Err(PRIVILEGE_TOO_HIGH);
        }
        // Repeated: its answer was lost.
        if !slot.active {
            slot.active = true;
            slot.limit = wanted;
            slot.privilege = Privilege::User.min(wanted);
            slot.seq = first
                .first_chunk::<4>()
                .map_or(NO_SLOT.into(), |b| u32::from_le_bytes(*b));
            slot.window = Window::starting_at(1, 8, 8);
            self.opened += 1;
        }
        let slot = self.slot15(session).ok_or(INVALID_SESSION)?;
        let none = spec.per_message_off || spec.quirks.forcepermsg || spec.quirks.unexpected_auth;
        let rest = if none { AuthType::None } else { slot.auth };
        let mut out = vec![rest.code()];
        out.extend(session.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.push(slot.limit.code());
        Ok(out)
    }

    /// Seals an answer in a v1.5 session.
    pub(super) fn answer15(
        &mut self,
        spec: &BmcSpec,
        session: u32,
        message: &[u8],
    ) -> Option<Vec<u8>> {
        let slot = self.slot15(session)?;
        let (quirks, first) = (&spec.quirks, !slot.answered);
        slot.answered |= slot.active;
        // The answer to Activate Session carries a code in any case.
        let auth = if spec.per_message_off && !first {
            AuthType::None
        } else {
            slot.auth
        };
        let seq = if quirks.big_endian_seq {
            slot.seq.swap_bytes()
        } else {
            slot.seq
        };
        let password = if quirks.wrong_auth_codes {
            b"another".as_slice()
        } else {
            &slot.user.password
        };
        let datagram = seal(auth, password, session, seq, message);
        slot.seq = slot.seq.wrapping_add(1).max(1);
        Some(datagram)
    }

    /// Is the datagram to be left unheard? Some BMCs go deaf to a port from which Get Session Challenge came twice.
    pub(super) fn is_deaf(&mut self, spec: &BmcSpec, peer: SocketAddr, asked: &Asked) -> bool {
        if !spec.quirks.deaf_after_challenges {
            return false;
        }
        if matches!(asked, Asked::Command(call) if call.code == 0x39 && call.session.is_none()) {
            *self.challenges.entry(peer).or_default() += 1;
        }
        self.challenges.get(&peer).is_some_and(|count| *count > 1)
    }
}
