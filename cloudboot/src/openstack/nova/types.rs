//! Nova's objects, as far as this crate reads them. Every field that versions or policies may withhold has a default.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::rest::{Error, ErrorKind, null_is_default};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // It becomes a path segment: what came from a network must not become two.
                let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
                self.0.chars().try_for_each(|c| fmt::Write::write_char(f, safe(c)))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
                    return Ok(Self(text.to_owned()));
                }
                Err(Error::new(ErrorKind::Config, concat!("Nova: read a ", stringify!($name)), format!("{text:?} is not an id")))
            }
        }
    };
}

id!(
    /// A server's id.
    ServerId
);
id!(
    /// A service's id (a UUID since microversion 2.53).
    ServiceId
);
id!(
    /// A hypervisor's id (a UUID since microversion 2.53).
    HypervisorId
);
id!(
    /// The id of a request, as `x-openstack-request-id` gives it: the key of an instance action.
    RequestId
);

impl RequestId {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

/// The id of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MigrationId(pub u64);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// One that this version does not know.
            Unknown(String),
        }

        impl $name {
            /// The word that Nova uses.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Unknown(word),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Unknown(String::new())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// Whether the scheduler may use a service: an operator's decision.
    ServiceStatus {
        /// It may.
        Enabled = "enabled",
        /// It may not.
        Disabled = "disabled",
    }
);
words!(
    /// Whether a service reports.
    ServiceState {
        /// It does.
        Up = "up",
        /// It does not, or was forced down.
        Down = "down",
    }
);
words!(
    /// A server's status.
    ServerStatus {
        /// It is being made.
        Build = "BUILD",
        /// It runs.
        Active = "ACTIVE",
        /// It is shut off: it cannot be live-migrated.
        Shutoff = "SHUTOFF",
        /// It moves, running.
        Migrating = "MIGRATING",
        /// It is being made again elsewhere (an evacuation).
        Rebuild = "REBUILD",
        /// It moves cold.
        Resize = "RESIZE",
        /// It moved cold and waits to be confirmed.
        VerifyResize = "VERIFY_RESIZE",
        /// It is paused.
        Paused = "PAUSED",
        /// It is suspended.
        Suspended = "SUSPENDED",
        /// It failed.
        Error = "ERROR",
        /// It is gone.
        Deleted = "DELETED",
    }
);
words!(
    /// A migration's status.
    MigrationStatus {
        /// Accepted.
        Accepted = "accepted",
        /// It waits for its turn.
        Queued = "queued",
        /// It is being prepared.
        Preparing = "preparing",
        /// Memory is being moved.
        Running = "running",
        /// What follows the move.
        PostMigrating = "post-migrating",
        /// A cold migration moves.
        Migrating = "migrating",
        /// A cold migration has moved.
        PostMigration = "post-migration",
        /// A cold migration waits to be confirmed.
        Finished = "finished",
        /// An evacuation that is over, its source not back yet.
        Done = "done",
        /// It is over, and it succeeded.
        Completed = "completed",
        /// A cold migration was confirmed.
        Confirmed = "confirmed",
        /// A cold migration was taken back.
        Reverted = "reverted",
        /// It failed.
        Error = "error",
        /// It failed before anything moved.
        Failed = "failed",
        /// It was aborted.
        Cancelled = "cancelled",
    }
);

impl MigrationStatus {
    /// Whether nothing will follow. `Done` counts: an evacuation stays there until its source returns.
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Done
                | Self::Completed
                | Self::Confirmed
                | Self::Reverted
                | Self::Error
                | Self::Failed
                | Self::Cancelled
        )
    }

    /// Whether it is over without having moved the server.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::Error | Self::Failed | Self::Cancelled | Self::Reverted
        )
    }
}

/// A Nova service on one host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// What it is (`nova-compute`).
    #[serde(default, deserialize_with = "null_is_default")]
    pub binary: String,
    /// The host that it runs on.
    #[serde(default, deserialize_with = "null_is_default")]
    pub host: String,
    /// The availability zone.
    #[serde(default, deserialize_with = "null_is_default")]
    pub zone: String,
    /// Whether the scheduler may use it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub status: ServiceStatus,
    /// Whether it reports.
    #[serde(default, deserialize_with = "null_is_default")]
    pub state: ServiceState,
    /// Whether an operator said that it is down (a fence).
    #[serde(default, deserialize_with = "null_is_default")]
    pub forced_down: bool,
    /// Why it is disabled.
    #[serde(default)]
    pub disabled_reason: Option<String>,
}

