//! `/1.0/cluster` and `/1.0/warnings`.

use serde_json::{Value, json};

use super::answers::{Reply, Req, etag, text};
use super::state::{Op, World, random_hex, uuid};

fn alone(code: u16) -> Reply {
    Reply::error(
        code,
        match code {
            500 => "Server is not clustered",
            _ => "This server is not clustered",
        },
    )
}

/// The operation by which a server becomes a member.
fn becoming(description: &str) -> Op {
    Op {
        class: "task".into(),
        description: description.into(),
        project: "default".into(),
        // Told as `null`.
        resources: [("cluster".to_owned(), Vec::new())].into(),
        ..Op::default()
    }
}

impl World {
    /// Nobody but this fake is there: whatever cluster is to be joined does not answer.
    fn joins(&mut self, joined: &str, here: &str) -> Result<Reply, Reply> {
        if here.is_empty() {
            let what = "No server address provided for this member";
            return Err(Reply::error(400, what));
        }
        let id = self.start_op(becoming("Joining cluster"));
        let what = format!(
            "Failed to setup cluster trust: Failed to connect to target cluster node {joined:?}: Get \
             \"https://{joined}/1.0\": Unable to connect to: {joined} ([dial tcp {joined}: connect: \
             connection refused])"
        );
        self.finish(&id, Err(what.into()));
        Ok(Reply::Async(id))
    }

