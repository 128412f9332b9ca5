//! What a simulated BMC stores: event log, sensor records, sensors, FRU, watchdog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::commands::{Answer, BAD_LENGTH, Context, INVALID_COMMAND, INVALID_FIELD};
use crate::command::sel::{SelEntry, SelEvent, SelRecord};

const NOT_PRESENT: u8 = 0xcb;
const TOO_MANY: u8 = 0xca;
const RESERVATION: u8 = 0xc5;
const OUT_OF_RANGE: u8 = 0xc9;
const END: u16 = 0xffff;

/// A sensor's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SimSensor {
    /// The raw reading.
    pub raw: u8,
    /// Discrete sensors: the states that hold.
    pub states: u16,
    /// The reading is unavailable.
    pub unavailable: bool,
    /// Raw thresholds: lower non-critical, critical, non-recoverable, then the upper ones.
    pub thresholds: [u8; 6],
    /// Which of them can be read.
    pub readable: u8,
}

/// Event log, sensor records, sensors, FRU and watchdog.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Storage {
    /// The event log.
    pub sel: Vec<SelEntry>,
    /// The id that the next entry gets.
    pub sel_next: u16,
    /// What the log's clock is ahead of virtual time, in seconds.
    pub sel_time: u32,
    /// Sensor data records, whole.
    pub sdrs: Vec<Vec<u8>>,
    /// Sensors, by number.
    pub sensors: BTreeMap<u8, SimSensor>,
    /// FRU devices.
    pub frus: BTreeMap<u8, Vec<u8>>,
    /// The watchdog: use, action, countdown in 100 ms.
    pub watchdog: (u8, u8, u16),
    reservation: u16,
    lost: u32,
}

/// A full sensor record (43.1) of an unsigned linear threshold sensor: value = m * raw * 10^r.
fn full_sensor(id: u16, number: u8, kind: u8, unit: u8, m: u8, r: i8, name: &str) -> Vec<u8> {
    let mut out = id.to_le_bytes().to_vec();
    out.extend([
        0x51, 0x01, 0, 0x20, 0x00, number, 0x07, 0x01, 0x7f, 0x68, kind, 0x01,
    ]);
    out.extend([0x80, 0x0a, 0x80, 0x7a, 0x3f, 0x3f]);
    out.extend([
        0x00,
        unit,
        0x00,
        0x00,
        m,
        0x00,
        0x00,
        0x00,
        0x00,
        (r as u8) << 4,
    ]);
    out.extend([0; 16]);
    out.push(0);
    finish(out, name)
}

/// A compact record (43.2) of a discrete sensor.
fn discrete_sensor(id: u16, number: u8, kind: u8, name: &str) -> Vec<u8> {
    let mut out = id.to_le_bytes().to_vec();
    out.extend([
        0x51, 0x02, 0, 0x20, 0x00, number, 0x0a, 0x01, 0x63, 0x40, kind, 0x6f,
    ]);
    out.extend([
        0xff, 0x00, 0xff, 0x00, 0xff, 0x00, 0xc0, 0x00, 0x00, 0x01, 0x00,
    ]);
    out.extend([0; 6]);
    finish(out, name)
}

fn finish(mut out: Vec<u8>, name: &str) -> Vec<u8> {
    out.push(0xc0 | (name.len() as u8 & 0x1f));
    out.extend(name.bytes().take(31));
    out[4] = (out.len() - 5) as u8;
    out
}

/// A FRU with a chassis, a board and a product area.
fn fru(name: &str) -> Vec<u8> {
    let area = |head: &[u8], fields: &[&str]| {
        let mut out = vec![0x01, 0];
        out.extend(head);
        for field in fields {
            out.push(0xc0 | field.len() as u8 & 0x3f);
            out.extend(field.bytes().take(63));
        }
        out.push(0xc1);
        out.resize((out.len() + 1).div_ceil(8) * 8, 0);
        out[1] = (out.len() / 8) as u8;
        let sum = out.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
        if let Some(last) = out.last_mut() {
            *last = sum.wrapping_neg();
        }
        out
    };
    let serial = format!("SN-{name}");
    let chassis = area(&[0x17], &["CH-1", &serial]);
    let board = area(
        &[0x19, 0x00, 0x00, 0x80],
        &["Cloudboot", "Simulated board", &serial, "BP-1", ""],
    );
    let product = area(
        &[0x19],
        &[
            "Cloudboot",
            "Simulated server",
            "PP-1",
            "1.0",
            &serial,
            "",
            "",
        ],
    );
    let at = |before: usize| (1 + before / 8) as u8;
    let mut out = vec![
        0x01,
        0,
        at(0),
        at(chassis.len()),
        at(chassis.len() + board.len()),
        0,
        0,
        0,
    ];
    let sum = out.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
    out[7] = sum.wrapping_neg();
    out.extend(chassis);
    out.extend(board);
    out.extend(product);
    out
}

