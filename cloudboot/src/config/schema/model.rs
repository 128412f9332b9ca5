//! `juju.model`, `juju.bundle`: what is deployed, and into what.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::config::error::FaultKind;
use crate::config::kinds::{FLAG, MODEL_NAME, NAME, RELEASE};
use crate::config::reader::Section;
use crate::config::redact::redacted;
use crate::config::tree::Kind;

/// `juju.model`.
#[derive(Clone)]
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
#[derive(Clone)]
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

impl JujuModel {
    pub(crate) fn read(juju: &Section<'_>) -> Option<Self> {
        let model = juju.section("model");
        let name = model.or("name", &MODEL_NAME, "openstack".to_owned());
        let series = model.or("series", &RELEASE, "jammy".to_owned());
        let config = model.section("config");
        let config = config.entries().into_iter().map(|(key, value)| {
            // Source: Juju accepts these and changes the model's identity.
            if ["uuid", "name", "type"].contains(&key) {
                value.fault(
                    FaultKind::Invalid,
                    format!("`{key}`"),
                    "model configuration other than its identity",
                );
                return None;
            }
            Some((key.to_owned(), value.node.json()))
        });
        let config: Vec<_> = config.collect();
        Some(Self {
            name: name?,
            series: series?,
            config: config.into_iter().collect::<Option<_>>()?,
        })
    }
}

impl Bundle {
    pub(crate) fn read(juju: &Section<'_>) -> Option<Self> {
        let value = juju.required_value("bundle", "the bundle's path, or a map with its `path`")?;
        const FILE: &str = "a Juju bundle, a file; its path is relative to this file";
        if matches!(value.node.kind, Kind::Scalar { .. }) {
            return Some(Self {
                path: value.existing_file(FILE)?,
                overlays: Vec::new(),
                options: BTreeMap::new(),
                trust: Vec::new(),
                trust_all: false,
            });
        }
        let bundle = value.section();
        let path = bundle
            .required_value("path", FILE)
            .and_then(|path| path.existing_file(FILE));
        let overlays: Vec<_> = match bundle.value("overlays") {
            Some(list) => list
                .items()
                .iter()
                .map(|item| item.existing_file("a bundle overlay, a file"))
                .collect(),
            None => Vec::new(),
        };
        let options: Vec<_> = bundle
            .section("options")
            .entries()
            .into_iter()
            .map(|(application, value)| {
                let options = value.section();
                let options = options.entries().into_iter();
                let options = options
                    .map(|(key, value)| (key.to_owned(), value.node.json()))
                    .collect();
                (application.to_owned(), options)
            })
            .collect();
        let (trust, trust_all) = match bundle.value("trust") {
            Some(value) => match &value.node.kind {
                Kind::Scalar { text, .. } if (FLAG.parse)(text).is_some() => {
                    (Some(Vec::new()), (FLAG.parse)(text).unwrap_or_default())
                }
                _ => (bundle.list("trust", &NAME), false),
            },
            None => (Some(Vec::new()), false),
        };
        Some(Self {
            path: path?,
            overlays: overlays.into_iter().collect::<Option<_>>()?,
            options: options.into_iter().collect(),
            trust: trust?,
            trust_all,
        })
    }
}

impl fmt::Debug for JujuModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = serde_json::to_value(&self.config).unwrap_or_default();
        f.debug_struct("JujuModel")
            .field("name", &self.name)
            .field("series", &self.series)
            .field("config", &redacted(&config))
            .finish()
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = serde_json::to_value(&self.options).unwrap_or_default();
        f.debug_struct("Bundle")
            .field("path", &self.path)
            .field("overlays", &self.overlays)
            .field("options", &redacted(&options))
            .field("trust", &self.trust)
            .field("trust_all", &self.trust_all)
            .finish()
    }
}
