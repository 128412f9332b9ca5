//! Names, reserved addresses, pieces of DHCP's configuration, and networks as they were once.

use crate::ids::{DhcpSnippetId, DnsRecordId, DnsResourceId};
use crate::macros::model;
use crate::model::{Interface, NodeRef, Revision, Subnet, User};

model! {
    /// A name with addresses.
    DnsResource {
        [
            /// Its id.
            id: DnsResourceId,
        ]
        /// The name with the domain.
        fqdn: String,
        /// Its time to live in seconds.
        address_ttl: Option<u32>,
        /// Its addresses.
        ip_addresses: Vec<IpAddress>,
        /// Its records of other types.
        resource_records: Vec<DnsRecord>,
    }
}

model! {
    /// A DNS record.
    DnsRecord {
        [
            /// Its id.
            id: DnsRecordId,
        ]
        /// The name with the domain.
        fqdn: String,
        /// Its type.
        rrtype: String,
        /// Its data.
        rrdata: String,
        /// Its time to live in seconds.
        ttl: Option<u32>,
    }
}

model! {
    /// A reserved address.
    IpAddress {
        [
            /// The address.
            ip: String,
        ]
        /// How it is allocated, as a number.
        alloc_type: i64,
        /// The same in words.
        alloc_type_name: String,
        /// When it came to be.
        created: String,
        /// Its subnet.
        subnet: Option<Subnet>,
        /// Whose it is.
        owner: Option<User>,
        /// The interfaces that have it.
        interface_set: Vec<Interface>,
    }
}

model! {
    /// A piece of the DHCP server's configuration.
    DhcpSnippet {
        [
            /// Its id.
            id: DhcpSnippetId,
        ]
        /// Its name.
        name: String,
        /// The configuration.
        value: String,
        /// Free text.
        description: String,
        /// Whether it is used.
        enabled: bool,
        /// Whether it holds everywhere.
        global_snippet: bool,
        /// The node it holds for.
        node: Option<NodeRef>,
        /// The subnet it holds for.
        subnet: Option<Subnet>,
        /// Its older versions.
        history: Vec<Revision>,
    }
}

model! {
    /// A network, as before MAAS 1.9.
    Network {
        /// Its name.
        name: String,
        /// Its address.
        ip: String,
        /// Its mask.
        netmask: String,
        /// Free text.
        description: String,
    }
}

model! {
    /// A MAC address in a network.
    ConnectedMac {
        /// The address.
        mac_address: String,
    }
}
