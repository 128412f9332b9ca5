//! What a bundle brings along as files: charms, and resources of charms.

use std::path::{Path, PathBuf};

use super::apply::Executor;
use crate::api::charms::{CharmResource, Origin};
use crate::api::status::Base;
use crate::error::{Error, ErrorKind, Result};

fn read(what: &str, path: &Path) -> Result<bytes::Bytes> {
    std::fs::read(path).map(Into::into).map_err(|e| {
        Error::new(
            ErrorKind::Bundle,
            format!("read {what} {}", path.display()),
            e.to_string(),
        )
    })
}

impl Executor<'_> {
    /// Uploads a packed charm and says the URL that it has got. Each upload is a new revision, so one whose application is there is
    /// never uploaded again without `force`.
    pub(super) async fn upload_charm(
        &self,
        path: &str,
        base: &Base,
        architecture: &str,
    ) -> Result<(String, Origin)> {
        let file = PathBuf::from(path);
        let operation = format!("upload the charm {path}");
        if file.is_dir() {
            return Err(Error::new(ErrorKind::NotSupported, operation, "it is a folder")
                .hint("pack it first (charmcraft pack): Juju 4 takes no folders, and this library packs none"));
        }
        let stem = file
            .file_stem()
            .and_then(|s| s.to_str())
            .unwrap_or_default();
        // charmcraft's files are `name_base-arch.charm`.
        let name = stem.split('_').next().unwrap_or(stem);
        let series = super::base::series_of(base).unwrap_or("jammy");
        let url = self
            .client
            .charms()
            .upload(name, read("the charm", &file)?, series)
            .await?;
        Ok((url, Origin::local(architecture, base.clone())))
    }

    /// Announces a resource and uploads the bundle's file as that.
    pub(super) async fn upload_pending(
        &self,
        application: &str,
        url: &str,
        origin: &Origin,
        resource: &CharmResource,
        path: &str,
    ) -> Result<String> {
        let file = self
            .options
            .dir
            .as_deref()
            .unwrap_or(Path::new(""))
            .join(path);
        let content = read(
            &format!("the resource {} of {application}", resource.name),
            &file,
        )?;
        let id = self
            .client
            .add_pending_upload(application, url, origin, resource)
            .await?;
        let shown = file.file_name().and_then(|n| n.to_str()).unwrap_or(path);
        self.client
            .upload_resource(application, &resource.name, shown, content, Some(&id))
            .await?;
        Ok(id)
    }
}
