//! `machines`, `ipmi`: the racked machines and how their BMCs are reached.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::error::FaultKind;
use crate::config::kinds::{ARCHITECTURE, FLAG, HOSTNAME, IPMI_USER, MAC, PORT, SUITE, TAG, TEXT};
use crate::config::net::span;
use crate::config::reader::{Scalar, Section};
use crate::config::value::Secret;

/// One of `machines`: a racked compute node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Machine {
    /// `name`: its host name in MAAS.
    pub name: String,
    /// `bmc`: how its power is reached.
    pub bmc: Bmc,
    /// `boot_mac`: the MAC of the NIC that it boots from, lower-case with colons. With it a machine is recognised
    /// whatever address it gets; without it by its BMC.
    pub boot_mac: Option<String>,
    /// `arch`: architecture in MAAS's words. Default `amd64/generic`.
    pub arch: String,
    /// `tags` besides `compute.tag`.
    pub tags: Vec<String>,
}

/// `machines[].bmc`: a BMC, with what `ipmi` says where the machine itself says nothing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Bmc {
    /// `address`: `ip`, `ip:port` or `[ipv6]:port`; the port is `ipmi.port` if left out.
    pub address: SocketAddr,
    /// `user`. Default `ipmi.user`.
    pub user: String,
    /// `password`. Default `ipmi.password`.
    pub password: Secret,
    /// `kg`: the BMC key for two-key logins, seldom set. Default `ipmi.kg`.
    pub kg: Option<Secret>,
    /// `suites`: cipher suites to try, in that order. Default `ipmi.suites`.
    pub suites: Vec<u8>,
    /// `privilege` to ask for. Default `ipmi.privilege`.
    pub privilege: Privilege,
    /// `uefi`: whether it boots by UEFI, which the boot flags must say. Default `ipmi.uefi`.
    pub uefi: bool,
}

/// `ipmi`: what holds for all BMCs, and where to look for those that `machines` does not name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ipmi {
    /// `user`: no default. None only if every machine brings its own.
    pub user: Option<String>,
    /// `password`: no default. None only if every machine brings its own.
    pub password: Option<Secret>,
    /// `kg`: the BMC key for two-key logins.
    pub kg: Option<Secret>,
    /// `port`: UDP. Default 623.
    pub port: u16,
    /// `suites`: cipher suites to try, in that order. Default 17, then 3.
    pub suites: Vec<u8>,
    /// `privilege` to ask for. Default operator, which is enough for power and boot device.
    pub privilege: Privilege,
    /// `uefi`: whether the machines boot by UEFI. Default false.
    pub uefi: bool,
    /// `ranges`: where BMCs are, rack by rack. Empty, and no `machines` either: the leases of MAAS's subnet that
    /// answer an RMCP ping.
    pub ranges: Vec<BmcRange>,
}

/// One of `ipmi.ranges`: addresses, first to last inclusive; written as `from` and `to`, or as `cidr` (then without
/// its network and broadcast addresses).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BmcRange {
    /// `rack`: a name for the people who read the report.
    pub rack: Option<String>,
    /// The first address.
    pub from: IpAddr,
    /// The last address.
    pub to: IpAddr,
}

/// `privilege` of an IPMI session. Source: IPMI v2.0, table 13-17 (requested maximum privilege level).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Privilege {
    /// May read.
    User,
    /// May read, and switch power and boot device.
    Operator,
    /// May change everything.
    Administrator,
}

/// More addresses than this in one range were not meant: a ping to each takes too long.
const MOST_ADDRESSES: u128 = 65_536;

const PRIVILEGE: Scalar<Privilege> = Scalar {
    expected: "user, operator or administrator",
    parse: |text| match text.to_ascii_lowercase().as_str() {
        "user" => Some(Privilege::User),
        "operator" => Some(Privilege::Operator),
        "administrator" | "admin" => Some(Privilege::Administrator),
        _ => None,
    },
};

impl Ipmi {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let ipmi = root.section("ipmi");
        let user = ipmi.optional("user", &IPMI_USER);
        let password = ipmi_secret(&ipmi, "password");
        let kg = ipmi_secret(&ipmi, "kg");
        let port = ipmi.or("port", &PORT, 623);
        let suites = ipmi.list("suites", &SUITE);
        let privilege = ipmi.or("privilege", &PRIVILEGE, Privilege::Operator);
        let uefi = ipmi.or("uefi", &FLAG, false);
        let ranges = read_ranges(&ipmi);

