//! The whole mission: from racked machines to a running OpenStack cloud.
//!
//! `cargo run --release --example deploy` shows it on the built-in lab; `-- --config FILE` does it.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cloudboot::engine::{CancellationToken, TeardownOptions};
use cloudboot::testing::Lab;
use common::approve::{PASS_YES, approvals, ask};
use common::drive::{Ask, Drive};
use common::exit::{CODES, Exit, Problem};
use common::json::{Line, Lines};
use common::place::{LAB_FOLDER, LAB_SPEED, Place};
use common::progress::Screen;
use common::{interrupt, out};

/// Takes racked machines to a running OpenStack cloud: in the built-in lab, or with --config on real systems.
///
/// It can be stopped or killed at any moment; the same command goes on from what stands.
#[derive(Parser, Debug)]
#[command(name = "deploy", after_help = CODES)]
struct Options {
    /// Drive the real systems of this configuration, with this machine as the controller (it takes root)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Lay this file over the configuration; may be repeated
    #[arg(long, value_name = "FILE", requires = "config")]
    overlay: Vec<PathBuf>,
    /// With --config: the controller is that of the lab which `lab` keeps open, in this folder
    #[arg(long, value_name = "FOLDER", requires = "config")]
    lab_controller: Option<PathBuf>,
    /// The lab's folder, where its world is kept between runs
    #[arg(long, value_name = "FOLDER", default_value = LAB_FOLDER, conflicts_with = "config")]
    lab: PathBuf,
    /// How many compute nodes a new lab has
    #[arg(long, value_name = "N", conflicts_with = "config")]
    nodes: Option<usize>,
    /// How many times as fast as real time the lab runs
    #[arg(long, value_name = "N", default_value_t = LAB_SPEED)]
    speed: f64,
    /// Forget the lab's world and what was deployed there, and begin anew
    #[arg(long, conflicts_with = "config")]
    fresh: bool,
    /// Only say what would be done; with --teardown, what would be taken back
    #[arg(long, conflicts_with_all = ["only", "until"])]
    plan: bool,
    /// Only this step; what it needs must stand
    #[arg(long, value_name = "STEP", conflicts_with_all = ["until", "teardown"])]
    only: Option<String>,
    /// This step and what comes before it
    #[arg(long, value_name = "STEP", conflicts_with = "teardown")]
    until: Option<String>,
    /// Go on with a run that was stopped: the same as a run, which always goes on from what stands
    #[arg(long, conflicts_with_all = ["plan", "teardown", "fresh"])]
    resume: bool,
    /// Take back what was made here, last first, and nothing else
    #[arg(long)]
    teardown: bool,
    /// With --teardown: leave the database, and what it needs
    #[arg(long, requires = "teardown")]
    keep_database: bool,
    /// With --teardown: only the database
    #[arg(long, requires = "teardown", conflicts_with = "keep_database")]
    only_database: bool,
    /// Write JSON lines instead of text (see examples/JSON.md)
    #[arg(long)]
    json: bool,
    /// Approve what can't be taken back or destroys something, without being asked; in the lab that is implied
    #[arg(long)]
    yes: bool,
}

impl Options {
    fn ask(&self) -> Ask {
        match self {
            Self { teardown: true, .. } => {
                let database = |named: bool| {
                    if named {
                        vec!["maas.database".into()]
                    } else {
                        Vec::new()
                    }
                };
                Ask::Teardown(TeardownOptions {
                    keep: database(self.keep_database),
                    only: database(self.only_database),
                    dry_run: self.plan,
                })
            }
            Self { plan: true, .. } => Ask::Plan,
            Self {
                only: Some(step), ..
            } => Ask::Only(step.clone()),
            Self {
                until: Some(step), ..
            } => Ask::Until(step.clone()),
            _ => Ask::Run,
        }
    }

    async fn place(&self) -> Result<Place, Problem> {
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(Problem::new(format!(
                "--speed {}: it must be more than 0",
                self.speed
            )));
        }
        match (&self.config, &self.lab_controller) {
            (Some(config), None) => Place::real(config, &self.overlay),
            (Some(config), Some(controller)) => {
                Place::of_lab(config, &self.overlay, controller, self.speed)
            }
            (None, _) => {
                if self.fresh {
                    Lab::wipe(&self.lab).map_err(|error| {
                        Problem::new(format!(
                            "delete the lab's folder {}: {error}",
                            self.lab.display()
                        ))
                    })?;
                }
                Place::lab(&self.lab, self.speed, self.nodes).await
            }
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            // clap's own code for a wrong command line is 2, which here means that changes are pending.
            return if error.use_stderr() {
                Exit::Failed.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    common::trace();
    let exit = deploy(&options).await.unwrap_or_else(|problem| {
        if options.json {
            Line::error(&problem, problem.exit).write();
        } else {
            out::error(format!("\n{problem}"));
        }
        problem.exit
    });
    exit.into()
}

async fn deploy(options: &Options) -> Result<Exit, Problem> {
    let place = options.place().await?;
    let screen = if options.json {
        Screen::new(Lines)
    } else {
        Screen::for_people(place.clock.clone())
    };
    let cancel = CancellationToken::new();
    interrupt::listen(cancel.clone(), screen.clone())?;

    let in_lab = options.config.is_none();
    if options.json {
        Line::header(in_lab, place.speed).write();
    } else {
        introduce(options, &place);
    }
    let yes = options.yes || in_lab;
    if options.teardown && !options.plan && !yes {
        let question = format!(
            "Take back what was made for the deployment `{}`?",
            place.config.deployment
        );
        if !ask(&screen, &question).await {
            return Err(Problem::operator(format!(
                "nothing was taken back: it was not approved; {PASS_YES}"
            )));
        }
    }
    let folder = place.config.access.dir.clone();
    let (engine, handles) = place
        .engine(place.mission()?, approvals(yes, &screen), cancel)
        .await?;
    let drive = Drive {
        engine,
        screen,
        json: options.json,
    };
    drive
        .go(options.ask(), |engine| {
            Some((engine.output(&handles.access)?, folder))
        })
        .await
}

fn introduce(options: &Options, place: &Place) {
    let name = &place.config.deployment;
    match &place.lab {
        Some(lab) => {
            let folder = options.lab.display();
            let speed = place.speed;
            out::line(format!(
                "The lab in {folder}, {speed} times as fast as real time; its configuration: {}",
                lab.operator().config.display()
            ));
        }
        None => out::line(format!(
            "The deployment `{name}`, its state in {}",
            place.config.state_dir.display()
        )),
    }
    for warning in &place.config.warnings {
        out::error(format!("warning: {warning}"));
    }
    if options.resume {
        out::line("--resume is the same as a run: what stands is left as it is");
    }
}
