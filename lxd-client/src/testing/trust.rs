//! `/1.0/certificates`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answers::{Reply, Req, etag, text};
use super::state::{Op, TrustedCert, World, random_hex};
use crate::Fingerprint;

fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .filter_map(|c| std::str::from_utf8(c).ok())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

impl World {
    pub(super) fn is_trusted(&self, req: &Req) -> bool {
        req.local
            || req.certificate.as_deref().is_some_and(|der| {
                let print = Fingerprint::of_der(der);
                self.state.certificates.contains_key(print.as_str())
            })
    }

    /// The projects that a client is confined to, if it is.
    fn confined(&self, req: &Req) -> Option<&[String]> {
        if req.local {
            return None;
        }
        let print = Fingerprint::of_der(req.certificate.as_deref()?);
        let cert = self.state.certificates.get(print.as_str())?;
        cert.restricted.then_some(cert.projects.as_slice())
    }

    /// Whether a confined client asks for what is not its own (as seen on 5.0.2).
    pub(super) fn is_out_of_bounds(&self, req: &Req, head: &str) -> bool {
        let Some(projects) = self.confined(req) else {
            return false;
        };
        let reads = matches!(req.method.as_str(), "GET" | "HEAD");
        let within = projects.contains(&req.project());
        match head {
            "" | "resources" | "cluster" | "operations" => !reads,
            "instances" | "profiles" | "networks" | "network-acls" | "events" => {
                !within || req.all_projects()
            }
            "images" => !(within || reads && req.path.len() == 1),
            "storage-pools" if req.path.get(2).is_some_and(|p| p == "volumes") => !within,
            "storage-pools" => !reads,
            "projects" => !reads || req.path.get(1).is_some_and(|p| !projects.contains(p)),
            "certificates" => false,
            "metrics" => !self.is_like(5, 21),
            _ => true,
        }
    }

    /// Whether a certificate is told to whoever asks.
    fn may_see(&self, req: &Req, fingerprint: &str) -> bool {
        let own = req.certificate.as_deref().map(Fingerprint::of_der);
        self.confined(req).is_none() || own.is_some_and(|o| o.as_str() == fingerprint)
    }

    pub(super) fn may_see_project(&self, req: &Req, name: &str) -> bool {
        self.confined(req)
            .is_none_or(|projects| projects.iter().any(|p| p == name))
    }

    fn certificate_json(&self, fingerprint: &str) -> Option<Value> {
        let cert = self.state.certificates.get(fingerprint)?;
        Some(json!({
            "name": cert.name, "type": "client", "restricted": cert.restricted,
            "projects": cert.projects, "certificate": cert.pem, "fingerprint": fingerprint,
        }))
    }

