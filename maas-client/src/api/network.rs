//! Fabrics, VLANs, subnets, ranges, spaces, routes.

use crate::error::Result;
use crate::ids::{FabricId, IpRangeId, SpaceId, StaticRouteId, SubnetId, SystemId, VlanId};
use crate::macros::{at, handle};
use crate::model::{
    AddressRange, Fabric, IpRange, IpRangeType, Space, StaticRoute, Subnet, SubnetIp,
    SubnetStatistics, Vlan,
};
use crate::params::params;

params! {
    /// What a fabric has.
    FabricParams {
        /// Its name.
        name: String,
        /// Free text.
        description: String,
        /// The class of its hardware.
        class_type: String,
    }
}

params! {
    /// What a VLAN has.
    VlanParams {
        /// Its name.
        name: String,
        /// Free text.
        description: String,
        /// Its tag on the wire (create, or to change it).
        vid: u16,
        /// Its MTU in bytes.
        mtu: u32,
        /// Whether MAAS serves DHCP in it; wants a dynamic range and a primary rack.
        dhcp_on: bool,
        /// The rack that serves it.
        primary_rack: SystemId,
        /// The rack that stands by.
        secondary_rack: SystemId,
        /// The VLAN to relay DHCP to; the empty text takes it away.
        relay_vlan: String,
        /// Its space, by id or name.
        space: String,
    }
}

handle! {
    /// Fabrics and their VLANs.
    Fabrics
}

impl Fabrics {
    /// All fabrics with their VLANs.
    pub async fn list(&self) -> Result<Vec<Fabric>> {
        self.get("fabrics/").json().await
    }

    /// Makes a fabric, with an untagged VLAN.
    pub async fn create(&self, params: &FabricParams) -> Result<Fabric> {
        self.post("fabrics/").params(params).json().await
    }

    /// One fabric.
    pub async fn read(&self, id: FabricId) -> Result<Fabric> {
        self.get(at!["fabrics", id]).json().await
    }

    /// Changes a fabric.
    pub async fn update(&self, id: FabricId, params: &FabricParams) -> Result<Fabric> {
        self.put(at!["fabrics", id]).params(params).json().await
    }

    /// Deletes a fabric.
    pub async fn delete(&self, id: FabricId) -> Result<()> {
        self.del(at!["fabrics", id]).empty().await
    }

    /// The VLANs of a fabric.
    pub async fn vlans(&self, fabric: FabricId) -> Result<Vec<Vlan>> {
        self.get(at!["fabrics", fabric, "vlans"]).json().await
    }

    /// Adds a VLAN with this tag.
    pub async fn create_vlan(
        &self,
        fabric: FabricId,
        vid: u16,
        params: &VlanParams,
    ) -> Result<Vlan> {
        self.post(at!["fabrics", fabric, "vlans"])
            .form("vid", vid)
            .params(params)
            .json()
            .await
    }

    /// The VLAN with this tag.
    pub async fn read_vlan(&self, fabric: FabricId, vid: u16) -> Result<Vlan> {
        self.get(at!["fabrics", fabric, "vlans", vid]).json().await
    }

    /// Changes the VLAN with this tag.
    pub async fn update_vlan(
        &self,
        fabric: FabricId,
        vid: u16,
        params: &VlanParams,
    ) -> Result<Vlan> {
        self.put(at!["fabrics", fabric, "vlans", vid])
            .params(params)
            .json()
            .await
    }

    /// Deletes the VLAN with this tag.
    pub async fn delete_vlan(&self, fabric: FabricId, vid: u16) -> Result<()> {
        self.del(at!["fabrics", fabric, "vlans", vid]).empty().await
    }
}

handle! {
    /// VLANs by their id.
    Vlans
}

impl Vlans {
    /// One VLAN.
    pub async fn read(&self, id: VlanId) -> Result<Vlan> {
        self.get(at!["vlans", id]).json().await
    }

    /// Changes a VLAN, such as to have DHCP served: `VlanParams::new().dhcp_on(true).primary_rack(&rack)`.
    pub async fn update(&self, id: VlanId, params: &VlanParams) -> Result<Vlan> {
        self.put(at!["vlans", id]).params(params).json().await
    }

    /// Deletes a VLAN.
    pub async fn delete(&self, id: VlanId) -> Result<()> {
        self.del(at!["vlans", id]).empty().await
    }
}

params! {
    /// What a subnet has.
    SubnetParams {
        /// Its network.
        cidr: String,
        /// Its name.
        name: String,
        /// Free text.
        description: String,
        /// Its VLAN.
        vlan: VlanId,
        /// Its fabric, with `vid`.
        fabric: FabricId,
        /// The tag of its VLAN in that fabric.
        vid: u16,
        /// Its space.
        space: String,
        /// Its gateway; the empty text takes it away.
        gateway_ip: String,
        /// Its name servers.
        dns_servers: Vec<String>,
        /// 0 none, 1 enabled, 2 RFC 2317.
        rdns_mode: i64,
        /// Whether MAAS's DNS answers it.
        allow_dns: bool,
        /// Whether MAAS's proxy serves it.
        allow_proxy: bool,
        /// Whether MAAS hands out its addresses.
        managed: bool,
        /// Whether MAAS scans it.
        active_discovery: bool,
        /// Architectures that may not boot in it.
        disabled_boot_architectures: Vec<String>,
    }
}

handle! {
    /// Subnets. One is named by its id, or where a text is taken by its CIDR.
    Subnets
}

impl Subnets {
    /// All subnets.
    pub async fn list(&self) -> Result<Vec<Subnet>> {
        self.get("subnets/").json().await
    }

