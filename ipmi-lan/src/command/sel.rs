//! The system event log (IPMI v2.0, chapters 31 and 32).

use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_STORAGE, Reader};

/// Get SEL Info (31.2).
#[derive(Debug, Clone, Copy, Default)]
pub struct GetSelInfo;

/// What the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SelInfo {
    /// Its version, 51h for 1.5 and 2.0.
    pub version: u8,
    /// How many entries it holds.
    pub entries: u16,
    /// How many bytes are free; FFFFh is 65535 or more.
    pub free: u16,
    /// When an entry was added last, in seconds since 1970 by the BMC's clock.
    pub last_add: u32,
    /// When entries were erased last.
    pub last_erase: u32,
    /// Entries were dropped because it was full.
    pub overflow: bool,
    /// Single entries can be deleted.
    pub can_delete: bool,
    /// It can be reserved.
    pub can_reserve: bool,
}

impl Command for GetSelInfo {
    is!("Get SEL Info", NETFN_STORAGE, 0x40);
    type Response = SelInfo;

    fn decode(&self, data: &[u8]) -> Result<SelInfo, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let version = r.u8("version")?;
        let entries = r.u16("entries")?;
        let free = r.u16("free space")?;
        let last_add = r.u32("last addition")?;
        let last_erase = r.u32("last erase")?;
        let support = r.u8("operation support")?;
        Ok(SelInfo {
            version,
            entries,
            free,
            last_add,
            last_erase,
            overflow: support & 0x80 != 0,
            can_delete: support & 0x08 != 0,
            can_reserve: support & 0x02 != 0,
        })
    }
}

/// Reserve SEL (31.4): a number that deletions must carry.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReserveSel;

impl Command for ReserveSel {
    is!("Reserve SEL", NETFN_STORAGE, 0x42);
    type Response = u16;

    fn decode(&self, data: &[u8]) -> Result<u16, DecodeError> {
        Reader::new(self.name(), data).u16("reservation id")
    }
}

/// Get SEL Entry (31.5): one whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSelEntry(
    /// The record's id: 0 is the first, FFFFh the last.
    pub u16,
);

/// A record of the log, and where the next one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelEntryAnswer {
    /// The next record's id, FFFFh after the last.
    pub next: u16,
    /// The record.
    pub entry: SelEntry,
}

impl Command for GetSelEntry {
    is!("Get SEL Entry", NETFN_STORAGE, 0x43);
    type Response = SelEntryAnswer;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([0, 0]);
        out.extend(self.0.to_le_bytes());
        out.extend([0, 0xff]);
    }

    fn decode(&self, data: &[u8]) -> Result<SelEntryAnswer, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let next = r.u16("next record id")?;
        Ok(SelEntryAnswer {
            next,
            entry: SelEntry::decode(r.rest())?,
        })
    }
}

/// A record of the log (chapter 32).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SelEntry {
    /// Its id.
    pub id: u16,
    /// What it holds.
    pub record: SelRecord,
}

/// What a record holds, by its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SelRecord {
    /// A system event (02h).
    Event(SelEvent),
    /// OEM with a time (C0h to DFh): type, seconds, maker, six bytes.
    OemTimed(u8, u32, u32, [u8; 6]),
    /// OEM without a time (E0h to FFh): type and thirteen bytes.
    Oem(u8, [u8; 13]),
    /// Any other type, its bytes as they are.
    Unknown(u8, Vec<u8>),
}

/// A system event (table 32-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SelEvent {
    /// Seconds since 1970 by the BMC's clock; up to 2000_0000h it is seconds since the BMC started.
    pub time: u32,
    /// Who sent it: a slave address or a software id.
    pub generator: u16,
    /// The event message's revision, 4 for IPMI 1.5 and 2.0.
    pub revision: u8,
    /// The sensor's type (table 42-3).
    pub sensor_type: u8,
    /// The sensor's number.
    pub sensor: u8,
    /// The state went, rather than came.
    pub deasserted: bool,
    /// The event's type: 1 threshold, 2 to 0Ch generic, 6Fh of the sensor's own type.
    pub event_type: u8,
    /// Its three bytes.
    pub data: [u8; 3],
}

impl SelEvent {
    /// Which of the sensor's states it is about.
    #[must_use]
    pub fn offset(&self) -> u8 {
        self.data[0] & 0x0f
    }

    /// What the event means, as far as the specification's tables say (42-2, 42-3).
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        super::sensor::event_meaning(self.event_type, self.sensor_type, self.offset())
    }
}

