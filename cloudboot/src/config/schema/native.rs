//! `juju.controller.agent`, `juju.controller.charm`: what a native bootstrap takes from elsewhere than Juju's streams and store.

use url::Url;

use crate::config::kinds::{POSITIVE, SERVICE_URL, SHA256, TEXT};
use crate::config::reader::Section;

/// `juju.controller.agent`: the archive of Juju's agent, instead of the newest one of `juju.channel` in Juju's streams.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentArchive {
    /// `version`, to the patch: `4.0.15`.
    pub version: String,
    /// `url`, as the controller's machine reaches it.
    pub url: Url,
    /// `sha256` of it.
    pub sha256: String,
    /// `size` in bytes.
    pub size: u64,
}

/// `juju.controller.charm`: the charm juju-controller as a file, instead of the store's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CharmFile {
    /// `url`, as the controller's machine reaches it.
    pub url: Url,
    /// `sha256` of it.
    pub sha256: String,
}

impl AgentArchive {
    /// Outer `None`: it is wrong. Inner `None`: there is none.
    #[allow(clippy::option_option)] // The two absences are what the caller must tell apart.
    pub(crate) fn read(controller: &Section<'_>) -> Option<Option<Self>> {
        if !controller.has("agent") {
            return Some(None);
        }
        let agent = controller.section("agent");
        let version = agent.required("version", &TEXT);
        let url = agent.required("url", &SERVICE_URL);
        let sha256 = agent.required("sha256", &SHA256);
        let size = agent.required("size", &POSITIVE);
        Some(Some(Self {
            version: version?,
            url: url?,
            sha256: sha256?,
            size: size?.into(),
        }))
    }
}

impl CharmFile {
    /// As [`AgentArchive::read`].
    #[allow(clippy::option_option)] // The two absences are what the caller must tell apart.
    pub(crate) fn read(controller: &Section<'_>) -> Option<Option<Self>> {
        if !controller.has("charm") {
            return Some(None);
        }
        let charm = controller.section("charm");
        let url = charm.required("url", &SERVICE_URL);
        let sha256 = charm.required("sha256", &SHA256);
        Some(Some(Self {
            url: url?,
            sha256: sha256?,
        }))
    }
}
