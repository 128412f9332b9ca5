//! Charms and applications: what is deployed, what is upgraded.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::Constraints;
use super::super::charm_url::CharmUrl;
use super::super::data::ApplicationSpec;
use super::super::model::ExistingApplication;
use super::describe::{describe_charm, exposure};
use super::{Planner, base_text, channel_key, charm_text, put, put_map};
use crate::error::{Error, ErrorKind, Result};

impl Planner<'_> {
    pub(super) fn applications(&mut self) -> Result<()> {
        let mut charms: BTreeMap<String, String> = BTreeMap::new();
        for (name, app) in self.specs() {
            let existing = self.m.applications.get(&name).cloned();
            let base = base_text(&app, self.d, self.o);
            let upgrade = match &existing {
                Some(e) => self.wants_upgrade(&name, &app, e)?,
                None => false,
            };
            let arch = if self.o.ignore_architecture {
                None
            } else {
                app.constraints
                    .parse::<Constraints>()
                    .ok()
                    .and_then(|c| c.arch)
            };
            let mut charm = app.charm.clone();
            let mut requires = Vec::new();
            if existing.is_none() || upgrade {
                let channel = if app.channel.is_empty() {
                    "stable"
                } else {
                    &app.channel
                };
                let key = format!(
                    "{}:{}:{base}:{channel}:{}",
                    app.charm,
                    arch.as_deref().unwrap_or(""),
                    app.revision.unwrap_or(-1)
                );
                if !charms.contains_key(&key) {
                    let mut args = Map::new();
                    args.insert("charm".into(), json!(app.charm));
                    put(&mut args, "base", &base);
                    put(&mut args, "channel", &app.channel);
                    put(&mut args, "architecture", arch.as_deref().unwrap_or(""));
                    if let Some(r) = app.revision {
                        args.insert("revision".into(), json!(r));
                    }
                    let description = describe_charm("upload charm", &app, &base);
                    let i = self.add("addCharm", args, Vec::new(), description);
                    charms.insert(key.clone(), self.changes[i].id.clone());
                }
                charm = format!("${}", charms[&key]);
                requires.push(charms[&key].clone());
            }
            let (mut revisions, mut files) = (BTreeMap::new(), BTreeMap::new());
            for (r, v) in &app.resources {
                if let Some(n) = v.as_i64() {
                    revisions.insert(r.clone(), n);
                } else if let Some(path) = v.as_str() {
                    files.insert(r.clone(), path.to_owned());
                }
            }
            match existing {
                None => {
                    self.new_application(&name, &app, &base, &charm, requires, &revisions, &files)
                }
                Some(e) => {
                    if upgrade {
                        let mut args = Map::new();
                        args.insert("charm".into(), json!(charm));
                        args.insert("application".into(), json!(name));
                        put(&mut args, "base", &base);
                        put(&mut args, "channel", &app.channel);
                        put_map(&mut args, "resources", &revisions);
                        put_map(&mut args, "local-resources", &files);
                        let description = describe_charm(&format!("upgrade {name}"), &app, &base);
                        self.add("upgradeCharm", args, requires, description);
                    }
                    self.changed_application(&name, &app, &e);
                }
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn new_application(
        &mut self,
        name: &str,
        app: &ApplicationSpec,
        base: &str,
        charm: &str,
        requires: Vec<String>,
        revisions: &BTreeMap<String, i64>,
        files: &BTreeMap<String, String>,
    ) {
        let mut args = Map::new();
        args.insert("charm".into(), json!(charm));
        args.insert("application".into(), json!(name));
        put(&mut args, "base", base);
        if self.d.kind == "kubernetes" && app.num_units > 0 {
            args.insert("num-units".into(), json!(app.num_units));
        }
        put_map(&mut args, "options", &app.options);
        put(&mut args, "constraints", &app.constraints);
        put_map(&mut args, "storage", &app.storage);
        put_map(&mut args, "devices", &app.devices);
        put_map(&mut args, "endpoint-bindings", &app.bindings);
        put_map(&mut args, "resources", revisions);
        put_map(&mut args, "local-resources", files);
        put(&mut args, "channel", &app.channel);
        let description = describe_charm(&format!("deploy application {name}"), app, base);
        let i = self.add("deploy", args, requires, description);
        let id = self.changes[i].id.clone();
        self.added.insert(name.to_owned(), id.clone());
        if app.expose || !app.exposed_endpoints.is_empty() {
            self.expose(&format!("${id}"), name, app, vec![id.clone()]);
        }
        let annotations = self.annotations(app);
        if !annotations.is_empty() {
            self.annotate(
                "application",
                &format!("${id}"),
                name,
                annotations,
                vec![id],
            );
        }
    }

    pub(super) fn annotations(&self, app: &ApplicationSpec) -> BTreeMap<String, String> {
        let mut a = app.annotations.clone();
        if let Some(url) = &self.o.bundle_url {
            a.insert("bundleURL".into(), url.clone());
        }
        a
    }

    pub(super) fn expose(
        &mut self,
        target: &str,
        name: &str,
        app: &ApplicationSpec,
        requires: Vec<String>,
    ) {
        let mut args = Map::new();
        args.insert("application".into(), json!(target));
        if !app.exposed_endpoints.is_empty() {
            let endpoints: BTreeMap<&String, Value> = app
                .exposed_endpoints
                .iter()
                .map(|(ep, s)| {
                    let mut v = Map::new();
                    if !s.spaces.is_empty() {
                        v.insert("expose-to-spaces".into(), json!(s.spaces));
                    }
                    if !s.cidrs.is_empty() {
                        v.insert("expose-to-cidrs".into(), json!(s.cidrs));
                    }
                    (ep, Value::Object(v))
                })
                .collect();
            args.insert("exposed-endpoints".into(), json!(endpoints));
        }
        self.add("expose", args, requires, exposure(name, app));
    }

    pub(super) fn annotate(
        &mut self,
        kind: &str,
        id: &str,
        shown: &str,
        annotations: BTreeMap<String, String>,
        requires: Vec<String>,
    ) {
        let mut args = Map::new();
        args.insert("annotations".into(), json!(annotations));
        args.insert("entity-type".into(), json!(kind));
        args.insert("id".into(), json!(id));
        self.add(
            "setAnnotations",
            args,
            requires,
            format!("set annotations for {shown}"),
        );
    }

    pub(super) fn wants_upgrade(
        &self,
        name: &str,
        app: &ApplicationSpec,
        e: &ExistingApplication,
    ) -> Result<bool> {
        let refuse = |m: String| {
            Err(Error::new(
                ErrorKind::Bundle,
                format!("plan application {name:?}"),
                m,
            ))
        };
        let (wanted, hub) = charm_text(&app.charm);
        if wanted != e.charm_name() {
            return Ok(true);
        }
        if !hub {
            let revision = CharmUrl::parse(&app.charm).ok().and_then(|u| u.revision);
            return Ok(revision.is_some() && revision != e.revision);
        }
        if !e.charm.starts_with("ch:") {
            return Ok(true);
        }
        let moves = !e.channel.is_empty() && channel_key(&e.channel) != channel_key(&app.channel);
        if moves && !self.o.force {
            return refuse(format!(
                "upgrades not supported across channels (existing: {:?}, requested: {:?}); use --force to override",
                e.channel,
                if app.channel.is_empty() {
                    "stable"
                } else {
                    &app.channel
                }
            ));
        }
        match (app.revision, e.revision) {
            (Some(want), Some(have)) if want < have && !self.o.force => refuse(format!(
                "downgrades are not currently supported: deployed revision {have} is newer than requested revision {want}"
            )),
            (Some(want), Some(have)) => Ok(want != have || moves),
            _ => Ok(moves),
        }
    }
}
