//! Stage 1: Install MAAS and LXD (snaps) and PostgreSQL (package manager).
//!
//! The thesis: `installation()`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Attempt as _, Site, create, created};
use crate::config::Channel;
use crate::engine::{Context, Deadline, Error, Observation, Polled, Resource, Step, StepId, Undo};
use crate::host::snaps::ChangeId;

/// A snap that follows a channel.
pub struct InstallSnap {
    pub(super) site: Arc<Site>,
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) channel: Channel,
}

impl InstallSnap {
    /// snapd's own way out, where the configuration has a proxy.
    async fn set_proxy(&self, cx: &Context) -> Result<(), Error> {
        let proxy = &self.site.config.proxy;
        let mut values = serde_json::Map::new();
        for (key, url) in [("proxy.http", &proxy.http), ("proxy.https", &proxy.https)] {
            if let Some(url) = url {
                values.insert(key.to_owned(), url.as_str().into());
            }
        }
        if values.is_empty() {
            return Ok(());
        }
        cx.intend("set snapd's proxy").await?;
        let attempted = "set snapd's proxy";
        let change = self
            .site
            .host
            .snaps
            .configure("system", &values)
            .await
            .attempt(attempted)?;
        self.follow(&change, "snapd to take its proxy", attempted, cx)
            .await
    }

    async fn follow(
        &self,
        change: &ChangeId,
        what: &str,
        attempted: &str,
        cx: &Context,
    ) -> Result<(), Error> {
        cx.wait(what, self.deadline(), async || {
            let change = self
                .site
                .host
                .snaps
                .change(change)
                .await
                .attempt("ask snapd for its change")?;
            match change.outcome() {
                Ok(true) => Ok(Polled::Done(())),
                Ok(false) => Ok(Polled::pending(change.progress().to_string())),
                Err(error) => Err(error).attempt(attempted),
            }
        })
        .await
    }
}

#[async_trait]
impl Step for InstallSnap {
    type Needs = ();
    type Output = ();

    fn id(&self) -> StepId {
        self.id.into()
    }

    fn about(&self) -> String {
        format!("install the snap {} from {}", self.name, self.channel)
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline(self.id, Deadline::minutes(10, 30))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(52))
    }

    async fn observe(&self, _: &(), cx: &Context) -> Result<Observation<()>, Error> {
        let Some(snap) = self
            .site
            .host
            .snaps
            .get(self.name)
            .await
            .attempt("ask snapd for its snaps")?
        else {
            return Ok(Observation::absent(format!(
                "the snap {} is not installed",
                self.name
            )));
        };
        let wanted = self.channel.to_string();
        if !snap.follows(&wanted) {
            if created(cx, &format!("snap {}", self.name)) {
                return Ok(Observation::drifted([format!(
                    "the snap {} follows {}, not {wanted}",
                    self.name,
                    snap.followed()
                )]));
            }
            // Another channel may hold another version, with data that does not go back.
            return Ok(Observation::needs_operator(format!(
                "the snap {} is installed from {} and the configuration asks for {wanted}: set the channel to {} to adopt it, \
                 or refresh the snap by hand",
                self.name,
                snap.followed(),
                snap.followed()
            )));
        }
        if !snap.is_active() {
            return Ok(Observation::blocked(format!(
                "the snap {} is installed and not active",
                self.name
            )));
        }
        Ok(Observation::Satisfied(()))
    }

    async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
        let snaps = &self.site.host.snaps;
        let channel = self.channel.to_string();
        self.set_proxy(cx).await?;
        // A change that a killed run began is followed to its end, not begun anew.
        let under_way = snaps
            .changes_in_progress(self.name)
            .await
            .attempt("ask snapd for its changes")?;
        let change = match under_way.first() {
            Some(change) => change.id.clone(),
            None if snaps
                .get(self.name)
                .await
                .attempt("ask snapd for its snaps")?
                .is_some() =>
            {
                cx.intend(format!("refresh snap {} to {channel}", self.name))
                    .await?;
                snaps
                    .refresh(self.name, &channel)
                    .await
                    .attempt(&format!("refresh the snap {}", self.name))?
            }
            None => {
                create(cx, &format!("snap {}", self.name)).await?;
                snaps
                    .install(self.name, &channel)
                    .await
                    .attempt(&format!("install the snap {}", self.name))?
            }
        };
        let attempted = format!("install the snap {}", self.name);
        self.follow(
            &change,
            &format!("snapd to finish with {}", self.name),
            &attempted,
            cx,
        )
        .await
    }

    async fn undo(&self, _: &(), cx: &Context) -> Result<Undo, Error> {
        let snaps = &self.site.host.snaps;
        if !created(cx, &format!("snap {}", self.name)) {
            return Ok(Undo::kept(format!(
                "the snap {} was there before",
                self.name
            )));
        }
        if snaps
            .get(self.name)
            .await
            .attempt("ask snapd for its snaps")?
            .is_none()
        {
            return Ok(Undo::NothingToDo);
        }
        cx.intend(format!("remove snap {}", self.name)).await?;
        let change = snaps
            .remove(self.name, true)
            .await
            .attempt(&format!("remove the snap {}", self.name))?;
        let attempted = format!("remove the snap {}", self.name);
        self.follow(
            &change,
            &format!("snapd to remove {}", self.name),
            &attempted,
            cx,
        )
        .await?;
        Ok(Undo::removed(format!(
            "the snap {}, with its data",
            self.name
        )))
    }
}

/// PostgreSQL from the distribution's packages.
pub struct InstallPostgres {
    pub(super) site: Arc<Site>,
}

#[async_trait]
impl Step for InstallPostgres {
    type Needs = ();
    type Output = ();

    fn id(&self) -> StepId {
        "host.postgresql".into()
    }

    fn about(&self) -> String {
        format!("install the package {}", self.site.config.postgres.version)
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("host.postgresql", Deadline::minutes(15, 30))
    }

    fn resources(&self) -> Vec<Resource> {
        vec![Resource::exclusive("apt")]
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(52))
    }

    async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
        let package = &self.site.config.postgres.version;
        Ok(
            match self
                .site
                .host
                .packages
                .installed(package)
                .await
                .attempt("read the installed packages")?
            {
                Some(_) => Observation::Satisfied(()),
                None => Observation::absent(format!("the package {package} is not installed")),
            },
        )
    }

    async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
        let package = self.site.config.postgres.version.as_str();
        create(cx, &format!("package {package}")).await?;
        self.site
            .host
            .packages
            .update()
            .await
            .attempt("update the package lists")?;
        self.site
            .host
            .packages
            .install(&[package])
            .await
            .attempt(&format!("install {package}"))
    }

    async fn undo(&self, _: &(), cx: &Context) -> Result<Undo, Error> {
        let package = self.site.config.postgres.version.as_str();
        if !created(cx, &format!("package {package}")) {
            return Ok(Undo::kept(format!(
                "the package {package} was there before"
            )));
        }
        if self
            .site
            .host
            .packages
            .installed(package)
            .await
            .attempt("read the installed packages")?
            .is_none()
        {
            return Ok(Undo::NothingToDo);
        }
        cx.intend(format!("remove package {package}")).await?;
        self.site
            .host
            .packages
            .remove(&[package], true)
            .await
            .attempt(&format!("remove {package}"))?;
        Ok(Undo::removed(format!("the package {package}")))
    }
}
