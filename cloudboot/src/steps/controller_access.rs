//! What we hold of the Juju controller: how it comes to be, its access, and the keys and settings that go with it.

use std::collections::BTreeMap;

use juju_client::{Client as Juju, ControllerAccess, Options, Store};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{Attempt as _, Site};
use crate::config::{Adopt, ClientStore, ControllerMode};
use crate::engine::{Context, Error};

/// The controller's access in the secret store.
pub(super) const ACCESS: &str = "juju-controller";

/// [`ControllerAccess`] as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    uuid: String,
    endpoints: Vec<String>,
    ca_cert: String,
    user: String,
    password: String,
    /// The region of its cloud, as it was bootstrapped.
    #[serde(default)]
    region: String,
}

/// How the controller comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Adopt,
    Delegated,
    Native,
}

pub(super) fn way(site: &Site) -> Way {
    match site.config.juju.controller_mode() {
        ControllerMode::Adopt => Way::Adopt,
        ControllerMode::Native => Way::Native,
        _ => Way::Delegated,
    }
}

/// What we hold of the controller.
pub(super) async fn held(site: &Site, cx: &Context) -> Result<Option<ControllerAccess>, Error> {
    Ok(match way(site) {
        Way::Adopt => adopted(site)?,
        Way::Delegated | Way::Native => kept(cx).await?,
    })
}

pub(super) async fn kept(cx: &Context) -> Result<Option<ControllerAccess>, Error> {
    let Some(secret) = cx.secrets().get(ACCESS).await? else {
        return Ok(None);
    };
    let kept: Kept = serde_json::from_str(secret.expose_secret()).map_err(|error| {
        Error::needs_operator(
            format!("read the secret {ACCESS}"),
            format!("line {}: not what we keep", error.line()),
        )
    })?;
    let mut access = ControllerAccess::new(
        kept.name,
        kept.uuid,
        kept.endpoints,
        kept.ca_cert,
        kept.user,
        kept.password.into(),
    );
    access.region = kept.region;
    Ok(Some(access))
}

pub(super) async fn keep(access: &ControllerAccess, cx: &Context) -> Result<(), Error> {
    let kept = Kept {
        name: access.name.clone(),
        uuid: access.uuid.clone(),
        endpoints: access.endpoints.clone(),
        ca_cert: access.ca_cert.clone(),
        user: access.user.clone(),
        password: access.password.expose_secret().to_owned(),
        region: access.region.clone(),
    };
    let text = serde_json::to_string(&kept)
        .map_err(|error| Error::terminal("keep the controller's access", error.to_string()))?;
    cx.secrets().put(ACCESS, &SecretString::from(text)).await
}

/// The controller that the configuration has us adopt.
pub(super) fn adopted(site: &Site) -> Result<Option<ControllerAccess>, Error> {
    let juju = &site.config.juju;
    Ok(match &juju.controller.adopt {
        None => None,
        Some(Adopt::Told(told)) => Some(ControllerAccess::new(
            juju.bootstrap.name.clone(),
            String::new(),
            told.endpoints.clone(),
            told.ca.clone(),
            told.user.clone(),
            told.password.value().clone(),
        )),
        Some(Adopt::Store(store)) => Some(in_store(store)?),
    })
}

/// What the controller to adopt is called, and where that is said.
pub(super) fn adopted_name(site: &Site) -> String {
    let juju = &site.config.juju;
    match &juju.controller.adopt {
        Some(Adopt::Store(store)) => match &store.controller {
            Some(name) => format!("{name} of the juju client's files"),
            None => "that is current in the juju client's files".to_owned(),
        },
        _ => juju.bootstrap.name.clone(),
    }
}

/// A controller as the official client knows it.
fn in_store(wanted: &ClientStore) -> Result<ControllerAccess, Error> {
    let attempted = "read the controller from the juju client's files";
    let wrong = |what: String| {
        Error::needs_operator(attempted, what).next(
            "set juju.controller.adopt.store to the client's folder and .controller to a name that `juju controllers` shows; \
             one that is logged in to by a browser has no password there: give endpoints, ca, user and password instead",
        )
    };
    let folder = wanted
        .folder
        .clone()
        .or_else(Store::default_dir)
        .ok_or_else(|| wrong("this user has no home folder".to_owned()))?;
    let told = |error: juju_client::Error| wrong(format!("{}: {error}", folder.display()));
    let store = Store::read(&folder).map_err(told)?;
    let mut access = store
        .controller(wanted.controller.as_deref())
        .map_err(told)?;
    // Its own cloud's: what we write beside it is the cloud of the configuration.
    access.region.clear();
    Ok(access)
}

pub(super) async fn log_in(
    site: &Site,
    access: &ControllerAccess,
) -> Result<Juju, juju_client::Error> {
    access
        .connect(site.proxy().cloned(), Options::default())
        .await
}

/// The proxies and mirrors of the configuration, as keys of a Juju model.
pub(super) fn way_out(site: &Site) -> BTreeMap<String, String> {
    let (proxy, mirrors) = (&site.config.proxy, &site.config.mirrors);
    let mut settings = BTreeMap::new();
    let mut set = |key: &str, url: &Option<url::Url>| {
        if let Some(url) = url {
            settings.insert(key.to_owned(), url.to_string());
        }
    };
    for (key, url) in [
        ("juju-http-proxy", &proxy.http),
        ("juju-https-proxy", &proxy.https),
        ("apt-http-proxy", &proxy.http),
    ] {
        set(key, url);
    }
    for (key, url) in [
        ("snap-http-proxy", &proxy.http),
        ("snap-https-proxy", &proxy.https),
        ("snap-store-proxy-url", &mirrors.snap),
    ] {
        set(key, url);
    }
    for (key, url) in [
        ("apt-mirror", &mirrors.apt),
        ("agent-metadata-url", &mirrors.juju_agents),
        ("charmhub-url", &mirrors.charm_store),
    ] {
        set(key, url);
    }
    if !proxy.no_proxy.is_empty() {
        settings.insert("juju-no-proxy".to_owned(), proxy.no_proxy.join(","));
    }
    settings
}

/// The key with which Juju talks to MAAS: the configuration's, else ours.
pub(super) async fn maas_key(site: &Site, cx: &Context) -> Result<maas_client::ApiKey, Error> {
    match &site.config.juju.credential.maas_oauth {
        Some(own) => own.expose().parse().attempt("read Juju's MAAS key"),
        None => super::region::kept_key(cx).await,
    }
}
