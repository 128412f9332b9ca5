//! Which machine is that: device id, GUID, LAN configuration, MAC address.

use crate::bmc::Bmc;
use crate::command::Raw;
use crate::command::device::{
    DeviceId, GetDeviceId, GetGuid, GetSelfTest, Guid, ResetBmc, SelfTest,
};
use crate::command::lan::{GetLanParameter, IpSource, LanConfig, MacAddr, THIS_CHANNEL};
use crate::error::{Error, ErrorKind, Result};

impl Bmc {
    /// Reads what the BMC is.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn device_id(&self) -> Result<DeviceId> {
        self.send(&GetDeviceId).await
    }

    /// Reads the machine's GUID, or the BMC's own where the machine's is not to be had.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn guid(&self) -> Result<Guid> {
        match self.send(&GetGuid::System).await {
            Err(error) if error.completion_code().is_some() => self.send(&GetGuid::Device).await,
            other => other,
        }
    }

    /// Reads the result of the BMC's self test.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn self_test(&self) -> Result<SelfTest> {
        self.send(&GetSelfTest).await
    }

    /// Resets the BMC itself. Its sessions are lost, and it is silent for a minute or so.
    ///
    /// # Errors
    /// As [`send`](Self::send); silence is taken as success, since many BMCs reset before they answer.
    pub async fn reset_bmc(&self, reset: ResetBmc) -> Result<()> {
        match self.send(&reset).await {
            Err(error) if error.kind() == &ErrorKind::TimedOut => Ok(()),
            other => other,
        }
    }

    /// Sends any command by its numbers; the answer is the data after the completion code.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn raw(&self, raw: &Raw) -> Result<Vec<u8>> {
        self.send(raw).await
    }

    /// Reads the bytes of one LAN parameter of the channel in use.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn lan_parameter(&self, parameter: u8) -> Result<Vec<u8>> {
        let get = |channel| GetLanParameter {
            channel,
            parameter,
            set: 0,
        };
        match self.send(&get(THIS_CHANNEL)).await {
            // Some BMCs do not know "this channel"; the first LAN channel is 1 nearly everywhere.
            Err(error) if matches!(error.completion_code(), Some(0xc9 | 0xcc)) => {
                self.send(&get(1)).await
            }
            other => other,
        }
    }

    /// Reads the BMC's MAC address: by it a BMC is told from its neighbours whatever its IP address.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn mac_address(&self) -> Result<MacAddr> {
        let bytes = self.lan_parameter(5).await?;
        let mac = bytes.first_chunk::<6>().copied().map(MacAddr);
        mac.ok_or_else(|| {
            Error::protocol("the MAC address is cut short", &bytes)
                .at(self.addr())
                .doing("Reading the MAC address")
        })
    }

    /// Reads what is usually wanted of the LAN configuration; what the BMC does not tell is left out.
    ///
    /// # Errors
    /// As [`send`](Self::send), for other reasons than a parameter that the BMC does not have.
    pub async fn lan_config(&self) -> Result<LanConfig> {
        let mut config = LanConfig::default();
        if let Some(bytes) = self.optional(5).await? {
            config.mac = bytes.first_chunk::<6>().copied().map(MacAddr);
        }
        let ip = |bytes: Option<Vec<u8>>| {
            bytes
                .and_then(|b| b.first_chunk::<4>().copied())
                .map(Into::into)
        };
        config.address = ip(self.optional(3).await?);
        config.netmask = ip(self.optional(6).await?);
        config.gateway = ip(self.optional(12).await?);
        config.source = self
            .optional(4)
            .await?
            .and_then(|b| b.first().copied())
            .map(IpSource::from_code);
        config.vlan = self
            .optional(20)
            .await?
            .and_then(|b| b.first_chunk::<2>().copied())
            .and_then(|b| {
                let vlan = u16::from_le_bytes(b);
                (vlan & 0x8000 != 0).then_some(vlan & 0x0fff)
            });
        Ok(config)
    }

    async fn optional(&self, parameter: u8) -> Result<Option<Vec<u8>>> {
        match self.lan_parameter(parameter).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_unsupported() || error.completion_code() == Some(0xc9) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
