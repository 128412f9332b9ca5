//! Before anything is changed: the ways out, to the mirrors or the Internet's own places, and the bundle's charms in their channels.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use juju_client::bundle::Bundle;
use serde::Deserialize;
use url::Url;

use super::Site;
use super::controller_access::{Way, way};
use super::preflight::{AT_ONCE, Line, PATIENCE};
use crate::host::preflight::Level;
use crate::host::snaps::normal_channel;
use crate::rest::{ErrorKind, download};

/// Where things come from, where the configuration names no mirror.
const SNAPS: &str = "https://api.snapcraft.io/";
const CHARMS: &str = "https://api.charmhub.io/";
const IMAGES: &str = "https://images.maas.io/ephemeral-v3/stable/";
const AGENTS: &str = "https://streams.canonical.com/juju/tools/";
const PACKAGES: &str = "http://archive.ubuntu.com/ubuntu/";

impl Site {
    pub(super) fn charm_store(&self) -> Url {
        self.place(self.config.mirrors.charm_store.as_ref(), CHARMS)
    }

    fn place(&self, mirror: Option<&Url>, own: &str) -> Url {
        // The constants are URLs; the region's own stands for what can't be.
        mirror
            .cloned()
            .or_else(|| own.parse().ok())
            .unwrap_or_else(|| self.config.maas.server.clone())
    }

    /// Whether what the run and the machines take from elsewhere can be reached: the mirrors, or the Internet's own.
    pub(super) async fn check_ways_out(&self) -> Vec<Line> {
        let mirrors = &self.config.mirrors;
        let juju = &self.config.juju;
        let mut places: BTreeSet<(&str, Url)> = [
            ("snaps", self.place(mirrors.snap.as_ref(), SNAPS)),
            ("packages", self.place(mirrors.apt.as_ref(), PACKAGES)),
            (
                "images",
                self.place(mirrors.images.as_ref().map(|it| &it.url), IMAGES),
            ),
            (
                "Juju's agents",
                self.place(mirrors.juju_agents.as_ref(), AGENTS),
            ),
            ("charms", self.charm_store()),
        ]
        .into();
        let way = way(self);
        let container = juju.controller.container.server.as_ref();
        places.extend(
            container
                .filter(|_| way == Way::Delegated)
                .map(|url| ("the container's image", url.clone())),
        );
        if way == Way::Native {
            let (agent, charm) = (&juju.controller.agent, &juju.controller.charm);
            places.extend(
                agent
                    .iter()
                    .map(|it| ("the agent's archive", it.url.clone())),
            );
            places.extend(
                charm
                    .iter()
                    .map(|it| ("the controller's charm", it.url.clone())),
            );
        }
        let fix = &self.config.maas.pxe_loader_fix;
        if fix.enabled {
            places.insert(("the PXE loader", fix.url.clone()));
        }
        let ask = async |(what, url): (&str, Url)| {
            let check = format!("{what} from {url}");
            match self.fetch(&url).await {
                Ok(_) => (check, Level::Fine, "answers".to_owned(), None),
                // Whatever the status, there is somebody.
                Err(error)
                    if error
                        .status()
                        .is_some_and(|status| !status.is_server_error()) =>
                {
                    (check, Level::Fine, "answers".to_owned(), None)
                }
                Err(error) => {
                    let advice = match error.kind() {
                        ErrorKind::Tls => {
                            "its certificate is not a public CA's: a proxy in between rewrites TLS; go around it, or set a mirror"
                        }
                        _ => {
                            "open the way out (route, DNS, firewall, proxy), or name a mirror under `mirrors`"
                        }
                    };
                    (
                        check,
                        Level::Missing,
                        error.to_string(),
                        Some(advice.to_owned()),
                    )
                }
            }
        };
        futures_util::stream::iter(places)
            .map(ask)
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn fetch(&self, url: &Url) -> crate::rest::Result<bytes::Bytes> {
        let mut reach = self.reach();
        reach.timeout = PATIENCE;
        download(url, &reach).await
    }

    /// Whether the store has each charm of the bundle in the channel that it asks for.
    pub(super) async fn check_charms(&self, bundle: &Bundle, store: &Url) -> Vec<Line> {
        let mut wanted: BTreeSet<(String, String)> = bundle
            .data()
            .applications
            .values()
            .flatten()
            .filter(|app| !app.charm.starts_with(['.', '/']) && !app.charm.starts_with("local:"))
            .map(|app| {
                (
                    app.charm.trim_start_matches("ch:").to_owned(),
                    app.channel.clone(),
                )
            })
            .collect();
        // The controller's own, where it comes from the store.
        let juju = &self.config.juju;
        let channel = &juju.channel;
        if way(self) == Way::Native
            && juju.controller.charm.is_none()
            && channel.track.contains('.')
        {
            wanted.insert(("juju-controller".to_owned(), channel.to_string()));
        }
        let all = wanted.len();
        let ask = async |(charm, channel): (String, String)| {
            self.check_charm(store, &charm, &channel).await
        };
        let wrong: Vec<Line> = futures_util::stream::iter(wanted)
            .map(ask)
            .buffered(AT_ONCE)
            .filter_map(async |line| line)
            .collect()
            .await;
        if wrong.is_empty() {
            vec![(
                "charms".to_owned(),
                Level::Fine,
                format!("all {all} are in the store, in their channels"),
                None,
            )]
        } else {
            wrong
        }
    }

    /// What is wrong with a charm. Source: Charmhub's API, `GET /v2/charms/info/<name>?fields=channel-map`.
    async fn check_charm(&self, store: &Url, charm: &str, channel: &str) -> Option<Line> {
        let check = format!("charm {charm}");
        let doubt = |why: String| {
            Some((
                check.clone(),
                Level::Doubtful,
                why,
                Some("look at it in the store".to_owned()),
            ))
        };
        let Ok(mut url) = store.join(&format!("v2/charms/info/{charm}")) else {
            return doubt("its name makes no URL".to_owned());
        };
        url.set_query(Some("fields=channel-map"));
        let body = match self.fetch(&url).await {
            Ok(body) => body,
            Err(error) if error.is_not_found() => {
                return Some((
                    check,
                    Level::Missing,
                    "the store has no such charm".to_owned(),
                    Some("correct its name in the bundle".to_owned()),
                ));
            }
            Err(error) => return doubt(error.to_string()),
        };
        let info: Info = match serde_json::from_slice(&body) {
            Ok(info) => info,
            Err(error) => return doubt(format!("the store's answer does not read: {error}")),
        };
        let has: BTreeSet<String> = info
            .channel_map
            .iter()
            .map(|it| normal_channel(&it.channel.name))
            .collect();
        // Without a channel Juju takes the charm's default, which it always has.
        if channel.is_empty() || has.contains(&normal_channel(channel)) {
            return None;
        }
        let there: Vec<&str> = has.iter().map(String::as_str).take(12).collect();
        let found = format!(
            "it has no channel {channel}; there are {}",
            there.join(", ")
        );
        Some((
            check,
            Level::Missing,
            found,
            Some("correct `channel` in the bundle or an overlay".to_owned()),
        ))
    }
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "channel-map", default)]
    channel_map: Vec<Mapped>,
}

#[derive(Deserialize)]
struct Mapped {
    channel: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}
