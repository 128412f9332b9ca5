//! `/1.0/profiles`.

use serde_json::{Value, json};

use super::answers::{
    Reply, Req, config_of, devices_of, etag, lay_over, text, unknown_instance_key,
};
use super::state::{ProfileState, World};
use crate::Config;

impl World {
    fn profile_json(&self, project: &str, home: &str, name: &str) -> Option<Value> {
        let profile = self.state.projects.get(home)?.profiles.get(name)?;
        let used: Vec<String> = self
            .state
            .projects
            .iter()
            .filter(|(p, _)| self.effective(p, "profiles") == home)
            .flat_map(|(p, s)| s.instances.iter().map(move |(n, r)| (p, n, r)))
            .filter(|(_, _, r)| r.profiles.iter().any(|x| x == name))
            .map(|(p, n, _)| match p.as_str() {
                "default" => format!("/1.0/instances/{n}"),
                p => format!("/1.0/instances/{n}?project={p}"),
            })
            .collect();
        let _ = project;
        Some(json!({
            "config": profile.config, "description": profile.description,
            "devices": profile.devices, "name": name, "used_by": used,
        }))
    }

    fn unknown_profile_key(&self, config: &Config) -> Option<String> {
        let key = unknown_instance_key(config)?;
        Some(match self.is_like(5, 21) {
            true => format!("Unknown configuration key: {key:?}"),
            false => format!("Unknown configuration key: {key}"),
        })
    }

    pub(super) fn profiles(&mut self, req: &Req) -> Result<Reply, Reply> {
        let project = req.project();
        if !self.state.projects.contains_key(&project) {
            return Err(Reply::error(
                404,
                format!("Failed loading project \"{project}\": Project not found"),
            ));
        }
        let home = self.effective(&project, "profiles");
        let suffix = if project == "default" {
            String::new()
        } else {
            format!("?project={project}")
        };
        match (req.method.as_str(), req.path.get(1).map(String::as_str)) {
            ("GET", None) => Ok(Reply::ok(
                self.state.projects[&home]
                    .profiles
                    .keys()
                    .map(|n| match req.recursion() {
                        0 => json!(format!("/1.0/profiles/{n}{suffix}")),
                        _ => self.profile_json(&project, &home, n).unwrap_or_default(),
                    })
                    .collect::<Vec<_>>(),
            )),
            ("POST", None) => {
                let body = req.json()?;
                let name = text(&body, "name");
                let config = config_of(&body);
                if let Some(why) = self.unknown_profile_key(&config) {
                    return Err(Reply::error(400, why));
                }
                if self.state.projects[&home].profiles.contains_key(&name) {
                    return Err(Reply::error(
                        500,
                        format!(
                            "Error inserting \"{name}\" into database: The profile already exists"
                        ),
                    ));
                }
                let profile = ProfileState {
                    config,
                    description: text(&body, "description"),
                    devices: devices_of(&body),
                };
                if let Some(p) = self.state.projects.get_mut(&home) {
                    p.profiles.insert(name.clone(), profile);
                }
                self.count("profile", &name);
                let path = format!("/1.0/profiles/{name}");
                self.lifecycle(&project, "profile-created", &path, json!({}));
                Ok(Reply::Created(path))
            }
            (method, Some(name)) => {
                let Some(told) = self.profile_json(&project, &home, name) else {
                    return Err(match method {
                        "DELETE" => Reply::not_found("Profile"),
                        "POST" => Reply::error(500, "Query affected 0 rows instead of 1"),
                        _ => Reply::not_found("Fetch profile: Profile"),
                    });
                };
                let tag = etag(&json!([
                    told["config"],
                    told["description"],
                    told["devices"]
                ]));
                match method {
                    "GET" => Ok(Reply::Sync(told, Some(tag))),
                    "PUT" | "PATCH" => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        let given = config_of(&body);
                        if let Some(why) = self.unknown_profile_key(&given) {
                            return Err(Reply::in_the_work(500, why));
                        }
                        if let Some(p) = self
                            .state
                            .projects
                            .get_mut(&home)
                            .and_then(|p| p.profiles.get_mut(name))
                        {
                            if method == "PUT" {
                                p.config = given;
                                p.devices = devices_of(&body);
                                p.description = text(&body, "description");
                            } else {
                                lay_over(&mut p.config, given);
                                p.devices.extend(devices_of(&body));
                            }
                        }
                        self.dirty = true;
                        let path = format!("/1.0/profiles/{name}");
                        self.lifecycle(&project, "profile-updated", &path, json!({}));
                        Ok(Reply::empty())
                    }
                    "POST" => {
                        let to = text(&req.json()?, "name");
                        if self.state.projects[&home].profiles.contains_key(&to) {
                            let what = format!("Name {to:?} already in use");
                            return Err(Reply::error(500, what));
                        }
                        if let Some(p) = self.state.projects.get_mut(&home)
                            && let Some(profile) = p.profiles.remove(name)
                        {
                            p.profiles.insert(to.clone(), profile);
                        }
                        self.dirty = true;
                        Ok(Reply::Created(format!("/1.0/profiles/{to}")))
                    }
                    "DELETE" => {
                        if name == "default" {
                            return Err(Reply::error(
                                403,
                                "The \"default\" profile cannot be deleted",
                            ));
                        }
                        if told["used_by"].as_array().is_some_and(|u| !u.is_empty()) {
                            return Err(Reply::error(400, "Profile is currently in use"));
                        }
                        if let Some(p) = self.state.projects.get_mut(&home) {
                            p.profiles.remove(name);
                        }
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }
}
