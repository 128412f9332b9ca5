//! Sensor data records (IPMI v2.0, chapters 33 and 43).

use serde::{Deserialize, Serialize};

use super::fru::text_of;
use super::{Command, DecodeError, NETFN_STORAGE, Reader};

/// Get SDR Repository Info (33.9).
#[derive(Debug, Clone, Copy, Default)]
pub struct GetSdrInfo;

/// What the repository says of itself. BMCs are wrong about the count: a listing does not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SdrInfo {
    /// Its version, 51h for 1.5 and 2.0.
    pub version: u8,
    /// How many records it says that it holds.
    pub records: u16,
    /// How many bytes are free.
    pub free: u16,
}

impl Command for GetSdrInfo {
    is!("Get SDR Repository Info", NETFN_STORAGE, 0x20);
    type Response = SdrInfo;

    fn decode(&self, data: &[u8]) -> Result<SdrInfo, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        Ok(SdrInfo {
            version: r.u8("version")?,
            records: r.u16("records")?,
            free: r.u16("free space")?,
        })
    }
}

/// Reserve SDR Repository (33.11): a number that partial reads must carry.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReserveSdr;

impl Command for ReserveSdr {
    is!("Reserve SDR Repository", NETFN_STORAGE, 0x22);
    type Response = u16;

    fn decode(&self, data: &[u8]) -> Result<u16, DecodeError> {
        Reader::new(self.name(), data).u16("reservation id")
    }
}

/// Get SDR (33.12): a part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSdr {
    /// A reservation of [`ReserveSdr`]; 0 will do for whole records.
    pub reservation: u16,
    /// The record's id, 0 for the first.
    pub record: u16,
    /// From which byte.
    pub offset: u8,
    /// How many; FFh for the whole record.
    pub count: u8,
}

/// A part of a record, and where the next record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdrPart {
    /// The next record's id, FFFFh after the last.
    pub next: u16,
    /// The bytes.
    pub data: Vec<u8>,
}

impl Command for GetSdr {
    is!("Get SDR", NETFN_STORAGE, 0x23);
    type Response = SdrPart;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.reservation.to_le_bytes());
        out.extend(self.record.to_le_bytes());
        out.extend([self.offset, self.count]);
    }

    fn decode(&self, data: &[u8]) -> Result<SdrPart, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        Ok(SdrPart {
            next: r.u16("next record id")?,
            data: r.rest().to_vec(),
        })
    }
}

/// A record, by its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Sdr {
    /// A sensor, full (01h) or compact (02h) or event-only (03h).
    Sensor(Box<SensorRecord>),
    /// Where a FRU is (11h).
    Fru(FruLocator),
    /// Where a management controller is (12h).
    Controller(ControllerLocator),
    /// Any other type: its number and its bytes.
    Unknown(u8, Vec<u8>),
}

/// A sensor's record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SensorRecord {
    /// Whose sensor it is: a slave address or a software id.
    pub owner: u8,
    /// The owner's logical unit.
    pub lun: u8,
    /// Its number.
    pub number: u8,
    /// What it is part of (table 43-13), and which.
    pub entity: (u8, u8),
    /// Its type (table 42-3).
    pub sensor_type: u8,
    /// How it is read: 1 thresholds, else discrete (table 42-1).
    pub reading_type: u8,
    /// Which thresholds can be read: bit 0 lower non-critical to bit 5 upper non-recoverable.
    pub readable_thresholds: u8,
    /// How raw readings become values; `None` for discrete sensors.
    pub conversion: Option<Conversion>,
    /// Its unit.
    pub unit: Unit,
    /// Its name.
    pub name: String,
    /// It only sends events and cannot be read.
    pub event_only: bool,
    /// How many sensors with numbers one after the other share the record.
    pub share: u8,
}

