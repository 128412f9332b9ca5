//! What the examples of single stages share: the lab, brought as far as the stage, and a look at what stands then.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use cloudboot::config::Config;
use cloudboot::engine::{CancellationToken, Engine, Handle};
use cloudboot::host::Host;
use cloudboot::steps::Handles;

use super::approve::approvals;
use super::drive::{Ask, Drive};
use super::exit::{Exit, Problem};
use super::place::{LAB_FOLDER, LAB_SPEED, Place};
use super::progress::Screen;
use super::{interrupt, out};

/// What a stage's last look goes to.
pub(crate) struct Stage {
    engine: Engine,
    pub(crate) handles: Handles,
    pub(crate) config: Config,
    pub(crate) host: Host,
}

impl Stage {
    /// The output of a step.
    pub(crate) fn output<T: Clone + Send + Sync + 'static>(
        &self,
        handle: &Handle<T>,
    ) -> Result<T, String> {
        self.engine
            .output(handle)
            .ok_or_else(|| format!("the output of `{}` is not known", handle.id()))
    }
}

/// Brings the lab as far as `steps` (what stands already is left as it is), then shows what `look` writes.
pub(crate) async fn show(
    steps: &[&str],
    look: impl AsyncFnOnce(&Stage) -> Result<String, Box<dyn Error>>,
) -> ExitCode {
    super::trace();
    match run(steps, look).await {
        Ok(exit) => exit.into(),
        Err(problem) => {
            out::error(format!("\n{problem}"));
            problem.exit.into()
        }
    }
}

async fn run(
    steps: &[&str],
    look: impl AsyncFnOnce(&Stage) -> Result<String, Box<dyn Error>>,
) -> Result<Exit, Problem> {
    let place = Place::lab(Path::new(LAB_FOLDER), LAB_SPEED, None).await?;
    let screen = Screen::for_people(place.clock.clone());
    let cancel = CancellationToken::new();
    interrupt::listen(cancel.clone(), screen.clone())?;
    let (engine, handles) = place
        .engine(place.mission()?, approvals(true, &screen), cancel)
        .await?;
    let drive = Drive {
        engine,
        screen,
        json: false,
    };
    for step in steps {
        let exit = drive.go(Ask::Until((*step).to_owned()), |_| None).await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
    }
    let stage = Stage {
        engine: drive.engine,
        handles,
        config: place.config.clone(),
        host: place.host.clone(),
    };
    let text = look(&stage)
        .await
        .map_err(|error| Problem::new(error.to_string()))?;
    out::line(format!("\n{text}"));
    Ok(Exit::Done)
}
