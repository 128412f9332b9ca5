//! Makes a model hold a bundle, as many calls at a time as their order allows; stopped anywhere, it goes on the next time:
//! `cargo run --example juju_bundle_deploy -- bundle.yaml --controller c --model m --wait 7200`.

#[path = "common/juju.rs"]
mod juju;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use juju_client::Bundle;
use juju_client::bundle::ApplyOptions;
use juju_client::wait::{Converged, Deadline, wait_for};

#[derive(Debug, clap::Parser)]
struct Args {
    #[command(flatten)]
    at: juju::Where,
    /// The bundle; default: the thesis's.
    bundle: Option<PathBuf>,
    /// Laid over it, in turn.
    #[arg(long)]
    overlay: Vec<PathBuf>,
    /// Trust every application with the cloud's credential.
    #[arg(long)]
    trust: bool,
    /// Remove what the model has beyond the bundle.
    #[arg(long)]
    remove: bool,
    /// Wait for all units to be active and idle, so many seconds.
    #[arg(long)]
    wait: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<(), juju::Failure> {
    let args = Args::parse();
    let bundle = match &args.bundle {
        Some(path) => Bundle::read(path, &args.overlay)?,
        None => Bundle::parse(juju::THESIS)?,
    };
    let connected = args.at.connect(false).await?;
    let mut options = ApplyOptions::default();
    options.trust = args.trust;
    options.remove = args.remove;
    options.dir = args
        .bundle
        .as_deref()
        .and_then(|b| b.parent().map(std::path::Path::to_path_buf));
    options.progress = Some(Arc::new(|change, done| {
        if done {
            println!("- {}", change.description);
        }
    }));
    let begin = std::time::Instant::now();
    let applied = bundle.apply(&connected.model, &options).await?;
    println!("{} changes in {:.1?}", applied.changes, begin.elapsed());
    let what = if args.remove {
        "removed"
    } else {
        "not in the bundle and left alone"
    };
    for e in applied.extra {
        println!("{what}: {e}");
    }
    if let Some(seconds) = args.wait {
        if let Some(fake) = &connected.fake {
            // Nobody initialises the fake's vault here.
            fake.vault_state(juju_client::testing::VaultState::HasRootCa);
        }
        wait_for(
            &connected.model,
            "the bundle",
            Converged::judge,
            Deadline::total(Duration::from_secs(seconds)),
        )
        .await?;
        println!("at rest after {:.1?}", begin.elapsed());
    }
    Ok(())
}
