//! Power and boot as an operator means them: act only if needed, and be done when the machine says so.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::bmc::Bmc;
use crate::command::boot::{BootFlags, BootOverride, GetBootFlags, SetBootOption};
use crate::command::chassis::{
    ChassisControl, ChassisIdentify, ChassisStatus, GetChassisStatus, RestorePolicy,
    SetRestorePolicy,
};
use crate::error::{Error, ErrorKind, Result};

/// Whether a machine is powered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerState {
    /// Powered.
    On,
    /// Not powered.
    Off,
}

impl std::fmt::Display for PowerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

/// What a power operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PowerChange {
    /// The machine was in that state already; nothing was sent.
    Unchanged,
    /// It was turned on.
    TurnedOn,
    /// It was turned off.
    TurnedOff,
    /// It was on and was power-cycled.
    Cycled,
    /// It was on and was reset (the BMC has no power cycle).
    Reset,
}

const POLL_FIRST: Duration = Duration::from_millis(50);
const POLL_MOST: Duration = Duration::from_secs(1);
/// Some BMCs drop a control that comes too soon after another: it is given again.
const AGAIN: Duration = Duration::from_secs(5);

impl Bmc {
    /// Reads the chassis status: User privilege, one round trip in an open session.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn chassis_status(&self) -> Result<ChassisStatus> {
        self.send(&GetChassisStatus).await
    }

    /// Reads whether the machine is powered.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn power_state(&self) -> Result<PowerState> {
        Ok(if self.chassis_status().await?.power_on {
            PowerState::On
        } else {
            PowerState::Off
        })
    }

    /// Sends one chassis control, whatever the state, and does not wait for its effect.
    ///
    /// # Errors
    /// As [`send`](Self::send); [unclear](Error::is_unclear) where a cycle, reset or diagnostic interrupt was sent and nothing came back.
    pub async fn chassis_control(&self, control: ChassisControl) -> Result<()> {
        self.send(&control).await
    }

    /// Brings the machine to a power state if it is not in it, and waits until that state holds (two reads in a row), at most `wait`.
    ///
    /// # Errors
    /// [`ErrorKind::NotReached`] if it does not hold in time; else as [`send`](Self::send).
    pub async fn ensure_power(&self, state: PowerState, wait: Duration) -> Result<PowerChange> {
        if self.power_state().await? == state {
            return Ok(PowerChange::Unchanged);
        }
        let (control, change) = match state {
            PowerState::On => (ChassisControl::On, PowerChange::TurnedOn),
            PowerState::Off => (ChassisControl::Off, PowerChange::TurnedOff),
        };
        self.control_until(control, state, wait).await?;
        Ok(change)
    }

    /// Asks the operating system to shut down and waits until the machine is off; powers it off if it is still on after `grace`.
    ///
    /// # Errors
    /// As [`ensure_power`](Self::ensure_power).
    pub async fn shut_down(&self, grace: Duration, wait: Duration) -> Result<PowerChange> {
        if self.power_state().await? == PowerState::Off {
            return Ok(PowerChange::Unchanged);
        }
        match self.chassis_control(ChassisControl::Soft).await {
            Ok(()) if self.await_power(PowerState::Off, grace, None).await.is_ok() => {
                return Ok(PowerChange::TurnedOff);
            }
            // No ACPI, or it did not heed it.
            Ok(()) => {}
            Err(error) if error.completion_code().is_some() && !error.is_credentials() => {}
            Err(error) => return Err(error),
        }
        self.ensure_power(PowerState::Off, wait)
            .await
            .map(|_| PowerChange::TurnedOff)
    }

    /// Makes the machine boot: turns it on if it is off, power-cycles it if it is on (resets it where there is no power cycle), and waits until it is on.
    ///
    /// # Errors
    /// As [`ensure_power`](Self::ensure_power); [unclear](Error::is_unclear) if the cycle's answer was lost.
    pub async fn restart(&self, wait: Duration) -> Result<PowerChange> {
        if self.power_state().await? == PowerState::Off {
            self.control_until(ChassisControl::On, PowerState::On, wait)
                .await?;
            return Ok(PowerChange::TurnedOn);
        }
        let change = match self.chassis_control(ChassisControl::Cycle).await {
            Ok(()) => PowerChange::Cycled,
            Err(error) if matches!(error.completion_code(), Some(0xc1 | 0xc9 | 0xcc)) => {
                self.chassis_control(ChassisControl::Reset).await?;
                PowerChange::Reset
            }
            // It went off between the two commands.
            Err(error) if error.completion_code() == Some(0xd5) => {
                self.control_until(ChassisControl::On, PowerState::On, wait)
                    .await?;
                return Ok(PowerChange::TurnedOn);
            }
            Err(error) => return Err(error),
        };
        self.await_power(PowerState::On, wait, None).await?;
        Ok(change)
    }

    async fn control_until(
        &self,
        control: ChassisControl,
        state: PowerState,
        wait: Duration,
    ) -> Result<()> {
        self.chassis_control(control).await?;
        self.await_power(state, wait, Some(control)).await
    }

    /// Waits until the power state holds: two reads in a row say so.
    ///
    /// # Errors
    /// [`ErrorKind::NotReached`] if it does not hold within `wait`. A BMC that is silent in between is asked again until then.
    pub async fn wait_for_power(&self, state: PowerState, wait: Duration) -> Result<()> {
        self.await_power(state, wait, None).await
    }

    async fn await_power(
        &self,
        state: PowerState,
        wait: Duration,
        repeat: Option<ChassisControl>,
    ) -> Result<()> {
        let begun = Instant::now();
        let mut given = begun;
        let mut poll = POLL_FIRST;
        let mut held = false;
        loop {
            let seen = match self.power_state().await {
                Ok(seen) if seen == state && held => return Ok(()),
                Ok(seen) => {
                    held = seen == state;
                    format!("it is {seen}")
                }
                Err(error) if error.is_retryable() => {
                    held = false;
                    error.to_string()
                }
                Err(error) => return Err(error),
            };
            if begun.elapsed() >= wait {
                let detail = format!(
                    "the machine is not {state} after {:.1} s: {seen}",
                    begun.elapsed().as_secs_f32()
                );
                return Err(Error::new(ErrorKind::NotReached, detail)
                    .at(self.addr())
                    .doing("Waiting for power"));
            }
            if let Some(control) = repeat
                && !held
                && given.elapsed() >= AGAIN
            {
                given = Instant::now();
                // It may be refused in the middle of a transition; the state is what counts.
                let _ = self.chassis_control(control).await;
            }
            tokio::time::sleep(if held { POLL_FIRST } else { poll }).await;
            poll = (poll * 3 / 2).min(POLL_MOST);
        }
    }

    /// Reads the boot flags.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn boot_flags(&self) -> Result<BootFlags> {
        self.send(&GetBootFlags).await
    }

    /// Sets what the machine boots from next and reads it back. The BMC forgets it after 60 s unless power is controlled by then or `hold` is set.
    ///
    /// # Errors
    /// [`ErrorKind::NotReached`] if what reads back is not what was set, by the strictness of [`BootOverride::verify`]; else as [`send`](Self::send).
    pub async fn set_boot(&self, boot: BootOverride) -> Result<BootFlags> {
        if boot.hold {
            self.send(&SetBootOption::ValidBitClearing(0x1f)).await?;
        }
        // Without it some firmware takes the flags as handled already; BMCs that do not have the parameter refuse it.
        match self.send(&SetBootOption::ClearAcknowledge).await {
            Ok(()) => {}
            Err(error) if error.completion_code().is_some() && !error.is_credentials() => {}
            Err(error) => return Err(error),
        }
        self.send(&SetBootOption::Flags(boot.flags())).await?;
        let flags = self.boot_flags().await?;
        if boot.holds(flags) {
            return Ok(flags);
        }
        let detail = format!("{:?} was set and {flags:?} reads back", boot.flags());
        Err(Error::new(ErrorKind::NotReached, detail)
            .at(self.addr())
            .doing("Setting the boot device"))
    }

    /// Turns the identify light on or off.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn identify(&self, identify: ChassisIdentify) -> Result<()> {
        self.send(&identify).await
    }

    /// Sets what the machine does when mains power returns; the answer is the policies that it supports.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn set_restore_policy(&self, policy: RestorePolicy) -> Result<u8> {
        self.send(&SetRestorePolicy(policy)).await
    }
}
