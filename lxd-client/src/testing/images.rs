//! `/1.0/images`.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answers::{Reply, Req, etag, passes, strings, text};
use super::jobs::{Job, fetched};
use super::state::{AliasState, ImageState, Op, World, random_hex};

impl World {
    pub(super) fn images(&mut self, req: &Req) -> Result<Reply, Reply> {
        let project = self.effective(&req.project(), "images");
        if !self.state.projects.contains_key(&project) {
            return Err(Reply::not_found("Project"));
        }
        let parts: Vec<&str> = req.path.iter().skip(1).map(String::as_str).collect();
        match (req.method.as_str(), parts.as_slice()) {
            ("GET", ["aliases"]) => {
                let names = self.state.projects[&project].aliases.keys();
                Ok(Reply::ok(
                    names
                        .map(|n| match req.recursion() {
                            0 => json!(format!("/1.0/images/aliases/{n}")),
                            _ => self.alias_json(&project, n).unwrap_or_default(),
                        })
                        .collect::<Vec<_>>(),
                ))
            }
            ("POST", ["aliases"]) => self.create_alias(req, &project),
            (_, ["aliases", rest @ ..]) => self.alias(req, &project, &rest.join("/")),
            ("GET", []) => {
                let mut listed = Vec::new();
                for print in self.state.projects[&project].images.keys() {
                    let told = self.image_json(&project, print).unwrap_or_default();
                    if passes(&told, req)? {
                        listed.push(match req.recursion() {
                            0 => json!(format!("/1.0/images/{print}")),
                            _ => told,
                        });
                    }
                }
                Ok(Reply::ok(listed))
            }
            ("POST", []) => self.post_image(req, &project),
            (_, [print, rest @ ..]) => {
                self.check_prefix(print)?;
                let fingerprint = self
                    .find_image(&project, print)
                    .ok_or_else(|| Reply::not_found("Image"))?;
                let told = self.image_json(&project, &fingerprint).unwrap_or_default();
                let tag = etag(&json!([
                    told["public"],
                    told["auto_update"],
                    told["properties"]
                ]));
                match (req.method.as_str(), rest) {
                    ("GET", []) => Ok(Reply::Sync(told, Some(tag))),
                    ("PUT" | "PATCH", []) => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        let image = self
                            .state
                            .projects
                            .get_mut(&project)
                            .and_then(|p| p.images.get_mut(&fingerprint));
                        if let Some(image) = image {
                            if req.method == "PUT" {
                                image.properties.clear();
                            }
                            image.properties.extend(strings(&body["properties"]));
                            if let Some(public) = body["public"].as_bool() {
                                image.public = public;
                            }
                            if let Some(update) = body["auto_update"].as_bool() {
                                image.auto_update = update;
                            }
                        }
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    ("POST", ["secret"]) => Ok(self.image_secret(&project, &fingerprint)),
                    ("POST", ["refresh"]) => {
                        Ok(Reply::Async(self.done(&project, "Refreshing image", &[])))
                    }
                    ("GET", ["export"]) => {
                        let image = &self.state.projects[&project].images[&fingerprint];
                        if image.rootfs.is_empty() {
                            return Ok(Reply::bytes(image.content.clone()));
                        }
                        Ok(two_files(image))
                    }
                    ("DELETE", []) => {
                        let path = format!("/1.0/images/{fingerprint}");
                        let job = Job::DeleteImage(fingerprint);
                        let lasts = std::time::Duration::ZERO;
                        Ok(Reply::Async(self.start(
                            &project,
                            "Deleting image",
                            &[("images", path)],
                            lasts,
                            job,
                        )))
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }

    /// Later versions take no short beginnings of fingerprints (seen on 5.21.7 and 6.9).
    fn check_prefix(&self, prefix: &str) -> Result<(), Reply> {
        let hash = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let why = match prefix {
            _ if !self.is_like(5, 21) => return Ok(()),
            short if short.len() < 12 => "must contain 12 characters or more",
            prefix if prefix.chars().all(hash) => return Ok(()),
            _ => "must contain only lowercase hexadecimal characters",
        };
        Err(Reply::error(400, format!("Image fingerprint prefix {why}")))
    }

    pub(super) fn find_image(&self, project: &str, prefix: &str) -> Option<String> {
        let images = &self.state.projects.get(project)?.images;
        images.keys().find(|f| f.starts_with(prefix)).cloned()
    }

    fn image_json(&self, project: &str, fingerprint: &str) -> Option<Value> {
        let p = self.state.projects.get(project)?;
        let image = p.images.get(fingerprint)?;
        let aliases: Vec<Value> = p
            .aliases
            .iter()
            .filter(|(_, a)| a.target == fingerprint)
            .map(|(n, a)| json!({"name": n, "description": a.description}))
            .collect();
        let mut told = json!({
            "auto_update": image.auto_update, "properties": image.properties,
            "public": image.public, "expires_at": "1970-01-01T00:00:00Z", "profiles": ["default"],
            "aliases": aliases, "architecture": "x86_64", "cached": image.cached,
            "filename": image.filename, "fingerprint": fingerprint, "size": image.content.len() + image.rootfs.len(),
            "type": image.kind, "created_at": image.created, "last_used_at": "0001-01-01T00:00:00Z",
            "uploaded_at": image.created,
        });
        if let Some((server, protocol, alias)) = &image.source {
            told["update_source"] = json!({
                "alias": alias, "certificate": "", "protocol": protocol, "server": server,
                "image_type": "container",
            });
        }
        Some(told)
    }

    fn post_image(&mut self, req: &Req, project: &str) -> Result<Reply, Reply> {
        let created = self.timestamp();
        if req.is_json() {
            let body = req.json()?;
            let source = &body["source"];
            if source["type"] != "image" {
                return Err(Reply::error(400, "Invalid images JSON"));
            }
            let aliases: Vec<(String, String)> = body["aliases"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|a| (text(a, "name"), text(a, "description")))
                .collect();
            let lasts = self.durations.image_download;
            let (server, protocol, alias) = (
                text(source, "server"),
                text(source, "protocol"),
                text(source, "alias"),
            );
            let found = match self.by_secret(source) {
                Some(found) => Ok(found),
                None => fetched(&server, &protocol, &alias, created),
            };
            let job = match found {
                Ok((fingerprint, mut image)) => {
                    image.public = body["public"].as_bool().unwrap_or(false);
                    image.auto_update = body["auto_update"].as_bool().unwrap_or(false);
                    Job::AddImage {
                        fingerprint,
                        image: Box::new(image),
                        aliases,
                    }
                }
                Err(why) => {
                    let op = self.start(project, "Downloading image", &[], lasts, Job::Nothing);
                    self.finish(&op, Err(why.into()));
                    return Ok(Reply::Async(op));
                }
            };
            return Ok(Reply::Async(self.start(
                project,
                "Downloading image",
                &[],
                lasts,
                job,
            )));
        }
        let Some((content, rootfs, kind)) = files_of(req) else {
            return Err(Reply::error(500, "Invalid multipart image"));
        };
        let mut hash = Sha256::new_with_prefix(&content);
        hash.update(&rootfs);
        let fingerprint = hex::encode(hash.finalize());
        let mut properties = crate::Config::new();
        if let Some(given) = req.headers.get("x-lxd-properties") {
            for (k, v) in url::form_urlencoded::parse(given.as_bytes()) {
                properties.insert(k.into_owned(), v.into_owned());
            }
        }
        let image = ImageState {
            content,
            rootfs,
            kind: kind.into(),
            properties,
            public: req
                .headers
                .get("x-lxd-public")
                .is_some_and(|p| p == "true" || p == "1"),
            filename: req
                .headers
                .get("x-lxd-filename")
                .cloned()
                .unwrap_or_default(),
            created,
            ..ImageState::default()
        };
        let lasts = self.durations.image_import;
        if image.content.is_empty() || !holds_metadata(&image.content) {
            let op = self.start(project, "Downloading image", &[], lasts, Job::Nothing);
            self.finish(&op, Err("Metadata tarball is missing metadata.yaml".into()));
            return Ok(Reply::Async(op));
        }
        let job = Job::AddImage {
            fingerprint,
            image: Box::new(image),
            aliases: Vec::new(),
        };
        Ok(Reply::Async(self.start(
            project,
            "Downloading image",
            &[],
            lasts,
            job,
        )))
    }

    /// A secret by which another server may fetch an image.
    fn image_secret(&mut self, project: &str, fingerprint: &str) -> Reply {
        let secret = random_hex(32);
        let image = (project.to_owned(), fingerprint.to_owned());
        self.state.image_secrets.insert(secret.clone(), image);
        let op = Op {
            class: "token".into(),
            description: "Image download token".into(),
            project: project.into(),
            metadata: json!({"secret": secret}),
            may_cancel: true,
            ..Op::default()
        };
        Reply::Async(self.start_op(op))
    }

    /// The image of this very server that a secret is for: the fake fetches from itself only.
    fn by_secret(&self, source: &Value) -> Option<(String, ImageState)> {
        let server = source["server"].as_str()?.trim_start_matches("https://");
        if source["protocol"] != "lxd" || !self.addresses().iter().any(|a| a == server) {
            return None;
        }
        let (project, fingerprint) = self.state.image_secrets.get(source["secret"].as_str()?)?;
        let image = self.state.projects.get(project)?.images.get(fingerprint)?;
        Some((fingerprint.clone(), image.clone()))
    }

    fn alias_json(&self, project: &str, name: &str) -> Option<Value> {
        let alias = self.state.projects.get(project)?.aliases.get(name)?;
        Some(json!({
            "description": alias.description, "target": alias.target, "name": name,
            "type": "container",
        }))
    }

    fn create_alias(&mut self, req: &Req, project: &str) -> Result<Reply, Reply> {
        let body = req.json()?;
        let (name, target) = (text(&body, "name"), text(&body, "target"));
        if name.is_empty() || target.is_empty() {
            return Err(Reply::error(400, "name and target are required"));
        }
        if self.state.projects[project].aliases.contains_key(&name) {
            return Err(Reply::error(
                409,
                format!("Alias \"{name}\" already exists"),
            ));
        }
        let target = self
            .find_image(project, &target)
            .ok_or_else(|| Reply::not_found("Image"))?;
        let alias = AliasState {
            description: text(&body, "description"),
            target,
        };
        if let Some(p) = self.state.projects.get_mut(project) {
            p.aliases.insert(name.clone(), alias);
        }
        self.count("image-alias", &name);
        let path = format!("/1.0/images/aliases/{name}");
        self.lifecycle(project, "image-alias-created", &path, json!({}));
        Ok(Reply::Created(path))
    }

    fn alias(&mut self, req: &Req, project: &str, name: &str) -> Result<Reply, Reply> {
        let told = self
            .alias_json(project, name)
            .ok_or_else(|| Reply::not_found("Image alias"))?;
        let tag = etag(&json!([told["description"], told["target"]]));
        match req.method.as_str() {
            "GET" => Ok(Reply::Sync(told, Some(tag))),
            "DELETE" => {
                if let Some(p) = self.state.projects.get_mut(project) {
                    p.aliases.remove(name);
                }
                self.dirty = true;
                Ok(Reply::empty())
            }
            "POST" => {
                let to = text(&req.json()?, "name");
                let Some(p) = self.state.projects.get_mut(project) else {
                    return Err(Reply::not_found("Project"));
                };
                if p.aliases.contains_key(&to) {
                    return Err(Reply::error(409, format!("Alias {to:?} already in use")));
                }
                if let Some(alias) = p.aliases.remove(name) {
                    p.aliases.insert(to.clone(), alias);
                }
                self.dirty = true;
                Ok(Reply::Created(format!("/1.0/images/aliases/{to}")))
            }
            "PUT" | "PATCH" => {
                req.matches(&tag)?;
                let body = req.json()?;
                let fields = strings(&body);
                if let Some(a) = self
                    .state
                    .projects
                    .get_mut(project)
                    .and_then(|p| p.aliases.get_mut(name))
                {
                    if let Some(target) = fields.get("target") {
                        a.target.clone_from(target);
                    }
                    if let Some(description) = fields.get("description") {
                        a.description.clone_from(description);
                    }
                }
                self.dirty = true;
                Ok(Reply::empty())
            }
            _ => Err(Reply::not_found("")),
        }
    }
}

/// The metadata's file (or the only one), the root file system's, and what the image is for;
/// `None` if it is a form of something else.
fn files_of(req: &Req) -> Option<(Vec<u8>, Vec<u8>, &'static str)> {
    let kind = req.headers.get("content-type");
    let Some(boundary) = kind.and_then(|kind| crate::multipart::boundary(kind)) else {
        return Some((req.body.to_vec(), Vec::new(), "container"));
    };
    let mark = format!("\r\n--{boundary}");
    let find = |within: &[u8], what: &[u8]| within.windows(what.len()).position(|w| w == what);
    let mut rest = req.body.strip_prefix(&mark.as_bytes()[2..])?;
    let mut files = Vec::new();
    while !rest.starts_with(b"--") {
        let (head, body) = rest.split_at(find(rest, b"\r\n\r\n")?);
        let body = &body[4..];
        let end = find(body, mark.as_bytes())?;
        let head = String::from_utf8_lossy(head);
        let name = head.split_once("name=\"")?.1.split('"').next()?.to_owned();
        files.push((name, body[..end].to_vec()));
        rest = &body[end + mark.len()..];
    }
    let mut files = files.into_iter();
    match (files.next()?, files.next()?) {
        ((metadata, content), (rootfs, disk)) if metadata == "metadata" => match rootfs.as_str() {
            "rootfs" => Some((content, disk, "container")),
            "rootfs.img" => Some((content, disk, "virtual-machine")),
            _ => None,
        },
        _ => None,
    }
}

/// Both of an image's files, as a form.
fn two_files(image: &ImageState) -> Reply {
    let boundary = random_hex(30);
    let rootfs = match image.kind.as_str() {
        "virtual-machine" => "rootfs.img",
        _ => "rootfs",
    };
    let mut body = Vec::new();
    for (name, content) in [("metadata", &image.content), (rootfs, &image.rootfs)] {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; \
             filename=\"{name}.tar\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    Reply::Raw(vec![("content-type", kind)], body.into())
}

/// A plain tar has its members' names in clear; a compressed one is believed.
fn holds_metadata(upload: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 5] = [
        b"\x1f\x8b",
        b"\xfd7zXZ",
        b"\x28\xb5\x2f\xfd",
        b"BZh",
        b"hsqs",
    ];
    if COMPRESSED.iter().any(|magic| upload.starts_with(magic)) {
        return true;
    }
    upload.get(257..262) == Some(b"ustar") && upload.windows(13).any(|w| w == b"metadata.yaml")
}
