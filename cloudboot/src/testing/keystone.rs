//! Keystone v3: tokens by password, scopes, a catalog. Its errors are those of Keystone 22.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::ca::Leaf;
use super::hooks::Hooks;
use super::serve::{Ask, Reply};
use crate::openstack::{Catalog, Endpoint, Interface, ServiceEntry};

/// Says whether a token is one that Keystone issued: how the other fakes ask.
pub type TokenCheck = Arc<dyn Fn(&str) -> bool + Send + Sync>;

super::fake::alike!("keystone");

/// Starts a [`Fake`].
#[must_use]
pub struct Builder {
    hooks: Hooks,
    port: u16,
    state: State,
    saved: Option<Value>,
}

impl Builder {
    /// The administrator: `admin` in `admin_domain` by default, as the charm makes it, with a random password.
    pub fn admin(mut self, user: &str, domain: &str, password: &str) -> Self {
        self.state.user = user.to_owned();
        self.state.domain = domain.to_owned();
        self.state.password = password.to_owned();
        self
    }

    /// The project: `admin` in `admin_domain` by default.
    pub fn project(mut self, name: &str, domain: &str) -> Self {
        self.state.project = name.to_owned();
        self.state.project_domain = domain.to_owned();
        self
    }

    /// Starts it: on plain http, with an empty catalog, unless restored.
    ///
    /// # Errors
    /// When the port is taken or the saved state is not one.
    pub async fn start(self) -> io::Result<Fake> {
        let state = match self.saved {
            Some(saved) => serde_json::from_value(saved)?,
            None => self.state,
        };
        let core = Core {
            state: Mutex::new(state),
            hooks: self.hooks,
        };
        Fake::serve(self.port, core, Core::answer).await
    }
}

struct Core {
    state: Mutex<State>,
    hooks: Hooks,
}

#[derive(Clone, Serialize, Deserialize)]
struct State {
    user: String,
    domain: String,
    password: String,
    project: String,
    project_domain: String,
    catalog: Catalog,
    tokens: BTreeSet<String>,
    leaf: Option<Leaf>,
    counts: BTreeMap<String, u64>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

fn random_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The id of something that has a name here: always the same.
fn id_of(kind: &str, name: &str) -> String {
    use sha2::Digest as _;
    hex::encode(&sha2::Sha256::digest(format!("{kind}/{name}"))[..16])
}

impl Fake {
    /// A fake to be started.
    pub fn builder() -> Builder {
        let state = State {
            user: "admin".into(),
            domain: "admin_domain".into(),
            password: random_id(),
            project: "admin".into(),
            project_domain: "admin_domain".into(),
            catalog: Catalog::default(),
            tokens: BTreeSet::new(),
            leaf: None,
            counts: BTreeMap::new(),
        };
        Builder {
            hooks: Hooks::default(),
            port: 0,
            state,
            saved: None,
        }
    }

    /// Its URL on loopback, with its `/v3`.
    pub fn url(&self) -> Url {
        let mut url = self.server.url();
        url.set_path("/v3");
        url
    }

    /// The administrator's password: what the charm's `get-admin-password` action gives.
    pub fn password(&self) -> String {
        self.core.lock().password.clone()
    }

    /// The administrator's name, the domain, the project and its domain.
    pub fn admin(&self) -> (String, String, String, String) {
        let s = self.core.lock();
        (
            s.user.clone(),
            s.domain.clone(),
            s.project.clone(),
            s.project_domain.clone(),
        )
    }

    /// Puts a service into the catalog, at the public address `url`, in `RegionOne`; one of the same type is replaced.
    /// A relation to Keystone does that.
    pub fn register(&self, kind: &str, name: &str, url: &str) {
        self.core.change(|s| {
            s.catalog.0.retain(|e| e.kind != kind);
            let endpoints = [Interface::Public, Interface::Internal, Interface::Admin]
                .into_iter()
                .map(|interface| Endpoint {
                    interface,
                    region_id: Some("RegionOne".into()),
                    url: url.to_owned(),
                })
                .collect();
            s.catalog.0.push(ServiceEntry {
                kind: kind.to_owned(),
                name: name.to_owned(),
                endpoints,
            });
        });
    }

    /// Ends all tokens, as time or a lost key repository does.
    pub fn expire_tokens(&self) {
        self.core.change(|s| s.tokens.clear());
    }

