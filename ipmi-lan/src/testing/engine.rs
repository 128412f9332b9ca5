//! The BMC's side of the protocol: sessions and their handshake. No I/O: datagrams in, datagrams out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngCore;

use super::state::{BmcSpec, BmcState, User};
use crate::credentials::Privilege;
use crate::wire::crypto::{CipherSuite, SessionKeys};
use crate::wire::message::{NETFN_APP, RequestMessage, ResponseMessage};
use crate::wire::rakp::{Exchange, Rakp2, Rakp4};
use crate::wire::v2::{Packet, PayloadType, seal};
use crate::wire::window::Window;
use crate::wire::{Class, asf, classify, v15};

use super::commands::{self, NO_PRIVILEGE};

pub(super) enum Stage {
    /// Open Session was answered.
    Opened,
    /// RAKP 2 went out.
    Proven {
        rakp1: Vec<u8>,
        rakp2: Rakp2,
        exchange: Exchange,
        user: User,
    },
    /// RAKP 4 went out.
    Active {
        rakp3: Vec<u8>,
        rakp4: Rakp4,
        keys: SessionKeys,
        window: Window,
        seq: u32,
        privilege: Privilege,
        limit: Privilege,
    },
}

pub(super) struct Slot {
    pub(super) managed: u32,
    pub(super) console: u32,
    pub(super) suite: CipherSuite,
    pub(super) max: u8,
    pub(super) peer: SocketAddr,
    pub(super) used: Instant,
    pub(super) stage: Stage,
}

/// A command that is to be carried out, and how its answer travels.
pub(crate) struct Call {
    pub(crate) net_fn: u8,
    pub(crate) code: u8,
    pub(crate) data: Vec<u8>,
    pub(crate) raw: Vec<u8>,
    pub(crate) session: Option<u32>,
}

