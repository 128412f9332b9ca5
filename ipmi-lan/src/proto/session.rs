//! One BMC's session: its queue, its clock, its retransmissions. The handshake is in `handshake`.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::active::Active;
use super::handshake::Handshake;
use super::rtt::Rtt;
use super::types::{Event, Failure, Random, Request, RequestId, SessionConfig};
use crate::credentials::Privilege;
use crate::error::ErrorKind;
use crate::wire::crypto::CipherSuite;
use crate::wire::message::{NETFN_APP, RequestMessage};
use crate::wire::v2::PayloadType;
use crate::wire::{Class, classify};

const SET_SESSION_PRIVILEGE: u8 = 0x3b;
const CLOSE_SESSION: u8 = 0x3c;

#[derive(Debug, Clone)]
pub(super) enum Work {
    Request(Request),
    SetPrivilege(Privilege),
    Close,
}

pub(super) struct InFlight {
    pub(super) work: Work,
    pub(super) name: &'static str,
    pub(super) net_fn: u8,
    pub(super) code: u8,
    pub(super) rq_seq: u8,
    pub(super) message: Vec<u8>,
    pub(super) datagram: Vec<u8>,
    pub(super) repeat_identically: bool,
    pub(super) sent: u32,
    pub(super) first: Instant,
    pub(super) again: Instant,
}

pub(super) enum State {
    Idle,
    Opening(Box<Handshake>),
    Active(Box<Active>),
    BackOff(Instant),
}