        let lacks_user = user.as_ref().is_some_and(Option::is_none);
        let lacks_password = password.as_ref().is_some_and(Option::is_none);
        let machines = root.value("machines");
        let needs = |key: &str| match &machines {
            None => true,
            Some(machines) => machines.items().iter().any(|machine| {
                machine
                    .node
                    .get("bmc")
                    .is_none_or(|bmc| bmc.value.get(key).is_none())
            }),
        };
        if !ipmi.is_broken() && (lacks_user && needs("user") || lacks_password && needs("password"))
        {
            say_credentials(
                &ipmi,
                lacks_user && needs("user"),
                lacks_password && needs("password"),
            );
            return None;
        }
        let suites = suites?;
        Some(Self {
            user: user?,
            password: password?,
            kg: kg?,
            port: port?,
            suites: if suites.is_empty() {
                vec![17, 3]
            } else {
                suites
            },
            privilege: privilege?,
            uefi: uefi?,
            ranges: ranges?,
        })
    }
}

/// There is no default: the thesis's root/root opens a rack to everybody.
fn say_credentials(ipmi: &Section<'_>, user: bool, password: bool) {
    let mut lines = "add these lines, with what your BMCs are set to:\nipmi:".to_owned();
    if user {
        lines.push_str("\n  user: root");
    }
    if password {
        lines.push_str("\n  password: env:IPMI_PASSWORD");
    }
    let (key, expected) = match (user, password) {
        (true, true) => ("user", "the BMCs' user and password; there is no default"),
        (true, false) => ("user", "the BMCs' user; there is no default"),
        _ => ("password", "the BMCs' password; there is no default"),
    };
    ipmi.missing(key, expected, Some(&lines));
}

/// Source: IPMI v2.0, 22.30 and 13.31: passwords and keys have 20 bytes.
#[allow(clippy::option_option)] // The two absences are what the caller must tell apart.
fn ipmi_secret(section: &Section<'_>, key: &str) -> Option<Option<Secret>> {
    let secret = section.optional_secret(key)?;
    let hex_kg = |text: &str| key == "kg" && text.len() == 42 && text.starts_with("0x");
    if secret
        .as_ref()
        .is_some_and(|secret| secret.expose().len() > 20 && !hex_kg(secret.expose()))
    {
        section.fault(
            key,
            FaultKind::Invalid,
            "a secret of more than 20 bytes",
            "at most 20 bytes, as IPMI has",
        );
        return None;
    }
    Some(secret)
}

fn read_ranges(ipmi: &Section<'_>) -> Option<Vec<BmcRange>> {
    let sections = ipmi.each("ranges");
    let ranges: Vec<Option<BmcRange>> = sections.iter().map(read_range).collect();
    for (index, range) in ranges.iter().enumerate() {
        let Some(range) = range else { continue };
        let earlier = ranges.iter().take(index).flatten();
        let overlap = earlier
            .clone()
            .position(|other| range.from <= other.to && other.from <= range.to);
        if let (Some(other), Some(section)) = (overlap, sections.get(index)) {
            let found = format!(
                "{} - {}, which overlaps ipmi.ranges[{other}]",
                range.from, range.to
            );
            let key = if section.has("cidr") { "cidr" } else { "from" };
            section.fault(
                key,
                FaultKind::Conflict,
                found,
                "ranges that do not overlap",
            );
            return None;
        }
    }
    ranges.into_iter().collect()
}

fn read_range(range: &Section<'_>) -> Option<BmcRange> {
    let rack = range.optional("rack", &TEXT);
    if range.has("cidr") {
        let cidr = range.required("cidr", &NETWORK)?;
        let hosts = cidr.hosts();
        let (from, to) = match (cidr, hosts) {
            (IpNet::V4(net), _) if net.prefix_len() < 31 => {
                let first = u32::from(net.network()) + 1;
                let last = u32::from(net.broadcast()) - 1;
                (IpAddr::V4(first.into()), IpAddr::V4(last.into()))
            }
            (net, _) => (net.network(), net.broadcast()),
        };
        return checked_range(range, "cidr", rack?, from, to);
    }
    let from = range.required("from", &crate::config::kinds::ADDRESS);
    let to = range.required("to", &crate::config::kinds::ADDRESS);
    // Named so that `cidr` is a known key here too.
    let _ = range.value("cidr");
    checked_range(range, "to", rack?, from?, to?)
}

fn checked_range(
    section: &Section<'_>,
    key: &str,
    rack: Option<String>,
    from: IpAddr,
    to: IpAddr,
) -> Option<BmcRange> {
    match span(from, to) {
        Some(count) if count <= MOST_ADDRESSES => Some(BmcRange { rack, from, to }),
        Some(count) => {
            let found = format!("{count} addresses");
            section.fault(
                key,
                FaultKind::Invalid,
                found,
                "at most 65536 addresses a range",
            );
            None
        }
        None => {
            let found = format!("{from} to {to}");
            section.fault(
                key,
                FaultKind::Conflict,
                found,
                "`to` after `from`, of the same family",
            );
            None
        }
    }
}

