//! The region's state: plain records, all of them persisted.

mod acts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::types::{HostResources, PowerAction};

/// Letters that MAAS makes system ids of.
const ID_LETTERS: &[u8; 24] = b"34678abcdefghkmnpqrstwxy";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub serving: bool,
    pub serving_from: Duration,
    pub initialised: bool,
    pub version: String,
    pub epoch: i64,
    pub now: Duration,
    pub seed: u64,
    pub next: BTreeMap<String, i64>,
    pub counts: BTreeMap<String, u64>,
    pub rack: Rack,
    pub users: Vec<User>,
    pub tokens: Vec<Token>,
    pub nonces: VecDeque<String>,
    pub config: BTreeMap<String, Value>,
    pub ssh_keys: Vec<SshKey>,
    pub tags: Vec<Tag>,
    pub zones: Vec<Named>,
    pub pools: Vec<Named>,
    pub domains: Vec<Named>,
    pub spaces: Vec<Named>,
    pub fabrics: Vec<Fabric>,
    pub vlans: Vec<Vlan>,
    pub subnets: Vec<Subnet>,
    pub ranges: Vec<Range>,
    pub routes: Vec<Route>,
    pub leases: Vec<Lease>,
    pub reserved: Vec<Reserved>,
    pub dns: Vec<DnsResource>,
    pub sources: Vec<Source>,
    pub selections: Vec<Selection>,
    pub resources: Vec<Resource>,
    pub import: Option<Import>,
    pub fail_next_import: Option<String>,
    pub rack_synced: bool,
    pub rack_sync_due: Option<Duration>,
    pub rack_images: Vec<i64>,
    pub machines: Vec<Machine>,
    pub enlisting: Vec<Enlisting>,
    pub vm_hosts: Vec<VmHost>,
    pub events: Vec<Event>,
    pub results: Vec<ResultSet>,
    pub catalogue: Vec<Release>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rack {
    pub system_id: String,
    pub hostname: String,
    pub mac: String,
    pub interface: String,
    pub addresses: Vec<(String, i64)>,
    pub connected: bool,
    pub cores: u64,
    pub memory_mb: u64,
}