    /// For the fakes that are sent tokens.
    pub fn token_check(&self) -> TokenCheck {
        let core = Arc::clone(&self.core);
        Arc::new(move |token| core.lock().tokens.contains(token))
    }

    /// How often each thing was made: `token`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.core.lock().counts.clone()
    }

    /// Nothing here takes time.
    pub fn advance(&self, _now: Duration) {}
}

fn refuse(status: u16, title: &str, said: &str) -> Reply {
    Reply::json(
        status,
        &json!({"error": {"code": status, "message": said, "title": title}}),
    )
    .header(
        "x-openstack-request-id",
        format!("req-{}", uuid::Uuid::new_v4()),
    )
}

fn unauthorised() -> Reply {
    refuse(
        401,
        "Unauthorized",
        "The request you have made requires authentication.",
    )
}

impl Core {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        (self.hooks.changed)();
    }

    fn answer(&self, ask: &Ask) -> Reply {
        let version = json!({"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": "/v3/"}],
            "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}]});
        match (ask.method.as_str(), ask.segments().as_slice()) {
            ("GET", []) => Reply::json(300, &json!({"versions": {"values": [version]}})),
            ("GET", ["v3"]) => Reply::json(200, &json!({"version": version})),
            ("POST", ["v3", "auth", "tokens"]) => self.issue(&ask.json()),
            (_, ["v3", ..])
                if !self
                    .lock()
                    .tokens
                    .contains(ask.header("x-auth-token").unwrap_or_default()) =>
            {
                unauthorised()
            }
            ("GET", ["v3", "auth", "catalog"]) => {
                Reply::json(200, &json!({"catalog": self.lock().catalog}))
            }
            ("DELETE", ["v3", "auth", "tokens"]) => {
                let subject = ask.header("x-subject-token").unwrap_or_default().to_owned();
                self.change(|s| {
                    s.tokens.remove(&subject);
                });
                Reply::empty(204)
            }
            _ => refuse(
                404,
                "Not Found",
                &format!("The resource could not be found: {}", ask.path),
            ),
        }
    }

    fn issue(&self, body: &Value) -> Reply {
        let identity = &body["auth"]["identity"];
        let who = &identity["password"]["user"];
        if !identity["methods"].is_array() {
            return refuse(
                400,
                "Bad Request",
                "Expecting to find identity in auth. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.",
            );
        }
        let s = self.lock().clone();
        let scope = &body["auth"]["scope"];
        let project = &scope["project"];
        let known = who["name"] == s.user.as_str()
            && (who["domain"]["name"] == s.domain.as_str()
                || who["domain"]["id"] == id_of("domain", &s.domain))
            && who["password"] == s.password.as_str();
        let may = match scope {
            Value::Null => true,
            _ if project.is_object() => {
                project["name"] == s.project.as_str()
                    && project["domain"]["name"] == s.project_domain.as_str()
            }
            _ if scope["domain"].is_object() => scope["domain"]["name"] == s.domain.as_str(),
            _ => scope["system"]["all"] == true,
        };
        if !known || !may {
            return unauthorised();
        }
        let token = format!("gAAAAA{}{}", random_id(), random_id());
        self.change(|s| {
            s.tokens.insert(token.clone());
            *s.counts.entry("token".into()).or_default() += 1;
        });
        let now = jiff::Timestamp::now();
        let expires = now
            .checked_add(jiff::SignedDuration::from_hours(1))
            .unwrap_or(now);
        let user_domain = json!({"id": id_of("domain", &s.domain), "name": s.domain});
        let mut issued = json!({
            "methods": ["password"], "expires_at": expires.to_string(), "issued_at": now.to_string(),
            "audit_ids": [random_id()], "is_domain": false,
            "user": {"id": id_of("user", &s.user), "name": s.user, "domain": user_domain, "password_expires_at": null},
        });
        if project.is_object() {
            let domain =
                json!({"id": id_of("domain", &s.project_domain), "name": s.project_domain});
            issued["project"] =
                json!({"id": id_of("project", &s.project), "name": s.project, "domain": domain});
        }
        if !scope.is_null() {
            let roles = ["Admin", "member", "reader"]
                .map(|name| json!({"id": id_of("role", name), "name": name}));
            issued["roles"] = json!(roles);
            issued["catalog"] = json!(s.catalog);
        }
        Reply::json(201, &json!({"token": issued}))
            .header("x-subject-token", token)
            .header(
                "x-openstack-request-id",
                format!("req-{}", uuid::Uuid::new_v4()),
            )
    }
}
