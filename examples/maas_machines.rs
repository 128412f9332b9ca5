//! The machines of a MAAS region, as a table or as JSON.
//!
//! ```text
//! cargo run --example maas_machines
//! cargo run --example maas_machines -- --url http://10.0.0.1:5240/MAAS/ --key-file maas.key --tag compute
//! cargo run --example maas_machines -- --url http://10.0.0.1:5240/MAAS/ --key-file maas.key --status ready --json
//! ```

#[path = "common/maas.rs"]
mod maas;

use std::process::ExitCode;

use clap::Parser;
use comfy_table::{Table, presets};
use maas_client::testing::MachineSpec;
use maas_client::{MachineFilter, NodeStatus};

use maas::{Failure, Region, end, say};

/// Lists the machines of a MAAS region.
#[derive(Parser)]
#[command(name = "maas_machines")]
struct Args {
    #[command(flatten)]
    region: Region,
    /// Only machines with this tag (several: with all of them)
    #[arg(long)]
    tag: Vec<String>,
    /// Only machines in this state: new, commissioning, ready, allocated, deployed, failed_commissioning...
    #[arg(long, value_parser = state)]
    status: Vec<NodeStatus>,
    /// Write everything that MAAS tells of them as one JSON array
    #[arg(long)]
    json: bool,
}

fn state(text: &str) -> Result<NodeStatus, String> {
    NodeStatus::from_filter(text).ok_or_else(|| "MAAS has no such state".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    end(show(&Args::parse()).await)
}

async fn show(args: &Args) -> Result<(), Failure> {
    let (maas, _region) = args
        .region
        .connect(async |region| {
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
        })
        .await?;
    let mut filter = MachineFilter::new();
    if !args.tag.is_empty() {
        filter = filter.tags(args.tag.clone());
    }
    if !args.status.is_empty() {
        filter = filter.status(args.status.clone());
    }
    let mut machines = maas.machines().list(&filter).await?;
    machines.sort_by(|a, b| a.fqdn.cmp(&b.fqdn));
    if args.json {
        say(serde_json::to_string_pretty(&machines)?);
        return Ok(());
    }
    if machines.is_empty() {
        eprintln!("no machine");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "ID",
        "NAME",
        "STATE",
        "POWER",
        "CORES",
        "MEMORY",
        "DISKS",
        "ZONE",
        "TAGS",
        "ADDRESSES",
    ]);
    for m in machines {
        table.add_row([
            m.system_id.to_string(),
            m.fqdn.clone(),
            m.status.to_string(),
            m.power_state.to_string(),
            m.cpu_count.to_string(),
            format!("{} MiB", m.memory),
            format!("{:.0} GB", m.storage / 1000.0),
            m.zone.as_ref().map(|z| z.name.clone()).unwrap_or_default(),
            m.tag_names.join(" "),
            m.ip_addresses.join(" "),
        ]);
    }
    say(table);
    Ok(())
}
