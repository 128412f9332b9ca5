//! Serial over LAN (IPMI v2.0, chapter 15), without I/O: one packet outstanding each way, acknowledged by number and count of characters.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often a packet is sent before the other side is taken for gone.
const ATTEMPTS: u32 = 10;
const NACK: u8 = 0x40;
const UNAVAILABLE: u8 = 0x20;
const DEACTIVATED: u8 = 0x10;

struct Outstanding {
    seq: u8,
    data: Vec<u8>,
    sent: u32,
    again: Instant,
}

/// One end of a serial line.
pub struct Sol {
    most: usize,
    next: u8,
    heard: u8,
    heard_count: u8,
    pending: VecDeque<u8>,
    outstanding: Option<Outstanding>,
    out: VecDeque<Vec<u8>>,
    input: VecDeque<Vec<u8>>,
    retry: Duration,
    ended: bool,
}

impl std::fmt::Debug for Sol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sol")
            .field("pending", &self.pending.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Sol {
    /// A line whose packets carry at most `most` bytes, the four of their header among them. BMCs that announce nonsense get 64.
    #[must_use]
    pub fn new(most: u16, retry: Duration) -> Self {
        let most = if (8..=259).contains(&most) {
            usize::from(most) - 4
        } else {
            60
        };
        Self {
            most,
            next: 1,
            heard: 0,
            heard_count: 0,
            pending: VecDeque::new(),
            outstanding: None,
            out: VecDeque::new(),
            input: VecDeque::new(),
            retry,
            ended: false,
        }
    }

    /// Sends characters.
    pub fn write(&mut self, now: Instant, data: &[u8]) {
        self.pending.extend(data);
        self.send(now);
    }

    /// Is there nothing that the other side has still to take?
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.pending.is_empty() && self.outstanding.is_none()
    }

    /// The other side ended it, or is gone.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Characters that came.
    pub fn read(&mut self) -> Option<Vec<u8>> {
        self.input.pop_front()
    }

    /// The next payload to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.outstanding.as_ref().map(|o| o.again)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(outstanding) = &mut self.outstanding else {
            return;
        };
        if outstanding.again > now {
            return;
        }
        if outstanding.sent >= ATTEMPTS {
            self.ended = true;
            self.outstanding = None;
            return;
        }
        outstanding.sent += 1;
        outstanding.again = now + self.retry;
        let payload = packet(outstanding.seq, 0, 0, &outstanding.data);
        self.out.push_back(payload);
    }

    /// A payload came.
    pub fn handle(&mut self, now: Instant, payload: &[u8]) {
        let [seq, acked, count, status, data @ ..] = payload else {
            return;
        };
        if status & DEACTIVATED != 0 {
            self.ended = true;
        }
        self.acknowledged(now, acked & 0x0f, usize::from(*count), *status);
        let seq = seq & 0x0f;
        if seq == 0 {
            return;
        }
        if seq == self.heard {
            // The same again, for our acknowledgement was lost; more characters than then are new.
            let known = usize::from(self.heard_count).min(data.len());
            if data.len() > known {
                self.input.push_back(data[known..].to_vec());
            }
        } else if !data.is_empty() {
            self.input.push_back(data.to_vec());
        }
        self.heard = seq;
        self.heard_count = data.len() as u8;
        self.out.push_back(packet(0, seq, self.heard_count, &[]));
    }

    fn acknowledged(&mut self, now: Instant, acked: u8, count: usize, status: u8) {
        let Some(outstanding) = &mut self.outstanding else {
            return;
        };
        if acked == 0 || acked != outstanding.seq {
            return;
        }
        if status & (NACK | UNAVAILABLE) != 0 {
            // It took only so many: the rest goes again as a packet of its own, a little later.
            let rest = outstanding
                .data
                .split_off(count.min(outstanding.data.len()));
            if rest.is_empty() {
                self.outstanding = None;
                return self.send(now);
            }
            outstanding.data = rest;
            outstanding.seq = self.next;
            outstanding.again = now + self.retry / 4;
            self.next = self.next % 15 + 1;
            return;
        }
        self.outstanding = None;
        self.send(now);
    }

    fn send(&mut self, now: Instant) {
        if self.outstanding.is_some() || self.pending.is_empty() {
            return;
        }
        let count = self.pending.len().min(self.most);
        let data: Vec<u8> = self.pending.drain(..count).collect();
        let seq = self.next;
        self.next = self.next % 15 + 1;
        self.out.push_back(packet(seq, 0, 0, &data));
        self.outstanding = Some(Outstanding {
            seq,
            data,
            sent: 1,
            again: now + self.retry,
        });
    }
}

fn packet(seq: u8, acked: u8, count: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![seq, acked, count, 0];
    out.extend_from_slice(data);
    out
}
