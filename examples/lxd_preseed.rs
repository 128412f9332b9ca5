//! `lxd init --preseed`, natively: applies a preseed document to an LXD, or says with `--plan`
//! what it would change.
//!
//! ```text
//! cargo run --example lxd_preseed -- --plan < lxd.yaml
//! cargo run --example lxd_preseed -- --file lxd.yaml --socket /var/snap/lxd/common/lxd/unix.socket
//! ```
//!
//! Without `--socket` or `--local` it works on a fake LXD of its own, so that it can be tried
//! anywhere. Exit codes: 0 done (or nothing to do), 1 failed, 2 changes pending (`--plan`).

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use lxd_client::testing::Fake;
use lxd_client::{Client, Preseed};

/// Applies an LXD preseed.
#[derive(Parser)]
struct Args {
    /// The preseed document; standard input without it.
    #[arg(long)]
    file: Option<PathBuf>,
    /// The unix socket of the LXD to work on.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Work on this machine's own LXD.
    #[arg(long, conflicts_with = "socket")]
    local: bool,
    /// Only say what would change.
    #[arg(long)]
    plan: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(code) => code,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let text = match &args.file {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|e| format!("reading {}: {e}", path.display()))?
        }
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
    };
    let preseed = Preseed::from_yaml(&text)?;
    // Kept until the end: it stops when it is dropped.
    let mut fake = None;
    let lxd = match (&args.socket, args.local) {
        (Some(socket), _) => Client::unix(socket).build()?,
        (None, true) => Client::local().build()?,
        (None, false) => {
            eprintln!("on a fake LXD (--local or --socket PATH for a real one)");
            let fake = fake.insert(Fake::builder().start().await?);
            Client::unix(fake.socket()).build()?
        }
    };
    if args.plan {
        let plan = lxd.plan_preseed(&preseed).await?;
        print!("{plan}");
        return Ok(if plan.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        });
    }
    print!("{}", lxd.apply_preseed(&preseed).await?);
    Ok(ExitCode::SUCCESS)
}
