//! Prints the machines of a MAAS region as a table.
//!
//! `cargo run --example maas_machines -- --url http://10.0.0.1:5240/MAAS/ --key-file ~/maas.key`
//! With no URL it shows a fake region with three machines.

use clap::Parser;
use comfy_table::Table;
use maas_client::testing::{FakeRegion, MachineSpec};
use maas_client::{ApiKey, Client, MachineFilter};

#[derive(Parser)]
struct Args {
    /// The region's URL.
    #[arg(long)]
    url: Option<String>,
    /// A file with the API key; without it `$MAAS_API_KEY` counts.
    #[arg(long)]
    key_file: Option<std::path::PathBuf>,
    /// Only machines with this tag.
    #[arg(long)]
    tag: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let region = if args.url.is_none() {
        Some(fake().await?)
    } else {
        None
    };
    let (url, key) = match (&region, args.url, args.key_file) {
        (Some(region), ..) => (region.url(), region.api_key("admin").parse()?),
        (None, url, Some(file)) => (url.unwrap_or_default(), ApiKey::from_file(file)?),
        (None, url, None) => (url.unwrap_or_default(), ApiKey::from_env("MAAS_API_KEY")?),
    };
    let maas = Client::builder(url).api_key(key).build()?;
    let mut filter = MachineFilter::new();
    if let Some(tag) = args.tag {
        filter = filter.tags(vec![tag]);
    }
    let mut table = Table::new();
    table.set_header([
        "id",
        "name",
        "state",
        "power",
        "cores",
        "memory",
        "disk",
        "tags",
        "addresses",
    ]);
    for m in maas.machines().list(&filter).await? {
        table.add_row([
            m.system_id.to_string(),
            m.fqdn.clone(),
            m.status.to_string(),
            m.power_state.to_string(),
            m.cpu_count.to_string(),
            format!("{} MiB", m.memory),
            format!("{:.0} GB", m.storage / 1000.0),
            m.tag_names.join(" "),
            m.ip_addresses.join(" "),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// A region with three machines that have booted once.
async fn fake() -> std::io::Result<FakeRegion> {
    let region = FakeRegion::builder().start().await?;
    region.create_admin("admin", "secret", "admin@example.com");
    for n in 1..=3 {
        let mac = format!("52:54:00:aa:00:{n:02x}");
        region.enlist(MachineSpec {
            macs: vec![mac],
            cores: 8,
            memory_mb: 32_768,
            power_type: "ipmi".into(),
            ..MachineSpec::default()
        });
    }
    region.tick().await;
    Ok(region)
}
