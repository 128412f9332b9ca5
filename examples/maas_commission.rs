//! Commissions every machine that is New, and waits until all are Ready.
//!
//! `cargo run --example maas_commission` does it to a fake region; `-- --url URL` (key in `$MAAS_API_KEY`) to a real one.

use std::time::Duration;

use clap::Parser;
use maas_client::testing::{FakeRegion, MachineSpec};
use maas_client::{
    ApiKey, Client, CommissionParams, MachineFilter, MachineGoal, NodeStatus, SystemId, WaitLimits,
};

#[derive(Parser)]
struct Args {
    /// The region's URL; without it a fake region is set up.
    #[arg(long)]
    url: Option<String>,
    /// How many minutes to wait.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let region = if args.url.is_none() {
        Some(fake().await?)
    } else {
        None
    };
    let (url, key) = match (&region, args.url) {
        (Some(region), _) => (region.url(), region.api_key("admin").parse()?),
        (None, url) => (url.unwrap_or_default(), ApiKey::from_env("MAAS_API_KEY")?),
    };
    let maas = Client::builder(url).api_key(key).build()?;
    let new = maas
        .machines()
        .list(&MachineFilter::new().status(vec![NodeStatus::New]))
        .await?;
    let mut ids: Vec<SystemId> = Vec::new();
    for machine in new {
        let started = maas
            .machines()
            .commission(&machine.system_id, &CommissionParams::new())
            .await?;
        println!("{} {}", started.hostname, started.status);
        ids.push(machine.system_id);
    }
    let limits =
        WaitLimits::within(Duration::from_secs(args.minutes * 60)).stall(Duration::from_secs(1200));
    for m in maas
        .machines()
        .wait(&ids, MachineGoal::Ready, limits)
        .await?
    {
        println!(
            "{} {}: {} cores, {} MiB, {} disks",
            m.hostname,
            m.status,
            m.cpu_count,
            m.memory,
            m.blockdevice_set.len()
        );
    }
    Ok(())
}

/// A region with images and two machines that have booted once.
async fn fake() -> std::io::Result<FakeRegion> {
    let region = FakeRegion::builder().start().await?;
    region.create_admin("admin", "secret", "admin@example.com");
    region.import_now("jammy", &["amd64"]);
    for n in 1..=2 {
        let (mac, disks) = (format!("52:54:00:aa:00:{n:02x}"), vec![500_000_000_000]);
        region.enlist(MachineSpec {
            macs: vec![mac],
            cores: 8,
            memory_mb: 32_768,
            disks,
            power_type: "ipmi".into(),
            ..MachineSpec::default()
        });
    }
    region.tick().await;
    Ok(region)
}