/// What a value is measured in (table 43-15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unit {
    /// The base unit's number.
    pub base: u8,
    /// The modifier unit's number.
    pub modifier: u8,
    /// 0 no modifier, 1 base/modifier, 2 base*modifier.
    pub combined: u8,
    /// 0 none, 1 per microsecond, 2 ms, 3 s, 4 min, 5 h, 6 d.
    pub rate: u8,
    /// A percentage.
    pub percent: bool,
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.percent {
            f.write_str("%")?;
        }
        f.write_str(unit_name(self.base))?;
        match self.combined {
            1 => write!(f, "/{}", unit_name(self.modifier))?,
            2 => write!(f, "*{}", unit_name(self.modifier))?,
            _ => {}
        }
        f.write_str(["", "/us", "/ms", "/s", "/min", "/h", "/d", ""][usize::from(self.rate & 7)])
    }
}

fn unit_name(number: u8) -> &'static str {
    const NAMES: [&str; 34] = [
        "",
        "degrees C",
        "degrees F",
        "K",
        "V",
        "A",
        "W",
        "J",
        "C",
        "VA",
        "nit",
        "lm",
        "lx",
        "cd",
        "kPa",
        "psi",
        "N",
        "CFM",
        "RPM",
        "Hz",
        "us",
        "ms",
        "s",
        "min",
        "h",
        "d",
        "weeks",
        "mil",
        "in",
        "ft",
        "cu in",
        "cu ft",
        "mm",
        "cm",
    ];
    match number {
        34 => "m",
        38 => "l",
        43 => "g",
        66 => "ohm",
        70 => "bit",
        72 => "byte",
        79 => "hit",
        86 => "error",
        87 => "correctable error",
        88 => "uncorrectable error",
        _ => NAMES.get(usize::from(number)).copied().unwrap_or("unit"),
    }
}

/// How raw readings become values: y = L((M x + B 10^b) 10^r) (section 36.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// 0 unsigned, 1 ones' complement, 2 two's complement.
    pub format: u8,
    /// M, ten bits.
    pub m: i16,
    /// B, ten bits.
    pub b: i16,
    /// B's exponent, four bits.
    pub b_exponent: i8,
    /// The result's exponent, four bits.
    pub r_exponent: i8,
    /// L: 0 linear, 1 ln, 2 log10, 3 log2, 4 e^x, 5 10^x, 6 2^x, 7 1/x, 8 x², 9 x³, 10 square root, 11 cube root; 70h and up: not linear.
    pub linearization: u8,
}

impl Conversion {
    /// The value of a raw reading.
    #[must_use]
    pub fn value(&self, raw: u8) -> f64 {
        let x = match self.format {
            1 if raw & 0x80 != 0 => -f64::from(!raw),
            2 => f64::from(raw as i8),
            _ => f64::from(raw),
        };
        let linear = (f64::from(self.m) * x
            + f64::from(self.b) * 10f64.powi(self.b_exponent.into()))
            * 10f64.powi(self.r_exponent.into());
        match self.linearization & 0x7f {
            1 => linear.ln(),
            2 => linear.log10(),
            3 => linear.log2(),
            4 => linear.exp(),
            5 => 10f64.powf(linear),
            6 => linear.exp2(),
            7 => linear.recip(),
            8 => linear.powi(2),
            9 => linear.powi(3),
            10 => linear.sqrt(),
            11 => linear.cbrt(),
            _ => linear,
        }
    }
}

/// Where a FRU is (43.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FruLocator {
    /// The FRU device's id, if it is a logical one.
    pub device: u8,
    /// It is a logical FRU device, read with Read FRU Data.
    pub logical: bool,
    /// What it is part of.
    pub entity: (u8, u8),
    /// Its name.
    pub name: String,
}

/// Where a management controller is (43.9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ControllerLocator {
    /// Its slave address.
    pub address: u8,
    /// Its channel.
    pub channel: u8,
    /// What it is part of.
    pub entity: (u8, u8),
    /// Its name.
    pub name: String,
}

fn signed(value: u16, bits: u32) -> i16 {
    let shift = 16 - bits;
    ((value << shift) as i16) >> shift
}

/// An id string: type and length, then text. A length beyond the record is cut to it.
fn id_string(r: &mut Reader<'_>) -> String {
    let Ok(head) = r.u8("id string type") else {
        return String::new();
    };
    let text = r.rest();
    text_of(head >> 6, &text[..text.len().min(usize::from(head & 0x1f))])
}

