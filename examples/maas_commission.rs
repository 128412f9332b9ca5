//! Commissions machines and waits until all are Ready: those named, or every one that is New.
//!
//! ```text
//! cargo run --example maas_commission
//! cargo run --example maas_commission -- --url http://10.0.0.1:5240/MAAS/ --key-file maas.key
//! cargo run --example maas_commission -- --url http://10.0.0.1:5240/MAAS/ --key-file maas.key node1 node2 --testing-scripts none
//! ```
//!
//! It ends at once when one of them fails, with the scripts that failed and the machine's last events.

#[path = "common/maas.rs"]
mod maas;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use maas_client::testing::MachineSpec;
use maas_client::{
    CommissionParams, Machine, MachineFilter, MachineGoal, NodeStatus, SystemId, WaitLimits,
};
use serde_json::json;

use maas::{Failure, Region, end, say};

/// Commissions machines of a MAAS region, and waits until all are Ready.
#[derive(Parser)]
#[command(name = "maas_commission")]
struct Args {
    #[command(flatten)]
    region: Region,
    /// Names or ids of machines; without any, every machine that is New
    machines: Vec<String>,
    /// The tests to run afterwards, or `none`; without it MAAS's own choice
    #[arg(long, value_name = "NAMES")]
    testing_scripts: Option<String>,
    /// How many minutes to wait
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
    /// Write what became of them as one JSON array
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    end(commission(&Args::parse()).await)
}

async fn commission(args: &Args) -> Result<(), Failure> {
    let (maas, _region) = args
        .region
        .connect(async |region| {
            region.import_now("jammy", &["amd64"]);
            for n in 1..=2 {
                let mac = format!("52:54:00:aa:00:{n:02x}");
                region.enlist(MachineSpec {
                    macs: vec![mac],
                    cores: 8,
                    memory_mb: 32_768,
                    disks: vec![500_000_000_000],
                    power_type: "ipmi".into(),
                    ..MachineSpec::default()
                });
            }
        })
        .await?;
    let wanted = wanted(args, maas.machines().list(&MachineFilter::new()).await?)?;
    if wanted.is_empty() {
        eprintln!("no machine is New");
    }
    let mut params = CommissionParams::new();
    if let Some(tests) = &args.testing_scripts {
        params = params.testing_scripts(tests.as_str());
    }
    let mut ids: Vec<SystemId> = Vec::new();
    for machine in wanted {
        // Already at it: it is waited for with the others.
        if machine.status != NodeStatus::Commissioning {
            let begun = maas
                .machines()
                .commission(&machine.system_id, &params)
                .await;
            begun.map_err(|e| format!("{}: {e}", machine.hostname))?;
        }
        ids.push(machine.system_id);
    }
    let limits =
        WaitLimits::within(Duration::from_secs(args.minutes * 60)).stall(Duration::from_secs(1200));
    let mut states: BTreeMap<SystemId, String> = BTreeMap::new();
    let ready = maas
        .machines()
        .wait_watching(&ids, MachineGoal::Ready, limits, |machines| {
            for m in machines.iter().filter(|m| ids.contains(&m.system_id)) {
                let state = m.status.to_string();
                if states.get(&m.system_id) != Some(&state) {
                    eprintln!("{}: {state}", m.hostname);
                    states.insert(m.system_id.clone(), state);
                }
            }
        })
        .await?;
    if args.json {
        let list: Vec<_> = ready.iter().map(summary).collect();
        say(serde_json::to_string_pretty(&list)?);
        return Ok(());
    }
    for m in ready {
        say(format_args!(
            "{} {}: {} cores, {} MiB, {} disks",
            m.hostname,
            m.status,
            m.cpu_count,
            m.memory,
            m.blockdevice_set.len()
        ));
    }
    Ok(())
}

/// The machines that were named, or those that are New.
fn wanted(args: &Args, all: Vec<Machine>) -> Result<Vec<Machine>, Failure> {
    if args.machines.is_empty() {
        return Ok(all
            .into_iter()
            .filter(|m| m.status == NodeStatus::New)
            .collect());
    }
    let mut wanted = Vec::new();
    for name in &args.machines {
        let is =
            |m: &&Machine| m.hostname == *name || m.fqdn == *name || m.system_id.as_str() == name;
        let found = all.iter().find(is);
        wanted.push(
            found
                .ok_or_else(|| format!("MAAS has no machine {name}"))?
                .clone(),
        );
    }
    Ok(wanted)
}

fn summary(m: &Machine) -> serde_json::Value {
    json!({
        "system_id": m.system_id,
        "hostname": m.hostname,
        "status": m.status.to_string(),
        "cores": m.cpu_count,
        "memory_mib": m.memory,
        "disks": m.blockdevice_set.iter().map(|d| json!({ "name": d.name, "bytes": d.size })).collect::<Vec<_>>(),
    })
}
