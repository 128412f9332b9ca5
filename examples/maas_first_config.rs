//! Makes a new MAAS region usable: DNS, images, an SSH key, a dynamic range, DHCP and the gateway.
//!
//! ```text
//! cargo run --example maas_first_config
//! cargo run --example maas_first_config -- --url http://10.0.0.1:5240/MAAS/ --user admin --password-file FILE \
//!     --gateway 10.0.0.1 --range 10.0.0.100-10.0.0.199 --ssh-key-file ~/.ssh/id_ed25519.pub
//! ```
//!
//! What stands already is left as it is: it may be run again.

#[path = "common/maas.rs"]
mod maas;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use maas_client::{
    Client, IpRangeParams, IpRangeType, SelectionParams, Subnet, SubnetParams, VlanParams,
    WaitLimits, WantedImage,
};
use serde_json::json;

use maas::{Failure, Region, end, read, say};

/// Gives a new MAAS region its first configuration.
#[derive(Parser)]
#[command(name = "maas_first_config")]
struct Args {
    #[command(flatten)]
    region: Region,
    /// The name server to ask for what is not MAAS's
    #[arg(long, value_name = "ADDRESS", default_value = "9.9.9.9")]
    dns: IpAddr,
    /// The release of Ubuntu to import
    #[arg(long, default_value = "jammy")]
    release: String,
    /// Its architecture
    #[arg(long, default_value = "amd64")]
    arch: String,
    /// How many minutes the import may take
    #[arg(long, value_name = "N", default_value_t = 120)]
    minutes: u64,
    /// The gateway of the machines' subnet, which it tells
    #[arg(long, value_name = "ADDRESS")]
    gateway: Option<IpAddr>,
    /// The dynamic range: what DHCP gives to machines that nobody knows yet
    #[arg(long, value_name = "FIRST-LAST", value_parser = range)]
    range: Option<(IpAddr, IpAddr)>,
    /// A file with a public SSH key to put on machines
    #[arg(long, value_name = "FILE")]
    ssh_key_file: Option<PathBuf>,
    /// Write what stands at the end as one JSON object
    #[arg(long)]
    json: bool,
}

fn range(text: &str) -> Result<(IpAddr, IpAddr), String> {
    let (first, last) = text.split_once('-').ok_or("it is FIRST-LAST")?;
    let address = |text: &str| -> Result<IpAddr, String> {
        text.trim()
            .parse()
            .map_err(|_| format!("{text} is no address"))
    };
    Ok((address(first)?, address(last)?))
}

#[tokio::main]
async fn main() -> ExitCode {
    end(configure(&Args::parse()).await)
}

async fn configure(args: &Args) -> Result<(), Failure> {
    let fake = args.region.url.is_none();
    // The fake region's rack is 10.70.0.1/24.
    let given = |value: Option<IpAddr>, fakes: [u8; 4], option: &str| match value {
        Some(value) => Ok(value),
        None if fake => Ok(IpAddr::from(fakes)),
        None => Err(format!("{option} is wanted with --url")),
    };
    let gateway = given(args.gateway, [10, 70, 0, 1], "--gateway")?;
    let first = given(args.range.map(|r| r.0), [10, 70, 0, 100], "--range")?;
    let last = given(args.range.map(|r| r.1), [10, 70, 0, 199], "--range")?;
    let (maas, _region) = args.region.connect(async |_| {}).await?;
    let version = maas.version().await?.version;
    eprintln!("MAAS {version} at {}", maas.base_url());

    maas.config()
        .set("upstream_dns", args.dns.to_string())
        .await?;
    if let Some(file) = &args.ssh_key_file {
        let key = read(file)?.trim().to_owned();
        let known = maas.ssh_keys().list().await?;
        if !known.iter().any(|k| k.key == key) {
            maas.ssh_keys().create(&key).await?;
        }
    }
    import(&maas, args).await?;
    eprintln!("ubuntu/{} is imported, and a rack has it", args.release);

    let subnets = maas.subnets().list().await?;
    let subnet = subnets
        .into_iter()
        .find(|s| s.contains(gateway))
        .ok_or_else(|| format!("no subnet of the region holds the gateway {gateway}"))?;
    let subnet = maas
        .subnets()
        .update(
            subnet.id,
            &SubnetParams::new().gateway_ip(gateway.to_string()),
        )
        .await?;
    let rack = serve_dhcp(&maas, &subnet, first, last).await?;
    if args.json {
        let summary = json!({
            "version": version,
            "image": format!("ubuntu/{}", args.release),
            "architecture": args.arch,
            "subnet": subnet.cidr,
            "gateway": gateway,
            "range": [first, last],
            "dhcp_by": rack,
        });
        say(serde_json::to_string_pretty(&summary)?);
    } else {
        say(format_args!(
            "{} has the gateway {gateway} and DHCP from {first} to {last}, served by {rack}",
            subnet.cidr
        ));
    }
    Ok(())
}

/// Selects the image and waits until it is imported and synced.
async fn import(maas: &Client, args: &Args) -> Result<(), Failure> {
    let sources = maas.boot_sources().list().await?;
    let source = sources.first().ok_or("MAAS has no boot source yet")?;
    let wanted = SelectionParams::ubuntu(&args.release, &[&args.arch]);
    let began = Instant::now();
    loop {
        let sources = maas.boot_sources();
        match sources.create_selection(source.id, &wanted).await {
            Ok(_) => break,
            Err(e) if e.is_already_exists() => break,
            // A new region reads its source's catalogue first.
            Err(e) if e.is_images_unknown() && began.elapsed() < Duration::from_secs(600) => {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            Err(e) => return Err(e.into()),
        }
    }
    maas.boot_resources().import().await?;
    eprintln!("importing ubuntu/{} {}", args.release, args.arch);
    let limits =
        WaitLimits::within(Duration::from_secs(args.minutes * 60)).stall(Duration::from_secs(900));
    let image = WantedImage::ubuntu(&args.release, &args.arch);
    maas.wait_for_images(&[image], Duration::from_secs(30), limits)
        .await?;
    Ok(())
}

/// Makes the range, where it is not there, and switches DHCP on; gives the rack that serves it.
async fn serve_dhcp(
    maas: &Client,
    subnet: &Subnet,
    first: IpAddr,
    last: IpAddr,
) -> Result<String, Failure> {
    let (first, last) = (first.to_string(), last.to_string());
    let ranges = maas.ip_ranges().list().await?;
    if !ranges
        .iter()
        .any(|r| r.start_ip == first && r.end_ip == last)
    {
        let range = IpRangeParams::new()
            .start_ip(first)
            .end_ip(last)
            .subnet(subnet.id)
            .comment("DHCP");
        maas.ip_ranges()
            .create(IpRangeType::Dynamic, &range)
            .await?;
    }
    let vlan = subnet.vlan.as_ref().ok_or("the subnet has no VLAN")?;
    let racks = maas.racks().list().await?;
    // Of several, the one that is on the VLAN.
    let rack = racks
        .iter()
        .find(|r| {
            let mut nics = r.interface_set.iter().filter_map(|nic| nic.vlan.as_ref());
            nics.any(|on| on.id == vlan.id)
        })
        .or_else(|| racks.first())
        .ok_or("MAAS has no rack controller")?;
    let on = VlanParams::new()
        .dhcp_on(true)
        .primary_rack(&rack.system_id);
    maas.vlans().update(vlan.id, &on).await?;
    Ok(rack.hostname.clone())
}
