//! Enumerations of nodes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::macros::string_enum;
use crate::params::FormValue;

macro_rules! node_status {
    ($($(#[$meta:meta])* $variant:ident = $number:literal, $filter:literal, $name:literal;)*) => {
        /// The state of a node, as in MAAS's `NODE_STATUS`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum NodeStatus {
            $($(#[$meta])* $variant,)*
            /// A state that this crate does not know, by its number.
            Unknown(i64),
        }

        impl NodeStatus {
            /// MAAS's number for it.
            pub fn number(self) -> i64 {
                match self { $(Self::$variant => $number,)* Self::Unknown(n) => n }
            }

            /// The state with this number.
            pub fn from_number(number: i64) -> Self {
                match number { $($number => Self::$variant,)* other => Self::Unknown(other) }
            }

            /// The name that the `status` filter of a list takes.
            pub fn filter(self) -> Option<&'static str> {
                match self { $(Self::$variant => Some($filter),)* Self::Unknown(_) => None }
            }

            /// The name that MAAS shows people, such as `Failed commissioning`.
            pub fn name(self) -> Option<&'static str> {
                match self { $(Self::$variant => Some($name),)* Self::Unknown(_) => None }
            }

            /// The state that the `status` filter calls so.
            pub fn from_filter(text: &str) -> Option<Self> {
                match text { $($filter => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

node_status! {
    /// Found, not yet commissioned.
    New = 0, "new", "New";
    /// Its hardware is being looked at.
    Commissioning = 1, "commissioning", "Commissioning";
    /// That failed.
    FailedCommissioning = 2, "failed_commissioning", "Failed commissioning";
    /// It cannot be contacted.
    Missing = 3, "missing", "Missing";
    /// It can be allocated.
    Ready = 4, "ready", "Ready";
    /// Set aside.
    Reserved = 5, "reserved", "Reserved";
    /// It runs what was deployed (user data was fetched; cloud-init may still be at work).
    Deployed = 6, "deployed", "Deployed";
    /// Taken out of use.
    Retired = 7, "retired", "Retired";
    /// Marked as broken.
    Broken = 8, "broken", "Broken";
    /// It is being installed.
    Deploying = 9, "deploying", "Deploying";
    /// It belongs to a user and is not deployed.
    Allocated = 10, "allocated", "Allocated";
    /// The installation failed.
    FailedDeployment = 11, "failed_deployment", "Failed deployment";
    /// It is being given back.
    Releasing = 12, "releasing", "Releasing";
    /// That failed.
    FailedReleasing = 13, "failed_releasing", "Releasing failed";
    /// Its disks are being erased.
    DiskErasing = 14, "disk_erasing", "Disk erasing";
    /// That failed.
    FailedDiskErasing = 15, "failed_disk_erasing", "Failed disk erasing";
    /// In rescue mode.
    RescueMode = 16, "rescue_mode", "Rescue mode";
    /// On its way there.
    EnteringRescueMode = 17, "entering_rescue_mode", "Entering rescue mode";
    /// It did not get there.
    FailedEnteringRescueMode = 18, "failed_entering_rescue_mode", "Failed to enter rescue mode";
    /// Leaving rescue mode.
    ExitingRescueMode = 19, "exiting_rescue_mode", "Exiting rescue mode";
    /// It did not leave it.
    FailedExitingRescueMode = 20, "failed_exiting_rescue_mode", "Failed to exit rescue mode";
    /// Its hardware is being tested.
    Testing = 21, "testing", "Testing";
    /// The tests failed.
    FailedTesting = 22, "failed_testing", "Failed testing";
}

impl NodeStatus {
    /// A state that is left only when somebody does something about it.
    pub fn is_failed(self) -> bool {
        matches!(
            self,
            Self::FailedCommissioning
                | Self::Missing
                | Self::Broken
                | Self::FailedDeployment
                | Self::FailedReleasing
                | Self::FailedDiskErasing
                | Self::FailedEnteringRescueMode
                | Self::FailedExitingRescueMode
                | Self::FailedTesting
        )
    }

    /// A state that MAAS itself will leave.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Commissioning
                | Self::Deploying
                | Self::Releasing
                | Self::DiskErasing
                | Self::EnteringRescueMode
                | Self::ExitingRescueMode
                | Self::Testing
        )
    }
}

impl Default for NodeStatus {
    fn default() -> Self {
        Self::Unknown(-1)
    }
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.number()),
        }
    }
}

impl Serialize for NodeStatus {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(self.number())
    }
}

impl<'de> Deserialize<'de> for NodeStatus {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self::from_number(i64::deserialize(d)?))
    }
}

impl FormValue for NodeStatus {
    fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
        if let Some(filter) = self.filter() {
            out.push((name.to_owned(), filter.to_owned()));
        }
    }

    fn read(name: &str, pairs: &[(String, String)]) -> Option<Self> {
        Self::from_filter(crate::params::first(name, pairs)?)
    }
}

string_enum! {
    /// Whether a machine has power.
    PowerState {
        /// It has.
        On = "on",
        /// It has not.
        Off = "off",
        /// MAAS has no way to know (manual power).
        NotKnown = "unknown",
        /// The BMC could not be asked: wrong password, wrong address, no rack.
        Error = "error",
    }
}

string_enum! {
    /// How an interface gets its address.
    LinkMode {
        /// An address that MAAS picks at deployment.
        Auto = "auto",
        /// From DHCP.
        Dhcp = "dhcp",
        /// A fixed address.
        Static = "static",
        /// No address.
        LinkUp = "link_up",
    }
}

string_enum! {
    /// What kind of interface it is.
    InterfaceType {
        /// A network card's.
        Physical = "physical",
        /// A bond of several.
        Bond = "bond",
        /// A bridge.
        Bridge = "bridge",
        /// A tagged VLAN.
        Vlan = "vlan",
        /// An alias.
        Alias = "alias",
        /// Of a controller, not known to it.
        UnknownKind = "unknown",
    }
}

string_enum! {
    /// What an IP range is for.
    IpRangeType {
        /// For DHCP.
        Dynamic = "dynamic",
        /// Kept out of MAAS's hands.
        Reserved = "reserved",
    }
}