    pub(super) fn cluster(&mut self, req: &Req) -> Result<Reply, Reply> {
        let parts: Vec<&str> = req.path.iter().skip(1).map(String::as_str).collect();
        let name = self.state.cluster_name.clone();
        match (req.method.as_str(), parts.as_slice()) {
            ("GET", []) => {
                let told = json!({
                    "server_name": name, "enabled": !name.is_empty(), "member_config": [],
                });
                let tag = etag(&told);
                Ok(Reply::Sync(told, Some(tag)))
            }
            ("PUT", []) => {
                let body = req.raw_json()?;
                if !name.is_empty() {
                    return Err(Reply::error(400, "This server is already clustered"));
                }
                let (joined, here) = (
                    text(&body, "cluster_address"),
                    text(&body, "server_address"),
                );
                if !joined.is_empty() {
                    return self.joins(&joined, &here);
                }
                if !self.state.config.contains_key("core.https_address") {
                    return Err(Reply::error(
                        400,
                        "No core.https_address config key is set on this member",
                    ));
                }
                let name = text(&body, "server_name");
                let member = json!({
                    "server_name": name, "status": "Online", "message": "Fully operational",
                    "roles": ["database-leader", "database"], "description": "", "config": {},
                    "groups": ["default"], "failure_domain": "default", "architecture": "x86_64",
                    "url": self.addresses().first().map(|a| format!("https://{a}")),
                    "database": true,
                });
                self.state.cluster_members.insert(name.clone(), member);
                self.state.cluster_name = name;
                self.dirty = true;
                let id = self.start_op(becoming("Creating bootstrap node"));
                self.finish(&id, Ok(None));
                Ok(Reply::Async(id))
            }
            ("POST", ["members"]) if name.is_empty() => Err(alone(400)),
            (_, ["members", ..]) if name.is_empty() => Err(alone(500)),
            ("GET", ["members"]) => Ok(Reply::ok(
                self.state
                    .cluster_members
                    .iter()
                    .map(|(name, member)| match req.recursion() {
                        0 => json!(format!("/1.0/cluster/members/{name}")),
                        _ => member.clone(),
                    })
                    .collect::<Vec<_>>(),
            )),
            ("POST", ["members"]) => {
                let asked = text(&req.raw_json()?, "server_name");
                let metadata = json!({
                    "serverName": asked, "secret": random_hex(32),
                    "fingerprint": self.fingerprint, "addresses": self.addresses(),
                    "expiresAt": "2100-01-01T00:00:00Z",
                });
                let op = Op {
                    class: "token".into(),
                    description: "Executing operation".into(),
                    project: "default".into(),
                    metadata,
                    may_cancel: true,
                    ..Op::default()
                };
                Ok(Reply::Async(self.start_op(op)))
            }
            (method, ["members", member, rest @ ..]) => {
                let Some(found) = self.state.cluster_members.get_mut(*member) else {
                    return Err(Reply::not_found("Cluster member"));
                };
                self.dirty = true;
                let written = |m: &Value| {
                    json!([
                        m["config"],
                        m["description"],
                        m["groups"],
                        m["failure_domain"],
                        m["roles"]
                    ])
                };
                match (method, rest) {
                    ("GET", []) => Ok(Reply::Sync(found.clone(), Some(etag(&written(found))))),
                    ("PUT", []) => {
                        req.matches(&etag(&written(found)))?;
                        let body = req.raw_json()?;
                        for key in ["config", "description", "groups", "failure_domain", "roles"] {
                            found[key] = body[key].clone();
                        }
                        Ok(Reply::empty())
                    }
                    ("POST", []) => {
                        let to = text(&req.raw_json()?, "server_name");
                        let mut moved = found.clone();
                        moved["server_name"] = to.clone().into();
                        self.state.cluster_members.remove(*member);
                        if self.state.cluster_name == *member {
                            self.state.cluster_name.clone_from(&to);
                        }
                        self.state.cluster_members.insert(to.clone(), moved);
                        Ok(Reply::Created(format!("/1.0/cluster/members/{to}")))
                    }
                    ("DELETE", []) => {
                        if self.state.cluster_members.len() == 1 {
                            return Err(Reply::error(
                                400,
                                "Trying to remove the only member of the cluster",
                            ));
                        }
                        self.state.cluster_members.remove(*member);
                        Ok(Reply::empty())
                    }
                    ("POST", ["state"]) => {
                        let (status, what) = match text(&req.raw_json()?, "action").as_str() {
                            "evacuate" => ("Evacuated", "Evacuating cluster member"),
                            "restore" => ("Online", "Restoring cluster member"),
                            other => {
                                let what = format!("Unknown action {other:?}");
                                return Err(Reply::error(400, what));
                            }
                        };
                        found["status"] = status.into();
                        Ok(Reply::Async(self.done("default", what, &[])))
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::error(501, "not implemented")),
        }
    }

    /// Has the server worried.
    pub(super) fn warn(&mut self, kind: &str, message: &str) {
        let seen = self.timestamp();
        let id = uuid();
        let warning = json!({
            "status": "new", "uuid": id, "location": "none", "project": "", "type": kind,
            "count": 1, "first_seen_at": seen, "last_seen_at": seen, "last_message": message,
            "severity": "low", "entity_url": "",
        });
        self.state.warnings.insert(id, warning);
        self.dirty = true;
    }

    pub(super) fn warnings(&mut self, req: &Req) -> Result<Reply, Reply> {
        let Some(id) = req.path.get(1) else {
            let all = self.state.warnings.iter();
            return Ok(Reply::ok(
                all.map(|(id, warning)| match req.recursion() {
                    0 => json!(format!("/1.0/warnings/{id}")),
                    _ => warning.clone(),
                })
                .collect::<Vec<_>>(),
            ));
        };
        let Some(warning) = self.state.warnings.get_mut(id) else {
            return Err(Reply::not_found("Warning"));
        };
        let tag = etag(&warning["status"]);
        match req.method.as_str() {
            "GET" => return Ok(Reply::Sync(warning.clone(), Some(tag))),
            "PUT" | "PATCH" => {
                req.matches(&tag)?;
                warning["status"] = req.raw_json()?["status"].clone();
            }
            "DELETE" => {
                self.state.warnings.remove(id);
            }
            _ => return Err(Reply::not_found("")),
        }
        self.dirty = true;
        Ok(Reply::empty())
    }
}
