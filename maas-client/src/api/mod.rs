//! The operations, a file for each part of MAAS.

mod account;
mod boot;
mod config;
mod controllers;
mod devices;
mod dns;
mod events;
mod interfaces;
mod keys;
mod machines;
mod more_nodes;
mod network;
mod storage;
mod tags;
mod upkeep;
mod vmhosts;
mod volumes;
mod zones;

pub use account::*;
pub use boot::*;
pub use config::*;
pub use controllers::*;
pub use devices::*;
pub use dns::*;
pub use events::*;
pub use interfaces::*;
pub use keys::*;
pub use machines::*;
pub use more_nodes::*;
pub use network::*;
pub use storage::*;
pub use tags::*;
pub use upkeep::*;
pub use vmhosts::*;
pub use volumes::*;
pub use zones::*;

use crate::Client;

macro_rules! entries {
    ($($(#[$meta:meta])* $name:ident -> $handle:ident;)*) => {
        impl Client {
            $(
                $(#[$meta])*
                pub fn $name(&self) -> $handle {
                    $handle(self.clone())
                }
            )*
        }
    };
}

entries! {
    /// The user's own account: tokens.
    account -> Account;
    /// Users.
    users -> Users;
    /// The user's SSH keys.
    ssh_keys -> SshKeys;
    /// The region's configuration.
    config -> Config;
    /// Where images come from, and which are imported.
    boot_sources -> BootSources;
    /// The images.
    boot_resources -> BootResources;
    /// Rack controllers.
    racks -> Racks;
    /// Region controllers.
    regions -> Regions;
    /// Fabrics and their VLANs.
    fabrics -> Fabrics;
    /// VLANs by their id.
    vlans -> Vlans;
    /// Subnets.
    subnets -> Subnets;
    /// IP ranges.
    ip_ranges -> IpRanges;
    /// Spaces.
    spaces -> Spaces;
    /// Static routes.
    static_routes -> StaticRoutes;
    /// Tags.
    tags -> Tags;
    /// Machines.
    machines -> Machines;
    /// Interfaces of nodes.
    interfaces -> Interfaces;
    /// Script results of nodes.
    results -> Results;
    /// Events.
    events -> EventLog;
    /// Zones.
    zones -> Zones;
    /// Resource pools.
    resource_pools -> ResourcePools;
    /// Neighbours seen on the network.
    discoveries -> Discoveries;
    /// SSL keys of the user.
    ssl_keys -> SslKeys;
    /// Licence keys of operating systems.
    licence_keys -> LicenceKeys;
    /// Devices: what has addresses and names here, but is not deployed.
    devices -> Devices;
    /// Nodes of every kind.
    nodes -> Nodes;
    /// DNS domains.
    domains -> Domains;
    /// Names with addresses.
    dns_resources -> DnsResources;
    /// DNS records of any type.
    dns_records -> DnsRecords;
    /// Pieces of the DHCP server's configuration.
    dhcp_snippets -> DhcpSnippets;
    /// Addresses reserved by users.
    ip_addresses -> IpAddresses;
    /// Networks of MAAS before 1.9, which answers for them only with an error.
    networks -> Networks;
    /// Commissioning and testing scripts.
    scripts -> Scripts;
    /// Commissioning scripts as before 2.3.
    commissioning_scripts -> CommissioningScripts;
    /// Results as before 2.0.
    installation_results -> InstallationResults;
    /// Files that users keep in MAAS.
    files -> Files;
    /// Messages to users.
    notifications -> Notifications;
    /// Where deployed machines get packages.
    package_repositories -> PackageRepositories;
    /// Block devices of nodes.
    block_devices -> BlockDevices;
    /// Partitions of block devices.
    partitions -> Partitions;
    /// LVM volume groups.
    volume_groups -> VolumeGroups;
    /// Software RAIDs.
    raids -> Raids;
    /// Bcache devices.
    bcaches -> Bcaches;
    /// Cache sets of bcaches.
    cache_sets -> CacheSets;
    /// VMFS datastores.
    vmfs_datastores -> VmfsDatastores;
    /// Clusters of VM hosts.
    vm_clusters -> VmClusters;
}