    /// Makes a subnet.
    pub async fn create(&self, cidr: &str, params: &SubnetParams) -> Result<Subnet> {
        self.post("subnets/")
            .form("cidr", cidr)
            .params(params)
            .json()
            .await
    }

    /// One subnet.
    pub async fn read(&self, id: SubnetId) -> Result<Subnet> {
        self.get(at!["subnets", id]).json().await
    }

    /// The subnet of this CIDR (or of a specifier such as `cidr:10.0.0.0/24`, `name:pxe`).
    pub async fn read_by(&self, specifier: &str) -> Result<Subnet> {
        let mut path = String::from("subnets/");
        for part in specifier.split('/') {
            crate::macros::push_segment(&mut path, part);
            path.push('/');
        }
        self.get(path).json().await
    }

    /// Changes a subnet.
    pub async fn update(&self, id: SubnetId, params: &SubnetParams) -> Result<Subnet> {
        self.put(at!["subnets", id]).params(params).json().await
    }

    /// Deletes a subnet.
    pub async fn delete(&self, id: SubnetId) -> Result<()> {
        self.del(at!["subnets", id]).empty().await
    }

    /// How full it is.
    pub async fn statistics(&self, id: SubnetId) -> Result<SubnetStatistics> {
        self.get(at!["subnets", id]).op("statistics").json().await
    }

    /// How full it is, with its ranges and a gateway MAAS would choose.
    pub async fn statistics_with_ranges(&self, id: SubnetId) -> Result<SubnetStatistics> {
        self.get(at!["subnets", id])
            .op("statistics")
            .query("include_ranges", true)
            .query("include_suggestions", true)
            .json()
            .await
    }

    /// The stretches that are taken.
    pub async fn reserved_ip_ranges(&self, id: SubnetId) -> Result<Vec<AddressRange>> {
        self.get(at!["subnets", id])
            .op("reserved_ip_ranges")
            .json()
            .await
    }

    /// The stretches that are free.
    pub async fn unreserved_ip_ranges(&self, id: SubnetId) -> Result<Vec<AddressRange>> {
        self.get(at!["subnets", id])
            .op("unreserved_ip_ranges")
            .json()
            .await
    }

    /// The addresses in use, each with its node or user: DHCP leases are among them.
    pub async fn ip_addresses(&self, id: SubnetId) -> Result<Vec<SubnetIp>> {
        self.get(at!["subnets", id]).op("ip_addresses").json().await
    }
}

params! {
    /// What an IP range has.
    IpRangeParams {
        /// Its first address.
        start_ip: String,
        /// Its last address.
        end_ip: String,
        /// Its subnet; found by the addresses when it is not given.
        subnet: SubnetId,
        /// Free text.
        comment: String,
    }
}

handle! {
    /// Dynamic and reserved ranges.
    IpRanges
}

impl IpRanges {
    /// All ranges.
    pub async fn list(&self) -> Result<Vec<IpRange>> {
        self.get("ipranges/").json().await
    }

    /// Makes a range.
    pub async fn create(&self, kind: IpRangeType, params: &IpRangeParams) -> Result<IpRange> {
        self.post("ipranges/")
            .form("type", kind)
            .params(params)
            .json()
            .await
    }

    /// One range.
    pub async fn read(&self, id: IpRangeId) -> Result<IpRange> {
        self.get(at!["ipranges", id]).json().await
    }

    /// Changes a range.
    pub async fn update(&self, id: IpRangeId, params: &IpRangeParams) -> Result<IpRange> {
        self.put(at!["ipranges", id]).params(params).json().await
    }

    /// Deletes a range.
    pub async fn delete(&self, id: IpRangeId) -> Result<()> {
        self.del(at!["ipranges", id]).empty().await
    }
}

handle! {
    /// Spaces.
    Spaces
}

impl Spaces {
    /// All spaces.
    pub async fn list(&self) -> Result<Vec<Space>> {
        self.get("spaces/").json().await
    }

    /// Makes a space.
    pub async fn create(&self, name: &str, description: Option<&str>) -> Result<Space> {
        self.post("spaces/")
            .form("name", name)
            .form("description", description)
            .json()
            .await
    }

    /// One space.
    pub async fn read(&self, id: SpaceId) -> Result<Space> {
        self.get(at!["spaces", id]).json().await
    }

    /// Changes a space.
    pub async fn update(&self, id: SpaceId, params: &crate::NamedParams) -> Result<Space> {
        self.put(at!["spaces", id]).params(params).json().await
    }

    /// Deletes a space.
    pub async fn delete(&self, id: SpaceId) -> Result<()> {
        self.del(at!["spaces", id]).empty().await
    }
}

params! {
    /// What a static route has.
    StaticRouteParams {
        /// Where from.
        source: SubnetId,
        /// Where to.
        destination: SubnetId,
        /// By which gateway.
        gateway_ip: String,
        /// Its metric.
        metric: u32,
    }
}

handle! {
    /// Static routes.
    StaticRoutes
}

impl StaticRoutes {
    /// All routes.
    pub async fn list(&self) -> Result<Vec<StaticRoute>> {
        self.get("static-routes/").json().await
    }

    /// Makes a route.
    pub async fn create(&self, params: &StaticRouteParams) -> Result<StaticRoute> {
        self.post("static-routes/").params(params).json().await
    }

    /// One route.
    pub async fn read(&self, id: StaticRouteId) -> Result<StaticRoute> {
        self.get(at!["static-routes", id]).json().await
    }

    /// Changes a route.
    pub async fn update(
        &self,
        id: StaticRouteId,
        params: &StaticRouteParams,
    ) -> Result<StaticRoute> {
        self.put(at!["static-routes", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a route.
    pub async fn delete(&self, id: StaticRouteId) -> Result<()> {
        self.del(at!["static-routes", id]).empty().await
    }
}