    pub(super) fn certificates(&mut self, req: &Req) -> Result<Reply, Reply> {
        match (req.method.as_str(), req.path.get(1)) {
            ("POST", None) => self.post_certificate(req),
            ("GET", None) => Ok(Reply::ok(
                self.state
                    .certificates
                    .keys()
                    .filter(|f| self.may_see(req, f))
                    .map(|f| match req.recursion() {
                        0 => json!(format!("/1.0/certificates/{f}")),
                        _ => self.certificate_json(f).unwrap_or_default(),
                    })
                    .collect::<Vec<_>>(),
            )),
            (method, Some(prefix)) => {
                let found = self
                    .state
                    .certificates
                    .keys()
                    .find(|f| f.starts_with(prefix.as_str()))
                    .cloned()
                    .ok_or_else(|| Reply::not_found("Certificate"))?;
                let told = self.certificate_json(&found).unwrap_or_default();
                let tag = etag(&told);
                match method {
                    "GET" => Ok(Reply::Sync(told, Some(tag))),
                    "PUT" | "PATCH" => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        self.check_projects(&body)?;
                        if let Some(cert) = self.state.certificates.get_mut(&found) {
                            cert.name = text(&body, "name");
                            cert.restricted = body["restricted"].as_bool().unwrap_or(false);
                            cert.projects = serde_json::from_value(body["projects"].clone())
                                .unwrap_or_default();
                        }
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    "DELETE" => {
                        self.state.certificates.remove(&found);
                        self.dirty = true;
                        let path = format!("/1.0/certificates/{found}");
                        self.lifecycle("default", "certificate-deleted", &path, json!({}));
                        Ok(Reply::empty())
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }

    fn post_certificate(&mut self, req: &Req) -> Result<Reply, Reply> {
        let body = req.json()?;
        let trusted = self.is_trusted(req);
        let mut name = text(&body, "name");
        let mut projects: Vec<String> = body["projects"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|p| p.as_str().map(str::to_owned))
            .collect();
        let mut restricted = body["restricted"].as_bool().unwrap_or(false);
        if body["token"].as_bool() == Some(true) {
            if !trusted || self.confined(req).is_some() {
                return Err(Reply::forbidden());
            }
            if !self.state.config.contains_key("core.https_address") {
                return Err(Reply::error(
                    400,
                    "Can't issue token when server isn't listening on network",
                ));
            }
            return Ok(self.make_token(&name, restricted, &projects));
        }
        if !trusted {
            let password = text(&body, "password");
            if self.is_like(6, 2) && !password.is_empty() {
                let what = "Password authentication is no longer supported, please update your \
                            client";
                return Err(Reply::error(501, what));
            }
            // The field of its own that a token has from 5.21.2 (and 6.1) on.
            let explicit = self.extensions().contains(&"explicit_trust_token");
            let token = match text(&body, "trust_token") {
                token if explicit && !token.is_empty() => token,
                _ => password.clone(),
            };
            if let Some((id, op)) = self.token(&token) {
                // Good once.
                self.state.operations.remove(&id);
                let asked = &op.metadata["request"];
                name = text(asked, "name");
                restricted = asked["restricted"].as_bool().unwrap_or(false);
                projects = serde_json::from_value(asked["projects"].clone()).unwrap_or_default();
            } else {
                let set = self.state.config.get("core.trust_password");
                if password.is_empty() || set.is_none_or(|p| *p != password) {
                    return Err(Reply::forbidden());
                }
            }
        } else if !req.local && text(&body, "certificate").is_empty() {
            return Err(Reply::error(400, "Client is already trusted"));
        }
        let der = match text(&body, "certificate") {
            given if !given.is_empty() => STANDARD
                .decode(&given)
                .map_err(|e| Reply::error(400, format!("illegal base64 data: {e}")))?,
            _ => match &req.certificate {
                Some(der) => der.clone(),
                None => {
                    return Err(Reply::error(400, "Can't use TLS data on non-TLS link"));
                }
            },
        };
        // Not that the fake reads it: a certificate is a sequence, and not a short one.
        if der.len() < 64 || der[0] != 0x30 {
            let what = "Invalid certificate material: x509: malformed certificate";
            return Err(Reply::error(400, what));
        }
        let fingerprint = Fingerprint::of_der(&der).as_str().to_owned();
        if self.state.certificates.contains_key(&fingerprint) {
            return Err(Reply::error(409, "Certificate already in trust store"));
        }
        if name.is_empty() {
            name = "client".into();
        }
        let mut others = self.state.certificates.values();
        if self.is_like(5, 21) && others.any(|c| c.name == name) {
            let what = match self.is_like(6, 0) {
                true => "Certificate already exists",
                false => "This \"identity\" entry already exists",
            };
            return Err(Reply::error(409, what));
        }
        let cert = TrustedCert {
            name: name.clone(),
            pem: pem(&der),
            restricted,
            projects,
        };
        self.state.certificates.insert(fingerprint.clone(), cert);
        self.count("certificate", &name);
        let path = format!("/1.0/certificates/{fingerprint}");
        self.lifecycle("default", "certificate-created", &path, json!({}));
        Ok(Reply::Created(path))
    }

    fn check_projects(&self, body: &Value) -> Result<(), Reply> {
        let named = body["projects"].as_array().into_iter().flatten();
        for name in named.filter_map(Value::as_str) {
            if !self.state.projects.contains_key(name) {
                return Err(Reply::not_found("Project"));
            }
        }
        Ok(())
    }

    fn make_token(&mut self, name: &str, restricted: bool, projects: &[String]) -> Reply {
        let metadata = json!({
            "addresses": self.addresses(), "fingerprint": self.fingerprint,
            "request": {
                "name": name, "type": "client", "restricted": restricted, "projects": projects,
                "certificate": "", "password": "", "token": true,
            },
            "secret": random_hex(32),
        });
        let op = Op {
            class: "token".into(),
            description: "Executing operation".into(),
            project: "default".into(),
            metadata,
            may_cancel: true,
            ..Op::default()
        };
        self.count("token", name);
        Reply::Async(self.start_op(op))
    }

    /// The token operation that a password field names.
    fn token(&self, text: &str) -> Option<(String, Op)> {
        let raw = STANDARD.decode(text).ok()?;
        let told: Value = serde_json::from_slice(&raw).ok()?;
        let secret = told["secret"].as_str()?;
        self.state
            .operations
            .iter()
            .find(|(_, op)| {
                op.class == "token"
                    && op.code == 103
                    && op.metadata["secret"].as_str() == Some(secret)
                    && op.metadata["request"]["name"] == told["client_name"]
            })
            .map(|(id, op)| (id.clone(), op.clone()))
    }
}
