//! The operations, a file for each part of MAAS.

mod account;
mod boot;
mod config;
mod controllers;
mod events;
mod interfaces;
mod machines;
mod network;
mod tags;
mod vmhosts;
mod zones;

pub use account::*;
pub use boot::*;
pub use config::*;
pub use controllers::*;
pub use events::*;
pub use interfaces::*;
pub use machines::*;
pub use network::*;
pub use tags::*;
pub use vmhosts::*;
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
    /// VM hosts.
    vm_hosts -> VmHosts;
    /// Zones.
    zones -> Zones;
    /// Resource pools.
    resource_pools -> ResourcePools;
    /// Neighbours seen on the network.
    discoveries -> Discoveries;
}