impl SelEvent {
    /// An event of a sensor now asserted, at that time.
    #[must_use]
    pub fn new(time: u32, sensor_type: u8, sensor: u8, event_type: u8, data: [u8; 3]) -> Self {
        Self {
            time,
            generator: 0x20,
            revision: 4,
            sensor_type,
            sensor,
            deasserted: false,
            event_type,
            data,
        }
    }
}

impl SelEntry {
    /// A record with this id.
    #[must_use]
    pub fn with(id: u16, record: SelRecord) -> Self {
        Self { id, record }
    }

    /// Reads a record of 16 bytes.
    ///
    /// # Errors
    /// Names the field that is short.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("SEL record", data);
        let id = r.u16("record id")?;
        let kind = r.u8("record type")?;
        let record = match kind {
            0x02 => {
                let time = r.u32("time")?;
                let generator = r.u16("generator id")?;
                let revision = r.u8("event revision")?;
                let sensor_type = r.u8("sensor type")?;
                let sensor = r.u8("sensor number")?;
                let event = r.u8("event type")?;
                SelRecord::Event(SelEvent {
                    time,
                    generator,
                    revision,
                    sensor_type,
                    sensor,
                    deasserted: event & 0x80 != 0,
                    event_type: event & 0x7f,
                    data: r.array("event data")?,
                })
            }
            0xc0..=0xdf => SelRecord::OemTimed(
                kind,
                r.u32("time")?,
                r.u24("manufacturer")?,
                r.array("OEM data")?,
            ),
            0xe0..=0xff => SelRecord::Oem(kind, r.array("OEM data")?),
            _ => SelRecord::Unknown(kind, r.rest().to_vec()),
        };
        Ok(Self { id, record })
    }

    /// The record's 16 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.id.to_le_bytes().to_vec();
        match &self.record {
            SelRecord::Event(e) => {
                out.push(0x02);
                out.extend(e.time.to_le_bytes());
                out.extend(e.generator.to_le_bytes());
                out.extend([
                    e.revision,
                    e.sensor_type,
                    e.sensor,
                    u8::from(e.deasserted) << 7 | e.event_type,
                ]);
                out.extend(e.data);
            }
            SelRecord::OemTimed(kind, time, maker, data) => {
                out.push(*kind);
                out.extend(time.to_le_bytes());
                out.extend(&maker.to_le_bytes()[..3]);
                out.extend(data);
            }
            SelRecord::Oem(kind, data) => {
                out.push(*kind);
                out.extend(data);
            }
            SelRecord::Unknown(kind, data) => {
                out.push(*kind);
                out.extend(data);
            }
        }
        out.resize(16, 0);
        out
    }
}

/// Add SEL Entry (31.6): the 16 bytes of a record; its id is given by the BMC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddSelEntry(
    /// The record.
    pub SelEntry,
);

impl Command for AddSelEntry {
    is!("Add SEL Entry", NETFN_STORAGE, 0x44);
    needs!(Operator);
    /// The id that it got.
    type Response = u16;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0.encode());
    }

    fn decode(&self, data: &[u8]) -> Result<u16, DecodeError> {
        Reader::new(self.name(), data).u16("record id")
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}

/// Clear SEL (31.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClearSel {
    /// A reservation of [`ReserveSel`].
    pub reservation: u16,
    /// Begin to erase (true), or ask how far it is.
    pub begin: bool,
}

impl Command for ClearSel {
    is!("Clear SEL", NETFN_STORAGE, 0x47);
    needs!(Operator);
    /// It is done.
    type Response = bool;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.reservation.to_le_bytes());
        out.extend(*b"CLR");
        out.push(if self.begin { 0xaa } else { 0x00 });
    }

    fn decode(&self, data: &[u8]) -> Result<bool, DecodeError> {
        Reader::new(self.name(), data)
            .u8("erasure progress")
            .map(|p| p & 0x0f == 1)
    }
}

/// Get SEL Time (31.10): seconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub struct GetSelTime;

impl Command for GetSelTime {
    is!("Get SEL Time", NETFN_STORAGE, 0x48);
    type Response = u32;

    fn decode(&self, data: &[u8]) -> Result<u32, DecodeError> {
        Reader::new(self.name(), data).u32("time")
    }
}

/// Set SEL Time (31.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetSelTime(
    /// Seconds since 1970.
    pub u32,
);

impl Command for SetSelTime {
    is!("Set SEL Time", NETFN_STORAGE, 0x49);
    needs!(Operator);
    answers_nothing!();

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0.to_le_bytes());
    }
}
