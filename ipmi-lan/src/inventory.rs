//! Users, channels, watchdog and what a machine is made of: event log, sensors, FRU.

use std::collections::HashSet;

use futures_core::Stream;
use futures_util::TryStreamExt;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::bmc::Bmc;
use crate::command::channel::{
    AuthCapabilities, GetAuthCapabilities, GetCipherSuites, cipher_suite_numbers,
};
use crate::command::fru::{Fru, GetFruInfo, ReadFru};
use crate::command::lan::THIS_CHANNEL;
use crate::command::sdr::{GetSdr, ReserveSdr, Sdr, SensorRecord};
use crate::command::sel::{ClearSel, GetSelEntry, GetSelInfo, ReserveSel, SelEntry, SelInfo};
use crate::command::sensor::{GetSensorReading, GetSensorThresholds, SensorReading, Thresholds};
use crate::command::user::{
    GetUserAccess, GetUserName, PasswordChange, SetUserAccess, SetUserName, SetUserPassword,
    UserAccess,
};
use crate::credentials::Privilege;
use crate::error::{Error, ErrorKind, Result};

/// Records that a listing follows at most: a BMC whose records point in a circle ends there.
const MOST_RECORDS: usize = 8192;
/// The end of a list of records.
const END: u16 = 0xffff;

/// A user of a BMC, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserEntry {
    /// Its id.
    pub id: u8,
    /// Its name; empty for the null user and for free ids.
    pub name: String,
    /// What it may do.
    pub access: UserAccess,
}

/// A sensor with its reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sensor {
    /// Its record.
    pub record: SensorRecord,
    /// Its number: a shared record stands for several.
    pub number: u8,
    /// The raw reading; `None` where the BMC could not give one.
    pub reading: Option<SensorReading>,
    /// The value in the record's unit; `None` for discrete sensors and unavailable readings.
    pub value: Option<f64>,
    /// The thresholds, for those that have any.
    pub thresholds: Thresholds,
}

