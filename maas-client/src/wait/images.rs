//! Waiting for images: imported by the region, and synced on a rack.

use std::time::Duration;

use tokio::time::Instant;

use super::{Judgement, WaitLimits, Watch};
use crate::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::SystemId;
use crate::model::{BootResource, RackImageStatus, RackImages};

/// What is known of an import in one round.
#[derive(Clone, Debug)]
pub struct ImportObservation {
    /// Whether the region says that it imports.
    pub importing: bool,
    /// What the region has, or is getting.
    pub resources: Vec<BootResource>,
    /// The wanted ones among them with their versions and files, where they were asked for.
    pub details: Vec<BootResource>,
    /// What each rack has.
    pub racks: Vec<(SystemId, RackImages)>,
}

/// An image that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedImage {
    /// Operating system and release, such as `ubuntu/jammy`.
    pub name: String,
    /// Architecture, such as `amd64`.
    pub architecture: String,
}

impl WantedImage {
    /// A release of Ubuntu.
    pub fn ubuntu(release: &str, architecture: &str) -> Self {
        Self {
            name: format!("ubuntu/{release}"),
            architecture: architecture.to_owned(),
        }
    }

    /// Whether this is it, with whatever kernel.
    fn is(&self, resource: &BootResource) -> bool {
        resource.name == self.name
            && resource.architecture.split('/').next() == Some(&self.architecture)
    }
}

impl ImportObservation {
    /// Looks: whether the region imports, its list, and every rack's. What is wanted is not looked into.
    pub async fn look(client: &Client) -> Result<Self> {
        Self::look_for(client, &[]).await
    }

    /// The same, and whether the wanted images are whole: the region's list names an image as soon as its
    /// first file is begun, and goes on to name it when the import has failed in its middle.
    pub async fn look_for(client: &Client, wanted: &[WantedImage]) -> Result<Self> {
        let importing = client.boot_resources().is_importing().await?;
        let resources = client.boot_resources().list().await?;
        let mut details = Vec::new();
        for resource in &resources {
            if !wanted.iter().any(|w| w.is(resource)) {
                continue;
            }
            match client.boot_resources().read(resource.id).await {
                Ok(whole) => details.push(whole),
                // Replaced since the list was made.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let mut racks = Vec::new();
        for rack in client.racks().list().await? {
            let images = client.racks().list_boot_images(&rack.system_id).await?;
            racks.push((rack.system_id, images));
        }
        Ok(Self {
            importing,
            resources,
            details,
            racks,
        })
    }

    /// Whether the region has all files of an image. A region that does not say is taken at its list's word:
    /// the rack decides then.
    fn has(&self, wanted: &WantedImage) -> bool {
        let mut known = self.details.iter().filter(|r| wanted.is(r)).peekable();
        if known.peek().is_none() {
            return self.resources.iter().any(|r| wanted.is(r));
        }
        known.any(|r| r.is_complete() != Some(false))
    }

    /// Judges it: an import is done when the region has every wanted image, imports no more, and some
    /// connected rack has them all with status `synced`. (From 3.5 on every rack says so at once: racks fetch
    /// what they need. There [`look_for`](Self::look_for) alone tells a whole image from a named one.) It failed when the region imports no more and an
    /// image is missing; the caller should have seen it importing first, or waited a moment after starting it.
    pub fn judge(&self, wanted: &[WantedImage]) -> Judgement {
        let missing: Vec<String> = wanted
            .iter()
            .filter(|w| !self.has(w))
            .map(|w| format!("{} {}", w.name, w.architecture))
            .collect();
        if self.importing {
            return Judgement::Pending(format!(
                "the region imports; {} of {} images there",
                wanted.len() - missing.len(),
                wanted.len()
            ));
        }
        if !missing.is_empty() {
            return Judgement::Failed(format!(
                "the import has ended without {}",
                missing.join(", ")
            ));
        }
        let has_all = |images: &RackImages| {
            wanted.iter().all(|w| {
                images
                    .images
                    .iter()
                    .any(|i| i.name == w.name && i.architecture == w.architecture)
            })
        };
        if self
            .racks
            .iter()
            .any(|(_, i)| i.connected && i.status == RackImageStatus::Synced && has_all(i))
        {
            return Judgement::Reached;
        }
        let racks: Vec<String> = self
            .racks
            .iter()
            .map(|(id, i)| {
                format!(
                    "{id} {}{}",
                    i.status,
                    if i.connected { "" } else { " (not connected)" }
                )
            })
            .collect();
        Judgement::Pending(if racks.is_empty() {
            "no rack controller".to_owned()
        } else {
            format!("racks: {}", racks.join(", "))
        })
    }

    /// How much is there, for progress: it grows while an import moves on.
    pub fn progress(&self) -> String {
        let images: usize = self.racks.iter().map(|(_, i)| i.images.len()).sum();
        let mut text = format!(
            "{} resources, {images} images on racks",
            self.resources.len()
        );
        let (mut there, mut all) = (0.0, 0.0);
        for file in self
            .details
            .iter()
            .flat_map(|r| r.sets.values())
            .flat_map(|s| s.files.values())
        {
            #[allow(clippy::cast_precision_loss)]
            let size = file.size as f64 / 1e6;
            all += size;
            there += match (file.complete, file.progress) {
                (true, _) => size,
                (false, part) => size * part.unwrap_or(0.0).clamp(0.0, 1.0),
            };
        }
        // Less than a tenth of a megabyte would read as none of none.
        if all >= 0.05 {
            text.push_str(&format!(", {there:.1} of {all:.1} MB of the wanted images"));
        }
        text
    }
}

impl Client {
    /// Waits until the wanted images are imported and synced on a rack.
    ///
    /// An import that has not begun yet looks like one that has failed: for the first `grace` an ended
    /// import with images missing is waited on.
    ///
    /// # Errors
    /// [`ErrorKind::Failed`] when the import ended without them; [`ErrorKind::Deadline`] when it takes too
    /// long or nothing grows any more.
    pub async fn wait_for_images(
        &self,
        wanted: &[WantedImage],
        grace: Duration,
        limits: WaitLimits,
    ) -> Result<()> {
        let what = "wait for the images";
        let began = Instant::now();
        let mut begun = false;
        let mut watch = Watch::new(limits);
        loop {
            let seen = match ImportObservation::look_for(self, wanted).await {
                Ok(look) => {
                    begun |= look.importing;
                    match look.judge(wanted) {
                        Judgement::Reached => return Ok(()),
                        Judgement::Pending(doing) => format!("{doing} ({})", look.progress()),
                        Judgement::Failed(why) if begun || began.elapsed() >= grace => {
                            let why = format!("{why} ({})", look.progress());
                            return Err(Error::new(ErrorKind::Failed, what, why)
                                .with_hint("look at the region's log: one source that cannot be read fails the whole import"));
                        }
                        Judgement::Failed(why) => why,
                    }
                }
                Err(error) if error.is_retryable() => format!("MAAS does not answer: {error}"),
                Err(error) => return Err(error),
            };
            watch.next(what, seen).await?;
        }
    }
}
