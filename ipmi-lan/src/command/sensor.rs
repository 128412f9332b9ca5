//! Sensors (IPMI v2.0, chapter 35) and what their events mean (chapter 42).

use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_SENSOR, Reader};

/// Get Sensor Reading (35.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSensorReading {
    /// The sensor's number.
    pub sensor: u8,
    /// Its owner's logical unit.
    pub lun: u8,
}

/// A raw reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SensorReading {
    /// The raw value.
    pub raw: u8,
    /// The sensor is scanned and its value is not marked unavailable.
    pub available: bool,
    /// Threshold sensors: which are crossed, bit 0 lower non-critical to bit 5 upper non-recoverable. Discrete sensors: which states hold.
    pub states: u16,
}

impl Command for GetSensorReading {
    is!("Get Sensor Reading", NETFN_SENSOR, 0x2d);
    type Response = SensorReading;

    fn lun(&self) -> u8 {
        self.lun
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.sensor);
    }

    fn decode(&self, data: &[u8]) -> Result<SensorReading, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let raw = r.u8("reading")?;
        let flags = r.u8("flags")?;
        let low = r.u8("states").unwrap_or(0);
        let high = r.u8("states").unwrap_or(0);
        Ok(SensorReading {
            raw,
            available: flags & 0x40 != 0 && flags & 0x20 == 0,
            states: u16::from_le_bytes([low, high & 0x7f]),
        })
    }
}

/// Get Sensor Thresholds (35.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSensorThresholds {
    /// The sensor's number.
    pub sensor: u8,
    /// Its owner's logical unit.
    pub lun: u8,
}

impl Command for GetSensorThresholds {
    is!("Get Sensor Thresholds", NETFN_SENSOR, 0x27);
    /// Raw values, `None` where not readable: lower non-critical, critical, non-recoverable, then the upper ones.
    type Response = [Option<u8>; 6];

    fn lun(&self) -> u8 {
        self.lun
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.sensor);
    }

    fn decode(&self, data: &[u8]) -> Result<[Option<u8>; 6], DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let mask = r.u8("readable thresholds")?;
        let mut out = [None; 6];
        for (bit, slot) in out.iter_mut().enumerate() {
            *slot = r.u8("threshold").ok().filter(|_| mask & (1 << bit) != 0);
        }
        Ok(out)
    }
}

/// The thresholds of a sensor, in its unit; `None` where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Thresholds {
    /// Below it is worth noting.
    pub lower_non_critical: Option<f64>,
    /// Below it is critical.
    pub lower_critical: Option<f64>,
    /// Below it damage is likely.
    pub lower_non_recoverable: Option<f64>,
    /// Above it is worth noting.
    pub upper_non_critical: Option<f64>,
    /// Above it is critical.
    pub upper_critical: Option<f64>,
    /// Above it damage is likely.
    pub upper_non_recoverable: Option<f64>,
}

/// A sensor's name for its type (table 42-3).
#[must_use]
pub fn type_name(sensor_type: u8) -> &'static str {
    const NAMES: [&str; 0x2d] = [
        "reserved",
        "temperature",
        "voltage",
        "current",
        "fan",
        "physical security",
        "platform security",
        "processor",
        "power supply",
        "power unit",
        "cooling device",
        "other units",
        "memory",
        "drive slot",
        "POST memory resize",
        "system firmware progress",
        "event logging disabled",
        "watchdog 1",
        "system event",
        "critical interrupt",
        "button",
        "module",
        "microcontroller",
        "add-in card",
        "chassis",
        "chip set",
        "other FRU",
        "cable",
        "terminator",
        "system boot",
        "boot error",
        "OS boot",
        "OS stop",
        "slot",
        "system ACPI power state",
        "watchdog 2",
        "platform alert",
        "entity presence",
        "monitor ASIC",
        "LAN",
        "management subsystem health",
        "battery",
        "session audit",
        "version change",
        "FRU state",
    ];
    match sensor_type {
        0xc0..=0xff => "OEM",
        _ => NAMES
            .get(usize::from(sensor_type))
            .copied()
            .unwrap_or("reserved"),
    }
}

