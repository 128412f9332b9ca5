//! The BMC's side of the handshake: Open Session, RAKP 1 and 3.

use std::net::SocketAddr;
use std::time::Instant;

use super::engine::{Engine, Slot, Stage, random};
use super::state::{BmcSpec, BmcState, User};
use crate::credentials::Privilege;
use crate::wire::crypto::{CipherSuite, SessionKeys, same};
use crate::wire::rakp::{
    Exchange, OpenAccepted, OpenRequest, OpenResponse, Rakp1, Rakp2, Rakp2Proof, Rakp3, Rakp4,
    status,
};
use crate::wire::v2::{PayloadType, seal_plain};
use crate::wire::window::Window;

impl Engine {
    /// Answers a step of the handshake.
    pub(crate) fn handshake(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        spec: &BmcSpec,
        state: &BmcState,
        kind: PayloadType,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        match kind {
            PayloadType::OpenRequest => self.open(now, peer, spec, payload),
            PayloadType::Rakp1 => self.rakp1(now, spec, state, payload),
            PayloadType::Rakp3 => self.rakp3(now, spec, payload),
            _ => None,
        }
    }

    fn open(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        spec: &BmcSpec,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let request = OpenRequest::decode(payload).ok()?;
        let quirks = &spec.quirks;
        let console = if quirks.id_zero { 0 } else { request.console };
        let refuse = |code: u8| {
            let mut payload = OpenResponse {
                tag: request.tag,
                status: code,
                console: Some(console),
                accepted: None,
            }
            .encode();
            if quirks.short_refusal {
                payload.truncate(2);
            }
            Some(seal_plain(PayloadType::OpenResponse, &payload))
        };
        if (quirks.refuses_open_privilege && request.privilege != 0)
            || (quirks.wants_open_privilege && request.privilege == 0)
        {
            return refuse(status::INVALID_ROLE);
        }
        let (a, i, c) = request.algorithms;
        let any = quirks.one_suite || (a, i, c) == (0xff, 0xff, 0xff);
        let wanted = if any {
            spec.suites.first().copied()
        } else {
            CipherSuite::from_algorithms(a, i, c).filter(|suite| spec.suites.contains(suite))
        };
        let Some(suite) = wanted else {
            return if quirks.silent_suite {
                None
            } else {
                refuse(quirks.suite_status.unwrap_or(status::NO_SUITE))
            };
        };
        // The same request again: its answer was lost. The specification leaves it open; a good BMC does not open a second session for it.
        let taken = self.slots_taken();
        let known = self.slots.iter_mut().find(|s| {
            !matches!(s.stage, Stage::Active { .. })
                && s.peer == peer
                && s.console == request.console
        });
        let max = if request.privilege == 0 {
            4
        } else {
            request.privilege.min(4)
        };
        let managed = match known.filter(|_| !quirks.open_each_time) {
            Some(slot) => {
                slot.used = now;
                slot.managed
            }
            None if taken >= spec.slots => return refuse(status::NO_RESOURCES),
            None => {
                let managed = self.next_id();
                let stage = Stage::Opened;
                let slot = Slot {
                    managed,
                    console: request.console,
                    suite,
                    max,
                    peer,
                    used: now,
                    stage,
                };
                self.slots.push(slot);
                managed
            }
        };
        let answered = quirks.downgrade.and_then(CipherSuite::new).unwrap_or(suite);
        let accepted = OpenAccepted {
            privilege: max,
            managed,
            algorithms: answered.codes(),
        };
        let response = OpenResponse {
            tag: request.tag,
            status: status::OK,
            console: Some(console),
            accepted: Some(accepted),
        };
        Some(seal_plain(PayloadType::OpenResponse, &response.encode()))
    }

