//! DNS, DHCP snippets and addresses.

use crate::error::Result;
use crate::ids::{DhcpSnippetId, DnsRecordId, DnsResourceId, DomainId, SystemId};
use crate::macros::{at, handle};
use crate::model::{ConnectedMac, DhcpSnippet, DnsRecord, DnsResource, Domain, IpAddress, Network};
use crate::params::params;

params! {
    /// What a domain has.
    DomainParams {
        /// Its name.
        name: String,
        /// Whether MAAS answers for it.
        authoritative: bool,
        /// Servers to ask for it where MAAS does not.
        forward_dns_servers: String,
        /// Its time to live in seconds.
        ttl: u32,
    }
}

params! {
    /// Which names or records to list.
    DnsFilter {
        /// Of this domain.
        domain: String,
        /// Of this name.
        name: String,
        /// Of this type.
        rrtype: String,
        /// Those of nodes too.
        all: bool,
    }
}

params! {
    /// What a name has.
    DnsResourceParams {
        /// The name with its domain.
        fqdn: String,
        /// The name.
        name: String,
        /// Its domain.
        domain: String,
        /// Its time to live in seconds.
        address_ttl: u32,
        /// Its addresses, separated by spaces.
        ip_addresses: String,
    }
}

params! {
    /// What a record has.
    DnsRecordParams {
        /// The name with its domain.
        fqdn: String,
        /// The name.
        name: String,
        /// Its domain.
        domain: String,
        /// Its type.
        rrtype: String,
        /// Its data.
        rrdata: String,
        /// Its time to live in seconds.
        ttl: u32,
    }
}

params! {
    /// What a DHCP snippet has.
    DhcpSnippetParams {
        /// Its name.
        name: String,
        /// The configuration.
        value: String,
        /// Free text.
        description: String,
        /// Whether it is used.
        enabled: bool,
        /// The node it holds for.
        node: SystemId,
        /// The subnet it holds for.
        subnet: String,
        /// The range it holds for.
        iprange: String,
        /// Whether it holds everywhere.
        global_snippet: bool,
    }
}

params! {
    /// Which addresses to list.
    IpAddressFilter {
        /// This address.
        ip: String,
        /// Everybody's, of every kind.
        all: bool,
        /// Of this user.
        owner: String,
    }
}

params! {
    /// The address that is wanted.
    ReserveParams {
        /// In this subnet; MAAS chooses when no address is given.
        subnet: String,
        /// This address.
        ip: String,
        /// A name for it.
        hostname: String,
        /// The MAC address that is to have it.
        mac: String,
    }
}

params! {
    /// How to give an address back.
    ReleaseAddressParams {
        /// Even somebody else's.
        force: bool,
        /// One that was only seen.
        discovered: bool,
    }
}