impl Storage {
    /// A server's sensors and FRU, and an empty log.
    pub(super) fn of(name: &str) -> Self {
        let threshold = |raw, thresholds| SimSensor {
            raw,
            thresholds,
            readable: 0x3f,
            ..SimSensor::default()
        };
        Self {
            sel_next: 1,
            sdrs: vec![
                full_sensor(1, 1, 0x01, 1, 1, 0, "CPU Temp"),
                full_sensor(2, 2, 0x04, 18, 100, 0, "Fan 1"),
                full_sensor(3, 3, 0x02, 4, 6, -2, "12V"),
                discrete_sensor(4, 4, 0x08, "PSU 1"),
            ],
            sensors: [
                (1, threshold(42, [5, 3, 0, 85, 90, 95])),
                (2, threshold(56, [10, 5, 2, 200, 220, 250])),
                (3, threshold(200, [190, 185, 180, 210, 215, 220])),
                (
                    4,
                    SimSensor {
                        states: 0x0001,
                        ..SimSensor::default()
                    },
                ),
            ]
            .into_iter()
            .collect(),
            frus: [(0, fru(name))].into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds an event to the log.
    pub fn log(&mut self, event: SelEvent) -> u16 {
        self.add(SelRecord::Event(event))
    }

    fn add(&mut self, record: SelRecord) -> u16 {
        let id = self.sel_next.clamp(1, END - 1);
        self.sel_next = id + 1;
        self.sel.push(SelEntry::with(id, record));
        id
    }

    pub(super) fn sensor(&self, code: u8, data: &[u8]) -> Answer {
        let sensor = data
            .first()
            .and_then(|n| self.sensors.get(n))
            .ok_or(NOT_PRESENT);
        match code {
            0x2d => {
                let sensor = sensor?;
                let flags = if sensor.unavailable { 0xe0 } else { 0xc0 };
                let states = if sensor.readable == 0 {
                    sensor.states
                } else {
                    crossed(sensor)
                };
                let [low, high] = states.to_le_bytes();
                Ok(vec![sensor.raw, flags, low, high | 0x80])
            }
            0x27 => {
                let sensor = sensor?;
                let mut out = vec![sensor.readable];
                out.extend(sensor.thresholds);
                Ok(out)
            }
            // Get Sensor Type, Get Sensor Hysteresis and so on: what ipmitool can do without.
            _ => Err(INVALID_COMMAND),
        }
    }

    pub(super) fn command(&mut self, ctx: &mut Context<'_>, code: u8, data: &[u8]) -> Answer {
        match code {
            0x10 => {
                let fru = data
                    .first()
                    .and_then(|id| self.frus.get(id))
                    .ok_or(NOT_PRESENT)?;
                let [low, high] = (fru.len() as u16).to_le_bytes();
                Ok(vec![low, high, 0])
            }
            0x11 => {
                let [id, low, high, count, ..] = data else {
                    return Err(BAD_LENGTH);
                };
                let fru = self.frus.get(id).ok_or(NOT_PRESENT)?;
                if ctx.quirks.short_reads.is_some_and(|most| *count > most) {
                    return Err(TOO_MANY);
                }
                let part = fru
                    .get(usize::from(u16::from_le_bytes([*low, *high]))..)
                    .ok_or(OUT_OF_RANGE)?;
                let part = &part[..part.len().min(usize::from(*count))];
                let mut out = vec![part.len() as u8];
                out.extend_from_slice(part);
                Ok(out)
            }
            0x20 => {
                let count = if ctx.quirks.wrong_counts {
                    0x0102
                } else {
                    self.sdrs.len() as u16
                };
                let [low, high] = count.to_le_bytes();
                Ok(vec![0x51, low, high, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0x02])
            }
            0x22 | 0x42 => {
                self.reservation = self.reservation.wrapping_add(1).max(1);
                Ok(self.reservation.to_le_bytes().to_vec())
            }
            0x23 => self.sdr(ctx, data),
            0x40 => {
                let mut out = vec![0x51];
                let wrong = if ctx.quirks.wrong_counts { 7 } else { 0 };
                out.extend((self.sel.len() as u16 + wrong).to_le_bytes());
                out.extend(((1000 - self.sel.len().min(1000)) as u16 * 16).to_le_bytes());
                out.extend([0; 8]);
                out.push(0x02);
                Ok(out)
            }
            0x43 => self.sel_entry(ctx, data),
            0x44 => {
                let entry = SelEntry::decode(data).map_err(|_| BAD_LENGTH)?;
                ctx.changed = true;
                (ctx.counts)("sel-add");
                Ok(self.add(entry.record).to_le_bytes().to_vec())
            }
            0x47 => {
                let [a, b, b'C', b'L', b'R', what, ..] = data else {
                    return Err(INVALID_FIELD);
                };
                if u16::from_le_bytes([*a, *b]) != self.reservation {
                    return Err(RESERVATION);
                }
                if *what == 0xaa {
                    self.sel.clear();
                    ctx.changed = true;
                    (ctx.counts)("sel-clear");
                }
                Ok(vec![0x01])
            }
            0x48 => Ok((self.sel_time.wrapping_add(ctx.now.as_secs() as u32))
                .to_le_bytes()
                .to_vec()),
            0x49 => {
                let time = data
                    .first_chunk::<4>()
                    .map(|b| u32::from_le_bytes(*b))
                    .ok_or(BAD_LENGTH)?;
                self.sel_time = time.wrapping_sub(ctx.now.as_secs() as u32);
                ctx.changed = true;
                Ok(Vec::new())
            }
            _ => Err(INVALID_COMMAND),
        }
    }

    fn sdr(&mut self, ctx: &Context<'_>, data: &[u8]) -> Answer {
        let [ra, rb, a, b, offset, count] = *data.first_chunk::<6>().ok_or(BAD_LENGTH)?;
        let id = u16::from_le_bytes([a, b]);
        let at = match id {
            0 => 0,
            END => self.sdrs.len().saturating_sub(1),
            id => self
                .sdrs
                .iter()
                .position(|r| r.first_chunk::<2>() == Some(&id.to_le_bytes()))
                .ok_or(NOT_PRESENT)?,
        };
        let mut record = self.sdrs.get(at).ok_or(NOT_PRESENT)?.clone();
        if offset > 0 && self.lost < ctx.quirks.lost_reservations {
            self.lost += 1;
            self.reservation = self.reservation.wrapping_add(1);
        }
        if offset > 0 && u16::from_le_bytes([ra, rb]) != self.reservation {
            return Err(RESERVATION);
        }
        let held = record.len();
        if ctx.quirks.long_sdrs
            && let Some(len) = record.get_mut(4)
        {
            *len += 7;
        }
        if ctx.quirks.short_reads.is_some_and(|most| count > most) {
            return Err(TOO_MANY);
        }
        let offset = usize::from(offset);
        if offset >= held {
            return Err(OUT_OF_RANGE);
        }
        let end = if count == 0xff {
            held
        } else {
            held.min(offset + usize::from(count))
        };
        let next = match self.sdrs.get(at + 1).and_then(|r| r.first_chunk::<2>()) {
            Some(next) => u16::from_le_bytes(*next),
            None if ctx.quirks.no_terminator => self.sdrs[0]
                .first_chunk::<2>()
                .map_or(0, |b| u16::from_le_bytes(*b)),
            None => END,
        };
        let mut out = next.to_le_bytes().to_vec();
        out.extend_from_slice(&record[offset..end]);
        Ok(out)
    }

    fn sel_entry(&self, ctx: &Context<'_>, data: &[u8]) -> Answer {
        let [_, _, a, b, offset, count] = *data.first_chunk::<6>().ok_or(BAD_LENGTH)?;
        let at = match u16::from_le_bytes([a, b]) {
            0 => 0,
            END => self.sel.len().saturating_sub(1),
            id => self
                .sel
                .iter()
                .position(|e| e.id == id)
                .ok_or(NOT_PRESENT)?,
        };
        let entry = self.sel.get(at).ok_or(NOT_PRESENT)?.encode();
        let next = match self.sel.get(at + 1) {
            Some(next) => next.id,
            None if ctx.quirks.no_terminator => self.sel[0].id,
            None => END,
        };
        let from = usize::from(offset).min(16);
        let to = if count == 0xff {
            16
        } else {
            16.min(from + usize::from(count))
        };
        let mut out = next.to_le_bytes().to_vec();
        out.extend(&entry[from..to]);
        Ok(out)
    }

    pub(super) fn watchdog(&mut self, ctx: &mut Context<'_>, code: u8, data: &[u8]) -> Answer {
        match (code, data) {
            (0x22, _) => {
                if self.watchdog.2 == 0 {
                    // Never set.
                    return Err(0x80);
                }
                self.watchdog.0 |= 0x40;
            }
            (0x24, [user, action, _, _, low, high, ..]) => {
                self.watchdog = (user & 0x87, *action, u16::from_le_bytes([*low, *high]));
            }
            (0x24, _) => return Err(BAD_LENGTH),
            _ => {
                let (user, action, count) = self.watchdog;
                let [low, high] = count.to_le_bytes();
                return Ok(vec![user, action, 0, 0, low, high, low, high]);
            }
        }
        ctx.changed = true;
        Ok(Vec::new())
    }
}

fn crossed(sensor: &SimSensor) -> u16 {
    let [lnc, lc, lnr, unc, uc, unr] = sensor.thresholds;
    let below = [lnc, lc, lnr].map(|t| sensor.raw <= t);
    let above = [unc, uc, unr].map(|t| sensor.raw >= t);
    let bits = below.into_iter().chain(above).enumerate();
    bits.fold(0, |acc, (bit, crossed)| acc | u16::from(crossed) << bit)
}