impl Default for Rack {
    fn default() -> Self {
        Self {
            system_id: "kqywdf".into(),
            hostname: "vm".into(),
            mac: "7a:07:79:b5:5c:3f".into(),
            interface: "eth0".into(),
            addresses: Vec::new(),
            connected: true,
            cores: 8,
            memory_mb: 15918,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct User {
    pub username: String,
    pub email: String,
    pub password: String,
    pub superuser: bool,
    /// MAAS's own accounts cannot log in and do not count as users.
    pub internal: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Token {
    pub consumer: String,
    pub token: String,
    pub secret: String,
    pub name: String,
    pub user: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SshKey {
    pub id: i64,
    pub user: String,
    pub key: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub name: String,
    pub definition: String,
    pub comment: String,
    pub kernel_opts: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Named {
    pub id: i64,
    pub name: String,
    pub description: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fabric {
    pub id: i64,
    pub name: String,
    pub class_type: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Vlan {
    pub id: i64,
    pub fabric: i64,
    pub vid: i64,
    pub name: String,
    pub mtu: i64,
    pub dhcp_on: bool,
    pub relay: Option<i64>,
    pub primary_rack: Option<String>,
    pub secondary_rack: Option<String>,
    pub space: Option<i64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub id: i64,
    pub vlan: i64,
    pub cidr: String,
    pub name: String,
    pub description: String,
    pub gateway_ip: Option<String>,
    pub dns_servers: Vec<String>,
    pub rdns_mode: i64,
    pub allow_dns: bool,
    pub allow_proxy: bool,
    pub active_discovery: bool,
    pub managed: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Range {
    pub id: i64,
    pub subnet: i64,
    pub kind: String,
    pub start: String,
    pub end: String,
    pub comment: String,
    pub user: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Route {
    pub id: i64,
    pub source: i64,
    pub destination: i64,
    pub gateway_ip: String,
    pub metric: i64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub ip: String,
    pub mac: String,
    pub at: Duration,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reserved {
    pub ip: String,
    pub user: String,
    pub at: Duration,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DnsResource {
    pub id: i64,
    pub fqdn: String,
    pub ips: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Source {
    pub id: i64,
    pub url: String,
    pub keyring_filename: String,
    pub keyring_data: String,
    pub created: Duration,
    pub updated: Duration,
    pub cached_at: Duration,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Selection {
    pub id: i64,
    pub source: i64,
    pub os: String,
    pub release: String,
    pub arches: Vec<String>,
    pub subarches: Vec<String>,
    pub labels: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub id: i64,
    pub name: String,
    pub architecture: String,
    pub subarches: String,
    pub kind: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Import {
    pub ends: Duration,
    pub failing: bool,
    pub stalled: bool,
}

/// A release that the sources' catalogue holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Release {
    pub os: String,
    pub release: String,
    pub version: String,
    pub arches: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Machine {
    pub system_id: String,
    pub hostname: String,
    pub architecture: String,
    pub description: String,
    pub status: i64,
    pub status_message: Option<String>,
    pub status_action: Option<String>,
    pub power_state: String,
    pub power_type: String,
    pub power_parameters: Map<String, Value>,
    pub owner: Option<String>,
    pub agent_name: String,
    pub owner_data: BTreeMap<String, String>,
    pub tags: BTreeSet<String>,
    pub zone: String,
    pub pool: i64,
    pub locked: bool,
    pub netboot: bool,
    pub osystem: String,
    pub distro_series: String,
    pub hwe_kernel: Option<String>,
    pub user_data: Option<String>,
    pub interfaces: Vec<Interface>,
    /// What commissioning will find.
    pub hardware: Hardware,
    /// Whether it has been found.
    pub known: bool,
    pub hardware_uuid: Option<String>,
    pub commissioning_status: i64,
    pub testing_status: i64,
    pub commissioning_set: Option<i64>,
    pub testing_set: Option<i64>,
    pub installation_set: Option<i64>,
    pub vm_host: Option<i64>,
    pub instance: Option<String>,
    /// Composed by `allocate`: releasing it deletes it.
    pub dynamic: bool,
    pub keep_on: bool,
    pub wants_tests: bool,
    pub fail_next: bool,
    pub aborting: bool,
    pub erasing: bool,
    /// What happens when, next.
    pub due: Option<(Duration, Next)>,
    /// A power action to be done, and since when.
    pub power: Option<PowerAction>,
    pub power_busy_until: Duration,
    pub previous_status: i64,
}

/// What a machine's due time brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Next {
    Commissioned,
    Tested,
    Deployed,
    Released,
    Erased,
    Aborted,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hardware {
    pub cores: u64,
    pub memory_mb: u64,
    pub disks: Vec<u64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub id: i64,
    pub name: String,
    pub kind: String,
    pub mac: String,
    pub vlan: Option<i64>,
    pub links: Vec<Link>,
    pub parents: Vec<i64>,
    pub params: Map<String, Value>,
    pub discovered: Option<(String, i64)>,
    pub tags: Vec<String>,
    pub found: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Link {
    pub id: i64,
    pub mode: String,
    pub subnet: Option<i64>,
    pub ip: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Enlisting {
    pub due: Duration,
    pub spec: super::types::MachineSpec,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct VmHost {
    pub id: i64,
    pub name: String,
    pub kind: String,
    pub tags: Vec<String>,
    pub parameters: Map<String, Value>,
    pub zone: String,
    pub pool: i64,
    pub cpu_ratio: f64,
    pub memory_ratio: f64,
    /// What it has, once it was reached.
    pub resources: Option<HostResources>,
    /// From when on that is known.
    pub ready_at: Duration,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Event {
    pub id: i64,
    pub node: String,
    pub hostname: String,
    pub username: String,
    pub level: String,
    pub at: Duration,
    pub kind: String,
    pub description: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ResultSet {
    pub id: i64,
    pub node: String,
    /// 0 commissioning, 1 installation, 2 testing.
    pub kind: i64,
    /// 0 pending, 1 running, 2 passed, 3 failed, 5 aborted.
    pub status: i64,
    pub started: Option<Duration>,
    pub ended: Option<Duration>,
    pub scripts: Vec<(i64, String)>,
}
