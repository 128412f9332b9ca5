//! Makes a new MAAS region usable: DNS, images, an SSH key, a dynamic range, DHCP and the gateway.
//!
//! `cargo run --example maas_first_config` does it to a fake region;
//! `-- --url http://10.0.0.1:5240/MAAS/ --user admin --password-file FILE --gateway 10.0.0.1 --range 10.0.0.100-10.0.0.199` to a real one.
//! What stands already is left as it is.

use std::time::Duration;

use clap::Parser;
use maas_client::testing::FakeRegion;
use maas_client::{
    Client, IpRangeParams, IpRangeType, SelectionParams, SubnetParams, VlanParams, WaitLimits,
    WantedImage,
};

#[derive(Parser)]
struct Args {
    /// The region's URL; without it a fake region is set up.
    #[arg(long)]
    url: Option<String>,
    /// The administrator.
    #[arg(long, default_value = "admin")]
    user: String,
    /// A file with the administrator's password.
    #[arg(long)]
    password_file: Option<std::path::PathBuf>,
    /// The name server to ask for what is not MAAS's.
    #[arg(long, default_value = "9.9.9.9")]
    dns: String,
    /// The release to import.
    #[arg(long, default_value = "jammy")]
    release: String,
    /// The gateway of the machines' subnet.
    #[arg(long, default_value = "10.70.0.1")]
    gateway: std::net::IpAddr,
    /// The dynamic range, first and last address.
    #[arg(long, default_value = "10.70.0.100-10.70.0.199")]
    range: String,
    /// A public SSH key to put on machines.
    #[arg(long)]
    ssh_key: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let (_region, url, password) = match &args.url {
        Some(url) => {
            let file = args
                .password_file
                .as_ref()
                .ok_or("--password-file is wanted with --url")?;
            (
                None,
                url.clone(),
                std::fs::read_to_string(file)?.trim().to_owned(),
            )
        }
        None => {
            let region = FakeRegion::builder().start().await?;
            region.create_admin(&args.user, "secret", "admin@example.com");
            let url = region.url();
            (Some(region), url, "secret".to_owned())
        }
    };
    let anonymous = Client::builder(url).build()?;
    let maas = anonymous.with_api_key(
        anonymous
            .authenticate(&args.user, &password.into(), "maas_first_config")
            .await?,
    );
    println!("MAAS {}", maas.version().await?.version);

    maas.config().set("upstream_dns", args.dns.as_str()).await?;
    if let Some(key) = &args.ssh_key
        && !maas.ssh_keys().list().await?.iter().any(|k| k.key == *key)
    {
        maas.ssh_keys().create(key).await?;
    }

    let source = maas
        .boot_sources()
        .list()
        .await?
        .into_iter()
        .next()
        .ok_or("MAAS has no boot source yet")?;
    let wanted = SelectionParams::ubuntu(&args.release, &["amd64"]);
    loop {
        match maas
            .boot_sources()
            .create_selection(source.id, &wanted)
            .await
        {
            Ok(_) => break,
            Err(e) if e.is_already_exists() => break,
            Err(e) if e.is_images_unknown() => tokio::time::sleep(Duration::from_secs(2)).await,
            Err(e) => return Err(e.into()),
        }
    }
    maas.boot_resources().import().await?;
    let limits = WaitLimits::within(Duration::from_secs(3600)).stall(Duration::from_secs(900));
    maas.wait_for_images(
        &[WantedImage::ubuntu(&args.release, "amd64")],
        Duration::from_secs(30),
        limits,
    )
    .await?;
    println!("ubuntu/{} is imported, and a rack has it", args.release);

    let subnets = maas.subnets().list().await?;
    let subnet = subnets
        .into_iter()
        .find(|s| s.contains(args.gateway))
        .ok_or("no subnet holds the gateway")?;
    maas.subnets()
        .update(
            subnet.id,
            &SubnetParams::new().gateway_ip(args.gateway.to_string()),
        )
        .await?;
    let (first, last) = args.range.split_once('-').ok_or("--range is FIRST-LAST")?;
    if !maas
        .ip_ranges()
        .list()
        .await?
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
    let rack = maas
        .racks()
        .list()
        .await?
        .into_iter()
        .next()
        .ok_or("MAAS has no rack controller")?;
    let vlan = subnet.vlan.ok_or("the subnet has no VLAN")?;
    let vlan = maas
        .vlans()
        .update(
            vlan.id,
            &VlanParams::new()
                .dhcp_on(true)
                .primary_rack(&rack.system_id),
        )
        .await?;
    println!(
        "DHCP is served in {} ({}) by {}",
        subnet.cidr, vlan.name, rack.hostname
    );
    Ok(())
}