params! {
    /// What a network has.
    NetworkParams {
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

handle! {
    /// DNS domains.
    Domains
}

impl Domains {
    /// All domains.
    pub async fn list(&self) -> Result<Vec<Domain>> {
        self.get("domains/").json().await
    }

    /// Makes a domain.
    pub async fn create(&self, params: &DomainParams) -> Result<Domain> {
        self.post("domains/").params(params).json().await
    }

    /// One domain.
    pub async fn read(&self, id: DomainId) -> Result<Domain> {
        self.get(at!["domains", id]).json().await
    }

    /// Changes a domain.
    pub async fn update(&self, id: DomainId, params: &DomainParams) -> Result<Domain> {
        self.put(at!["domains", id]).params(params).json().await
    }

    /// Deletes a domain.
    pub async fn delete(&self, id: DomainId) -> Result<()> {
        self.del(at!["domains", id]).empty().await
    }

    /// Sets the serial number of the zones.
    pub async fn set_serial(&self, serial: u32) -> Result<()> {
        self.post("domains/")
            .op("set_serial")
            .form("serial", serial)
            .empty()
            .await
    }

    /// Gives the domain to new nodes.
    pub async fn set_default(&self, id: DomainId) -> Result<Domain> {
        self.post(at!["domains", id]).op("set_default").json().await
    }
}

handle! {
    /// Names with addresses.
    DnsResources
}

impl DnsResources {
    /// The names that pass the filter.
    pub async fn list(&self, params: &DnsFilter) -> Result<Vec<DnsResource>> {
        self.get("dnsresources/").query_params(params).json().await
    }

    /// Makes a name.
    pub async fn create(&self, params: &DnsResourceParams) -> Result<DnsResource> {
        self.post("dnsresources/").params(params).json().await
    }

    /// One name.
    pub async fn read(&self, id: DnsResourceId) -> Result<DnsResource> {
        self.get(at!["dnsresources", id]).json().await
    }

    /// Changes a name.
    pub async fn update(
        &self,
        id: DnsResourceId,
        params: &DnsResourceParams,
    ) -> Result<DnsResource> {
        self.put(at!["dnsresources", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a name.
    pub async fn delete(&self, id: DnsResourceId) -> Result<()> {
        self.del(at!["dnsresources", id]).empty().await
    }
}

handle! {
    /// DNS records of any type.
    DnsRecords
}

impl DnsRecords {
    /// The records that pass the filter.
    pub async fn list(&self, params: &DnsFilter) -> Result<Vec<DnsRecord>> {
        self.get("dnsresourcerecords/")
            .query_params(params)
            .json()
            .await
    }

    /// Makes a record.
    pub async fn create(&self, params: &DnsRecordParams) -> Result<DnsRecord> {
        self.post("dnsresourcerecords/").params(params).json().await
    }

    /// One record.
    pub async fn read(&self, id: DnsRecordId) -> Result<DnsRecord> {
        self.get(at!["dnsresourcerecords", id]).json().await
    }

    /// Changes a record.
    pub async fn update(&self, id: DnsRecordId, params: &DnsRecordParams) -> Result<DnsRecord> {
        self.put(at!["dnsresourcerecords", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a record.
    pub async fn delete(&self, id: DnsRecordId) -> Result<()> {
        self.del(at!["dnsresourcerecords", id]).empty().await
    }
}

handle! {
    /// Pieces of the DHCP server's configuration.
    DhcpSnippets
}

impl DhcpSnippets {
    /// All snippets.
    pub async fn list(&self) -> Result<Vec<DhcpSnippet>> {
        self.get("dhcp-snippets/").json().await
    }

    /// Makes a snippet.
    pub async fn create(&self, params: &DhcpSnippetParams) -> Result<DhcpSnippet> {
        self.post("dhcp-snippets/").params(params).json().await
    }

    /// One snippet.
    pub async fn read(&self, id: DhcpSnippetId) -> Result<DhcpSnippet> {
        self.get(at!["dhcp-snippets", id]).json().await
    }

    /// Changes a snippet.
    pub async fn update(
        &self,
        id: DhcpSnippetId,
        params: &DhcpSnippetParams,
    ) -> Result<DhcpSnippet> {
        self.put(at!["dhcp-snippets", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a snippet.
    pub async fn delete(&self, id: DhcpSnippetId) -> Result<()> {
        self.del(at!["dhcp-snippets", id]).empty().await
    }

    /// Takes an older version again: its id, or how many steps back as a negative number.
    pub async fn revert(&self, id: DhcpSnippetId, to: i64) -> Result<DhcpSnippet> {
        self.post(at!["dhcp-snippets", id])
            .op("revert")
            .form("to", to)
            .json()
            .await
    }
}

handle! {
    /// Addresses reserved by users.
    IpAddresses
}

impl IpAddresses {
    /// The user's addresses, or with `all` everybody's.
    pub async fn list(&self, params: &IpAddressFilter) -> Result<Vec<IpAddress>> {
        self.get("ipaddresses/").query_params(params).json().await
    }

    /// Reserves an address. One that is in use is a 404.
    pub async fn reserve(&self, params: &ReserveParams) -> Result<IpAddress> {
        self.post("ipaddresses/")
            .op("reserve")
            .params(params)
            .json()
            .await
    }

    /// Gives an address back.
    pub async fn release(&self, ip: &str, params: &ReleaseAddressParams) -> Result<()> {
        self.post("ipaddresses/")
            .op("release")
            .form("ip", ip)
            .params(params)
            .empty()
            .await
    }
}

handle! {
    /// Networks of MAAS before 1.9, which answers for them only with an error.
    Networks
}

impl Networks {
    /// All networks.
    pub async fn list(&self) -> Result<Vec<Network>> {
        self.get("networks/").json().await
    }

    /// Makes a network.
    pub async fn create(&self, params: &NetworkParams) -> Result<Network> {
        self.post("networks/").params(params).json().await
    }

    /// One network.
    pub async fn read(&self, name: &str) -> Result<Network> {
        self.get(at!["networks", name]).json().await
    }

    /// Changes a network.
    pub async fn update(&self, name: &str, params: &NetworkParams) -> Result<Network> {
        self.put(at!["networks", name]).params(params).json().await
    }

    /// Deletes a network.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.del(at!["networks", name]).empty().await
    }

    /// Connects MAC addresses.
    pub async fn connect_macs(&self, name: &str, macs: &[String]) -> Result<()> {
        self.post(at!["networks", name])
            .op("connect_macs")
            .form("macs", macs)
            .empty()
            .await
    }

    /// Disconnects MAC addresses.
    pub async fn disconnect_macs(&self, name: &str, macs: &[String]) -> Result<()> {
        self.post(at!["networks", name])
            .op("disconnect_macs")
            .form("macs", macs)
            .empty()
            .await
    }

    /// The MAC addresses connected.
    pub async fn list_connected_macs(&self, name: &str) -> Result<Vec<ConnectedMac>> {
        self.get(at!["networks", name])
            .op("list_connected_macs")
            .json()
            .await
    }
}
