//! Logging in by IPMI v1.5 (IPMI v2.0, sections 22.13, 22.16, 22.17): authentication capabilities, challenge, activation.

use std::time::Instant;

use super::active::{Active, V15};
use super::handshake::{Handshake, Step};
use super::session::{Session, State};
use super::types::Failure;
use crate::command::Command;
use crate::command::channel::GetAuthCapabilities;
use crate::error::{ErrorKind, completion_meaning};
use crate::proto::Event;
use crate::wire::crypto::CipherSuite;
use crate::wire::message::{NETFN_APP, RequestMessage, ResponseMessage};
use crate::wire::v15::{AuthType, Packet, seal};

const GET_AUTH_CAPABILITIES: u8 = 0x38;
const GET_SESSION_CHALLENGE: u8 = 0x39;
const ACTIVATE_SESSION: u8 = 0x3a;
/// The number that the BMC is told to begin with.
const FIRST: u32 = 1;

/// Where a login stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Login {
    /// What does the BMC offer?
    Capabilities,
    /// The user's name was sent.
    Challenge(Offer),
    /// The challenge was sent back.
    Activate(Offer, u32),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    auth: AuthType,
    per_message_off: bool,
}

impl Session {
    fn sessionless(&mut self, code: u8, data: &[u8]) -> (u8, Vec<u8>) {
        let tag = self.next_tag() & 0x3f;
        (
            tag,
            RequestMessage::to_bmc(NETFN_APP, 0, tag, code, data).encode(),
        )
    }

    pub(super) fn begin_login(&mut self, now: Instant) {
        // Without the extended bit: a BMC of that time may not know it.
        let (tag, message) = self.sessionless(
            GET_AUTH_CAPABILITIES,
            &[0x0e, self.config.credentials.privilege.code()],
        );
        let datagram = seal(AuthType::None, &[], 0, 0, &message);
        self.send_handshake("Get Channel Authentication Capabilities", datagram.clone());
        let again = now + self.open_timeout(1);
        let step = Step::Login(Login::Capabilities);
        let suite = CipherSuite::S0;
        self.state = State::Opening(Box::new(Handshake {
            suite,
            tag,
            console: 0,
            step,
            datagram,
            sent: 1,
            first: now,
            again,
        }));
    }

    pub(super) fn handle_login(&mut self, now: Instant, packet: &Packet<'_>) -> bool {
        let State::Opening(handshake) = &self.state else {
            return false;
        };
        let Step::Login(login) = handshake.step else {
            return false;
        };
        let Ok(response) =
            ResponseMessage::decode(packet.payload, !self.config.workarounds.no_checksums)
        else {
            return false;
        };
        let code = match login {
            Login::Capabilities => GET_AUTH_CAPABILITIES,
            Login::Challenge(_) => GET_SESSION_CHALLENGE,
            Login::Activate(..) => ACTIVATE_SESSION,
        };
        if response.command != code
            || response.seq != handshake.tag
            || response.net_fn != NETFN_APP | 1
        {
            return false;
        }
        self.sample(now);
        match login {
            Login::Capabilities => self.capabilities(now, &response),
            Login::Challenge(offer) => self.challenged(now, offer, &response),
            Login::Activate(offer, session) => {
                self.activated(now, offer, session, packet, &response)
            }
        }
        true
    }

    fn capabilities(&mut self, now: Instant, response: &ResponseMessage<'_>) {
        let command = GetAuthCapabilities {
            channel: 0x0e,
            privilege: self.config.credentials.privilege,
        };
        let offered = match command.decode(response.data) {
            Ok(offered) if response.completion == 0 => offered,
            Ok(_) | Err(_) => {
                let detail = format!(
                    "Get Channel Authentication Capabilities was answered with {:02x}h",
                    response.completion
                );
                return self.fatal(&Failure::protocol(detail, response.data));
            }
        };
        let allowed = &self.config.auth_types;
        let bit = |auth: AuthType| 1u8.checked_shl(auth.code().into()).unwrap_or(0);
        let has = |auth: &&AuthType| offered.types & bit(**auth) != 0;
        let chosen = match allowed.iter().find(has) {
            None if self.config.workarounds.auth_capabilities => allowed.first(),
            chosen => chosen,
        };
        let Some(auth) = chosen.copied() else {
            let names = |list: &[AuthType]| {
                let names: Vec<String> = list.iter().map(ToString::to_string).collect();
                names.join(", ")
            };
            let offers: Vec<AuthType> = [AuthType::None, AuthType::Md5, AuthType::Password]
                .into_iter()
                .filter(|auth| has(&auth))
                .collect();
            let detail = format!(
                "of the authentication types the BMC offers [{}] (types {:02x}h), and [{}] may be used",
                names(&offers),
                offered.types,
                names(allowed)
            );
            return self.fatal(&Failure::new(ErrorKind::SuiteRefused, detail));
        };
        let per_message_off = offered.per_message_off && !self.config.workarounds.force_per_message;
        let mut data = vec![auth.code()];
        data.extend(self.config.credentials.user.as_bytes());
        data.resize(17, 0);
        let (tag, message) = self.sessionless(GET_SESSION_CHALLENGE, &data);
        let step = Step::Login(Login::Challenge(Offer {
            auth,
            per_message_off,
        }));
        self.step(
            now,
            "Get Session Challenge",
            tag,
            step,
            seal(AuthType::None, &[], 0, 0, &message),
        );
    }

