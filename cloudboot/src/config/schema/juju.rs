//! `juju`: cloud, controller, model and bundle.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use crate::config::value::{Channel, Secret};

/// `juju`: the controller and what it deploys.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Juju {
    /// `channel` of the snap. `3.1` means `3.1/stable`.
    pub channel: Channel,
    /// `clouds`: the first one named; type `maas`.
    pub cloud: JujuCloud,
    /// `credentials`: the one of that cloud. Its key is MAAS's API key, which is made by the run.
    pub credential: JujuCredential,
    /// `bootstrap`: how the controller's machine is picked.
    pub bootstrap: JujuBootstrap,
    /// `controller`: where the controller comes from.
    pub controller: JujuController,
    /// `model`: the model that the cloud lives in.
    pub model: JujuModel,
    /// `bundle`: what is deployed.
    pub bundle: Bundle,
}

/// One of `juju.clouds`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JujuCloud {
    /// The key under `clouds`. Default `maas`.
    pub name: String,
    /// `endpoint`: MAAS as the Juju controller reaches it. Default: `http://<maas.dhcp.gateway>:5240/MAAS`.
    pub endpoint: Url,
}

/// One of `juju.credentials`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JujuCredential {
    /// The key under `credentials.<cloud>`. Default: `maas.username`.
    pub name: String,
    /// `maas-oauth`: an API key to use instead of the administrator's. None, as in the thesis: the administrator's.
    pub maas_oauth: Option<Secret>,
}

/// `juju.bootstrap`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JujuBootstrap {
    /// `name` of the controller. Default `maas-controller`.
    pub name: String,
    /// `series` of its machine. Default `jammy`.
    pub series: String,
    /// `tags` that its machine must have. Default: `vm.juju.tag`.
    pub tags: Vec<String>,
}

/// `juju.controller`: where the controller comes from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JujuController {
    /// `mode`. Default auto.
    pub mode: ControllerMode,
    /// `adopt`: the standing controller; there if `mode` is adopt.
    pub adopt: Option<Adopt>,
    /// `container`: the image of the throwaway container in which the official client bootstraps.
    pub container: ContainerImage,
}

/// `juju.controller.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControllerMode {
    /// Delegated for Juju 3, native for 4 and later, by `juju.channel`; adopt if `adopt` is given.
    Auto,
    /// Use a standing controller.
    Adopt,
    /// The official client in a throwaway container on the controller.
    Delegated,
    /// One cloud-init user data, no client.
    Native,
}

/// `juju.controller.adopt`: a controller that already stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Adopt {
    /// `endpoints`: `host:port`, one or a list; the port is 17070 if left out.
    pub endpoints: Vec<String>,
    /// `ca`: its CA certificate, PEM; a path or the text itself.
    pub ca: String,
    /// `user`. Default `admin`.
    pub user: String,
    /// `password`.
    pub password: Secret,
}

/// `juju.controller.container`: an image for LXD.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContainerImage {
    /// `alias` on the server. Default `22.04`.
    pub alias: String,
    /// `server`: a simplestreams server. Default `https://cloud-images.ubuntu.com/releases`.
    pub server: Url,
}

/// `juju.model`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JujuModel {
    /// `name`. Default `openstack`.
    pub name: String,
    /// `series`: the default base. Default `jammy`.
    pub series: String,
    /// `config`: model configuration, key to value as Juju spells them.
    pub config: BTreeMap<String, serde_json::Value>,
}

/// `juju.bundle`: a path, or a map with `path` and more.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Bundle {
    /// `path` of the bundle; it is there when the configuration loads.
    pub path: PathBuf,
    /// `overlays`: bundle overlays, applied in that order.
    pub overlays: Vec<PathBuf>,
    /// `options`: application to option to value; laid over the bundle last.
    pub options: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// `trust`: the applications that get the cloud's credential. Written as a list; `true` means all that ask.
    pub trust: Vec<String>,
    /// `trust: true`: every application that asks for trust gets it.
    pub trust_all: bool,
}
