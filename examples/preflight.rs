//! What is missing on this controller before anything is changed, each with what to do:
//! `cargo run --example preflight -- --config cloud.yaml` (`--lab` asks the lab's controller instead, `--json` for programs).
//!
//! Exit codes: 0 nothing is missing, 1 something is, 2 the configuration is wrong.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use cloudboot::config::Config;
use cloudboot::host::Host;
use cloudboot::host::preflight::Wanted;
use cloudboot::testing::lab_host::LabHostServer;

#[derive(Debug, clap::Parser)]
struct Args {
    /// What is to be deployed; without it only what every run needs is looked at.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Ask a lab's controller, in a folder of its own.
    #[arg(long)]
    lab: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut wanted = Wanted {
        cores: 4,
        memory_mib: 8 * 1024,
        disk_mib: 40 * 1024,
        ..Wanted::default()
    };
    if let Some(path) = &args.config {
        match Config::load(path, &[]) {
            Ok(config) => {
                wanted.address = Some(IpAddr::V4(config.maas.dhcp.gateway));
                wanted.out_interface = config.net_fix.as_ref().map(|n| n.ethernet.clone());
            }
            Err(faults) => {
                eprintln!("{faults}");
                return Ok(ExitCode::from(2));
            }
        }
    }
    let folder = std::env::temp_dir().join(format!("cloudboot-preflight-{}", std::process::id()));
    let (host, lab) = if args.lab {
        let lab = LabHostServer::builder(&folder).start().await?;
        (lab.host(), Some(lab))
    } else {
        (Host::local(), None)
    };
    let initialised = host.maas_cli.observe().await.ok().flatten().is_some();
    if !initialised {
        wanted.ports = vec![
            (5240, "MAAS's region".into()),
            (53, "MAAS's DNS".into()),
            (8443, "LXD".into()),
        ];
    }
    let report = host.preflight(&wanted).await;
    if lab.is_some() {
        drop(lab);
        std::fs::remove_dir_all(&folder)?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.passes() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