/// What a datagram asks for.
pub(crate) enum Asked {
    /// Nothing that is answered.
    Nothing,
    /// A presence ping with this tag.
    Ping(u8),
    /// Open Session, RAKP 1 or 3.
    Handshake(&'static str, PayloadType, Vec<u8>),
    /// A command.
    Command(Call),
    /// A serial-over-LAN payload in that session.
    Sol(u32, Vec<u8>),
}

pub(crate) struct Engine {
    pub(super) slots: Vec<Slot>,
    /// IPMI v1.5 sessions.
    pub(super) old: Vec<super::engine15::Slot15>,
    /// The serial line, while a session holds it.
    pub(super) sol: Option<super::serial::Serial>,
    /// How often the serial line was to be given up and was not.
    pub(super) deactivations: u32,
    /// How often Get Session Challenge came from where.
    pub(super) challenges: HashMap<SocketAddr, u32>,
    next: u32,
    /// How many sessions were opened to the end.
    pub(crate) opened: u64,
}

pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

impl Engine {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            old: Vec::new(),
            sol: None,
            deactivations: 0,
            challenges: HashMap::new(),
            next: u32::from_le_bytes(random()) | 1,
            opened: 0,
        }
    }

    /// How many slots are taken: half-open, active.
    pub(crate) fn taken(&self) -> (usize, usize) {
        let active = self
            .slots
            .iter()
            .filter(|s| matches!(s.stage, Stage::Active { .. }))
            .count();
        let old = self.old.iter().filter(|s| s.active).count();
        (self.slots_taken() - active - old, active + old)
    }

    pub(super) fn slots_taken(&self) -> usize {
        self.slots.len() + self.old.len()
    }

    pub(super) fn holds(&self, session: u32) -> bool {
        self.slots.iter().any(|s| s.managed == session)
    }

    pub(super) fn next_id(&mut self) -> u32 {
        self.next = self.next.wrapping_add(2).max(1);
        self.next
    }

    pub(crate) fn forget_sessions(&mut self) {
        self.old.clear();
        self.slots.clear();
    }

    pub(crate) fn expire(&mut self, now: Instant, timeout: Duration) {
        self.slots
            .retain(|slot| now.saturating_duration_since(slot.used) < timeout);
        self.old
            .retain(|slot| now.saturating_duration_since(slot.used) < timeout);
    }

    pub(super) fn slot(&mut self, managed: u32) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|s| s.managed == managed)
    }

    /// Takes a datagram apart and verifies it.
    pub(crate) fn ask(&mut self, now: Instant, spec: &BmcSpec, datagram: &[u8]) -> Asked {
        match classify(datagram) {
            Class::Asf => asf::decode_ping(datagram).map_or(Asked::Nothing, Asked::Ping),
            Class::V15 => self.ask_v15(now, spec, datagram),
            Class::V2 => self.ask_v2(now, datagram),
            Class::Other => Asked::Nothing,
        }
    }

    pub(super) fn call(payload: &[u8], session: Option<u32>) -> Asked {
        let Ok(request) = RequestMessage::decode(payload) else {
            return Asked::Nothing;
        };
        Asked::Command(Call {
            net_fn: request.net_fn,
            code: request.command,
            data: request.data.to_vec(),
            raw: payload.to_vec(),
            session,
        })
    }

    fn ask_v2(&mut self, now: Instant, datagram: &[u8]) -> Asked {
        let Ok(packet) = Packet::parse(datagram) else {
            return Asked::Nothing;
        };
        let payload = packet.payload.to_vec();
        match packet.payload_type {
            PayloadType::OpenRequest => {
                return Asked::Handshake("Open Session", packet.payload_type, payload);
            }
            PayloadType::Rakp1 => return Asked::Handshake("RAKP 1", packet.payload_type, payload),
            PayloadType::Rakp3 => return Asked::Handshake("RAKP 3", packet.payload_type, payload),
            PayloadType::Ipmi | PayloadType::Sol => {}
            _ => return Asked::Nothing,
        }
        if packet.session == 0 {
            return Self::call(packet.payload, None);
        }
        let Some(slot) = self.slot(packet.session) else {
            return Asked::Nothing;
        };
        let Stage::Active { keys, window, .. } = &mut slot.stage else {
            return Asked::Nothing;
        };
        if packet.seq != 0 && !window.allows(packet.seq) {
            return Asked::Nothing;
        }
        let Ok(payload) = packet.open(keys) else {
            return Asked::Nothing;
        };
        if packet.seq != 0 {
            window.accept(packet.seq);
        }
        slot.used = now;
        if packet.payload_type == PayloadType::Sol {
            return Asked::Sol(packet.session, payload);
        }
        Self::call(&payload, Some(packet.session))
    }

    /// Answers a command that belongs to the session layer itself; `None` if it is the BMC's business, an error is a completion code.
    pub(crate) fn session_command(
        &mut self,
        spec: &BmcSpec,
        state: &BmcState,
        call: &Call,
    ) -> Option<Result<Vec<u8>, u8>> {
        if call.net_fn == NETFN_APP {
            match call.code {
                0x38 => return Some(Ok(self.auth_capabilities(spec, state, &call.data))),
                0x54 => return Some(Ok(cipher_suites(spec, &call.data))),
                _ => {}
            }
        }
        if let Some(answer) = self.login(spec, state, call) {
            return Some(answer);
        }
        let Some(session) = call.session else {
            // Outside a session only identity is to be had.
            let open = call.net_fn == NETFN_APP && matches!(call.code, 0x37 | 0x01);
            return if open { None } else { Some(Err(NO_PRIVILEGE)) };
        };
        let all: Vec<u32> = self
            .slots
            .iter()
            .map(|s| s.managed)
            .chain(self.old.iter().map(|s| s.session))
            .collect();
        let (privilege, limit) =
            if let Some(old) = self.old.iter_mut().find(|s| s.session == session) {
                if !old.active {
                    return Some(Err(0xd5));
                }
                (&mut old.privilege, &old.limit)
            } else {
                match &mut self.slot(session)?.stage {
                    Stage::Active {
                        privilege, limit, ..
                    } => (privilege, &*limit),
                    _ => return Some(Err(0xd5)),
                }
            };
        if call.net_fn == NETFN_APP {
            match call.code {
                0x3b => {
                    let wanted = call.data.first().copied().unwrap_or(0) & 0x0f;
                    if wanted == 0 {
                        return Some(Ok(vec![privilege.code()]));
                    }
                    return Some(match Privilege::from_code(wanted) {
                        None => Err(commands::INVALID_FIELD),
                        Some(wanted) if wanted > *limit => Err(0x81),
                        Some(wanted) => {
                            *privilege = wanted;
                            Ok(vec![wanted.code()])
                        }
                    });
                }
                0x48 | 0x49 => return Some(self.activate_sol(spec, session, call)),
                0x3c => {
                    let id = call.data.first_chunk::<4>().map(|b| u32::from_le_bytes(*b));
                    return Some(match id {
                        Some(id) if all.contains(&id) => Ok(Vec::new()),
                        _ => Err(0x87),
                    });
                }
                _ => {}
            }
        }
        let needed = if spec.quirks.administrator_only {
            Privilege::Administrator
        } else {
            commands::privilege(call.net_fn, call.code)
        };
        (*privilege < needed).then_some(Err(NO_PRIVILEGE))
    }

    /// Seals a serial-over-LAN payload.
    pub(super) fn seal_sol(&mut self, session: u32, payload: &[u8]) -> Option<Vec<u8>> {
        let slot = self.slot(session)?;
        let Stage::Active { keys, seq, .. } = &mut slot.stage else {
            return None;
        };
        *seq += 1;
        Some(seal(
            keys,
            PayloadType::Sol,
            slot.console,
            *seq,
            payload,
            random(),
        ))
    }

    /// Drops the session that a Close Session named, after its answer was sealed.
    pub(crate) fn close(&mut self, call: &Call) {
        if let Some(id) = call.data.first_chunk::<4>().map(|b| u32::from_le_bytes(*b)) {
            self.slots.retain(|s| s.managed != id);
            self.old.retain(|s| s.session != id);
        }
    }

    fn auth_capabilities(&self, spec: &BmcSpec, state: &BmcState, data: &[u8]) -> Vec<u8> {
        let extended = data.first().is_some_and(|channel| channel & 0x80 != 0);
        let null = state.users.values().any(|u| u.enabled && u.name.is_empty());
        let named = state
            .users
            .values()
            .any(|u| u.enabled && !u.name.is_empty());
        let off = spec.per_message_off || spec.quirks.forcepermsg || spec.quirks.unexpected_auth;
        let status = u8::from(!spec.kg.is_empty()) << 5
            | u8::from(off) << 4
            | u8::from(named) << 2
            | u8::from(null) << 1;
        let types = spec
            .auth_types
            .iter()
            .filter(|_| !spec.quirks.no_auth_types)
            .fold(0u8, |types, auth| types | 1 << (auth.code() & 7));
        vec![
            0x01,
            if extended { 0x80 } else { 0 } | types,
            status,
            if extended {
                0x02 | u8::from(spec.v15)
            } else {
                0
            },
            0,
            0,
            0,
            0,
        ]
    }

    /// Seals an answer as the command's session wants it.
    pub(crate) fn answer(
        &mut self,
        spec: &BmcSpec,
        call: &Call,
        completion: u8,
        data: &[u8],
    ) -> Option<Vec<u8>> {
        let request = RequestMessage::decode(&call.raw).ok()?;
        let response = ResponseMessage {
            net_fn: request.net_fn | 1,
            seq: request.seq,
            command: request.command,
            completion,
            data,
        };
        let mut message = response.encode(&request);
        if spec.quirks.bad_checksums
            && let Some(last) = message.last_mut()
        {
            *last = last.wrapping_add(1);
        }
        let Some(session) = call.session else {
            return Some(v15::seal(v15::AuthType::None, &[], 0, 0, &message));
        };
        if self.old.iter().any(|s| s.session == session) {
            return self.answer15(spec, session, &message);
        }
        let slot = self.slots.iter_mut().find(|s| s.managed == session)?;
        let Stage::Active { keys, seq, .. } = &mut slot.stage else {
            return None;
        };
        *seq += if spec.quirks.skips_numbers && *seq > 0 {
            2
        } else {
            1
        };
        let console = if spec.quirks.id_zero { 0 } else { slot.console };
        Some(seal(
            keys,
            PayloadType::Ipmi,
            console,
            *seq,
            &message,
            random(),
        ))
    }
}

/// Get Channel Cipher Suites (22.15): records of 16 bytes at a time.
fn cipher_suites(spec: &BmcSpec, data: &[u8]) -> Vec<u8> {
    let mut records = Vec::new();
    for suite in &spec.suites {
        let (a, i, c) = suite.codes();
        records.extend([0xc0, suite.number(), a, 0x40 | i, 0x80 | c]);
    }
    let list = usize::from(data.get(2).copied().unwrap_or(0) & 0x3f);
    let mut out = vec![0x01];
    out.extend(records.iter().skip(list * 16).take(16));
    out
}
