//! What is missing before anything is changed, each with what to do. It only asks; nothing is changed.
//!
//! ```sh
//! cargo run --example preflight                                   # what every run needs of this machine
//! cargo run --example preflight -- --config cloud.yaml            # and what this cloud needs, of everything that it touches
//! cargo run --example preflight -- --config cloud.yaml --problems # what is not as it should be, and no more
//! cargo run --example preflight -- --lab                          # the lab's data centre instead
//! ```
//!
//! With a configuration: this machine (root, release, cores, memory, disk, ports, interfaces, firewall, snapd, systemd, netplan, dpkg),
//! the bundle against the VM host's room, other DHCP servers on the machines' network, LXD, each BMC's login and privilege, the
//! database server and the Juju controller that are to be used, the ways out or the mirrors in their place, every charm's channel.
//! Run it on the controller, as root: a question that only root may ask is a finding otherwise.
//!
//! `--json` prints `{"passes": bool, "findings": [{"check", "level", "found", "todo"}]}`; a level is `fine`, `doubtful` (the run may
//! succeed) or `missing` (it would fail), `todo` is null where nothing is to be done.
//!
//! Exit codes: 0 nothing is missing, 1 something is, 2 the configuration is wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use cloudboot::config::{ConfigErrors, Loader};
use cloudboot::host::Host;
use cloudboot::host::preflight::{Level, Preflight, Wanted};
use cloudboot::steps::Site;
use cloudboot::testing::Lab;

/// Where the lab's controller and machines take things from.
const LAB_MIRRORS: &str = "mirrors: {snap: 'http://mirror.lab/', apt: 'http://mirror.lab/', images: {url: 'http://mirror.lab/'}, \
     juju_agents: 'http://mirror.lab/', charm_store: 'http://mirror.lab/'}\n\
     juju: {controller: {container: {server: 'http://mirror.lab/'}}}";

/// Looks for what is missing before anything is changed, and says what to do about it.
#[derive(Debug, clap::Parser)]
#[command(
    after_help = "Exit codes:\n    0  nothing is missing\n    1  something is\n    2  the configuration is wrong"
)]
struct Args {
    /// What is to be deployed; without it only what every run needs of this machine is looked at.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Files laid over it, in their order.
    #[arg(long, requires = "config")]
    overlay: Vec<PathBuf>,
    /// Ask a lab, in a folder of its own.
    #[arg(long, conflicts_with = "config")]
    lab: bool,
    /// Only what is not as it should be.
    #[arg(long)]
    problems: bool,
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
        let loader = args.overlay.iter().fold(Loader::new(), Loader::overlay);
        match loader.load(path) {
            Ok(config) => Ok(Site::new(config, Host::local()).preflight().await),
            Err(faults) => Err(faults),
        }
    } else {
        Ok(Host::local().preflight(&bare()).await)
    };
    let mut report = match report {
        Ok(report) => report,
        Err(faults) => {
            eprintln!("{faults}");
            return Ok(ExitCode::from(2));
        }
    };
    if args.problems {
        report.findings.retain(|it| it.level != Level::Fine);
    }
    if args.json {
        let told = serde_json::json!({"passes": report.passes(), "findings": report.findings});
        println!("{told:#}");
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
