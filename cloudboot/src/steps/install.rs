//! Stage 1: Install MAAS and LXD (snaps) and PostgreSQL (package manager).
//!
//! The thesis: `installation()`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Attempt as _, Site, create, created};
use crate::config::Channel;
use crate::engine::{Context, Deadline, Error, Observation, Polled, Resource, Step, StepId, Undo};
use crate::host::snaps::{ChangeId, Snap, normal_channel};

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

    /// What is wrong with a snap that was there before.
    fn differs(&self, snap: &Snap) -> String {
        let (name, followed) = (self.name, snap.followed());
        format!(
            "the snap {name} is installed from {followed} and the configuration asks for {}: set the channel to {followed} to adopt it, \
             or refresh the snap by hand",
            self.channel
        )
    }

    /// Whether it would go back to an older series: what a newer one has made of its data, an older one does not read.
    fn is_older_than(&self, snap: &Snap) -> bool {
        let series = |channel: &str| {
            let track = normal_channel(channel);
            let parts = track.split('/').next().unwrap_or_default().split('.');
            parts.map(|part| part.parse::<u32>().ok()).collect()
        };
        let (there, wanted): (Option<Vec<u32>>, Option<Vec<u32>>) =
            (series(snap.followed()), series(&self.channel.to_string()));
        matches!((there, wanted), (Some(there), Some(wanted)) if wanted < there)
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
            return Ok(Observation::Drifted {
                what: vec![self.differs(&snap)],
                destructive: true,
            });
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
        let there = snaps
            .get(self.name)
            .await
            .attempt("ask snapd for its snaps")?;
        let change = match (under_way.first(), there) {
            (Some(change), _) => change.id.clone(),
            (None, Some(snap)) => {
                if !created(cx, &format!("snap {}", self.name)) && self.is_older_than(&snap) {
                    return Err(Error::needs_operator(self.about(), self.differs(&snap))
                        .next("see to it, then run again"));
                }
                cx.intend(format!("refresh snap {} to {channel}", self.name))
                    .await?;
                snaps
                    .refresh(self.name, &channel)
                    .await
                    .attempt(&format!("refresh the snap {}", self.name))?
            }
            (None, None) => {
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

/// What the intent to install a package begins with.
const INSTALL: &str = "create package ";

impl InstallPostgres {
    /// The packages that this deployment set out to install and that are there, the one that was asked for first.
    async fn ours(&self, cx: &Context) -> Result<Vec<String>, Error> {
        let packages = &self.site.host.packages;
        let mut names: Vec<String> = cx
            .own_intents()
            .iter()
            .filter_map(|known| Some(known.what.strip_prefix(INSTALL)?.to_owned()))
            .collect();
        let main = self.site.config.postgres.package();
        names.sort_by_key(|name| (name != main, name.clone()));
        names.dedup();
        let mut there = Vec::new();
        for name in names {
            let found = packages.installed(&name).await;
            if found.attempt("read the installed packages")?.is_some() {
                there.push(name);
            }
        }
        Ok(there)
    }
}

#[async_trait]
impl Step for InstallPostgres {
    type Needs = ();
    type Output = ();

    fn id(&self) -> StepId {
        "host.postgresql".into()
    }

    fn about(&self) -> String {
        let postgres = &self.site.config.postgres;
        match &postgres.host {
            Some(host) => format!("use the PostgreSQL at {host}:{}", postgres.port),
            None => format!("install the package {}", postgres.version),
        }
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

    async fn observe(&self, _: &(), cx: &Context) -> Result<Observation<()>, Error> {
        let postgres = &self.site.config.postgres;
        if postgres.host.is_some() {
            return Ok(match self.site.host.postgres.version().await {
                Ok(_) => Observation::Satisfied(()),
                Err(error) if error.is_retryable() => Observation::blocked(error.to_string()),
                Err(error) => Observation::needs_operator(error.to_string()),
            });
        }
        let package = postgres.package();
        let found = self.site.host.packages.installed(package).await;
        Ok(
            match (
                found.attempt("read the installed packages")?,
                postgres.pinned(),
            ) {
                (None, _) => Observation::absent(format!("the package {package} is not installed")),
                (Some(there), Some(wanted)) if there != wanted => {
                    let ours = created(cx, &format!("package {package}"));
                    let what = format!("the package {package} is {there}, not {wanted}");
                    let advice = if ours {
                        format!("remove {package} or change postgres.version")
                    } else {
                        format!("set postgres.version to {package}={there} to adopt it")
                    };
                    Observation::needs_operator(format!("{what}: {advice}"))
                }
                (Some(_), _) => Observation::Satisfied(()),
            },
        )
    }

    async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
        let postgres = &self.site.config.postgres;
        let (wanted, packages) = (postgres.version.as_str(), &self.site.host.packages);
        packages
            .update()
            .await
            .attempt("update the package lists")?;
        // What it brings along goes with it, and nothing that was there before.
        let brings = packages
            .would_install(&[wanted])
            .await
            .attempt(&format!("see what {wanted} brings along"))?;
        for name in &brings {
            create(cx, &format!("package {name}")).await?;
        }
        packages
            .install(&[wanted])
            .await
            .attempt(&format!("install {wanted}"))
    }

    async fn undo(&self, _: &(), cx: &Context) -> Result<Undo, Error> {
        let main = self.site.config.postgres.package();
        if self.site.config.postgres.host.is_some() {
            return Ok(Undo::NothingToDo);
        }
        if !created(cx, &format!("package {main}")) {
            return Ok(Undo::kept(format!("the package {main} was there before")));
        }
        let packages = &self.site.host.packages;
        let ours = self.ours(cx).await?;
        let names: Vec<&str> = ours.iter().map(String::as_str).collect();
        if names.is_empty() {
            return Ok(Undo::NothingToDo);
        }
        // What others have come to need since stays.
        let going = packages.would_remove(&names).await;
        let going = going.attempt("see what depends on our packages")?;
        let alone = going.iter().all(|name| ours.contains(name));
        let names = if alone { names } else { vec![main] };
        cx.intend(format!("remove {}", names.join(", "))).await?;
        packages
            .remove(&names, true)
            .await
            .attempt(&format!("remove {}", names.join(", ")))?;
        Ok(Undo::removed(match names.as_slice() {
            [one] => format!("the package {one}"),
            [one, more @ ..] => format!("the package {one} and {} that came with it", more.len()),
            [] => String::new(),
        }))
    }
}
