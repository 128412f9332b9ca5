//! Stage 6: The image is imported, and the rack has it; the rack is healthy and connected.
//!
//! The thesis: `await_image_import()`, which raced the import's start and took a failed import for a finished one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maas_client::{Client, ImportObservation, Judgement, WantedImage};

use super::first_config::MachineNetwork;
use super::{Attempt as _, Site};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId};

/// Within what time an import begins after it was asked for.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);

/// The image, ready for machines to boot.
pub struct AwaitImage {
    pub(super) site: Arc<Site>,
}

impl AwaitImage {
    fn wanted(&self) -> Vec<WantedImage> {
        let config = &self.site.config.maas;
        config
            .image_arches
            .iter()
            .map(|arch| WantedImage::ubuntu(&config.image_release, arch))
            .collect()
    }

    async fn judge(&self, maas: &Client) -> Result<(Judgement, String), Error> {
        let seen = ImportObservation::look_for(maas, &self.wanted())
            .await
            .attempt("look at the import")?;
        Ok((seen.judge(&self.wanted()), seen.progress()))
    }

    /// What is not well with the rack, in a sentence.
    async fn rack_trouble(
        &self,
        maas: &Client,
        network: &MachineNetwork,
    ) -> Result<Option<String>, Error> {
        let rack = maas
            .racks()
            .read(&network.rack)
            .await
            .attempt("read the rack controller")?;
        let dead: Vec<&str> = rack
            .service_set
            .iter()
            .filter(|service| service.status == "dead")
            .map(|service| service.name.as_str())
            .collect();
        Ok((!dead.is_empty()).then(|| {
            format!(
                "on the rack {} these do not run: {}",
                rack.hostname,
                dead.join(", ")
            )
        }))
    }
}

#[async_trait]
impl Step for AwaitImage {
    type Needs = (Client, (), MachineNetwork);
    type Output = ();

    fn id(&self) -> StepId {
        "maas.image-ready".into()
    }

    fn about(&self) -> String {
        format!(
            "wait until {} is imported and the rack has it",
            self.site.config.maas.image_release
        )
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("maas.image-ready", Deadline::minutes(15, 120))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(247))
    }

    async fn observe(
        &self,
        (maas, (), network): &Self::Needs,
        _: &Context,
    ) -> Result<Observation<()>, Error> {
        Ok(match self.judge(maas).await?.0 {
            Judgement::Reached => match self.rack_trouble(maas, network).await? {
                None => Observation::Satisfied(()),
                Some(trouble) => Observation::blocked(trouble),
            },
            Judgement::Pending(what) | Judgement::Failed(what) => Observation::absent(what),
            _ => Observation::absent("the import is in a state that this version does not know"),
        })
    }

    async fn apply(&self, (maas, (), _): &Self::Needs, cx: &Context) -> Result<(), Error> {
        let mut again = 2;
        loop {
            let idle = std::sync::Mutex::new(None);
            let failed = cx
                .waiting("the image's import", self.deadline())
                .advice("look at the region's log for the import, whether the controller reaches the image source, or set mirrors.images.url")
                .poll(async || {
                    let (judgement, progress) = self.judge(maas).await?;
                    Ok(match judgement {
                        Judgement::Reached => Polled::Done(None),
                        // It begins a moment after it was asked for, and one that fails at once is never seen.
                        Judgement::Failed(why) => {
                            let now = cx.clock().now();
                            let since = idle
                                .lock()
                                .map(|mut since| *since.get_or_insert(now))
                                .unwrap_or_default();
                            if now.saturating_sub(since) >= BEGINS_WITHIN {
                                Polled::Done(Some(why))
                            } else {
                                Polled::pending("the region does not import")
                            }
                        }
                        Judgement::Pending(what) => Polled::pending(format!("{what} ({progress})")),
                        _ => Polled::pending(progress),
                    })
                })
                .await?;
            let Some(why) = failed else { return Ok(()) };
            if again == 0 {
                return Err(Error::terminal("import the image", why)
                    .next("the region's log says which source failed; set mirrors.images.url to one that the controller reaches"));
            }
            again -= 1;
            cx.intend("begin the import again").await?;
            maas.boot_resources()
                .import()
                .await
                .attempt("begin the import again")?;
        }
    }
}