    fn challenged(&mut self, now: Instant, offer: Offer, response: &ResponseMessage<'_>) {
        match response.completion {
            0 => {}
            code @ (0x81 | 0x82) => {
                let user = &self.config.credentials.user;
                let detail =
                    format!("Get Session Challenge was refused with {code:02x}h: no user `{user}`");
                return self.fatal(&Failure::new(ErrorKind::UnknownUser, detail));
            }
            // Busy, out of space, still starting: no session is to be had at present.
            0xc0 | 0xc3 | 0xc4 | 0xd2 => {
                self.state = State::Idle;
                return self.back_off(now);
            }
            code => {
                let detail = format!(
                    "Get Session Challenge was refused with {code:02x}h, {}",
                    completion_meaning(code)
                );
                return self.fatal(&Failure::protocol(detail, response.data));
            }
        }
        let (Some(id), Some(challenge)) =
            (response.data.first_chunk::<4>(), response.data.get(4..20))
        else {
            return self.fatal(&Failure::protocol(
                "the answer to Get Session Challenge is cut short",
                response.data,
            ));
        };
        let session = u32::from_le_bytes(*id);
        let mut data = vec![offer.auth.code(), self.config.credentials.privilege.code()];
        data.extend(challenge);
        data.extend(FIRST.to_le_bytes());
        let (tag, message) = self.sessionless(ACTIVATE_SESSION, &data);
        let datagram = seal(offer.auth, self.config.password(), session, 0, &message);
        self.step(
            now,
            "Activate Session",
            tag,
            Step::Login(Login::Activate(offer, session)),
            datagram,
        );
    }

    fn activated(
        &mut self,
        now: Instant,
        offer: Offer,
        asked: u32,
        packet: &Packet<'_>,
        response: &ResponseMessage<'_>,
    ) {
        match response.completion {
            0 => {}
            0x81..=0x83 => {
                self.state = State::Idle;
                return self.back_off(now);
            }
            0x86 => {
                let privilege = self.config.credentials.privilege;
                let detail = format!(
                    "Activate Session was refused with 86h: the user may not take the {privilege} privilege"
                );
                return self.fatal(&Failure::new(ErrorKind::Privilege, detail));
            }
            code => {
                let detail = format!(
                    "Activate Session was refused with {code:02x}h, {}",
                    completion_meaning(code)
                );
                let kind = if code == 0xd4 || code == 0xff {
                    ErrorKind::BadPassword
                } else {
                    ErrorKind::Completion(code)
                };
                return self.fatal(&Failure::new(kind, detail));
            }
        }
        // A forged answer would choose the session for us.
        if !self.config.workarounds.unauthenticated && !packet.verify(self.config.password()) {
            return;
        }
        let (Some(id), Some(first)) = (response.data.get(1..5), response.data.get(5..9)) else {
            return self.fatal(&Failure::protocol(
                "the answer to Activate Session is cut short",
                response.data,
            ));
        };
        let number = |bytes: &[u8]| {
            bytes
                .first_chunk::<4>()
                .map_or(asked, |b| u32::from_le_bytes(*b))
        };
        // "The type for the rest of the session": codes are left out only where both answers say so.
        let none = response
            .data
            .first()
            .is_some_and(|code| AuthType::from_code(*code & 0x0f) == AuthType::None);
        let auth = if offer.per_message_off && none {
            AuthType::None
        } else {
            offer.auth
        };
        let v15 = V15 {
            auth,
            per_message_off: offer.per_message_off,
            password: self.config.password().to_vec().into(),
            big_endian: self.config.workarounds.big_endian_seq,
        };
        self.backoffs = 0;
        self.activate_silent = false;
        self.no_slot = false;
        self.state = State::Active(Box::new(Active::v15(v15, number(id), number(first))));
        self.events.push_back(Event::Opened(CipherSuite::S0));
    }
}
