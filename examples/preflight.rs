//! What is missing before anything is changed, each with what to do:
//! `cargo run --example preflight -- --config cloud.yaml` (`--lab` asks the lab instead, `--json` for programs).
//!
//! Exit codes: 0 nothing is missing, 1 something is, 2 the configuration is wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use cloudboot::config::{ConfigErrors, Loader};
use cloudboot::host::Host;
use cloudboot::host::preflight::{Preflight, Wanted};
use cloudboot::steps::Site;
use cloudboot::testing::Lab;

/// Where the lab's controller and machines take things from.
const LAB_MIRRORS: &str = "mirrors: {snap: 'http://mirror.lab/', apt: 'http://mirror.lab/', images: {url: 'http://mirror.lab/'}, \
     juju_agents: 'http://mirror.lab/', charm_store: 'http://mirror.lab/'}";

#[derive(Debug, clap::Parser)]
struct Args {
    /// What is to be deployed; without it only what every run needs of this machine is looked at.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Ask a lab, in a folder of its own.
    #[arg(long)]
    lab: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = Args::parse();
    let report = if args.lab {
        let folder = std::env::temp_dir().join(format!("preflight-{}", std::process::id()));
        let lab = Lab::builder(&folder).start().await?;
        let report = on_the_lab(&lab).await;
        drop(lab);
        std::fs::remove_dir_all(&folder)?;
        report
    } else if let Some(path) = &args.config {
        match Loader::new().load(path) {
            Ok(config) => Ok(Site::new(config, Host::local()).preflight().await),
            Err(faults) => Err(faults),
        }
    } else {
        Ok(Host::local().preflight(&bare()).await)
    };
    let report = match report {
        Ok(report) => report,
        Err(faults) => {
            eprintln!("{faults}");
            return Ok(ExitCode::from(2));
        }
    };
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

async fn on_the_lab(lab: &Lab) -> Result<Preflight, ConfigErrors> {
    let operator = lab.operator();
    let mut loader = Loader::new();
    for overlay in &operator.overlays {
        loader = loader.overlay(overlay);
    }
    let config = loader
        .overlay_text(LAB_MIRRORS, &operator.folder)
        .load(&operator.config)?;
    Ok(Site::new(config, lab.host()).preflight().await)
}

/// The least that a cloud's controller wants, whatever the cloud.
fn bare() -> Wanted {
    Wanted {
        cores: 4,
        memory_mib: 8 * 1024,
        disk_mib: 40 * 1024,
        ports: vec![
            (5240, "MAAS's region".into()),
            (53, "MAAS's DNS".into()),
            (8443, "LXD".into()),
        ],
        ..Wanted::default()
    }
}
