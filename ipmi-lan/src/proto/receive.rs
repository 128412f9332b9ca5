//! What comes from the BMC in an open session: verified, matched to what was asked, numbers taken once.

use std::collections::VecDeque;
use std::time::Instant;

use super::session::{Session, State, Work};
use super::types::{Event, Failure, Request};
use crate::credentials::Privilege;
use crate::error::ErrorKind;
use crate::wire::message::ResponseMessage;
use crate::wire::v2::{Packet, PayloadType};
use crate::wire::v15::AuthType;

const INSUFFICIENT_PRIVILEGE: u8 = 0xd4;

impl Session {
    pub(super) fn handle_v2(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let Ok(packet) = Packet::parse(datagram) else {
            return false;
        };
        match packet.payload_type {
            PayloadType::OpenResponse | PayloadType::Rakp2 | PayloadType::Rakp4 => {
                self.handle_handshake(now, &packet)
            }
            _ => self.handle_session(now, &packet),
        }
    }

    pub(super) fn handle_v15(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let Ok(packet) = crate::wire::v15::Packet::parse(datagram) else {
            return false;
        };
        let checksums = !self.config.workarounds.no_checksums;
        let State::Active(active) = &mut self.state else {
            return self.handle_login(now, &packet);
        };
        let Some(v15) = &active.v15 else { return false };
        if packet.session != active.managed
            && !(packet.session == 0 && self.config.workarounds.id_zero)
        {
            return false;
        }
        let seq = if v15.big_endian {
            packet.seq.swap_bytes()
        } else {
            packet.seq
        };
        // Where codes are off some BMCs send them all the same (`unexpectedauth`): those must be right.
        let unauthenticated = packet.auth == AuthType::None && v15.auth != AuthType::None;
        let trusted = self.config.workarounds.unauthenticated
            || (packet.verify(&v15.password) && (v15.per_message_off || !unauthenticated));
        if !trusted {
            return false;
        }
        // Without a code nothing protects the number; zero there means "not counted".
        let counted = packet.auth != AuthType::None || seq != 0;
        if counted && !active.window.accept(seq) {
            return true;
        }
        if let Ok(response) = ResponseMessage::decode(packet.payload, checksums) {
            self.handle_response(now, &response);
        }
        true
    }

    fn handle_session(&mut self, now: Instant, packet: &Packet<'_>) -> bool {
        let State::Active(active) = &mut self.state else {
            return false;
        };
        let right_id = packet.session == active.console
            || (packet.session == 0 && self.config.workarounds.id_zero);
        if !right_id {
            return false;
        }
        // Suites without integrity have nothing that protects the number; zero there means "not counted".
        let counted = packet.seq != 0;
        if counted && !active.window.allows(packet.seq) {
            return true;
        }
        let Ok(payload) = packet.open(&active.keys) else {
            return false;
        };
        if counted {
            active.window.accept(packet.seq);
        }
        if packet.payload_type != PayloadType::Ipmi {
            self.events
                .push_back(Event::Payload(packet.payload_type, payload));
            return true;
        }
        let Ok(response) = ResponseMessage::decode(&payload, !self.config.workarounds.no_checksums)
        else {
            return true;
        };
        self.handle_response(now, &response);
        true
    }

    fn handle_response(&mut self, now: Instant, response: &ResponseMessage<'_>) {
        let Some(flight) = &self.in_flight else {
            return;
        };
        let matches = response.seq == flight.rq_seq
            && response.command == flight.code
            && response.net_fn == flight.net_fn | 1;
        if !matches {
            return;
        }
        let Some(flight) = self.in_flight.take() else {
            return;
        };
        if flight.sent == 1 {
            self.rtt.sample(now.saturating_duration_since(flight.first));
        }
        self.last_work = now;
        match flight.work {
            Work::Close => self.gone(),
            Work::SetPrivilege(wanted) => self.privilege_answered(wanted, response),
            Work::Request(request) => self.answered(request, response),
        }
    }

    fn answered(&mut self, request: Request, response: &ResponseMessage<'_>) {
        let wanted = self.config.credentials.privilege;
        if response.completion == INSUFFICIENT_PRIVILEGE
            && let State::Active(active) = &mut self.state
            && active.privilege < wanted
        {
            // The BMC wants more than the table says: raise the session and ask again.
            self.queue.push_front(Request {
                privilege: wanted,
                ..request
            });
            return;
        }
        self.events.push_back(Event::Answered {
            id: request.id,
            completion: response.completion,
            data: response.data.to_vec(),
        });
    }

    fn privilege_answered(&mut self, wanted: Privilege, response: &ResponseMessage<'_>) {
        let State::Active(active) = &mut self.state else {
            return;
        };
        if response.completion == 0 {
            active.privilege = response
                .data
                .first()
                .and_then(|p| Privilege::from_code(*p))
                .unwrap_or(wanted)
                .max(wanted);
            return;
        }
        // Refused: what needs it fails; the rest of the queue goes on at the privilege that the session has.
        let meaning = match response.completion {
            0x80 => "that privilege is not available to this user",
            0x81 => "that privilege exceeds the user's or the channel's limit",
            0x82 => "user-level authentication cannot be disabled",
            other => crate::error::completion_meaning(other),
        };
        let detail = format!(
            "Set Session Privilege Level ({wanted}) was refused with {:02x}h, {meaning}",
            response.completion
        );
        let has = active.privilege;
        let (fail, keep): (VecDeque<_>, VecDeque<_>) =
            self.queue.drain(..).partition(|r| r.privilege > has);
        self.queue = keep;
        for request in fail {
            let failure = Failure::new(ErrorKind::Privilege, detail.clone());
            self.events.push_back(Event::Failed {
                id: request.id,
                failure,
            });
        }
    }
}