/// What an event means (tables 42-2 and 42-3), or "event" where the tables are not given here.
#[must_use]
pub fn event_meaning(event_type: u8, sensor_type: u8, offset: u8) -> &'static str {
    let pick = |names: &[&'static str]| names.get(usize::from(offset)).copied().unwrap_or("event");
    match (event_type, sensor_type) {
        (0x01, _) => pick(&[
            "lower non-critical going low",
            "lower non-critical going high",
            "lower critical going low",
            "lower critical going high",
            "lower non-recoverable going low",
            "lower non-recoverable going high",
            "upper non-critical going low",
            "upper non-critical going high",
            "upper critical going low",
            "upper critical going high",
            "upper non-recoverable going low",
            "upper non-recoverable going high",
        ]),
        (0x02, _) => pick(&["idle", "active", "busy"]),
        (0x03, _) => pick(&["state deasserted", "state asserted"]),
        (0x04, _) => pick(&["no predictive failure", "predictive failure"]),
        (0x05, _) => pick(&["limit not exceeded", "limit exceeded"]),
        (0x06, _) => pick(&["performance met", "performance lags"]),
        (0x08, _) => pick(&["absent", "present"]),
        (0x09, _) => pick(&["disabled", "enabled"]),
        (0x0b, _) => pick(&["fully redundant", "redundancy lost", "redundancy degraded"]),
        (0x6f, 0x05) => pick(&[
            "chassis intrusion",
            "drive bay intrusion",
            "I/O card intrusion",
            "processor intrusion",
            "LAN leash lost",
        ]),
        (0x6f, 0x07) => pick(&[
            "IERR",
            "thermal trip",
            "FRB1/BIST failure",
            "FRB2/hang in POST",
            "FRB3/startup failure",
            "configuration error",
        ]),
        (0x6f, 0x08) => pick(&[
            "present",
            "failure",
            "predictive failure",
            "input lost",
            "input lost or out of range",
            "input out of range",
        ]),
        (0x6f, 0x09) => pick(&[
            "power off",
            "power cycle",
            "240 VA power down",
            "interlock power down",
            "AC lost",
            "soft power failure",
        ]),
        (0x6f, 0x0c) => pick(&[
            "correctable ECC",
            "uncorrectable ECC",
            "parity",
            "scrub failed",
            "disabled",
            "ECC logging limit reached",
        ]),
        (0x6f, 0x0d) => pick(&[
            "present",
            "fault",
            "predictive failure",
            "hot spare",
            "parity check",
            "in critical array",
            "in failed array",
        ]),
        (0x6f, 0x10) => pick(&[
            "correctable memory error logging disabled",
            "event type logging disabled",
            "log cleared",
            "all logging disabled",
            "log full",
            "log almost full",
        ]),
        (0x6f, 0x12) => pick(&[
            "system reconfigured",
            "OEM system boot",
            "undetermined hardware failure",
            "entry added to auxiliary log",
            "PEF action",
        ]),
        (0x6f, 0x14) => pick(&["power button", "sleep button", "reset button"]),
        (0x6f, 0x1d) => pick(&[
            "power-up",
            "hard reset",
            "warm reset",
            "PXE boot requested",
            "automatic boot to diagnostics",
        ]),
        (0x6f, 0x1f) => pick(&[
            "A: boot completed",
            "C: boot completed",
            "PXE boot completed",
            "diagnostic boot completed",
            "CD boot completed",
            "ROM boot completed",
        ]),
        (0x6f, 0x22) => pick(&[
            "S0/G0 working",
            "S1",
            "S2",
            "S3",
            "S4",
            "S5/G2 soft off",
            "S4/S5 soft off",
            "G3 mechanical off",
        ]),
        (0x6f, 0x23) => pick(&["timer expired", "hard reset", "power down", "power cycle"]),
        (0x6f, 0x25) => pick(&["present", "absent", "disabled"]),
        (0x6f, 0x29) => pick(&["low", "failed", "present"]),
        _ => "event",
    }
}
