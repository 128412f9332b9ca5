//! Opening a session: Open Session, RAKP 1 to 4, with the suites tried in turn and every step repeated until it is answered.

use std::time::Instant;

use super::active::Active;
use super::session::{Session, State};
use super::types::Failure;
use crate::error::ErrorKind;
use crate::proto::Event;
use crate::wire::crypto::{Authentication, CipherSuite, SessionKeys, rakp4_len, same};
use crate::wire::rakp::{Exchange, OpenRequest, OpenResponse, Rakp1, Rakp2, Rakp3, Rakp4, status};
use crate::wire::v2::{Packet, PayloadType, seal_plain};

/// Open Session is offered with another suite after this many unanswered transmissions: some BMCs drop a suite that they do not have.
const SILENT_OPENS: u32 = 4;
/// RAKP 1 and 3 are given up after this many, and the handshake begins anew.
const SILENT_RAKPS: u32 = 5;
/// How often in a row RAKP 3 may be refused after a good RAKP 2 before it is believed.
const CROSSED: u32 = 5;

pub(super) enum Step {
    /// IPMI v1.5, see `login`.
    Login(super::login::Login),
    Open,
    Rakp1(Box<Exchange>),
    Rakp3(Box<Exchange>, Box<SessionKeys>),
}

pub(super) struct Handshake {
    pub(super) suite: CipherSuite,
    pub(super) tag: u8,
    pub(super) console: u32,
    pub(super) step: Step,
    pub(super) datagram: Vec<u8>,
    pub(super) sent: u32,
    pub(super) first: Instant,
    pub(super) again: Instant,
}

impl Session {
    pub(super) fn next_tag(&mut self) -> u8 {
        self.tag = self.tag.wrapping_add(1);
        self.tag
    }

    pub(super) fn open_timeout(&self, attempt: u32) -> std::time::Duration {
        let timing = &self.config.timing;
        self.rtt
            .timeout(attempt, timing.first, timing.rakp, timing.ceiling)
    }

    pub(super) fn send_handshake(&mut self, name: &'static str, datagram: Vec<u8>) {
        // Begun anew, and still without an answer: it goes on counting.
        self.transmissions = if self.last_sent == name {
            self.transmissions + 1
        } else {
            1
        };
        self.last_sent = name;
        self.out.push_back(datagram);
    }

    pub(super) fn begin_handshake(&mut self, now: Instant) {
        if self.config.protocol == crate::credentials::Protocol::V15 {
            return self.begin_login(now);
        }
        let suite = self
            .config
            .suites
            .get(self.suite)
            .copied()
            .unwrap_or(CipherSuite::S3);
        let mut id = [0; 4];
        (self.random)(&mut id);
        let console = u32::from_le_bytes(id).max(1);
        let tag = self.next_tag();
        let privilege = if self.open_privilege {
            self.config.credentials.privilege.code()
        } else {
            0
        };
        let request = OpenRequest {
            tag,
            privilege,
            console,
            algorithms: suite.codes(),
        };
        let datagram = seal_plain(PayloadType::OpenRequest, &request.encode());
        self.send_handshake("Open Session Request", datagram.clone());
        let again = now + self.open_timeout(1);
        let handshake = Handshake {
            suite,
            tag,
            console,
            step: Step::Open,
            datagram,
            sent: 1,
            first: now,
            again,
        };
        self.state = State::Opening(Box::new(handshake));
    }

    /// Nothing answered in time.
    pub(super) fn repeat_handshake(&mut self, now: Instant) {
        let timeout = |session: &Self, sent| session.open_timeout(sent);
        let unwanted = self.queue.is_empty() && now >= self.wanted_until;
        let State::Opening(handshake) = &mut self.state else {
            return;
        };
        let opening = matches!(handshake.step, Step::Open | Step::Login(_));
        let limit = if opening { SILENT_OPENS } else { SILENT_RAKPS };
        if (unwanted || (self.queue.is_empty() && opening)) && handshake.sent >= 2 {
            // Nobody waits any more, and nothing that we could close has been confirmed.
            self.abandon();
            return;
        }
        self.rakp_silent = match handshake.step {
            Step::Rakp1(_) if handshake.sent >= 3 => Some("RAKP 1"),
            Step::Rakp3(..) if handshake.sent >= 3 => Some("RAKP 3"),
            // It answers Open Session each time: what it said nothing to is still what counts.
            _ => self.rakp_silent,
        };
        if handshake.sent >= limit {
            if matches!(handshake.step, Step::Open) && self.config.suites.len() > 1 {
                self.suite = (self.suite + 1) % self.config.suites.len();
            }
            self.restart(now);
            return;
        }
        handshake.sent += 1;
        let activating = matches!(
            handshake.step,
            Step::Login(super::login::Login::Activate(..))
        );
        self.activate_silent |= activating && handshake.sent >= 3;
        self.new_port |= matches!(
            handshake.step,
            Step::Login(super::login::Login::Challenge(_))
        );
        let (sent, datagram) = (handshake.sent, handshake.datagram.clone());
        let again = now + timeout(self, sent);
        if let State::Opening(handshake) = &mut self.state {
            handshake.again = again;
        }
        self.transmissions += 1;
        self.out.push_back(datagram);
    }

