//! The files of a new controller: Ubuntu 22.04 as an operator hands it over.

use std::fmt::Write as _;

use super::state::Link;
use super::{Inner, network};
use crate::host::Result;

pub(crate) const DPKG: &str = "/var/lib/dpkg/status";

pub(crate) async fn plant(inner: &Inner) -> Result<()> {
    inner.files.mkdir("/run", 0o755).await?;
    let hardware = inner.state().hardware.clone();
    inner
        .files
        .write("/run/lab-disk-mib", hardware.disk_mib.to_string(), None)
        .await?;
    if inner.state().seeded {
        return Ok(());
    }
    let netplan = format!(
        "# This file is generated from information provided by the datasource.\n\
        network:\n  version: 2\n  ethernets:\n\
        \x20   {}:\n      addresses: [{}]\n      routes:\n      - to: default\n        via: {}\n      nameservers: {{addresses: [192.0.2.53]}}\n\
        \x20   {}:\n      addresses: [{}]\n",
        hardware.external_nic,
        hardware.external_address,
        hardware.external_gateway,
        hardware.internal_nic,
        hardware.internal_address
    );
    let mut cpuinfo = String::new();
    for n in 0..hardware.cores {
        let _ = writeln!(cpuinfo, "processor\t: {n}\nmodel name\t: Lab CPU\n");
    }
    let memory = hardware.memory_mib * 1024;
    let files = &inner.files;
    files
        .write("/etc/netplan/50-cloud-init.yaml", netplan, Some(0o600))
        .await?;
    files
        .write("/etc/hostname", format!("{}\n", hardware.hostname), None)
        .await?;
    files
        .write(
            "/etc/os-release",
            "NAME=\"Ubuntu\"\nID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\n",
            None,
        )
        .await?;
    files
        .write("/etc/sysctl.conf", "#net.ipv4.ip_forward=1\n", None)
        .await?;
    files.write("/proc/cpuinfo", cpuinfo, None).await?;
    files
        .write(
            "/proc/meminfo",
            format!("MemTotal:       {memory} kB\nMemFree:        {memory} kB\n"),
            None,
        )
        .await?;
    files
        .write("/proc/sys/net/ipv4/ip_forward", "0\n", None)
        .await?;
    files
        .write("/proc/sys/net/ipv6/conf/all/forwarding", "0\n", None)
        .await?;
    files.write(DPKG, "Package: systemd\nStatus: install ok installed\nVersion: 249.11-0ubuntu3.12\n\nPackage: netplan.io\nStatus: install ok installed\nVersion: 0.106.1-7ubuntu0.22.04.2\n\n", None).await?;
    files.mkdir("/root", 0o700).await?;
    for folder in [
        "/etc/systemd/system",
        "/etc/sysctl.d",
        "/var/snap",
        "/snap",
        "/var/lib/cloudboot",
    ] {
        files.mkdir(folder, 0o755).await?;
    }
    {
        let mut state = inner.state();
        for (n, nic) in [&hardware.external_nic, &hardware.internal_nic]
            .into_iter()
            .enumerate()
        {
            let mac = format!("52:54:00:c0:00:{:02x}", n + 2);
            state.links.insert(
                nic.clone(),
                Link {
                    mac,
                    up: true,
                    ..Link::default()
                },
            );
        }
    }
    network::settle(inner).await?;
    inner.state().seeded = true;
    inner.changed();
    Ok(())
}
