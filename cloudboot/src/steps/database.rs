//! Stage 2: The database: role, database, owner.
//!
//! The thesis: `database_configuration()`, which set the superuser's password to `postgres` and left it there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::region::{self, Services};
use super::{Attempt as _, Site, create, created};
use crate::engine::{Context, Deadline, Error, Observation, Step, StepId, Undo};
use crate::host::postgres::{DatabaseSpec, Password};

/// The role and the database that MAAS uses.
pub struct Database {
    pub(super) site: Arc<Site>,
}

impl Database {
    fn spec(&self) -> DatabaseSpec {
        let postgres = &self.site.config.postgres;
        DatabaseSpec {
            role: postgres.username.clone(),
            password: postgres.password.value().clone(),
            database: postgres.database.clone(),
        }
    }

    /// Whether MAAS of this host runs on this database right now.
    async fn is_in_use(&self) -> Result<bool, Error> {
        let found = self
            .site
            .host
            .maas_cli
            .observe()
            .await
            .attempt("read how MAAS was initialised")?;
        let name = format!("/{}", self.site.config.postgres.database);
        // A region whose settings do not read may be on it.
        let on_it = found.is_some_and(|there| there.database.is_none_or(|it| it.ends_with(&name)));
        Ok(on_it && region::services(&self.site).await? == Services::Running)
    }
}

#[async_trait]
impl Step for Database {
    type Needs = ((),);
    type Output = ();

    fn id(&self) -> StepId {
        "maas.database".into()
    }

    fn about(&self) -> String {
        let postgres = &self.site.config.postgres;
        format!(
            "make the database {} of the role {}",
            postgres.database, postgres.username
        )
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("maas.database", Deadline::minutes(2, 5))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    async fn observe(&self, _: &((),), _: &Context) -> Result<Observation<()>, Error> {
        let spec = self.spec();
        let state = self
            .site
            .host
            .postgres
            .observe(&spec)
            .await
            .attempt("look at PostgreSQL's catalogue")?;
        if !state.role {
            return Ok(Observation::absent(format!(
                "there is no role {}",
                spec.role
            )));
        }
        if state.password == Password::Wrong {
            return Ok(Observation::needs_operator(format!(
                "the role {} exists with another password: set postgres.password to it, or drop the role",
                spec.role
            )));
        }
        Ok(match state.owner {
            None => Observation::absent(format!("there is no database {}", spec.database)),
            Some(owner) if owner != spec.role => Observation::needs_operator(format!(
                "the database {} belongs to {owner}, not to {}: name another one in postgres.database, or change its owner",
                spec.database, spec.role
            )),
            Some(_) => Observation::Satisfied(()),
        })
    }

    async fn apply(&self, _: &((),), cx: &Context) -> Result<(), Error> {
        let spec = self.spec();
        let postgres = &self.site.host.postgres;
        let state = postgres
            .observe(&spec)
            .await
            .attempt("look at PostgreSQL's catalogue")?;
        let mark = cx.owner_mark();
        if !state.role {
            create(cx, &format!("role {}", spec.role)).await?;
            postgres
                .create_role(&spec.role, &spec.password, &mark)
                .await
                .attempt(&format!("create the role {}", spec.role))?;
        }
        if state.owner.is_none() {
            create(cx, &format!("database {}", spec.database)).await?;
            postgres
                .create_database(&spec.database, &spec.role, &mark)
                .await
                .attempt(&format!("create the database {}", spec.database))?;
        }
        Ok(())
    }

    async fn undo(&self, _: &((),), cx: &Context) -> Result<Undo, Error> {
        let spec = self.spec();
        let postgres = &self.site.host.postgres;
        let mut removed = Vec::new();
        let ours = created(cx, &format!("database {}", spec.database));
        if ours && self.is_in_use().await? {
            return Err(Error::needs_operator(
                format!("drop the database {}", spec.database),
                "MAAS of this host runs on it",
            )
            .next("take `maas.init` back in the same teardown, or stop MAAS (`snap stop maas`), and run again"));
        }
        if ours {
            cx.intend(format!("drop database {}", spec.database))
                .await?;
            if postgres
                .drop_database(&spec.database)
                .await
                .attempt(&format!("drop the database {}", spec.database))?
            {
                removed.push(format!("the database {}", spec.database));
            }
        }
        if created(cx, &format!("role {}", spec.role)) {
            cx.intend(format!("drop role {}", spec.role)).await?;
            if postgres
                .drop_role(&spec.role)
                .await
                .attempt(&format!("drop the role {}", spec.role))?
            {
                removed.push(format!("the role {}", spec.role));
            }
        }
        Ok(super::removed(removed))
    }
}
