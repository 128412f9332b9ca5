//! `juju`: cloud, controller, model and bundle.

use std::net::Ipv4Addr;

use url::Url;

use crate::config::error::FaultKind;
use crate::config::kinds::{CHANNEL, CLOUD_NAME, NAME, RELEASE, SERVICE_URL, TAG};
use crate::config::reader::{Scalar, Section, Value};
use crate::config::schema::juju_controller::{ControllerMode, JujuController};
use crate::config::schema::maas::default_server;
use crate::config::schema::model::{Bundle, JujuModel};
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

impl Juju {
    /// Where the controller comes from, `auto` resolved.
    pub fn controller_mode(&self) -> ControllerMode {
        match self.controller.mode {
            ControllerMode::Auto if self.controller.adopt.is_some() => ControllerMode::Adopt,
            ControllerMode::Auto if self.channel.major().is_none_or(|major| major >= 4) => {
                ControllerMode::Native
            }
            ControllerMode::Auto => ControllerMode::Delegated,
            mode => mode,
        }
    }

    pub(crate) fn read(root: &Section<'_>, defaults: &JujuDefaults<'_>) -> Option<Self> {
        let juju = root.section("juju");
        let channel = juju.required("channel", &CHANNEL);
        let cloud = JujuCloud::read(&juju, defaults.gateway);
        let credential = JujuCredential::read(&juju, cloud.as_ref(), defaults.username);
        let bootstrap = JujuBootstrap::read(&juju, defaults.tag);
        let controller = JujuController::read(&juju, channel.as_ref());
        let model = JujuModel::read(&juju);
        let bundle = Bundle::read(&juju);
        Some(Self {
            channel: channel?,
            cloud: cloud?,
            credential: credential?,
            bootstrap: bootstrap?,
            controller: controller?,
            model: model?,
            bundle: bundle?,
        })
    }
}

/// What other sections say that `juju` falls back on; None where they are wrong.
pub(crate) struct JujuDefaults<'a> {
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) username: Option<&'a str>,
    pub(crate) tag: Option<&'a str>,
}

const CLOUD_TYPE: Scalar<()> = Scalar {
    expected: "maas, the only kind of cloud here",
    parse: |text| (text == "maas").then_some(()),
};
const AUTH_TYPE: Scalar<()> = Scalar {
    expected: "oauth1, which is how Juju logs in to MAAS",
    parse: |text| (text == "oauth1").then_some(()),
};

impl JujuCloud {
    fn read(juju: &Section<'_>, gateway: Option<Ipv4Addr>) -> Option<Self> {
        let clouds = juju.section("clouds");
        let mut entries = clouds.entries().into_iter();
        let Some((name, value)) = entries.next() else {
            return Some(Self {
                name: "maas".to_owned(),
                endpoint: default_server(gateway?)?,
            });
        };
        if let Some((other, second)) = entries.next() {
            let found = format!("a second cloud, `{other}`");
            second.fault(
                FaultKind::Conflict,
                found,
                "one cloud: the MAAS that this file describes",
            );
        }
        let name = checked_name(&value, name, &CLOUD_NAME);
        let cloud = value.section();
        let kind = cloud.or("type", &CLOUD_TYPE, ());
        let auth = cloud.list("auth-types", &AUTH_TYPE);
        let endpoint = cloud.optional("endpoint", &SERVICE_URL);
        kind?;
        auth?;
        let endpoint = match endpoint? {
            Some(endpoint) => endpoint,
            None => default_server(gateway?)?,
        };
        Some(Self {
            name: name?,
            endpoint,
        })
    }
}

/// A name that is a key of the user's own.
fn checked_name(value: &Value<'_>, name: &str, kind: &Scalar<String>) -> Option<String> {
    let checked = (kind.parse)(name);
    if checked.is_none() {
        value.fault(
            FaultKind::Invalid,
            format!("`{}`", crate::config::reader::shown(name)),
            kind.expected,
        );
    }
    checked
}

impl JujuCredential {
    fn read(juju: &Section<'_>, cloud: Option<&JujuCloud>, username: Option<&str>) -> Option<Self> {
        let credentials = juju.section("credentials");
        let mut found = None;
        let mut sound = true;
        for (of_cloud, value) in credentials.entries() {
            if cloud.is_some_and(|cloud| cloud.name != of_cloud) {
                value.fault(
                    FaultKind::Conflict,
                    format!("credentials of `{of_cloud}`"),
                    "credentials of the cloud in juju.clouds",
                );
                continue;
            }
            let users = value.section();
            // The thesis's listing has `maas-oauth` beside the user instead of within.
            let beside = if users.has("maas-oauth") {
                users.value("maas-oauth")
            } else {
                None
            };
            let beside = beside.map(|value| value.secret());
            sound &= beside.as_ref().is_none_or(Option::is_some);
            for (name, value) in users.entries() {
                if name == "maas-oauth" {
                    continue;
                }
                let name = checked_name(&value, name, &NAME);
                let user = value.section();
                let auth = user.or("auth-type", &AUTH_TYPE, ());
                let key = user.optional_secret("maas-oauth");
                sound &= name.is_some() && auth.is_some() && key.is_some();
                if found.is_some() {
                    value.fault(
                        FaultKind::Conflict,
                        "a second credential",
                        "one credential of the cloud",
                    );
                }
                let key = key.flatten().or_else(|| beside.clone().flatten());
                found = name.map(|name| Self {
                    name,
                    maas_oauth: key,
                });
            }
        }
        if !sound {
            return None;
        }
        match found {
            Some(credential) => Some(credential),
            None => Some(Self {
                name: username?.to_owned(),
                maas_oauth: None,
            }),
        }
    }
}

impl JujuBootstrap {
    fn read(juju: &Section<'_>, tag: Option<&str>) -> Option<Self> {
        let bootstrap = juju.section("bootstrap");
        let name = bootstrap.or("name", &NAME, "maas-controller".to_owned());
        let series = bootstrap.or("series", &RELEASE, "jammy".to_owned());
        let tags = bootstrap.list("tags", &TAG)?;
        let tags = if tags.is_empty() {
            vec![tag?.to_owned()]
        } else {
            tags
        };
        if let Some(tag) = tag.filter(|tag| !tags.iter().any(|other| other == tag)) {
            let found = format!("`{}`", tags.join(", "));
            let expected = format!("vm.juju.tag among them, `{tag}`: else no machine has them");
            bootstrap.fault("tags", FaultKind::Conflict, found, expected);
            return None;
        }
        Some(Self {
            name: name?,
            series: series?,
            tags,
        })
    }
}
