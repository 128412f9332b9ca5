//! `/1.0/projects`.

use serde_json::{Value, json};

use super::answers::{Reply, Req, config_of, etag, lay_over, no_entity, text};
use super::jobs::Failure;
use super::state::{ProfileState, ProjectState, World};
use crate::Config;

impl World {
    fn project_json(&self, name: &str) -> Option<Value> {
        let p = self.state.projects.get(name)?;
        let suffix = if name == "default" {
            String::new()
        } else {
            format!("?project={name}")
        };
        let mut used: Vec<String> = p
            .instances
            .keys()
            .map(|n| format!("/1.0/instances/{n}{suffix}"))
            .collect();
        used.extend(
            p.profiles
                .keys()
                .map(|n| format!("/1.0/profiles/{n}{suffix}")),
        );
        used.extend(p.images.keys().map(|n| format!("/1.0/images/{n}{suffix}")));
        Some(json!({
            "config": p.config, "description": p.description, "name": name, "used_by": used,
        }))
    }

    pub(super) fn projects(&mut self, req: &Req) -> Result<Reply, Reply> {
        match (req.method.as_str(), req.path.get(1).map(String::as_str)) {
            ("GET", None) => Ok(Reply::ok(
                self.state
                    .projects
                    .keys()
                    .filter(|name| self.may_see_project(req, name))
                    .map(|n| match req.recursion() {
                        0 => json!(format!("/1.0/projects/{n}")),
                        _ => self.project_json(n).unwrap_or_default(),
                    })
                    .collect::<Vec<_>>(),
            )),
            ("POST", None) => {
                let body = req.json()?;
                let name = text(&body, "name");
                if name.contains('/') {
                    let what = "Project names may not contain slashes";
                    return Err(Reply::error(400, what));
                }
                if name.is_empty() {
                    return Err(Reply::error(400, "No name provided"));
                }
                if self.state.projects.contains_key(&name) {
                    return Err(Reply::error(
                        409,
                        format!(
                            "Failed creating project \"{name}\": Failed adding database record: \
                             This \"projects\" entry already exists"
                        ),
                    ));
                }
                let mut config = config_of(&body);
                check_project_keys(&config)?;
                for feature in ["images", "profiles", "storage.volumes"] {
                    config
                        .entry(format!("features.{feature}"))
                        .or_insert_with(|| "true".into());
                }
                let mut project = ProjectState {
                    config,
                    description: text(&body, "description"),
                    ..ProjectState::default()
                };
                if project.config["features.profiles"] == "true" {
                    let profile = ProfileState {
                        description: format!("Default LXD profile for project {name}"),
                        ..ProfileState::default()
                    };
                    project.profiles.insert("default".into(), profile);
                }
                self.state.projects.insert(name.clone(), project);
                self.count("project", &name);
                let path = format!("/1.0/projects/{name}");
                self.lifecycle("default", "project-created", &path, json!({}));
                Ok(Reply::Created(path))
            }
            (method, Some(name)) => {
                let Some(told) = self.project_json(name) else {
                    if method == "POST" {
                        if self.is_like(6, 0) {
                            let path = format!("/1.0/projects/{name}");
                            return Err(no_entity("Renaming project", &path));
                        }
                        let why = format!("Failed loading project {name:?}: Project not found");
                        let why = Failure::new(404, why);
                        return Ok(self.failed("default", "Renaming project", why));
                    }
                    return Err(Reply::not_found("Project"));
                };
                let tag = etag(&json!([told["config"], told["description"]]));
                match method {
                    "GET" => Ok(Reply::Sync(told, Some(tag))),
                    "PUT" | "PATCH" => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        let given = config_of(&body);
                        check_project_keys(&given)?;
                        if let Some(p) = self.state.projects.get_mut(name) {
                            if method == "PUT" {
                                p.config = given;
                                p.description = text(&body, "description");
                            } else {
                                lay_over(&mut p.config, given);
                            }
                        }
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    "POST" => {
                        let to = text(&req.json()?, "name");
                        if self.state.projects.contains_key(&to) {
                            let why = format!("A project named {to:?} already exists");
                            return Ok(self.failed("default", "Renaming project", why));
                        }
                        if let Some(p) = self.state.projects.remove(name) {
                            self.state.projects.insert(to.clone(), p);
                        }
                        Ok(Reply::Async(self.done("default", "Renaming project", &[])))
                    }
                    "DELETE" => {
                        if name == "default" {
                            return Err(Reply::error(
                                403,
                                "The 'default' project cannot be deleted",
                            ));
                        }
                        let p = &self.state.projects[name];
                        let empty = p.instances.is_empty()
                            && p.images.is_empty()
                            && p.networks.is_empty()
                            && p.profiles.keys().all(|n| n == "default");
                        if !empty {
                            return Err(Reply::error(500, "Only empty projects can be removed"));
                        }
                        self.state.projects.remove(name);
                        self.dirty = true;
                        let path = format!("/1.0/projects/{name}");
                        self.lifecycle("default", "project-deleted", &path, json!({}));
                        Ok(Reply::empty())
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }
}

fn check_project_keys(config: &Config) -> Result<(), Reply> {
    for key in config.keys() {
        let known = [
            "features.",
            "limits.",
            "restricted",
            "user.",
            "images.",
            "backups.",
        ]
        .iter()
        .any(|p| key.starts_with(p));
        if !known {
            return Err(Reply::error(
                400,
                format!("Invalid project configuration key \"{key}\""),
            ));
        }
    }
    Ok(())
}
