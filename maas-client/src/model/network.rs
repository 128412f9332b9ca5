//! Fabrics, VLANs, subnets, ranges, spaces, domains.

use crate::ids::{
    DomainId, FabricId, IpRangeId, SpaceId, StaticRouteId, SubnetId, SystemId, VlanId,
};
use crate::macros::model;
use crate::model::{IpRangeType, User};

model! {
    /// A fabric: VLANs that reach each other.
    Fabric {
        [
            /// Its id.
            id: FabricId,
        ]
        /// Its name.
        name: String,
        /// Free text for the class of its hardware.
        class_type: Option<String>,
        /// Its VLANs.
        vlans: Vec<Vlan>,
    }
}

model! {
    /// A VLAN.
    Vlan {
        [
            /// Its id.
            id: VlanId,
        ]
        /// Its tag on the wire; 0 is untagged.
        vid: u16,
        /// Its name.
        name: String,
        /// Its MTU in bytes.
        mtu: u32,
        /// Whether MAAS serves DHCP in it.
        dhcp_on: bool,
        /// Another DHCP server that was seen.
        external_dhcp: Option<String>,
        /// The VLAN that DHCP is relayed to.
        relay_vlan: Option<Box<Vlan>>,
        /// The fabric's name.
        fabric: String,
        /// The fabric.
        fabric_id: FabricId,
        /// The rack that serves it.
        primary_rack: Option<SystemId>,
        /// The rack that stands by.
        secondary_rack: Option<SystemId>,
        /// The space's name.
        space: String,
    }
}

model! {
    /// A subnet.
    Subnet {
        [
            /// Its id.
            id: SubnetId,
        ]
        /// Its network.
        cidr: String,
        /// Its name.
        name: String,
        /// Free text.
        description: String,
        /// Its VLAN.
        vlan: Option<Vlan>,
        /// Its gateway.
        gateway_ip: Option<String>,
        /// Its name servers.
        dns_servers: Vec<String>,
        /// 0 none, 1 enabled, 2 RFC 2317.
        rdns_mode: i64,
        /// Whether MAAS's DNS answers it.
        allow_dns: bool,
        /// Whether MAAS's proxy serves it.
        allow_proxy: bool,
        /// Whether MAAS scans it.
        active_discovery: bool,
        /// Whether MAAS hands out its addresses.
        managed: bool,
        /// Architectures that may not boot in it.
        disabled_boot_architectures: Vec<String>,
        /// The space's name.
        space: String,
    }
}

impl Subnet {
    /// Whether the address lies in it.
    pub fn contains(&self, ip: std::net::IpAddr) -> bool {
        self.cidr
            .parse::<ipnet::IpNet>()
            .is_ok_and(|net| net.contains(&ip))
    }
}

model! {
    /// How full a subnet is.
    SubnetStatistics {
        [
            /// Free addresses.
            num_available: u64,
            /// All addresses.
            total_addresses: u64,
        ]
        /// The largest free stretch.
        largest_available: u64,
        /// Used addresses.
        num_unavailable: u64,
        /// The used part, from 0 to 1.
        usage: f64,
        /// The same in words.
        usage_string: String,
        /// The free part in words.
        available_string: String,
        /// The first address.
        first_address: String,
        /// The last.
        last_address: String,
        /// 4 or 6.
        ip_version: u8,
        /// The ranges, where asked for.
        ranges: Vec<AddressRange>,
        /// A gateway MAAS would choose, where asked for.
        suggested_gateway: Option<String>,
    }
}

model! {
    /// A stretch of addresses.
    AddressRange {
        [
            /// The first.
            start: String,
            /// The last.
            end: String,
        ]
        /// How many.
        num_addresses: u64,
        /// What for (`gateway-ip`, `dynamic`, `reserved`, `assigned-ip`...).
        purpose: Vec<String>,
    }
}

model! {
    /// An address in use.
    SubnetIp {
        [
            /// The address.
            ip: String,
        ]
        /// 0 auto, 1 sticky, 4 reserved by a user, 5 a DHCP lease, 6 seen.
        alloc_type: i64,
        /// When it came to be.
        created: String,
        /// When it was last changed.
        updated: String,
        /// The node that has it.
        node_summary: Option<IpNode>,
        /// The user that reserved it.
        user: Option<String>,
    }
}

model! {
    /// The node that has an address.
    IpNode {
        /// Its id.
        system_id: Option<SystemId>,
        /// Its name.
        hostname: String,
        /// Its name with the domain.
        fqdn: String,
        /// What kind of node.
        node_type: i64,
        /// Whether it is a container.
        is_container: bool,
        /// The interface.
        via: Option<String>,
    }
}

model! {
    /// A dynamic or reserved range.
    IpRange {
        [
            /// Its id.
            id: IpRangeId,
            /// What for.
            r#type: IpRangeType,
            /// The first address.
            start_ip: String,
            /// The last.
            end_ip: String,
        ]
        /// The subnet.
        subnet: Option<Subnet>,
        /// Who made it.
        user: Option<User>,
        /// Free text.
        comment: String,
    }
}

model! {
    /// A space: subnets that may reach each other.
    Space {
        [
            /// Its id.
            id: SpaceId,
        ]
        /// Its name.
        name: String,
        /// Free text.
        description: String,
        /// Its VLANs.
        vlans: Vec<Vlan>,
        /// Its subnets.
        subnets: Vec<Subnet>,
    }
}

model! {
    /// A static route.
    StaticRoute {
        [
            /// Its id.
            id: StaticRouteId,
        ]
        /// Where from.
        source: Option<Subnet>,
        /// Where to.
        destination: Option<Subnet>,
        /// By which gateway.
        gateway_ip: String,
        /// Its metric.
        metric: i64,
    }
}

model! {
    /// A DNS domain.
    Domain {
        [
            /// Its id.
            id: DomainId,
        ]
        /// Its name.
        name: String,
        /// Whether MAAS answers for it.
        authoritative: bool,
        /// Its time to live in seconds.
        ttl: Option<u32>,
        /// Whether new nodes get it.
        is_default: bool,
        /// How many records it has.
        resource_record_count: u64,
    }
}

model! {
    /// A neighbour that was seen on the network.
    Discovery {
        [
            /// Its id (an opaque text).
            discovery_id: String,
        ]
        /// Its address.
        ip: Option<String>,
        /// Its MAC address.
        mac_address: Option<String>,
        /// The vendor of that MAC address.
        mac_organization: Option<String>,
        /// Its name, where one was seen.
        hostname: Option<String>,
        /// When it was first seen.
        first_seen: Option<String>,
        /// When it was last seen.
        last_seen: Option<String>,
    }
}