    /// Gives the handshake up; if the BMC may hold the session open already, closes it unseen.
    fn abandon(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Idle);
        if let State::Opening(handshake) = state
            && let Step::Rakp3(exchange, keys) = handshake.step
        {
            self.state = State::Active(Box::new(Active::new(
                *keys,
                exchange.managed,
                exchange.console,
            )));
            self.blind_close();
            self.state = State::Idle;
        }
    }

    fn restart(&mut self, now: Instant) {
        self.abandon();
        if !self.queue.is_empty() {
            self.begin_handshake(now);
        }
    }

    /// Ends the handshake for a reason that trying again does not change.
    pub(super) fn fatal(&mut self, failure: &Failure) {
        self.state = State::Idle;
        self.rakp_silent = None;
        self.fail_all(failure);
    }

    /// Tells the BMC to forget the session that it has half open (RAKP 3 with a status), since slots are few.
    fn disown(&mut self, managed: u32, status: u8) {
        let tag = self.next_tag();
        let rakp3 = Rakp3 {
            tag,
            status,
            managed,
            code: Vec::new(),
        };
        self.out
            .push_back(seal_plain(PayloadType::Rakp3, &rakp3.encode()));
    }

    pub(super) fn handle_handshake(&mut self, now: Instant, packet: &Packet<'_>) -> bool {
        let State::Opening(handshake) = &self.state else {
            return false;
        };
        match (packet.payload_type, &handshake.step) {
            (PayloadType::OpenResponse, Step::Open) => self.opened(now, packet.payload),
            (PayloadType::Rakp2, Step::Rakp1(_)) => self.rakp2(now, packet.payload),
            (PayloadType::Rakp4, Step::Rakp3(..)) => self.rakp4(now, packet.payload),
            // A late or duplicate answer to an earlier step.
            _ => false,
        }
    }

    fn is_ours(&self, tag: u8, console: Option<u32>) -> bool {
        let State::Opening(handshake) = &self.state else {
            return false;
        };
        let id = match console {
            None => true,
            Some(0) => self.config.workarounds.id_zero,
            Some(id) => id == handshake.console,
        };
        handshake.tag == tag && id
    }

    pub(super) fn sample(&mut self, now: Instant) {
        if let State::Opening(handshake) = &self.state
            && handshake.sent == 1
        {
            self.rtt
                .sample(now.saturating_duration_since(handshake.first));
        }
    }

    fn opened(&mut self, now: Instant, payload: &[u8]) -> bool {
        let response = match OpenResponse::decode(payload) {
            Ok(response) => response,
            Err(error) => {
                self.fatal(&Failure::protocol(error.to_string(), payload));
                return true;
            }
        };
        // A refusal may leave the console's id out, or zero it.
        let refusal = response.status != status::OK;
        let console = if refusal {
            response.console.filter(|id| *id != 0)
        } else {
            response.console
        };
        if !self.is_ours(response.tag, console) {
            return false;
        }
        self.sample(now);
        let Some(accepted) = response.accepted else {
            self.refused(now, response.status);
            return true;
        };
        let State::Opening(handshake) = &self.state else {
            return true;
        };
        let (mut suite, console) = (handshake.suite, handshake.console);
        let (a, i, c) = accepted.algorithms;
        let chosen =
            CipherSuite::from_algorithms(a, i, c).filter(|s| self.config.suites.contains(s));
        if let Some(chosen) = chosen {
            // Some BMCs (pyghmi's, VirtualBMC) answer every request with the one suite that they have. One that we offer ourselves
            // is no downgrade: a refusal would have led us to it too.
            suite = chosen;
            self.prefer(chosen);
        } else {
            let detail = format!(
                "suite {suite} was asked for, and algorithms {a}/{i}/{c} came back: refused as a downgrade"
            );
            self.disown(accepted.managed, status::NO_SUITE);
            self.fatal(&Failure::protocol(detail, payload));
            return true;
        }
        self.no_slot = false;
        let mut console_random = [0; 16];
        (self.random)(&mut console_random);
        let by_name = if self.config.workarounds.name_and_privilege {
            0
        } else {
            0x10
        };
        let exchange = Exchange {
            suite,
            console,
            managed: accepted.managed,
            console_random,
            managed_random: [0; 16],
            guid: [0; 16],
            role: self.config.credentials.privilege.code() | by_name,
            user: self.config.credentials.user.as_bytes().to_vec(),
        };
        let tag = self.next_tag();
        let rakp1 = Rakp1 {
            tag,
            managed: exchange.managed,
            random: console_random,
            role: exchange.role,
            user: exchange.user.clone(),
        };
        let datagram = seal_plain(
            PayloadType::Rakp1,
            &rakp1.encode(self.config.workarounds.pad_user),
        );
        self.step(
            now,
            "RAKP 1",
            tag,
            Step::Rakp1(Box::new(exchange)),
            datagram,
        );
        true
    }

    pub(super) fn step(
        &mut self,
        now: Instant,
        name: &'static str,
        tag: u8,
        step: Step,
        datagram: Vec<u8>,
    ) {
        self.send_handshake(name, datagram.clone());
        let again = now + self.open_timeout(1);
        if let State::Opening(handshake) = &mut self.state {
            handshake.step = step;
            handshake.tag = tag;
            handshake.datagram = datagram;
            handshake.sent = 1;
            handshake.first = now;
            handshake.again = again;
        }
    }

    /// Open Session was refused: another suite, a pause, or the end.
    ///
    /// BMCs are loose with these codes: "no resources" can mean "not this suite", so every suite is tried before slots are taken to be short.
    fn refused(&mut self, now: Instant, code: u8) {
        let State::Opening(handshake) = &self.state else {
            return;
        };
        self.refused.push((handshake.suite, code));
        self.state = State::Idle;
        if self.refused.len() < self.config.suites.len() {
            self.suite = (self.suite + 1) % self.config.suites.len();
            if !self.queue.is_empty() {
                self.begin_handshake(now);
            }
            return;
        }
        let refused = std::mem::take(&mut self.refused);
        let role = |code| matches!(code, status::INVALID_ROLE | status::UNAUTHORIZED_ROLE);
        if refused.iter().any(|(_, code)| role(*code)) && !self.role_turned {
            // Some want to be asked for a privilege, some refuse anything but "the highest": the other way, once.
            self.role_turned = true;
            self.open_privilege = !self.open_privilege;
            self.suite = (self.suite + 1) % self.config.suites.len();
            if !self.queue.is_empty() {
                self.begin_handshake(now);
            }
            return;
        }
        if refused
            .iter()
            .any(|(_, code)| matches!(*code, status::NO_RESOURCES | status::NO_RESOURCES_ROLE))
        {
            // Only the suites that were refused for want of a slot are worth another try.
            if let Some((suite, _)) = refused
                .iter()
                .find(|(_, code)| *code == status::NO_RESOURCES)
            {
                self.prefer(*suite);
            }
            return self.back_off(now);
        }
        let list: Vec<String> = refused
            .iter()
            .map(|(suite, code)| format!("{suite} ({code:02x}h, {})", status::meaning(*code)))
            .collect();
        let failure = Failure::new(
            ErrorKind::SuiteRefused,
            format!("the BMC refused cipher suites {}", list.join(" and ")),
        );
        self.fatal(&failure);
    }

    pub(super) fn back_off(&mut self, now: Instant) {
        self.no_slot = true;
        self.backoffs += 1;
        let timing = &self.config.timing;
        let mut pause = timing.backoff;
        for _ in 1..self.backoffs.min(8) {
            pause = (pause * 3 / 2).min(timing.ceiling);
        }
        self.state = State::BackOff(now + pause);
    }

    fn rakp_refused(&mut self, now: Instant, message: &str, code: u8) {
        let user = &self.config.credentials.user;
        let meaning = status::meaning(code);
        let detail = format!("{message} was refused with {code:02x}h, {meaning}");
        let failure = match code {
            status::NO_RESOURCES | status::NO_RESOURCES_ROLE => {
                self.state = State::Idle;
                return self.back_off(now);
            }
            status::INVALID_ROLE | status::UNAUTHORIZED_ROLE => {
                let privilege = self.config.credentials.privilege;
                Failure::new(
                    ErrorKind::Privilege,
                    format!("{detail}: user `{user}` may not take the {privilege} privilege"),
                )
            }
            status::INVALID_NAME_LENGTH | status::UNAUTHORIZED_NAME => {
                Failure::new(ErrorKind::UnknownUser, format!("{detail}: user `{user}`"))
            }
            status::INVALID_INTEGRITY => {
                Failure::new(ErrorKind::BadPassword, format!("{detail}: user `{user}`"))
            }
            status::INVALID_SESSION | 0x08 => {
                // It forgot the half-open session: a slow link, or a restart of the BMC.
                return self.restart_later(now);
            }
            _ => Failure::protocol(detail, &[code]),
        };
        self.fatal(&failure);
    }

    /// Begins anew after a pause, so that a BMC that refuses at once is not flooded.
    fn restart_later(&mut self, now: Instant) {
        let pause = self.config.timing.command;
        self.abandon();
        self.state = State::BackOff(now + pause);
    }

    fn rakp2(&mut self, now: Instant, payload: &[u8]) -> bool {
        let Ok(rakp2) = Rakp2::decode(payload) else {
            self.fatal(&Failure::protocol("RAKP 2 is cut short", payload));
            return true;
        };
        let refusal = rakp2.status != status::OK;
        let console = if refusal {
            rakp2.console.filter(|id| *id != 0)
        } else {
            rakp2.console
        };
        if !self.is_ours(rakp2.tag, console) {
            return false;
        }
        self.sample(now);
        let Some(proof) = rakp2.proof else {
            self.rakp_refused(now, "RAKP 1", rakp2.status);
            return true;
        };
        let State::Opening(handshake) = &self.state else {
            return true;
        };
        let Step::Rakp1(exchange) = &handshake.step else {
            return true;
        };
        let mut exchange = exchange.clone();
        exchange.managed_random = proof.random;
        exchange.guid = proof.guid;
        let expected = exchange.rakp2_code(self.config.password());
        // Some BMCs (Supermicro, Sun) append bytes to the code; all of the code itself must still be right.
        let received = proof.code.get(..expected.len()).unwrap_or(&proof.code);
        if !same(&expected, received) {
            self.disown(exchange.managed, status::INVALID_INTEGRITY);
            let user = &self.config.credentials.user;
            let detail = format!(
                "the key exchange code of RAKP 2 was made with another password than ours for user `{user}`"
            );
            self.fatal(&Failure::new(ErrorKind::BadPassword, detail));
            return true;
        }
        let tag = self.next_tag();
        let code = exchange.rakp3_code(self.config.password());
        let rakp3 = Rakp3 {
            tag,
            status: status::OK,
            managed: exchange.managed,
            code,
        };
        let sik = exchange.sik(self.config.kg_or_password());
        let keys = SessionKeys::derive(exchange.suite, sik, self.config.password());
        let datagram = seal_plain(PayloadType::Rakp3, &rakp3.encode());
        self.step(
            now,
            "RAKP 3",
            tag,
            Step::Rakp3(exchange, Box::new(keys)),
            datagram,
        );
        true
    }

    fn rakp4(&mut self, now: Instant, payload: &[u8]) -> bool {
        let Ok(rakp4) = Rakp4::decode(payload) else {
            self.fatal(&Failure::protocol("RAKP 4 is cut short", payload));
            return true;
        };
        let refusal = rakp4.status != status::OK;
        let console = if refusal {
            rakp4.console.filter(|id| *id != 0)
        } else {
            rakp4.console
        };
        if !self.is_ours(rakp4.tag, console) {
            return false;
        }
        self.sample(now);
        let State::Opening(handshake) = &self.state else {
            return true;
        };
        let Step::Rakp3(exchange, keys) = &handshake.step else {
            return true;
        };
        if refusal {
            // RAKP 2 proved that the BMC knows our password. RAKP 1 came to it twice, and its two answers crossed with our RAKP 3: begin anew.
            if rakp4.status == status::INVALID_INTEGRITY && self.crossed < CROSSED {
                self.crossed += 1;
                self.restart_later(now);
            } else {
                self.rakp_refused(now, "RAKP 3", rakp4.status);
            }
            return true;
        }
        let mut expected = exchange.rakp4_code(keys.sik());
        if self.config.workarounds.rakp4_by_integrity {
            expected.truncate(keys.code_len());
        }
        let authentication = exchange.suite.authentication();
        let length_ok =
            authentication == Authentication::None || expected.len() <= rakp4_len(authentication);
        let received = rakp4.code.get(..expected.len()).unwrap_or(&rakp4.code);
        let active = Active::new((**keys).clone(), exchange.managed, exchange.console);
        if !length_ok || !same(&expected, received) {
            let detail = match self.config.credentials.kg {
                Some(_) => {
                    "RAKP 4 does not verify although RAKP 2 did: the BMC has another K_G than ours"
                }
                None => {
                    "RAKP 4 does not verify although RAKP 2 did: the BMC has a K_G, and none was given"
                }
            };
            self.fatal(&Failure::new(ErrorKind::BadKg, detail));
            return true;
        }
        let suite = exchange.suite;
        self.backoffs = 0;
        self.crossed = 0;
        self.no_slot = false;
        self.rakp_silent = None;
        self.refused.clear();
        self.state = State::Active(Box::new(active));
        self.events.push_back(Event::Opened(suite));
        true
    }
}