    fn rakp1(
        &mut self,
        now: Instant,
        spec: &BmcSpec,
        state: &BmcState,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let rakp1 = Rakp1::decode(payload).ok()?;
        let quirks = &spec.quirks;
        let seal_rakp2 = |rakp2: &Rakp2| Some(seal_plain(PayloadType::Rakp2, &rakp2.encode()));
        let fail = |console, status| {
            seal_rakp2(&Rakp2 {
                tag: rakp1.tag,
                status,
                console: Some(console),
                proof: None,
            })
        };
        let Some(slot) = self.slot(rakp1.managed) else {
            return fail(0, status::INVALID_SESSION);
        };
        slot.used = now;
        let console = if quirks.id_zero { 0 } else { slot.console };
        if let Stage::Proven {
            rakp1: known,
            rakp2,
            ..
        } = &slot.stage
            && known.get(1..) == payload.get(1..)
            && !quirks.fresh_rakp2
        {
            // The same message again, under another tag as some consoles send it.
            return seal_rakp2(&Rakp2 {
                tag: rakp1.tag,
                ..rakp2.clone()
            });
        }
        if matches!(slot.stage, Stage::Active { .. }) {
            return None;
        }
        let wanted = Privilege::from_code(rakp1.role)?;
        let by_name = rakp1.role & 0x10 != 0;
        let user = state.users.values().find(|user| {
            user.enabled
                && user.messaging
                && user.name.as_bytes() == rakp1.user
                && (by_name || user.privilege >= wanted)
        });
        let Some(user) = user.cloned() else {
            if quirks.silent_refusals {
                return None;
            }
            self.slots.retain(|s| s.managed != rakp1.managed);
            return fail(console, status::UNAUTHORIZED_NAME);
        };
        if quirks.intel20 && by_name {
            self.slots.retain(|s| s.managed != rakp1.managed);
            return fail(console, status::UNAUTHORIZED_NAME);
        }
        if wanted > user.privilege {
            self.slots.retain(|s| s.managed != rakp1.managed);
            return fail(console, status::UNAUTHORIZED_ROLE);
        }
        let slot = self.slot(rakp1.managed)?;
        let exchange = Exchange {
            suite: slot.suite,
            console: slot.console,
            managed: slot.managed,
            console_random: rakp1.random,
            managed_random: random(),
            guid: state.guid,
            role: rakp1.role,
            user: rakp1.user.clone(),
        };
        let mut code = exchange.rakp2_code(password(&user, spec));
        if quirks.long_rakp2 {
            code.push(0);
        }
        let proof = Rakp2Proof {
            random: exchange.managed_random,
            guid: state.guid,
            code,
        };
        let rakp2 = Rakp2 {
            tag: rakp1.tag,
            status: status::OK,
            console: Some(console),
            proof: Some(proof),
        };
        let datagram = seal_rakp2(&rakp2);
        slot.stage = Stage::Proven {
            rakp1: payload.to_vec(),
            rakp2,
            exchange,
            user,
        };
        datagram
    }

    fn rakp3(&mut self, now: Instant, spec: &BmcSpec, payload: &[u8]) -> Option<Vec<u8>> {
        let rakp3 = Rakp3::decode(payload).ok()?;
        let quirks = &spec.quirks;
        if rakp3.status != status::OK {
            // The console gives up.
            self.slots
                .retain(|s| s.managed != rakp3.managed || matches!(s.stage, Stage::Active { .. }));
            return None;
        }
        let seal_rakp4 = |rakp4: &Rakp4| Some(seal_plain(PayloadType::Rakp4, &rakp4.encode()));
        let fail = |console, status| {
            seal_rakp4(&Rakp4 {
                tag: rakp3.tag,
                status,
                console: Some(console),
                code: Vec::new(),
            })
        };
        let Some(slot) = self.slot(rakp3.managed) else {
            return fail(0, status::INVALID_SESSION);
        };
        slot.used = now;
        let console = if quirks.id_zero { 0 } else { slot.console };
        let (exchange, user) = match &slot.stage {
            Stage::Proven { exchange, user, .. } => (exchange, user),
            Stage::Active {
                rakp3: known,
                rakp4,
                ..
            } if known.get(1..) == payload.get(1..) && !quirks.rakp3_once => {
                return seal_rakp4(&Rakp4 {
                    tag: rakp3.tag,
                    ..rakp4.clone()
                });
            }
            Stage::Active { .. } => return None,
            Stage::Opened => return fail(console, status::INVALID_SESSION),
        };
        if !same(&exchange.rakp3_code(password(user, spec)), &rakp3.code) {
            if quirks.silent_refusals {
                return None;
            }
            self.slots.retain(|s| s.managed != rakp3.managed);
            return fail(console, status::INVALID_INTEGRITY);
        }
        let kg = if spec.kg.is_empty() {
            password(user, spec)
        } else {
            &spec.kg
        };
        let sik = exchange.sik(kg);
        let mut code = exchange.rakp4_code(&sik);
        let keys = SessionKeys::derive(exchange.suite, sik, password(user, spec));
        if quirks.intel20 {
            code.truncate(keys.code_len());
        }
        if quirks.integrity_check_value && code.is_empty() {
            code.extend([0x5a; 12]);
        }
        let rakp4 = Rakp4 {
            tag: rakp3.tag,
            status: status::OK,
            console: Some(console),
            code,
        };
        let datagram = seal_rakp4(&rakp4);
        let role = Privilege::from_code(exchange.role).unwrap_or(Privilege::User);
        let max = Privilege::from_code(slot.max).unwrap_or(Privilege::Administrator);
        slot.stage = Stage::Active {
            rakp3: payload.to_vec(),
            rakp4,
            keys,
            window: Window::starting_at(1, 16, 16),
            seq: 0,
            privilege: Privilege::User.min(role),
            limit: role.min(user.privilege).min(max),
        };
        self.opened += 1;
        datagram
    }
}

fn password<'a>(user: &'a User, spec: &BmcSpec) -> &'a [u8] {
    let most = if spec.quirks.intel20 { 16 } else { 20 };
    &user.password[..user.password.len().min(most)]
}
