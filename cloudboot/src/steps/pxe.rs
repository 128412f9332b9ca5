//! Stage 7: The PXE loader fix, where the configuration asks for it: another `lpxelinux.0`, verified by its checksum.
//!
//! The thesis: `fetch_pxelinux()`, which wrote into the image cache's hard link.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Attempt as _, Site, create, created};
use crate::engine::{Context, Deadline, Error, Observation, Step, StepId, Undo};
use crate::host::pxe::{self, LoaderSource, LoaderState};

/// The loader in MAAS's boot resources.
pub struct PxeLoader {
    pub(super) site: Arc<Site>,
}

impl PxeLoader {
    async fn fetch(&self) -> Result<bytes::Bytes, Error> {
        let fix = &self.site.config.maas.pxe_loader_fix;
        crate::rest::download(&fix.url, &self.site.reach())
            .await
            .attempt(&format!("fetch the boot loader from {}", fix.url))
    }
}

#[async_trait]
impl Step for PxeLoader {
    type Needs = ((),);
    type Output = ();

    fn id(&self) -> StepId {
        "maas.pxe-loader".into()
    }

    fn about(&self) -> String {
        if self.site.config.maas.pxe_loader_fix.enabled {
            "replace the PXE loader lpxelinux.0".to_owned()
        } else {
            "leave the PXE loader as it is (maas.pxe_loader_fix is off)".to_owned()
        }
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("maas.pxe-loader", Deadline::minutes(5, 10))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(4))
    }

    async fn observe(&self, _: &((),), _: &Context) -> Result<Observation<()>, Error> {
        if !self.site.config.maas.pxe_loader_fix.enabled {
            return Ok(Observation::Satisfied(()));
        }
        Ok(
            match pxe::observe(&self.site.host.files)
                .await
                .attempt("look at the PXE loader")?
            {
                LoaderState::NoFolder => Observation::needs_operator(
                    "this MAAS has no bootloader folder (from 3.5 the loaders are rebuilt at each start): turn maas.pxe_loader_fix off",
                ),
                LoaderState::Present { replaced: true, .. } => Observation::Satisfied(()),
                LoaderState::Present {
                    replaced: false, ..
                } => Observation::absent("MAAS's own loader is in place"),
            },
        )
    }

    async fn apply(&self, _: &((),), cx: &Context) -> Result<(), Error> {
        let archive = self.fetch().await?;
        let source = LoaderSource {
            archive: archive.to_vec(),
            sha256: self.site.config.maas.pxe_loader_fix.sha256.clone(),
        };
        create(cx, "PXE loader").await?;
        pxe::apply(&self.site.host.files, &source)
            .await
            .attempt("put the PXE loader in place")
            .map(drop)
    }

    async fn undo(&self, _: &((),), cx: &Context) -> Result<Undo, Error> {
        if !created(cx, "PXE loader") {
            return Ok(Undo::NothingToDo);
        }
        cx.intend("restore MAAS's PXE loader").await?;
        pxe::undo(&self.site.host.files)
            .await
            .attempt("restore MAAS's PXE loader")?;
        Ok(Undo::removed("our PXE loader"))
    }
}
