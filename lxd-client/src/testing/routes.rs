//! Which request goes where, and who may send it.

use serde_json::Value;

use super::answers::{Reply, Req};
use super::state::World;

impl Req {
    /// The body without the check that configuration is strings: the server's own keys are
    /// checked where they are read.
    pub(super) fn raw_json(&self) -> Result<Value, Reply> {
        serde_json::from_slice(&self.body).map_err(|e| Reply::error(400, e.to_string()))
    }
}

impl World {
    pub(super) fn handle(&mut self, req: &Req) -> Reply {
        self.route(req).unwrap_or_else(|refused| refused)
    }

    fn route(&mut self, req: &Req) -> Result<Reply, Reply> {
        if !matches!(
            req.method.as_str(),
            "GET" | "HEAD" | "PUT" | "POST" | "PATCH" | "DELETE"
        ) {
            return Err(Reply::error(
                404,
                format!("Method \"{}\" not found", req.method),
            ));
        }
        let head = req.path.first().map(String::as_str).unwrap_or_default();
        let trusted = self.is_trusted(req);
        let known = matches!(
            head,
            "" | "certificates"
                | "projects"
                | "profiles"
                | "networks"
                | "storage-pools"
                | "images"
                | "instances"
                | "operations"
                | "events"
                | "resources"
                | "cluster"
                | "metrics"
                | "warnings"
        );
        if !known {
            return Err(Reply::error(404, "not found"));
        }
        // What an untrusted client may do: look, ask to be trusted, and use a socket it has the
        // secret of.
        let open = match (head, req.method.as_str()) {
            ("", "GET") | ("certificates", "POST") => true,
            ("operations", "GET") => req.path.get(2).is_some_and(|p| p == "websocket"),
            _ => false,
        };
        if !trusted && !open {
            return Err(Reply::forbidden());
        }
        match head {
            "" => self.server(req),
            "certificates" => self.certificates(req),
            "projects" => self.projects(req),
            "profiles" => self.profiles(req),
            "networks" => self.networks(req),
            "storage-pools" => self.pools(req),
            "images" => self.images(req),
            "instances" => self.instances(req),
            "operations" => self.operations(req),
            "resources" => Ok(self.resources()),
            "cluster" => Ok(Reply::ok(serde_json::json!({
                "server_name": "", "enabled": false, "member_config": [],
            }))),
            "metrics" => Ok(Reply::Raw(
                vec![("content-type", "text/plain; version=0.0.4".into())],
                "# EOF\n".into(),
            )),
            "warnings" => Ok(Reply::ok(Vec::<Value>::new())),
            "events" if !req.upgrade => Ok(Reply::Plain(400, "Bad Request\n")),
            "events" => {
                let all = req
                    .query
                    .get("all-projects")
                    .is_some_and(|a| a == "true" || a == "1");
                Ok(Reply::Events {
                    kinds: req
                        .query
                        .get("type")
                        .map(|t| t.split(',').map(str::to_owned).collect())
                        .unwrap_or_default(),
                    project: (!all).then(|| req.project()),
                })
            }
            _ => Err(Reply::error(404, "not found")),
        }
    }
}
