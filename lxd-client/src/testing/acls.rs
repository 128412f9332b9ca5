//! `/1.0/network-acls` and the forwards of networks.

use serde_json::{Value, json};

use super::answers::{Reply, Req, config_of, etag, lay_over, text};
use super::state::World;

fn list(body: &Value, key: &str) -> Value {
    match &body[key] {
        Value::Array(rules) => json!(rules),
        _ => json!([]),
    }
}

/// The part of an ACL that is written.
fn acl_of(body: &Value) -> Value {
    json!({
        "description": text(body, "description"), "config": config_of(body),
        "egress": list(body, "egress"), "ingress": list(body, "ingress"),
    })
}

fn check_acl(acl: &Value) -> Result<(), Reply> {
    let keys = acl["config"].as_object().into_iter().flat_map(|c| c.keys());
    if let Some(key) = keys.into_iter().find(|k| !k.starts_with("user.")) {
        return Err(Reply::in_the_work(
            500,
            format!("Invalid config option {key:?}"),
        ));
    }
    for direction in ["ingress", "egress"] {
        for (n, rule) in acl[direction].as_array().into_iter().flatten().enumerate() {
            if !matches!(rule["action"].as_str(), Some("allow" | "drop" | "reject")) {
                return Err(Reply::in_the_work(
                    500,
                    format!(
                        "Invalid {direction} rule {n}: Action must be one of: allow, drop, reject"
                    ),
                ));
            }
        }
    }
    Ok(())
}

impl World {
    pub(super) fn network_acls(&mut self, req: &Req) -> Result<Reply, Reply> {
        let home = self.effective(&req.project(), "networks");
        let method = req.method.as_str();
        let Some(acls) = self.state.projects.get_mut(&home).map(|p| &mut p.acls) else {
            return Err(Reply::not_found("Project"));
        };
        let told = |name: &str, acl: &Value| {
            let mut told = acl.clone();
            told["name"] = name.into();
            told["used_by"] = json!([]);
            told
        };
        match (method, req.path.get(1).map(String::as_str)) {
            ("GET", None) => Ok(Reply::ok(
                acls.iter()
                    .map(|(name, acl)| match req.recursion() {
                        0 => json!(format!("/1.0/network-acls/{name}")),
                        _ => told(name, acl),
                    })
                    .collect::<Vec<_>>(),
            )),
            ("POST", None) => {
                let body = req.json()?;
                let name = text(&body, "name");
                if name.starts_with(|c: char| c.is_ascii_digit()) {
                    return Err(Reply::in_the_work(500, "Name must not start with a number"));
                }
                if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                    let what = "Name can only contain alphanumeric and hyphen characters";
                    return Err(Reply::in_the_work(500, what));
                }
                if acls.contains_key(&name) {
                    return Err(Reply::error(400, "The network ACL already exists"));
                }
                let acl = acl_of(&body);
                check_acl(&acl)?;
                acls.insert(name.clone(), acl);
                self.count("network-acl", &name);
                Ok(Reply::Created(format!("/1.0/network-acls/{name}")))
            }
            (method, Some(name)) => {
                let Some(acl) = acls.get(name) else {
                    return Err(Reply::not_found("Network ACL"));
                };
                let tag = etag(acl);
                let found = told(name, acl);
                match method {
                    "GET" => return Ok(Reply::Sync(found, Some(tag))),
                    "PUT" | "PATCH" => {
                        req.matches(&tag)?;
                        let new = acl_of(&req.json()?);
                        check_acl(&new)?;
                        acls.insert(name.to_owned(), new);
                    }
                    "POST" => {
                        let to = text(&req.json()?, "name");
                        if acls.contains_key(&to) {
                            let what = "An ACL by that name exists already";
                            return Err(Reply::error(500, what));
                        }
                        if let Some(acl) = acls.remove(name) {
                            acls.insert(to.clone(), acl);
                        }
                        self.dirty = true;
                        return Ok(Reply::Created(format!("/1.0/network-acls/{to}")));
                    }
                    "DELETE" => {
                        acls.remove(name);
                    }
                    _ => return Err(Reply::not_found("")),
                }
                self.dirty = true;
                Ok(Reply::empty())
            }
            _ => Err(Reply::not_found("")),
        }
    }

    pub(super) fn forwards(
        &mut self,
        req: &Req,
        home: &str,
        network: &str,
        address: Option<&str>,
    ) -> Result<Reply, Reply> {
        let at = format!("/1.0/networks/{network}/forwards");
        let Some(forwards) = self
            .state
            .projects
            .get_mut(home)
            .and_then(|p| p.networks.get_mut(network))
            .map(|n| &mut n.forwards)
        else {
            return Err(Reply::error(
                404,
                "Failed loading network: Network not found",
            ));
        };
        let told = |address: &str, forward: &Value| {
            let mut told = forward.clone();
            told["listen_address"] = address.into();
            told["location"] = "none".into();
            told
        };
        let written = |body: &Value| {
            json!({
                "description": text(body, "description"), "config": config_of(body),
                "ports": list(body, "ports"),
            })
        };
        match (req.method.as_str(), address) {
            ("GET", None) => Ok(Reply::ok(
                forwards
                    .iter()
                    .map(|(address, forward)| match req.recursion() {
                        0 => json!(format!("{at}/{address}")),
                        _ => told(address, forward),
                    })
                    .collect::<Vec<_>>(),
            )),
            ("POST", None) => {
                let body = req.json()?;
                let address = text(&body, "listen_address");
                if address.parse::<std::net::IpAddr>().is_err() {
                    return Err(Reply::in_the_work(
                        500,
                        format!(
                            "Failed creating forward: Failed parsing address forward listen \
                             address {address:?}: invalid CIDR address: {address}/32"
                        ),
                    ));
                }
                if forwards.contains_key(&address) {
                    return Err(Reply::in_the_work(
                        409,
                        "Failed creating forward: A forward for that listen address already exists",
                    ));
                }
                forwards.insert(address.clone(), written(&body));
                self.count("network-forward", &address);
                Ok(Reply::Created(format!("{at}/{address}")))
            }
            (method, Some(address)) => {
                let Some(forward) = forwards.get(address) else {
                    return Err(match method {
                        "DELETE" => {
                            let what = "Failed deleting forward: Network forward not found";
                            Reply::in_the_work(404, what)
                        }
                        _ => Reply::not_found("Network forward"),
                    });
                };
                let tag = etag(forward);
                match method {
                    "GET" => return Ok(Reply::Sync(told(address, forward), Some(tag))),
                    // The ETag is not looked at here.
                    "PUT" | "PATCH" => {
                        let body = req.json()?;
                        let mut new = written(&body);
                        if method == "PATCH" {
                            let mut config = super::answers::strings(&forward["config"]);
                            lay_over(&mut config, config_of(&body));
                            new["config"] = json!(config);
                        }
                        forwards.insert(address.to_owned(), new);
                    }
                    "DELETE" => {
                        forwards.remove(address);
                    }
                    _ => return Err(Reply::not_found("")),
                }
                self.dirty = true;
                Ok(Reply::empty())
            }
            _ => Err(Reply::not_found("")),
        }
    }
}