/// The state machine of one BMC's session. It opens when the first request comes, and again when it was lost.
pub struct Session {
    pub(super) config: SessionConfig,
    pub(super) random: Random,
    pub(super) state: State,
    pub(super) queue: VecDeque<Request>,
    pub(super) in_flight: Option<InFlight>,
    pub(super) out: VecDeque<Vec<u8>>,
    pub(super) events: VecDeque<Event>,
    pub(super) rtt: Rtt,
    pub(super) suite: usize,
    pub(super) refused: Vec<(CipherSuite, u8)>,
    pub(super) no_slot: bool,
    pub(super) backoffs: u32,
    pub(super) crossed: u32,
    pub(super) activate_silent: bool,
    /// The message of the handshake that the BMC says nothing to, although it answered the one before.
    pub(super) rakp_silent: Option<&'static str>,
    /// Open Session names a privilege; and it was tried the other way already.
    pub(super) open_privilege: bool,
    pub(super) role_turned: bool,
    /// The next datagrams are to come from another source port.
    pub(super) new_port: bool,
    pub(super) tag: u8,
    rq_seq: u8,
    pub(super) heard: Option<Instant>,
    pub(super) last_sent: &'static str,
    pub(super) transmissions: u32,
    pub(super) last_work: Instant,
    closing: bool,
    held: bool,
    pub(super) wanted_until: Instant,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Opening(_) => "opening",
            State::Active(_) => "active",
            State::BackOff(_) => "backing off",
        };
        f.debug_struct("Session")
            .field("state", &state)
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session that is not open yet. `random` fills bytes: random numbers, session ids, initialisation vectors.
    pub fn new(config: SessionConfig, now: Instant, random: Random) -> Self {
        let open_privilege = config.workarounds.open_privilege;
        Self {
            config,
            random,
            state: State::Idle,
            queue: VecDeque::new(),
            in_flight: None,
            out: VecDeque::new(),
            events: VecDeque::new(),
            rtt: Rtt::default(),
            suite: 0,
            refused: Vec::new(),
            no_slot: false,
            backoffs: 0,
            crossed: 0,
            activate_silent: false,
            rakp_silent: None,
            open_privilege,
            role_turned: false,
            new_port: false,
            tag: 0,
            rq_seq: 0,
            heard: None,
            last_sent: "nothing",
            transmissions: 0,
            last_work: now,
            closing: false,
            held: false,
            wanted_until: now,
        }
    }

    /// Takes a request; [`Event::Answered`] or [`Event::Failed`] follows exactly once, unless it is [cancelled](Self::cancel).
    pub fn request(&mut self, now: Instant, request: Request) {
        self.wanted_until = self.wanted_until.max(request.deadline);
        self.last_work = now;
        if self.is_idle() {
            (self.last_sent, self.transmissions) = ("nothing", 0);
        }
        if !matches!(
            self.in_flight,
            Some(InFlight {
                work: Work::Close,
                ..
            })
        ) {
            self.closing = false;
        }
        self.queue.push_back(request);
        self.drive(now);
    }

    /// Forgets a request; nothing more is said about it. A handshake that is under way goes on, so that its session can be closed.
    pub fn cancel(&mut self, now: Instant, id: RequestId) {
        self.queue.retain(|request| request.id != id);
        if matches!(&self.in_flight, Some(InFlight { work: Work::Request(request), .. }) if request.id == id)
        {
            self.in_flight = None;
        }
        self.drive(now);
    }

    /// Closes the session once the queue is empty; [`Event::Closed`] follows.
    pub fn close(&mut self, now: Instant) {
        self.closing = true;
        self.drive(now);
    }

    /// Keeps the session open although there are no requests (a serial line runs in it), or not.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    fn keepalive(&self) -> Option<Duration> {
        self.config
            .timing
            .keepalive
            .or_else(|| self.held.then_some(self.config.timing.idle))
    }

    /// Is there nothing open, nothing being opened, and nothing to do?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle) && self.queue.is_empty() && self.in_flight.is_none()
    }

    /// Is a session open?
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Active(_))
    }

    /// The suite of the open session.
    #[must_use]
    pub fn cipher_suite(&self) -> Option<CipherSuite> {
        match &self.state {
            State::Active(active) => Some(active.keys.suite()),
            _ => None,
        }
    }

    /// Begins with this suite if it is among the offered ones: what worked the last time.
    pub fn prefer(&mut self, suite: CipherSuite) {
        if let Some(at) = self.config.suites.iter().position(|s| *s == suite) {
            self.suite = at;
        }
    }

    /// The smoothed round-trip time, once known.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// Does the session want to be heard from another source port from now on? Asked before [`poll_transmit`](Self::poll_transmit); true once.
    ///
    /// IPMI v1.5 only: some BMCs go deaf to a port from which Get Session Challenge came twice.
    pub fn wants_new_port(&mut self) -> bool {
        std::mem::take(&mut self.new_port)
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = match &self.state {
            State::Idle => None,
            State::Opening(handshake) => Some(handshake.again),
            State::BackOff(until) => Some(*until),
            State::Active(_) if self.in_flight.is_none() => {
                Some(self.last_work + self.keepalive().unwrap_or(self.config.timing.idle))
            }
            State::Active(_) => None,
        };
        let in_flight = self.in_flight.as_ref().map(|f| f.again);
        [state, in_flight, self.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let current = match &self.in_flight {
            Some(InFlight {
                work: Work::Request(request),
                ..
            }) => Some(request.deadline),
            _ => None,
        };
        self.queue.iter().map(|r| r.deadline).chain(current).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        match &self.state {
            State::Opening(handshake) if handshake.again <= now => self.repeat_handshake(now),
            State::BackOff(until) if *until <= now => {
                self.state = State::Idle;
            }
            State::Active(_) if self.in_flight.is_none() && self.queue.is_empty() => self.idle(now),
            _ => {}
        }
        if self.in_flight.as_ref().is_some_and(|f| f.again <= now) {
            self.repeat(now);
        }
        self.drive(now);
    }

    /// A datagram came from the BMC's address. False if it is not for this session.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let mine = match classify(datagram) {
            Class::V2 => self.handle_v2(now, datagram),
            Class::V15 => self.handle_v15(now, datagram),
            _ => false,
        };
        if mine {
            self.heard = Some(now);
            self.drive(now);
        }
        mine
    }

    fn idle(&mut self, now: Instant) {
        let waited = now.saturating_duration_since(self.last_work);
        match self.keepalive() {
            Some(every) if waited >= every => {
                if let State::Active(active) = &self.state {
                    let privilege = active.privilege;
                    self.start(now, Work::SetPrivilege(privilege));
                }
            }
            None if waited >= self.config.timing.idle => self.closing = true,
            _ => {}
        }
    }

    /// Fails what is past its deadline, with the reason that the present state gives.
    fn expire(&mut self, now: Instant) {
        if let Some(InFlight {
            work: Work::Request(request),
            sent,
            ..
        }) = &self.in_flight
            && request.deadline <= now
        {
            let (id, unclear) = (request.id, !request.idempotent);
            let mut failure = self.timed_out(request.name, *sent);
            failure.unclear = unclear;
            self.in_flight = None;
            self.events.push_back(Event::Failed { id, failure });
            // It fell silent: the session is not trusted with the next request.
            self.lose();
        }
        let mut at = 0;
        while at < self.queue.len() {
            if self.queue[at].deadline > now {
                at += 1;
            } else if let Some(request) = self.queue.remove(at) {
                let failure = self.timed_out(self.last_sent, self.transmissions);
                self.events.push_back(Event::Failed {
                    id: request.id,
                    failure,
                });
            }
        }
    }

    fn timed_out(&self, last: &str, sent: u32) -> Failure {
        if self.no_slot && !matches!(self.state, State::Active(_)) {
            let detail = if self.config.protocol == crate::credentials::Protocol::V15 {
                "the BMC refused a session for want of a slot until the deadline"
            } else {
                "the BMC refused with `insufficient resources to create a session` (01h) until the deadline"
            };
            return Failure::new(ErrorKind::NoFreeSession, detail);
        }
        if self.activate_silent {
            let detail = "the BMC answered until Activate Session and then fell silent, as BMCs do at a wrong password (IPMI 1.5)";
            return Failure::new(ErrorKind::BadPassword, detail);
        }
        let times = if sent == 1 {
            "once".to_owned()
        } else {
            format!("{sent} times")
        };
        if let Some(message) = self.rakp_silent
            && !self.is_active()
        {
            let why = if message == "RAKP 1" {
                "some BMCs do not answer for a user that they do not know"
            } else {
                "some BMCs do not answer where the user's password or K_G is wrong"
            };
            return Failure::new(
                ErrorKind::TimedOut,
                format!(
                    "the BMC answered until {message} and then fell silent; last sent: {last}, {times}; {why}"
                ),
            );
        }
        match self.heard {
            None => Failure::new(
                ErrorKind::Unreachable,
                format!("nothing came back; {last} was sent {times}"),
            ),
            Some(_) => Failure::new(
                ErrorKind::TimedOut,
                format!("the BMC fell silent; last sent: {last}, {times}"),
            ),
        }
    }

    /// The session is gone at the BMC, or about to be.
    pub(super) fn gone(&mut self) {
        self.state = State::Idle;
        self.closing = false;
        self.events.push_back(Event::Closed);
    }

    /// Takes the session for lost: frees its slot by a Close that nobody waits for, and opens anew when there is work.
    fn lose(&mut self) {
        if self.is_active() {
            self.events.push_back(Event::Closed);
        }
        self.blind_close();
        self.state = State::Idle;
        self.in_flight = None;
    }

    pub(super) fn blind_close(&mut self) {
        let iv = self.iv();
        if let State::Active(active) = &mut self.state {
            let id = active.managed.to_le_bytes();
            let message = RequestMessage::to_bmc(NETFN_APP, 0, 0, CLOSE_SESSION, &id).encode();
            let datagram = active.seal(PayloadType::Ipmi, &message, iv);
            self.out.push_back(datagram);
        }
    }

    pub(super) fn iv(&mut self) -> [u8; 16] {
        let mut iv = [0; 16];
        (self.random)(&mut iv);
        iv
    }

    /// Sends a payload other than an IPMI message in the open session (serial over LAN). False if none is open.
    pub fn send_payload(&mut self, payload_type: PayloadType, payload: &[u8]) -> bool {
        let iv = self.iv();
        let State::Active(active) = &mut self.state else {
            return false;
        };
        let datagram = active.seal(payload_type, payload, iv);
        self.out.push_back(datagram);
        true
    }

    /// The operating system cannot reach the BMC: everything that waits fails at once.
    pub fn unreachable(&mut self, detail: &str) {
        let failure = Failure::new(ErrorKind::Unreachable, detail);
        if let Some(InFlight {
            work: Work::Request(request),
            ..
        }) = self.in_flight.take()
        {
            self.queue.push_front(request);
        }
        self.state = State::Idle;
        self.out.clear();
        self.fail_all(&failure);
    }

    /// The end, without time to wait: one Close Session is left to be sent if a session is open.
    pub fn shut(&mut self) {
        self.lose();
        self.queue.clear();
    }

    /// Fails everything that waits.
    pub(super) fn fail_all(&mut self, failure: &Failure) {
        for request in self.queue.drain(..) {
            self.events.push_back(Event::Failed {
                id: request.id,
                failure: failure.clone(),
            });
        }
    }

    /// Does what can be done now.
    fn drive(&mut self, now: Instant) {
        match &self.state {
            State::Idle => {
                if !self.queue.is_empty() {
                    self.begin_handshake(now);
                } else if self.closing {
                    self.gone();
                }
            }
            State::BackOff(_) => {
                if self.queue.is_empty() {
                    self.state = State::Idle;
                    if self.closing {
                        self.gone();
                    }
                }
            }
            State::Opening(_) => {}
            State::Active(active) => {
                if self.in_flight.is_some() {
                    return;
                }
                let (has, wanted) = (active.privilege, self.config.credentials.privilege);
                let stale = self
                    .heard
                    .is_none_or(|at| now.saturating_duration_since(at) > Duration::from_secs(3));
                match self.queue.front() {
                    Some(next) if next.privilege > has && wanted > has => {
                        self.start(now, Work::SetPrivilege(wanted))
                    }
                    // What cannot be repeated is not risked on a session that the BMC may have forgotten.
                    Some(next) if !next.idempotent && stale => {
                        self.start(now, Work::SetPrivilege(has))
                    }
                    Some(_) => {
                        if let Some(next) = self.queue.pop_front() {
                            self.start(now, Work::Request(next));
                        }
                    }
                    None if self.closing => self.start(now, Work::Close),
                    None => {}
                }
            }
        }
    }

    fn start(&mut self, now: Instant, work: Work) {
        let iv = self.iv();
        let State::Active(active) = &mut self.state else {
            return;
        };
        self.rq_seq = (self.rq_seq + 1) & 0x3f;
        let level;
        let id;
        let (name, net_fn, lun, code, data): (_, _, _, _, &[u8]) = match &work {
            Work::Request(r) => (r.name, r.net_fn, r.lun, r.code, &r.data),
            Work::SetPrivilege(privilege) => {
                level = [privilege.code()];
                (
                    "Set Session Privilege Level",
                    NETFN_APP,
                    0,
                    SET_SESSION_PRIVILEGE,
                    &level,
                )
            }
            Work::Close => {
                id = active.managed.to_le_bytes();
                ("Close Session", NETFN_APP, 0, CLOSE_SESSION, &id)
            }
        };
        let message = RequestMessage::to_bmc(net_fn, lun, self.rq_seq, code, data).encode();
        let datagram = active.seal(PayloadType::Ipmi, &message, iv);
        self.last_sent = name;
        self.transmissions = 1;
        self.last_work = now;
        self.out.push_back(datagram.clone());
        let again = now + self.command_timeout(1);
        self.in_flight = Some(InFlight {
            name,
            net_fn,
            code,
            rq_seq: self.rq_seq,
            message,
            datagram,
            repeat_identically: matches!(&work, Work::Request(r) if !r.idempotent),
            work,
            sent: 1,
            first: now,
            again,
        });
    }

    fn command_timeout(&self, attempt: u32) -> Duration {
        let timing = &self.config.timing;
        self.rtt
            .timeout(attempt, timing.first, timing.command, timing.ceiling)
    }

    /// Sends again what was not answered, or takes the session for lost.
    fn repeat(&mut self, now: Instant) {
        let Some(mut flight) = self.in_flight.take() else {
            return;
        };
        let silent = flight.sent >= self.config.timing.lost_after;
        match &flight.work {
            Work::Close if flight.sent >= self.config.timing.close_attempts => return self.gone(),
            Work::SetPrivilege(_) if silent => return self.lose(),
            Work::Request(request) if silent && request.idempotent => {
                self.queue.push_front(request.clone());
                return self.lose();
            }
            _ => {}
        }
        let iv = self.iv();
        let State::Active(active) = &mut self.state else {
            return;
        };
        if !flight.repeat_identically {
            flight.datagram = active.seal(PayloadType::Ipmi, &flight.message, iv);
        }
        flight.sent += 1;
        flight.again = now + self.command_timeout(flight.sent);
        self.transmissions = flight.sent;
        self.last_sent = flight.name;
        self.out.push_back(flight.datagram.clone());
        self.in_flight = Some(flight);
    }
}