/// A hypervisor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hypervisor {
    /// Its id.
    pub id: HypervisorId,
    /// Its host name: also its name in Placement.
    #[serde(default, deserialize_with = "null_is_default")]
    pub hypervisor_hostname: String,
    /// Whether its service reports.
    #[serde(default, deserialize_with = "null_is_default")]
    pub state: ServiceState,
    /// Whether the scheduler may use it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub status: ServiceStatus,
    /// What it is (`QEMU`, `fake`).
    #[serde(default, deserialize_with = "null_is_default")]
    pub hypervisor_type: String,
    /// The servers on it, where they were asked for. Nova leaves the field out when there are none.
    #[serde(default, deserialize_with = "null_is_default")]
    pub servers: Vec<HypervisorServer>,
}

/// A server as a hypervisor lists it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HypervisorServer {
    /// Its id.
    #[serde(rename = "uuid")]
    pub id: ServerId,
    /// Its name in the hypervisor.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
}

/// A server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// Its name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Its status.
    #[serde(default, deserialize_with = "null_is_default")]
    pub status: ServerStatus,
    /// The host that it is on (administrators only).
    #[serde(rename = "OS-EXT-SRV-ATTR:host", default)]
    pub host: Option<String>,
    /// What is being done with it at the moment.
    #[serde(rename = "OS-EXT-STS:task_state", default)]
    pub task_state: Option<String>,
    /// What the hypervisor last knew of it (`active`).
    #[serde(rename = "OS-EXT-STS:vm_state", default)]
    pub vm_state: Option<String>,
    /// Why it is in error.
    #[serde(default)]
    pub fault: Option<Fault>,
}

/// Why a server is in error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fault {
    /// Nova's words.
    #[serde(default, deserialize_with = "null_is_default")]
    pub message: String,
}

/// A migration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Migration {
    /// Its id.
    pub id: MigrationId,
    /// Where it stands.
    #[serde(default, deserialize_with = "null_is_default")]
    pub status: MigrationStatus,
    /// `live-migration`, `migration`, `resize` or `evacuation`.
    #[serde(default)]
    pub migration_type: Option<String>,
    /// The server, in the list of all migrations. (In a server's own list Nova calls it otherwise.)
    #[serde(default)]
    pub instance_uuid: Option<ServerId>,
    /// The host that it leaves.
    #[serde(default)]
    pub source_compute: Option<String>,
    /// The host that it goes to; null if no host could be found.
    #[serde(default)]
    pub dest_compute: Option<String>,
    /// The memory to be moved, in bytes; null until it is known.
    #[serde(default)]
    pub memory_total_bytes: Option<u64>,
    /// The memory that was moved, in bytes.
    #[serde(default)]
    pub memory_processed_bytes: Option<u64>,
    /// The memory that is left, in bytes.
    #[serde(default)]
    pub memory_remaining_bytes: Option<u64>,
}

/// One thing that was done to a server, with its events.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InstanceAction {
    /// What was asked for (`live-migration`, `evacuate`).
    #[serde(default, deserialize_with = "null_is_default")]
    pub action: String,
    /// The request that asked.
    pub request_id: RequestId,
    /// A short word on the failure.
    #[serde(default)]
    pub message: Option<String>,
    /// What happened, where it was asked for.
    #[serde(default, deserialize_with = "null_is_default")]
    pub events: Vec<ActionEvent>,
}

/// One event of an action.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ActionEvent {
    /// What happened (`compute_live_migration`).
    #[serde(default, deserialize_with = "null_is_default")]
    pub event: String,
    /// `Success`, `Error`; null while it goes on.
    #[serde(default)]
    pub result: Option<String>,
    /// The reason, in Nova's words (microversion 2.84).
    #[serde(default)]
    pub details: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_unknown() {
        for word in ["running", "something-new", ""] {
            let status: MigrationStatus = serde_json::from_value(word.into()).unwrap();
            assert_eq!(serde_json::to_value(&status).unwrap(), word);
        }
        assert!(serde_json::from_str::<MigrationStatus>("null").is_err());
    }

    #[test]
    fn an_id_stays_one_path_segment() {
        let id: ServerId = serde_json::from_value("../../os-services?x#y".into()).unwrap();
        assert_eq!(id.to_string(), ".._.._os-services_x_y");
        assert!("a/b".parse::<ServerId>().is_err());
    }
}
