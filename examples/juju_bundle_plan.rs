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
    /// The plan against an empty model, without asking a controller.
    #[arg(long)]
    offline: bool,
    /// Compare the plan against an empty model with the controller's own (`Bundle.GetChangesMapArgs`); one document only.
    #[arg(long)]
    cross_check: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, juju::Failure> {
    let args = Args::parse();
    let bundle = match &args.bundle {
        Some(path) => Bundle::read(path, &args.overlay)?,
        None => Bundle::parse(juju::THESIS)?,
    };
    for warning in bundle.warnings() {
        eprintln!("odd: {warning}");
    }
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
    if args.offline {
        println!("{}", bundle.changes()?);
        return Ok(ExitCode::from(2));
    }
    let connected = args.at.connect(false).await?;
    if args.cross_check {
        let yaml = match &args.bundle {
            Some(path) => std::fs::read_to_string(path)?,
            None => juju::THESIS.to_owned(),
        };
        let theirs = Bundle::server_changes(&connected.model, &yaml).await?;
        let ours = bundle.changes()?.changes;
        let same = ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(a, b)| {
                (&a.id, &a.method, &a.args, &a.requires) == (&b.id, &b.method, &b.args, &b.requires)
            });
        println!(
            "{} changes here, {} on the controller: {}",
            ours.len(),
            theirs.len(),
            if same { "the same" } else { "not the same" }
        );
        return Ok(if same {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let plan = bundle.diff(&connected.model).await?;
    println!("{plan}");
    Ok(if plan.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}
