//! Which request goes where, and who may send it.

use serde_json::Value;

use super::answers::{Reply, Req};
use super::jobs::Failure;
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
        let reply = self.route(req).unwrap_or_else(|refused| refused);
        let what = format!("{} {}", req.method, req.path.join("/"));
        match (reply, self.is_in_the_background(req)) {
            (Reply::Sync(..) | Reply::Created(_), true) => {
                let path = format!("/1.0/{}", req.path.join("/"));
                let entity = self.is_like(6, 8).then_some(("entity", path));
                Reply::Async(self.done(&req.project(), &what, entity.as_slice()))
            }
            (Reply::InTheWork(code, why), true) => {
                self.failed(&req.project(), &what, Failure::new(code, why))
            }
            (Reply::InTheWork(code, why), false) => Reply::Error(code, why),
            (reply, _) => reply,
        }
    }

    /// Whether the version behaves as this one or a later one.
    pub(super) fn is_like(&self, major: u32, minor: u32) -> bool {
        super::about::numbers(&self.version) >= (major, minor)
    }

    /// What was answered at once by 5.0 and is an operation later (extensions
    /// `storage_and_profile_operations` of 6.6, `project_delete_operation` of 6.7,
    /// `storage_and_network_operations` of 6.8).
    fn is_in_the_background(&self, req: &Req) -> bool {
        let parts: Vec<&str> = req.path.iter().map(String::as_str).collect();
        match (req.method.as_str(), parts.as_slice()) {
            ("GET" | "HEAD", _) => false,
            (_, ["storage-pools", _, "volumes", ..]) | ("PUT" | "PATCH", ["profiles", _]) => {
                self.is_like(6, 6)
            }
            ("DELETE", ["projects", _]) => self.is_like(6, 7),
            (_, ["storage-pools" | "networks" | "network-acls", ..]) => self.is_like(6, 8),
            _ => false,
        }
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
                | "network-acls"
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
        if !trusted && !open || trusted && self.is_out_of_bounds(req, head) {
            return Err(Reply::forbidden());
        }
        // Of an unknown project's instances and operations one hears that there are none in 5.0.2;
        // the rest is refused.
        let scoped = match head {
            "profiles" | "networks" | "network-acls" | "images" => true,
            "instances" | "operations" => self.is_like(5, 21),
            "storage-pools" if req.path.len() == 2 => self.is_like(5, 21),
            "storage-pools" => req.path.get(2).is_some_and(|p| p == "volumes"),
            _ => false,
        };
        let project = req.project();
        if scoped && !self.state.projects.contains_key(&project) {
            return Err(match head {
                "operations" if self.is_like(6, 0) => {
                    Reply::error(500, format!("Project {project:?} does not exist"))
                }
                _ => {
                    let what = format!("Failed loading project {project:?}: Project not found");
                    Reply::error(404, what)
                }
            });
        }
        match head {
            "" => self.server(req),
            "certificates" => self.certificates(req),
            "projects" => self.projects(req),
            "profiles" => self.profiles(req),
            "networks" => self.networks(req),
            "network-acls" => self.network_acls(req),
            "storage-pools" => self.pools(req),
            "images" => self.images(req),
            "instances" => self.instances(req),
            "operations" => self.operations(req),
            "resources" => Ok(self.resources()),
            "cluster" => self.cluster(req),
            "metrics" => Ok(Reply::Raw(
                vec![("content-type", "text/plain; version=0.0.4".into())],
                "# EOF\n".into(),
            )),
            "warnings" => self.warnings(req),
            "events" if !req.upgrade => Ok(Reply::Plain(400, "Bad Request\n")),
            "events" => {
                let all = req.all_projects();
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
