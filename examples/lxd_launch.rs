//! `lxc launch ubuntu:22.04 NAME`, natively: an image from a remote, cloud-init user data, a
//! container started, a command run in it, and (with `--delete`) no trace left.
//!
//! ```text
//! cargo run --example lxd_launch -- web
//! cargo run --example lxd_launch -- web --local --image 24.04 --package nginx
//! ```
//!
//! Without `--local` or `--socket` it works on a fake LXD of its own.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures_util::StreamExt;
use lxd_client::testing::{Durations, Fake};
use lxd_client::{
    Client, CloudInit, Exec, ImageRemote, InstanceSource, NewInstance, Preseed, Started,
};

/// Launches a container.
#[derive(Parser)]
struct Args {
    /// The container's name.
    name: String,
    /// The image's alias at Ubuntu's own remote.
    #[arg(long, default_value = "22.04")]
    image: String,
    /// Take an image of the server's own by its alias instead.
    #[arg(long)]
    own_image: Option<String>,
    /// Packages to install at the first boot.
    #[arg(long)]
    package: Vec<String>,
    /// The unix socket of the LXD to work on.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Work on this machine's own LXD.
    #[arg(long, conflicts_with = "socket")]
    local: bool,
    /// Take it away again at the end.
    #[arg(long)]
    delete: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    // Kept until the end: it stops when it is dropped.
    let mut fake = None;
    let lxd = match (&args.socket, args.local) {
        (Some(socket), _) => Client::unix(socket).build()?,
        (None, true) => Client::local().build()?,
        (None, false) => {
            eprintln!("on a fake LXD (--local or --socket PATH for a real one)");
            let mut durations = Durations::default();
            durations.image_download = Duration::from_secs(3);
            let fake = fake.insert(Fake::builder().durations(durations).start().await?);
            let lxd = Client::unix(fake.socket()).build()?;
            lxd.apply_preseed(&Preseed::from_yaml(
                "storage_pools: [{name: default, driver: dir}]\n\
                 profiles: [{name: default, devices: {root: {type: disk, path: /, pool: default}}}]",
            )?)
            .await?;
            lxd
        }
    };
    let source = match args.own_image {
        Some(alias) => InstanceSource::LocalAlias(alias),
        None => InstanceSource::Remote {
            remote: ImageRemote::ubuntu(),
            alias: args.image,
        },
    };
    let first_boot = CloudInit::default().packages(args.package);
    let new = NewInstance::container(&args.name, source).user_data(first_boot.to_user_data()?);
    let instances = lxd.instances();
    follow("creating", instances.create(&new).await?).await?;
    follow("starting", instances.start(&args.name).await?).await?;
    let who = instances
        .exec(&args.name, &Exec::new(["echo", "up and running"]))
        .await?;
    println!(
        "{}: {}",
        args.name,
        String::from_utf8_lossy(&who.stdout).trim()
    );
    if args.delete {
        instances.delete_forced(&args.name).await?;
        println!("{}: deleted", args.name);
    }
    Ok(())
}

/// Shows an operation's progress until it ends.
async fn follow(what: &str, started: Started) -> lxd_client::Result<()> {
    let mut progress = Box::pin(started.progress());
    let show = async {
        while let Some(operation) = progress.next().await {
            if let Some(text) = operation.progress().filter(|text| !text.is_empty()) {
                println!("{what}: {text}");
            }
        }
    };
    let (ended, ()) = tokio::join!(started.wait(), show);
    ended?;
    println!("{what}: done");
    Ok(())
}
