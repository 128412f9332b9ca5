//! `juju.controller`: where the controller comes from.

use std::path::PathBuf;

use url::Url;

use crate::config::error::FaultKind;
use crate::config::kinds::{ENDPOINT, NAME, SERVICE_URL, TEXT};
use crate::config::reader::{Scalar, Section};
use crate::config::schema::native::{AgentArchive, CharmFile, ControllerKeys, pem};
use crate::config::value::{Channel, Secret};

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
    /// `agent`: the agent's archive for a native bootstrap.
    pub agent: Option<AgentArchive>,
    /// `charm`: the controller's charm for a native bootstrap.
    pub charm: Option<CharmFile>,
    /// `keys`: the controller's own for a native bootstrap. None: its machine makes them.
    pub keys: Option<ControllerKeys>,
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
pub enum Adopt {
    /// As it is told here.
    Told(Told),
    /// As the official client knows it.
    Store(ClientStore),
}

/// A controller by its addresses, its CA and an account.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Told {
    /// `endpoints`: `host:port`, one or a list; the port is 17070 if left out.
    pub endpoints: Vec<String>,
    /// `ca`: its CA certificate, PEM; a path or the text itself.
    pub ca: String,
    /// `user`. Default `admin`.
    pub user: String,
    /// `password`.
    pub password: Secret,
}

/// A controller in the official client's files.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientStore {
    /// `store`: their folder. None: where the client has them, `$JUJU_DATA` or `~/.local/share/juju`.
    pub folder: Option<PathBuf>,
    /// `controller`: its name there. None: the current one.
    pub controller: Option<String>,
}

/// `juju.controller.container`: an image for LXD.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContainerImage {
    /// `alias` on the server. Default `22.04`.
    pub alias: String,
    /// `server`: a simplestreams server, or `local` (none) for an image that LXD on the controller has itself.
    /// Default `https://cloud-images.ubuntu.com/releases`.
    pub server: Option<Url>,
}

const MODE: Scalar<ControllerMode> = Scalar {
    expected: "auto, adopt, delegated or native",
    parse: |text| match text {
        "auto" => Some(ControllerMode::Auto),
        "adopt" => Some(ControllerMode::Adopt),
        "delegated" => Some(ControllerMode::Delegated),
        "native" => Some(ControllerMode::Native),
        _ => None,
    },
};

impl JujuController {
    pub(super) fn read(juju: &Section<'_>, channel: Option<&Channel>) -> Option<Self> {
        let controller = juju.section("controller");
        let mode = controller.or("mode", &MODE, ControllerMode::Auto);
        let adopt = match (mode, controller.has("adopt")) {
            (Some(ControllerMode::Adopt), _) | (_, true) => Adopt::read(&controller).map(Some),
            _ => {
                let _ = controller.value("adopt");
                Some(None)
            }
        };
        let container = ContainerImage::read(&controller);
        let agent = AgentArchive::read(&controller);
        let charm = CharmFile::read(&controller);
        let keys = ControllerKeys::read(&controller);
        let mode = mode?;
        if mode == ControllerMode::Native
            && channel
                .and_then(Channel::major)
                .is_some_and(|major| major < 4)
        {
            let found = "native, for a Juju before 4";
            controller.fault(
                "mode",
                FaultKind::Conflict,
                found,
                "delegated, or juju.channel 4 or later",
            );
            return None;
        }
        if controller.has("adopt") && !matches!(mode, ControllerMode::Auto | ControllerMode::Adopt)
        {
            let found = "a controller to adopt, with another `mode`";
            controller.fault(
                "adopt",
                FaultKind::Conflict,
                found,
                "mode: adopt, or no `adopt`",
            );
            return None;
        }
        Some(Self {
            mode,
            adopt: adopt?,
            container: container?,
            agent: agent?,
            charm: charm?,
            keys: keys?,
        })
    }
}

impl Adopt {
    fn read(controller: &Section<'_>) -> Option<Self> {
        let adopt = controller.section("adopt");
        if !adopt.has("store") && !adopt.has("controller") {
            return Told::read(&adopt).map(Self::Told);
        }
        let told = ["endpoints", "ca", "user", "password"];
        let both = told.into_iter().filter(|key| adopt.value(key).is_some());
        if let Some(both) = both.reduce(|first, _| first) {
            let _ = (adopt.value("store"), adopt.value("controller"));
            adopt.fault(
                both,
                FaultKind::Conflict,
                "a controller that is told and one of the client's files",
                "either `store` and `controller`, or endpoints, ca and password",
            );
            return None;
        }
        let folder = match adopt.value("store") {
            Some(value) => Some(value.path()?),
            None => None,
        };
        let controller = adopt.optional("controller", &NAME);
        Some(Self::Store(ClientStore {
            folder,
            controller: controller?,
        }))
    }
}

impl Told {
    fn read(adopt: &Section<'_>) -> Option<Self> {
        let endpoints =
            match adopt.required_value("endpoints", "the controller's addresses, host:port") {
                Some(_) => adopt.list("endpoints", &ENDPOINT),
                None => None,
            };
        let user = adopt.or("user", &NAME, "admin".to_owned());
        let password = adopt.secret("password");
        let ca = adopt.required_value(
            "ca",
            "the controller's CA certificate: a path, or its PEM text",
        );
        let ca = ca.and_then(|value| pem(&value, "CERTIFICATE"));
        let endpoints = endpoints?
            .into_iter()
            .map(|at| match at.rsplit_once(':') {
                Some((host, _)) if !host.contains(':') || host.ends_with(']') => at,
                _ if at.contains(':') && !at.starts_with('[') => format!("[{at}]:17070"),
                _ => format!("{at}:17070"),
            })
            .collect();
        Some(Self {
            endpoints,
            ca: ca?,
            user: user?,
            password: password?,
        })
    }
}

const IMAGE_SERVER: Scalar<Option<Url>> = Scalar {
    expected: "an http or https URL without user and password, or `local`",
    parse: |text| match text {
        "local" => Some(None),
        _ => (SERVICE_URL.parse)(text).map(Some),
    },
};

impl ContainerImage {
    fn read(controller: &Section<'_>) -> Option<Self> {
        let container = controller.section("container");
        let alias = container.or("alias", &TEXT, "22.04".to_owned());
        let server = match container.optional("server", &IMAGE_SERVER)? {
            Some(server) => server,
            None => Some(Url::parse("https://cloud-images.ubuntu.com/releases").ok()?),
        };
        Some(Self {
            alias: alias?,
            server,
        })
    }
}