const NETWORK: Scalar<IpNet> = Scalar {
    expected: "a subnet such as 10.43.1.0/24, its host bits zero",
    parse: |text| {
        text.parse()
            .ok()
            .filter(|net: &IpNet| net.network() == net.addr())
    },
};

impl Machine {
    /// All machines, and that no two share a name, a BMC or a MAC.
    pub(crate) fn read_all(root: &Section<'_>, ipmi: Option<&Ipmi>) -> Option<Vec<Self>> {
        let sections = root.each("machines");
        let machines: Vec<Option<Self>> = sections.iter().map(|m| Self::read(m, ipmi)).collect();
        let mut sound = true;
        let mut twice = |index: usize, key: &str, what: String, other: Option<usize>| {
            if let (Some(other), Some(section)) = (other, sections.get(index)) {
                let found = format!("{what}, which is machines[{other}]'s");
                section.fault(
                    key,
                    FaultKind::Conflict,
                    found,
                    "one of its own for each machine",
                );
                sound = false;
            }
        };
        for (index, machine) in machines.iter().enumerate() {
            let Some(machine) = machine else { continue };
            let earlier = |same: &dyn Fn(&Self) -> bool| {
                machines
                    .iter()
                    .take(index)
                    .position(|other| other.as_ref().is_some_and(same))
            };
            let name = earlier(&|other| other.name == machine.name);
            twice(index, "name", format!("`{}`", machine.name), name);
            let bmc = earlier(&|other| other.bmc.address == machine.bmc.address);
            twice(
                index,
                "bmc.address",
                format!("`{}`", machine.bmc.address),
                bmc,
            );
            if let Some(mac) = &machine.boot_mac {
                let same = earlier(&|other| other.boot_mac.as_ref() == Some(mac));
                twice(index, "boot_mac", format!("`{mac}`"), same);
            }
        }
        if sound {
            machines.into_iter().collect()
        } else {
            None
        }
    }

    fn read(machine: &Section<'_>, ipmi: Option<&Ipmi>) -> Option<Self> {
        let name = machine.required("name", &HOSTNAME);
        let boot_mac = machine.optional("boot_mac", &MAC);
        let arch = machine.or("arch", &ARCHITECTURE, "amd64/generic".to_owned());
        let tags = machine.list("tags", &TAG);
        let bmc = Bmc::read(&machine.section("bmc"), ipmi);
        let arch = arch.map(|arch| {
            if arch.contains('/') {
                arch
            } else {
                format!("{arch}/generic")
            }
        });
        Some(Self {
            name: name?,
            bmc: bmc?,
            boot_mac: boot_mac?,
            arch: arch?,
            tags: tags?,
        })
    }
}

impl Bmc {
    fn read(bmc: &Section<'_>, ipmi: Option<&Ipmi>) -> Option<Self> {
        let address = bmc.required("address", &BMC_ADDRESS);
        let user = bmc.optional("user", &IPMI_USER);
        let password = ipmi_secret(bmc, "password");
        let kg = ipmi_secret(bmc, "kg");
        let suites = bmc.list("suites", &SUITE);
        let privilege = bmc.optional("privilege", &PRIVILEGE);
        let uefi = bmc.optional("uefi", &FLAG);
        // Without a sound `ipmi` the whole is refused anyway.
        let ipmi = ipmi?;
        let (ip, port) = address?;
        let suites = suites?;
        Some(Self {
            address: SocketAddr::new(ip, port.unwrap_or(ipmi.port)),
            user: user?.or_else(|| ipmi.user.clone())?,
            password: password?.or_else(|| ipmi.password.clone())?,
            kg: kg?.or_else(|| ipmi.kg.clone()),
            suites: if suites.is_empty() {
                ipmi.suites.clone()
            } else {
                suites
            },
            privilege: privilege?.unwrap_or(ipmi.privilege),
            uefi: uefi?.unwrap_or(ipmi.uefi),
        })
    }
}

const BMC_ADDRESS: Scalar<(IpAddr, Option<u16>)> = Scalar {
    expected: "an IP address, or ip:port, or [ipv6]:port",
    parse: |text| {
        let alone = text.parse().ok().map(|ip| (ip, None));
        let with_port = || {
            text.parse()
                .ok()
                .map(|at: SocketAddr| (at.ip(), Some(at.port())))
        };
        alone
            .or_else(with_port)
            .filter(|(_, port)| *port != Some(0))
    },
};
