//! The data centre alone, for other tools to be pointed at, until Ctrl-C.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cloudboot::testing::Lab;
use common::exit::{Exit, Problem};
use common::out;
use common::place::{LAB_FOLDER, Place};
use serde_json::json;

/// Opens the built-in data centre and keeps it open until Ctrl-C: MAAS, Juju, LXD, BMCs, Vault, Keystone, Nova on
/// real sockets of this machine's loopback.
#[derive(Parser, Debug)]
#[command(name = "lab")]
struct Options {
    /// The folder where its world is kept
    #[arg(long, value_name = "FOLDER", default_value = LAB_FOLDER)]
    lab: PathBuf,
    /// How many times as fast as real time it runs
    #[arg(long, value_name = "N", default_value_t = 60.0)]
    speed: f64,
    /// How many compute nodes a new lab has
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Forget its world and begin anew
    #[arg(long)]
    fresh: bool,
    /// Write what there is as one JSON object on a line
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Failed.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    common::trace();
    match open(&options).await {
        Ok(()) => Exit::Done.into(),
        Err(problem) => {
            out::error(&problem);
            problem.exit.into()
        }
    }
}

async fn open(options: &Options) -> Result<(), Problem> {
    if options.fresh {
        Lab::wipe(&options.lab)
            .map_err(|error| Problem::new(format!("delete {}: {error}", options.lab.display())))?;
    }
    let place = Place::lab(&options.lab, options.speed, options.nodes).await?;
    if let Some(lab) = &place.lab {
        out::line(if options.json {
            as_json(lab, place.speed)
        } else {
            as_text(lab, place.speed)
        });
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// The command that deploys into it.
fn command(lab: &Lab, speed: f64) -> Vec<String> {
    let operator = lab.operator();
    let mut words = vec!["--config".to_owned(), operator.config.display().to_string()];
    for overlay in &operator.overlays {
        words.extend(["--overlay".to_owned(), overlay.display().to_string()]);
    }
    words.extend([
        "--lab-controller".to_owned(),
        lab.host_root().display().to_string(),
    ]);
    words.extend(["--speed".to_owned(), speed.to_string()]);
    words
}

fn as_json(lab: &Lab, speed: f64) -> String {
    json!({
        "schema": "cloudboot.lab",
        "version": 1,
        "speed": speed,
        "inventory": lab.inventory(),
        "config": lab.operator().config,
        "overlays": lab.operator().overlays,
        "controller": lab.host_root(),
        "deploy": command(lab, speed),
    })
    .to_string()
}

fn as_text(lab: &Lab, speed: f64) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["what", "address", "login"]);
    for line in lab.inventory() {
        table.add_row([line.what, line.address, line.login]);
    }
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    format!(
        "The lab is open, {speed} times as fast as real time, until Ctrl-C.\n\n{}\n\nTo deploy into it, from another terminal:\n  cargo run --release --example deploy -- {}",
        lines.join("\n"),
        command(lab, speed).join(" ")
    )
}
