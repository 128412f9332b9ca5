//! The image, selected, and its import begun.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maas_client::{Client, SelectionParams};

use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};
use crate::steps::{Attempt as _, Site, create, created};

/// The image that machines are commissioned and deployed with: selected, and its import begun.
pub struct SelectImage {
    pub(in crate::steps) site: Arc<Site>,
}

/// The intent of the first import.
const BEGIN_IMPORT: &str = "begin the import";
const COMMISSIONING_SERIES: &str = "commissioning_distro_series";

impl SelectImage {
    /// The source: the configured mirror, else the first that the region has. Its number is not assumed.
    async fn source(&self, maas: &Client) -> Result<Option<maas_client::BootSource>, Error> {
        let sources = maas
            .boot_sources()
            .list()
            .await
            .attempt("list the image sources")?;
        Ok(match &self.site.config.mirrors.images {
            Some(mirror) => sources.into_iter().find(|source| {
                source.url.trim_end_matches('/') == mirror.url.as_str().trim_end_matches('/')
            }),
            None => sources.into_iter().next(),
        })
    }

    async fn is_selected(
        &self,
        maas: &Client,
        source: &maas_client::BootSource,
    ) -> Result<bool, Error> {
        let config = &self.site.config.maas;
        let selections = maas
            .boot_sources()
            .selections(source.id)
            .await
            .attempt("list the selected images")?;
        let covers =
            |have: &[String], want: &String| have.iter().any(|arch| arch == "*" || arch == want);
        Ok(selections.iter().any(|selection| {
            selection.os == "ubuntu"
                && selection.release == config.image_release
                && config
                    .image_arches
                    .iter()
                    .all(|arch| covers(&selection.arches, arch))
        }))
    }

    async fn is_there(&self, maas: &Client) -> Result<bool, Error> {
        let name = format!("ubuntu/{}", self.site.config.maas.image_release);
        let resources = maas
            .boot_resources()
            .list()
            .await
            .attempt("list the images")?;
        Ok(resources.iter().any(|resource| resource.name == name))
    }
}

#[async_trait]
impl Step for SelectImage {
    type Needs = (Client,);
    type Output = ();

    fn id(&self) -> StepId {
        "maas.images".into()
    }

    fn about(&self) -> String {
        format!(
            "select the image {} and begin its import",
            self.site.config.maas.image_release
        )
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("maas.images", Deadline::minutes(10, 20))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(42))
    }

    async fn observe(&self, (maas,): &(Client,), cx: &Context) -> Result<Observation<()>, Error> {
        let Some(source) = self.source(maas).await? else {
            return Ok(Observation::absent("the region has no such image source"));
        };
        let release = &self.site.config.maas.image_release;
        if !self.is_selected(maas, &source).await? {
            return Ok(Observation::absent(format!("{release} is not selected")));
        }
        let series = maas
            .config()
            .get_text(COMMISSIONING_SERIES)
            .await
            .attempt("read the commissioning series")?;
        // An import that we began and that has ended without the image is the next step's matter.
        let begun = cx
            .own_intents()
            .iter()
            .any(|intent| intent.what == BEGIN_IMPORT);
        if !begun
            && !self.is_there(maas).await?
            && !maas
                .boot_resources()
                .is_importing()
                .await
                .attempt("ask whether the region imports")?
        {
            return Ok(Observation::absent(format!(
                "{release} is selected, and neither there nor being imported"
            )));
        }
        Ok(
            if series.as_deref() == Some(release) || !self.is_there(maas).await? {
                Observation::Satisfied(())
            } else {
                Observation::drifted([format!(
                    "machines are commissioned with {}, not {release}",
                    series.unwrap_or_default()
                )])
            },
        )
    }

    async fn apply(&self, (maas,): &(Client,), cx: &Context) -> Result<(), Error> {
        let config = &self.site.config.maas;
        let source = match (self.source(maas).await?, &self.site.config.mirrors.images) {
            (Some(source), _) => source,
            (None, Some(mirror)) => {
                create(cx, &format!("image source {}", mirror.url)).await?;
                let keyring = mirror
                    .keyring
                    .as_ref()
                    .map(|path| path.display().to_string());
                let keyring = keyring
                    .as_deref()
                    .unwrap_or("/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg");
                maas.boot_sources()
                    .create(mirror.url.as_str(), keyring)
                    .await
                    .attempt("create the image source")?
            }
            (None, None) => {
                return Err(
                    Error::transient("find the image source", "the region has none yet")
                        .next("set mirrors.images.url"),
                );
            }
        };
        if !self.is_selected(maas, &source).await? {
            let arches: Vec<&str> = config.image_arches.iter().map(String::as_str).collect();
            let selection = SelectionParams::ubuntu(&config.image_release, &arches);
            create(cx, &format!("image selection {}", config.image_release)).await?;
            // The source's list is fetched in the background: until it is there, the region knows no release.
            cx.waiting("the image source's list", self.deadline())
                .advice("look whether the controller reaches the image source, or set mirrors.images.url")
                .poll(async || match maas.boot_sources().create_selection(source.id, &selection).await {
                    Ok(_) => Ok(Polled::Done(())),
                    Err(error) if error.is_images_unknown() => Ok(Polled::pending("the region has not fetched it yet")),
                    // One that was made by a request whose answer was lost.
                    Err(_) if self.is_selected(maas, &source).await? => Ok(Polled::Done(())),
                    Err(error) => Err(error).attempt("select the image"),
                })
                .await?;
        }
        if !self.is_there(maas).await? {
            if !maas
                .boot_resources()
                .is_importing()
                .await
                .attempt("ask whether the region imports")?
            {
                cx.intend(BEGIN_IMPORT).await?;
                maas.boot_resources()
                    .import()
                    .await
                    .attempt("begin the import")?;
            }
            return Ok(());
        }
        let before = maas
            .config()
            .get_text(COMMISSIONING_SERIES)
            .await
            .attempt("read the commissioning series")?;
        if before.as_deref() != Some(&config.image_release) {
            cx.intend("set the commissioning series").await?;
            maas.config()
                .set(COMMISSIONING_SERIES, config.image_release.as_str())
                .await
                .attempt("set the commissioning series")?;
        }
        Ok(())
    }

    async fn undo(&self, (maas,): &(Client,), cx: &Context) -> Result<Undo, Error> {
        let release = &self.site.config.maas.image_release;
        if !created(cx, &format!("image selection {release}")) {
            return Ok(Undo::kept(format!("{release} was selected before")));
        }
        let Some(source) = self.source(maas).await? else {
            return Ok(Undo::NothingToDo);
        };
        let mut removed = Vec::new();
        for selection in maas
            .boot_sources()
            .selections(source.id)
            .await
            .attempt("list the selected images")?
        {
            if selection.os == "ubuntu" && selection.release == *release {
                cx.intend(format!("delete image selection {release}"))
                    .await?;
                maas.boot_sources()
                    .delete_selection(source.id, selection.id)
                    .await
                    .attempt("delete the selection")?;
                removed.push(format!("the selection of {release}"));
            }
        }
        Ok(crate::steps::removed(removed))
    }
}
