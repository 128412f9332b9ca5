//! What an engine is asked for, shown while it works, and how that ends.

use std::path::PathBuf;

use cloudboot::engine::{Engine, Outcome, RunKind, StepResult, TeardownOptions};
use cloudboot::openstack::Access;

use super::exit::{Exit, Problem};
use super::json::{AccessLine, Line};
use super::progress::Screen;
use super::{out, plan, summary};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// Everything.
    Run,
    /// One step.
    Only(String),
    /// One step and what comes before it.
    Until(String),
    /// A look.
    Plan,
    /// To take back what was made.
    Teardown(TeardownOptions),
}

/// An engine and who is told of it.
pub(crate) struct Drive {
    pub(crate) engine: Engine,
    pub(crate) screen: Screen,
    pub(crate) json: bool,
}

impl Drive {
    /// Does what is asked for. `access` gives the access parameters, where they are known afterwards, and the folder
    /// that holds them.
    ///
    /// # Errors
    /// It could not begin.
    pub(crate) async fn go(
        &self,
        ask: Ask,
        access: impl FnOnce(&Engine) -> Option<(Access, PathBuf)>,
    ) -> Result<Exit, Problem> {
        let engine = &self.engine;
        let report = match ask {
            Ask::Plan => return self.plan().await,
            Ask::Run => self.screen.follow(engine, engine.run()).await?,
            Ask::Only(step) => self.screen.follow(engine, engine.run_only(step)).await?,
            Ask::Until(step) => self.screen.follow(engine, engine.run_until(step)).await?,
            Ask::Teardown(options) => {
                let looks = options.dry_run;
                let report = self.screen.follow(engine, engine.teardown(options)).await?;
                if looks {
                    let left = report
                        .steps
                        .iter()
                        .any(|step| matches!(step.result, StepResult::WouldUndo { .. }));
                    let exit = match report.outcome {
                        Outcome::Done { .. } if left => Exit::Pending,
                        ref outcome => Exit::of(outcome),
                    };
                    self.last(
                        || Line::Report {
                            exit: exit.code(),
                            report: &report,
                            access: None,
                        },
                        || plan::takedown(&report),
                    );
                    return Ok(exit);
                }
                report
            }
        };
        let exit = Exit::of(&report.outcome);
        let access = access(engine).filter(|_| exit == Exit::Done && report.kind == RunKind::Run);
        let access_line = || {
            access
                .as_ref()
                .map(|(access, folder)| AccessLine::new(access, folder))
        };
        let people = || {
            let mut text = summary::text(&report);
            if let Some((access, folder)) = &access {
                text = format!("{text}\n\n{}", summary::access(access, folder));
            }
            text
        };
        self.last(
            || Line::Report {
                exit: exit.code(),
                report: &report,
                access: access_line(),
            },
            people,
        );
        Ok(exit)
    }

    async fn plan(&self) -> Result<Exit, Problem> {
        let found = self.screen.follow(&self.engine, self.engine.plan()).await?;
        let exit = if found.changes_pending() {
            Exit::Pending
        } else {
            Exit::Done
        };
        self.last(
            || Line::Plan {
                exit: exit.code(),
                plan: &found,
            },
            || plan::table(&found),
        );
        Ok(exit)
    }

    fn last<'a>(&self, json: impl FnOnce() -> Line<'a>, people: impl FnOnce() -> String) {
        if self.json {
            json().write();
        } else {
            out::line(format!("\n{}", people()));
        }
    }
}
