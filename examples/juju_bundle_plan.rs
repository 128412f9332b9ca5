//! What a bundle would change in a model: `cargo run --example juju_bundle_plan -- bundle.yaml --overlay o.yaml --controller c`.
//! Without a bundle: the thesis's. Exit 0: nothing to do; 2: changes pending.

#[path = "common/juju.rs"]
mod juju;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use juju_client::Bundle;

#[derive(Debug, clap::Parser)]
struct Args {
    #[command(flatten)]
    at: juju::Where,
    /// The bundle.
    bundle: Option<PathBuf>,
    /// Laid over it, in turn.
    #[arg(long)]
    overlay: Vec<PathBuf>,
    /// Only the machines that it needs, without asking a controller.
    #[arg(long)]
    machines: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, juju::Failure> {
    let args = Args::parse();
    let bundle = match &args.bundle {
        Some(path) => Bundle::read(path, &args.overlay)?,
        None => Bundle::parse(juju::THESIS)?,
    };
    if args.machines {
        for m in bundle.machines()? {
            println!(
                "{:<4} {:<50} {}",
                m.name.as_deref().unwrap_or("new"),
                m.constraints.to_string(),
                m.units.join(" ")
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let connected = args.at.connect(false).await?;
    let plan = bundle.diff(&connected.model).await?;
    println!("{plan}");
    Ok(if plan.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}
