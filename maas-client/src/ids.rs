//! Ids, each its own type.

use compact_str::CompactString;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::macros::number_id;
use crate::params::FormValue;

/// The id of a machine, device or controller: six characters such as `gxg7pw`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SystemId(CompactString);

impl SystemId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SystemId {
    type Err = Error;

    /// Takes ASCII letters and digits, at most 41 of them (the width of MAAS's column).
    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty()
            || text.len() > 41
            || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Err(Error::input(format!(
                "{text:?} is no system id (six letters and digits, such as gxg7pw)"
            )));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<&str> for SystemId {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl From<&SystemId> for SystemId {
    fn from(id: &SystemId) -> Self {
        id.clone()
    }
}

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FormValue for SystemId {
    fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
        out.push((name.to_owned(), self.0.to_string()));
    }

    fn read(name: &str, pairs: &[(String, String)]) -> Option<Self> {
        crate::params::first(name, pairs)?.parse().ok()
    }
}

number_id! {
    /// The id of a fabric.
    FabricId,
    /// The id of a VLAN (not its VID).
    VlanId,
    /// The id of a subnet.
    SubnetId,
    /// The id of an IP range.
    IpRangeId,
    /// The id of a space; -1 is the `undefined` one.
    SpaceId,
    /// The id of a static route.
    StaticRouteId,
    /// The id of a network interface.
    InterfaceId,
    /// The id of the link between an interface and a subnet.
    LinkId,
    /// The id of a boot source.
    BootSourceId,
    /// The id of a selection of a boot source.
    SelectionId,
    /// The id of a boot resource.
    BootResourceId,
    /// The id of an SSH key.
    SshKeyId,
    /// The id of an SSL key.
    SslKeyId,
    /// The id of a resource pool.
    PoolId,
    /// The id of a zone (the API addresses zones by name).
    ZoneId,
    /// The id of a VM host (a pod).
    VmHostId,
    /// The id of a VM cluster.
    VmClusterId,
    /// The id of a DNS domain.
    DomainId,
    /// The id of a DNS resource.
    DnsResourceId,
    /// The id of a DNS record.
    DnsRecordId,
    /// The id of an event.
    EventId,
    /// The id of a block device.
    BlockDeviceId,
    /// The id of a partition.
    PartitionId,
    /// The id of a volume group.
    VolumeGroupId,
    /// The id of a RAID.
    RaidId,
    /// The id of a bcache.
    BcacheId,
    /// The id of a bcache's cache set.
    CacheSetId,
    /// The id of a VMFS datastore.
    VmfsId,
    /// The id of a set of script results.
    ScriptSetId,
    /// The id of a script.
    ScriptId,
    /// The id of a notification.
    NotificationId,
    /// The id of a package repository.
    PackageRepositoryId,
    /// The id of a DHCP snippet.
    DhcpSnippetId,
    /// The id of a PCI or USB device of a node.
    NodeDeviceId,
}