impl Bmc {
    /// Reads what the BMC offers for logging in.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn auth_capabilities(&self) -> Result<AuthCapabilities> {
        self.send(&GetAuthCapabilities {
            channel: THIS_CHANNEL,
            privilege: Privilege::Administrator,
        })
        .await
    }

    /// Reads which cipher suites the BMC says that it has. Some never answer this.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn cipher_suites(&self) -> Result<Vec<u8>> {
        let mut records = Vec::new();
        for block in 0..16 {
            let part = self
                .send(&GetCipherSuites {
                    channel: THIS_CHANNEL,
                    block,
                })
                .await?;
            let last = part.len() < 16;
            records.extend(part);
            if last {
                break;
            }
        }
        Ok(cipher_suite_numbers(&records))
    }

    /// Lists the users of the channel in use.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn users(&self) -> Result<Vec<UserEntry>> {
        let mut out: Vec<UserEntry> = Vec::new();
        let mut max = 1;
        let mut id = 1;
        while id <= max {
            match self
                .send(&GetUserAccess {
                    channel: THIS_CHANNEL,
                    user: id,
                })
                .await
            {
                Ok(access) => {
                    max = access.max_users.max(1);
                    let name = match self.send(&GetUserName(id)).await {
                        Ok(name) => name,
                        // Free ids are refused by some BMCs.
                        Err(error)
                            if error.completion_code().is_some() && !error.is_credentials() =>
                        {
                            String::new()
                        }
                        Err(error) => return Err(error),
                    };
                    out.push(UserEntry { id, name, access });
                }
                Err(error)
                    if id > 1 && error.completion_code().is_some() && !error.is_credentials() => {}
                Err(error) => return Err(error),
            }
            id += 1;
        }
        Ok(out)
    }

    /// Makes or changes a user: name, password, privilege on the channel in use, enabled.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn set_user(
        &self,
        id: u8,
        name: &str,
        password: SecretString,
        privilege: Privilege,
    ) -> Result<()> {
        if name.len() > 16 {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a user's name has at most 16 bytes",
            )
            .at(self.addr())
            .doing("Set User Name"));
        }
        if secrecy::ExposeSecret::expose_secret(&password).len() > 20 {
            let detail = "a password has at most 20 bytes";
            return Err(Error::new(ErrorKind::InvalidInput, detail)
                .at(self.addr())
                .doing("Set User Password"));
        }
        self.send(&SetUserName {
            user: id,
            name: name.to_owned(),
        })
        .await?;
        self.send(&SetUserPassword {
            user: id,
            change: PasswordChange::Set(password),
        })
        .await?;
        let access = SetUserAccess {
            channel: THIS_CHANNEL,
            user: id,
            ipmi: true,
            link: true,
            callback_only: false,
            privilege: Some(privilege),
        };
        self.send(&access).await?;
        self.send(&SetUserPassword {
            user: id,
            change: PasswordChange::Enable,
        })
        .await
    }

    /// Disables a user.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn disable_user(&self, id: u8) -> Result<()> {
        self.send(&SetUserPassword {
            user: id,
            change: PasswordChange::Disable,
        })
        .await
    }

    /// Reads what the event log is.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn sel_info(&self) -> Result<SelInfo> {
        self.send(&GetSelInfo).await
    }

    /// The entries of the event log, from the first, as they are read.
    pub fn sel(&self) -> impl Stream<Item = Result<SelEntry>> + Send {
        let state = (self.clone(), 0u16, HashSet::new(), false);
        futures_util::stream::unfold(state, |(bmc, at, mut seen, done)| async move {
            if done || at == END || seen.len() >= MOST_RECORDS || !seen.insert(at) {
                return None;
            }
            match bmc.send(&GetSelEntry(at)).await {
                // A record that points to itself, or back to the first, is the last.
                Ok(answer) => {
                    let next = if answer.next == 0 { END } else { answer.next };
                    // The first was asked for as 0 and has a number of its own.
                    seen.insert(answer.entry.id);
                    Some((Ok(answer.entry), (bmc, next, seen, false)))
                }
                // Empty, or erased meanwhile.
                Err(error) if error.completion_code() == Some(0xcb) => None,
                Err(error) => Some((Err(error), (bmc, at, seen, true))),
            }
        })
    }

    /// All entries of the event log.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn sel_list(&self) -> Result<Vec<SelEntry>> {
        self.sel().try_collect().await
    }

    /// Clears the event log and waits until it is done.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn clear_sel(&self) -> Result<()> {
        let reservation = self.send(&ReserveSel).await?;
        let mut done = self
            .send(&ClearSel {
                reservation,
                begin: true,
            })
            .await?;
        for _ in 0..100 {
            if done {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            done = self
                .send(&ClearSel {
                    reservation,
                    begin: false,
                })
                .await?;
        }
        Err(Error::new(
            ErrorKind::NotReached,
            "the log is still being erased after 10 s",
        )
        .at(self.addr())
        .doing("Clear SEL"))
    }

    /// All records of the SDR repository. Counts and lengths that BMCs are known to get wrong are not relied upon; a record that cannot be read whole is
    /// passed over.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn sdrs(&self) -> Result<Vec<Sdr>> {
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        let mut at = 0u16;
        let mut reservation = self.send(&ReserveSdr).await.or_else(without)?;
        while at != END && seen.len() < MOST_RECORDS && seen.insert(at) {
            let (next, data) = match self.sdr(&mut reservation, at).await {
                Ok(record) => record,
                Err(error) if error.completion_code() == Some(0xcb) => break,
                Err(error) => return Err(error),
            };
            // The first was asked for as 0 and has a number of its own.
            seen.extend(data.first_chunk::<2>().map(|id| u16::from_le_bytes(*id)));
            if let Ok(record) = Sdr::decode(&data) {
                out.push(record);
            }
            // No terminator: it begins again with the first.
            at = if next == 0 { END } else { next };
        }
        Ok(out)
    }

    /// One record: at once where the BMC can, else its header and then the rest in small parts.
    async fn sdr(&self, reservation: &mut u16, record: u16) -> Result<(u16, Vec<u8>)> {
        match self
            .send(&GetSdr {
                reservation: 0,
                record,
                offset: 0,
                count: 0xff,
            })
            .await
        {
            Ok(part) if part.data.len() >= 5 => {
                let whole = usize::from(part.data[4]) + 5;
                if part.data.len() >= whole || whole > 250 {
                    return Ok((part.next, part.data));
                }
            }
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.completion_code(),
                    Some(0xca | 0xc7 | 0xc8 | 0xc9 | 0xcc | 0xff | 0xc5)
                ) => {}
            Err(error) => return Err(error),
        }
        let mut restarts = 0;
        'record: loop {
            let mut data: Vec<u8> = Vec::new();
            let mut next = END;
            let mut whole = 5usize;
            while data.len() < whole {
                let count = (whole - data.len()).min(16) as u8;
                let offset = data.len().min(255) as u8;
                match self
                    .send(&GetSdr {
                        reservation: *reservation,
                        record,
                        offset,
                        count,
                    })
                    .await
                {
                    Ok(part) if part.data.is_empty() => break,
                    Ok(part) => {
                        next = part.next;
                        data.extend(part.data.iter().take(usize::from(count)));
                        if data.len() >= 5 {
                            whole = (usize::from(data[4]) + 5).min(250);
                        }
                    }
                    // Somebody else changed the repository: reserve again, from the record's start.
                    Err(error) if error.completion_code() == Some(0xc5) && restarts < 5 => {
                        restarts += 1;
                        *reservation = self.send(&ReserveSdr).await?;
                        continue 'record;
                    }
                    // The length was wrong: what there is will do.
                    Err(error) if data.len() >= 5 && error.completion_code().is_some() => break,
                    Err(error) => return Err(error),
                }
            }
            return Ok((next, data));
        }
    }

    /// All sensors of the BMC, read, with units and thresholds. Sensors of other controllers are left out.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn sensors(&self) -> Result<Vec<Sensor>> {
        let records = self.sdrs().await?;
        let mut out = Vec::new();
        for record in records {
            let Sdr::Sensor(record) = record else {
                continue;
            };
            if record.owner != crate::wire::message::BMC || record.event_only {
                continue;
            }
            for nth in 0..record.share {
                out.push(self.sensor(&record, nth).await?);
            }
        }
        Ok(out)
    }

    /// Reads one sensor by its record; `nth` counts the sensors that share it.
    ///
    /// # Errors
    /// As [`send`](Self::send); a sensor that the BMC refuses to read has no reading, and is no error.
    pub async fn sensor(&self, record: &SensorRecord, nth: u8) -> Result<Sensor> {
        let number = record.number.wrapping_add(nth);
        let reading = match self
            .send(&GetSensorReading {
                sensor: number,
                lun: record.lun,
            })
            .await
        {
            Ok(reading) => Some(reading),
            Err(error) if error.completion_code().is_some() && !error.is_credentials() => None,
            Err(error) => return Err(error),
        };
        let mut thresholds = Thresholds::default();
        if let Some(conversion) = record.conversion
            && record.reading_type == 1
            && record.readable_thresholds != 0
        {
            match self
                .send(&GetSensorThresholds {
                    sensor: number,
                    lun: record.lun,
                })
                .await
            {
                Ok(raw) => {
                    let [lnc, lc, lnr, unc, uc, unr] =
                        raw.map(|raw| raw.map(|raw| conversion.value(raw)));
                    thresholds = Thresholds {
                        lower_non_critical: lnc,
                        lower_critical: lc,
                        lower_non_recoverable: lnr,
                        upper_non_critical: unc,
                        upper_critical: uc,
                        upper_non_recoverable: unr,
                    };
                }
                Err(error) if error.completion_code().is_some() && !error.is_credentials() => {}
                Err(error) => return Err(error),
            }
        }
        let value = match (reading, record.conversion) {
            (Some(reading), Some(conversion)) if reading.available && record.reading_type == 1 => {
                Some(conversion.value(reading.raw))
            }
            _ => None,
        };
        let mut record = record.clone();
        if nth > 0 {
            record.name = format!("{} {}", record.name, nth + 1);
        }
        Ok(Sensor {
            record,
            number,
            reading,
            value,
            thresholds,
        })
    }

    /// Reads a FRU device's bytes, 0 for the machine's own.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn fru_bytes(&self, device: u8) -> Result<Vec<u8>> {
        let info = self.send(&GetFruInfo(device)).await?;
        let unit = if info.words { 2 } else { 1 };
        let mut out: Vec<u8> = Vec::new();
        let mut most = 32usize;
        while out.len() < usize::from(info.size) {
            let count = (usize::from(info.size) - out.len())
                .min(most)
                .div_ceil(unit);
            let offset = (out.len() / unit) as u16;
            match self
                .send(&ReadFru {
                    device,
                    offset,
                    count: count as u8,
                })
                .await
            {
                Ok(part) if part.is_empty() => break,
                Ok(part) => out.extend(part),
                // It cannot return that many.
                Err(error)
                    if matches!(error.completion_code(), Some(0xc8 | 0xca | 0xc7)) && most > 8 =>
                {
                    most /= 2
                }
                // The size was wrong.
                Err(error) if !out.is_empty() && error.completion_code().is_some() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    /// Reads and understands a FRU device, 0 for the machine's own.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`ErrorKind::Protocol`] if its header is broken.
    pub async fn fru(&self, device: u8) -> Result<Fru> {
        let bytes = self.fru_bytes(device).await?;
        Fru::decode(&bytes).map_err(|e| {
            Error::decode(&e, &bytes)
                .at(self.addr())
                .doing("Reading the FRU")
        })
    }
}

/// A BMC without reservations reads with number 0.
fn without(error: Error) -> Result<u16> {
    if error.completion_code().is_some() && !error.is_credentials() {
        Ok(0)
    } else {
        Err(error)
    }
}