impl Sdr {
    /// Reads a whole record, header included.
    ///
    /// # Errors
    /// Names the field that is short.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("SDR", data);
        r.u16("record id")?;
        r.u8("version")?;
        let kind = r.u8("record type")?;
        r.u8("length")?;
        Ok(match kind {
            0x01..=0x03 => Self::Sensor(Box::new(sensor(kind, &mut r)?)),
            0x11 => {
                r.u8("access address")?;
                let device = r.u8("FRU device id")?;
                let logical = r.u8("access lun")? & 0x80 != 0;
                r.bytes(4, "channel, device type")?;
                let entity = (r.u8("entity id")?, r.u8("entity instance")?);
                r.u8("OEM")?;
                Self::Fru(FruLocator {
                    device,
                    logical,
                    entity,
                    name: id_string(&mut r),
                })
            }
            0x12 => {
                let address = r.u8("slave address")?;
                let channel = r.u8("channel")? & 0x0f;
                r.bytes(5, "capabilities")?;
                let entity = (r.u8("entity id")?, r.u8("entity instance")?);
                r.u8("OEM")?;
                Self::Controller(ControllerLocator {
                    address,
                    channel,
                    entity,
                    name: id_string(&mut r),
                })
            }
            other => Self::Unknown(other, r.rest().to_vec()),
        })
    }
}

fn sensor(kind: u8, r: &mut Reader<'_>) -> Result<SensorRecord, DecodeError> {
    let owner = r.u8("owner id")?;
    let lun = r.u8("owner lun")? & 3;
    let number = r.u8("sensor number")?;
    let entity = (r.u8("entity id")?, r.u8("entity instance")?);
    let mut out = SensorRecord {
        owner,
        lun,
        number,
        entity,
        sensor_type: 0,
        reading_type: 0,
        readable_thresholds: 0,
        conversion: None,
        unit: Unit::default(),
        name: String::new(),
        event_only: kind == 0x03,
        share: 1,
    };
    if kind == 0x03 {
        out.sensor_type = r.u8("sensor type")?;
        out.reading_type = r.u8("event type")? & 0x7f;
        out.share = (r.u8("record sharing")? & 0x0f).max(1);
        r.bytes(3, "sharing, reserved, OEM")?;
        out.name = id_string(r);
        return Ok(out);
    }
    r.bytes(2, "initialisation, capabilities")?;
    out.sensor_type = r.u8("sensor type")?;
    out.reading_type = r.u8("event type")? & 0x7f;
    r.bytes(4, "event masks")?;
    out.readable_thresholds = r.u16("reading mask")? as u8 & 0x3f;
    let units = r.u8("units 1")?;
    let base = r.u8("base unit")?;
    let modifier = r.u8("modifier unit")?;
    out.unit = Unit {
        base,
        modifier,
        combined: units >> 1 & 3,
        rate: units >> 3 & 7,
        percent: units & 1 != 0,
    };
    if kind == 0x02 {
        out.share = (r.u8("record sharing")? & 0x0f).max(1);
        r.bytes(7, "sharing, hysteresis, reserved, OEM")?;
        out.name = id_string(r);
        return Ok(out);
    }
    let linearization = r.u8("linearization")?;
    let m = r.array::<2>("M")?;
    let b = r.array::<2>("B")?;
    r.u8("accuracy")?;
    let exponents = r.u8("exponents")?;
    r.bytes(16, "nominal, limits, thresholds, hysteresis, reserved")?;
    r.u8("OEM")?;
    let ten = |[low, high]: [u8; 2]| signed(u16::from(low) | u16::from(high >> 6) << 8, 10);
    let format = units >> 6;
    if format != 3 {
        out.conversion = Some(Conversion {
            format,
            m: ten(m),
            b: ten(b),
            b_exponent: signed(u16::from(exponents & 0x0f), 4) as i8,
            r_exponent: signed(u16::from(exponents >> 4), 4) as i8,
            linearization,
        });
    }
    out.name = id_string(r);
    Ok(out)
}
