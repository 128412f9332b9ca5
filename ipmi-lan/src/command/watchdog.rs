//! The watchdog timer (IPMI v2.0, chapter 27).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_APP, Reader};

/// What the watchdog does when it runs out (27.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WatchdogAction {
    /// Nothing.
    #[default]
    None,
    /// Hard reset.
    Reset,
    /// Power off.
    PowerOff,
    /// Power cycle.
    PowerCycle,
    /// A reserved action.
    Unknown(u8),
}

impl WatchdogAction {
    fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Reset => 1,
            Self::PowerOff => 2,
            Self::PowerCycle => 3,
            Self::Unknown(code) => code & 7,
        }
    }

    fn from_code(code: u8) -> Self {
        match code & 7 {
            0 => Self::None,
            1 => Self::Reset,
            2 => Self::PowerOff,
            3 => Self::PowerCycle,
            other => Self::Unknown(other),
        }
    }
}

/// Get Watchdog Timer (27.7).
#[derive(Debug, Clone, Copy, Default)]
pub struct GetWatchdog;

/// The watchdog's settings and state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Watchdog {
    /// It counts down.
    pub running: bool,
    /// It is not to be logged.
    pub no_log: bool,
    /// Whose it is: 1 firmware, 2 POST, 3 loading the system, 4 the system, 5 OEM.
    pub user: u8,
    /// What happens when it runs out.
    pub action: WatchdogAction,
    /// From what it counts.
    pub initial: Duration,
    /// What is left.
    pub present: Duration,
}

impl Command for GetWatchdog {
    is!("Get Watchdog Timer", NETFN_APP, 0x25);
    type Response = Watchdog;

    fn decode(&self, data: &[u8]) -> Result<Watchdog, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        let user = r.u8("timer use")?;
        let actions = r.u8("timer actions")?;
        r.bytes(2, "pre-timeout interval and expiration flags")?;
        let initial = r.u16("initial countdown")?;
        let present = r.u16("present countdown")?;
        Ok(Watchdog {
            running: user & 0x40 != 0,
            no_log: user & 0x80 != 0,
            user: user & 7,
            action: WatchdogAction::from_code(actions),
            initial: Duration::from_millis(u64::from(initial) * 100),
            present: Duration::from_millis(u64::from(present) * 100),
        })
    }
}

/// Set Watchdog Timer (27.6): sets it and stops it; [`ResetWatchdog`] starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetWatchdog {
    /// Whose it is, 4 for the operating system.
    pub user: u8,
    /// What happens when it runs out.
    pub action: WatchdogAction,
    /// From what it counts, in steps of 100 ms, at most 6553.5 s.
    pub countdown: Duration,
}

impl Command for SetWatchdog {
    is!("Set Watchdog Timer", NETFN_APP, 0x24);
    needs!(Operator);
    answers_nothing!();

    fn encode(&self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.countdown.as_millis() / 100).unwrap_or(u16::MAX);
        out.extend([self.user & 7, self.action.code(), 0, 0x3e]);
        out.extend(count.to_le_bytes());
    }
}

/// Reset Watchdog Timer (27.5): starts it anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResetWatchdog;

impl Command for ResetWatchdog {
    is!("Reset Watchdog Timer", NETFN_APP, 0x22);
    needs!(Operator);
    answers_nothing!();
}
