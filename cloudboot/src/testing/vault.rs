//! A Vault server (one unit) that behaves as OpenBao 2.7.2 was seen to: `tests/tests/vault.rs` runs one body against both.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::ca::{Leaf, RootCa};
use super::hooks::{Clock, Hooks};
use super::serve::{Ask, Reply};

/// What the charm calls the root CA that its action makes.
const ROOT_CA: &str = "Vault Root Certificate Authority (charm-pki-local)";

super::fake::alike!("vault");

/// Starts a [`Fake`].
#[must_use]
pub struct Builder {
    hooks: Hooks,
    port: u16,
    leases: Clock,
    saved: Option<Value>,
}

impl Builder {
    /// The time that tokens' leases run in. It is the wall's by default, not the lab's: a lab that runs its systems a thousand times
    /// faster does not make the pipeline that uses the token any faster.
    pub fn leases(mut self, clock: Clock) -> Self {
        self.leases = clock;
        self
    }

    /// Starts it: uninitialised, unless restored.
    ///
    /// # Errors
    /// When the port is taken or the saved state is not one.
    pub async fn start(self) -> io::Result<Fake> {
        let state: State = match self.saved {
            Some(saved) => serde_json::from_value(saved)?,
            None => State::default(),
        };
        let core = Core {
            state: Mutex::new(state),
            hooks: self.hooks,
            leases: self.leases,
        };
        Fake::serve(self.port, core, Core::answer).await
    }
}

struct Core {
    state: Mutex<State>,
    hooks: Hooks,
    leases: Clock,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    seal: Option<Seal>,
    unsealed: bool,
    /// The keys that were given since it was sealed, in hex.
    given: Vec<String>,
    tokens: BTreeMap<String, TokenState>,
    root_ca: Option<RootCa>,
    leaf: Option<Leaf>,
    counts: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
struct Seal {
    /// In hex.
    keys: Vec<String>,
    threshold: usize,
    cluster_id: String,
}

#[derive(Serialize, Deserialize)]
struct TokenState {
    display_name: String,
    /// `None`: for ever.
    ttl: Option<Duration>,
    expires: Option<Duration>,
    parent: Option<String>,
}

impl Fake {
    /// A fake to be started.
    pub fn builder() -> Builder {
        let leases: Clock = Arc::new(|| {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
        });
        Builder {
            hooks: Hooks::default(),
            port: 0,
            leases,
            saved: None,
        }
    }

    /// Its URL on loopback.
    pub fn url(&self) -> Url {
        self.server.url()
    }

    /// Whether it has keys.
    pub fn is_initialised(&self) -> bool {
        self.core.lock().seal.is_some()
    }

    /// Whether it waits for keys (also when it has none yet).
    pub fn is_sealed(&self) -> bool {
        !self.core.lock().unsealed
    }

    /// Seals it, as a restart or a loss of power does.
    pub fn seal(&self) {
        self.core.change(|s| {
            s.unsealed = false;
            s.given.clear();
        });
    }

    /// Whether `token` would be accepted now: what the charm's `authorize-charm` action finds out.
    pub fn accepts(&self, token: &str) -> bool {
        let now = (self.core.leases)();
        let state = self.core.lock();
        state.unsealed && state.valid(token, now)
    }

    /// What the charm's `generate-root-ca` action does: makes the root CA, the same one if it was made before. Fails while sealed.
    ///
    /// # Errors
    /// When it is sealed, or the certificate cannot be made.
    pub fn generate_root_ca(&self) -> io::Result<RootCa> {
        {
            let state = self.core.lock();
            if !state.unsealed {
                return Err(io::Error::other("Vault is sealed"));
            }
            if let Some(ca) = &state.root_ca {
                return Ok(ca.clone());
            }
        }
        let ca = RootCa::generate(ROOT_CA)?;
        self.core.change(|s| {
            s.count("root-ca");
            s.root_ca = Some(ca.clone());
        });
        Ok(ca)
    }

    /// The root CA, once it was made.
    pub fn root_ca(&self) -> Option<RootCa> {
        self.core.lock().root_ca.clone()
    }

    /// How often each thing was made: `init`, `token`, `root-ca`; `unseal` counts the times that it went from sealed to unsealed.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.core.lock().counts.clone()
    }

    /// Nothing here takes time.
    pub fn advance(&self, _now: Duration) {}
}

impl State {
    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn valid(&self, token: &str, now: Duration) -> bool {
        self.tokens
            .get(token)
            .is_some_and(|t| t.expires.is_none_or(|at| now < at))
    }

    fn seal_status(&self) -> Value {
        let (t, n) = self
            .seal
            .as_ref()
            .map_or((0, 0), |s| (s.threshold, s.keys.len()));
        json!({
            "type": "shamir", "initialized": self.seal.is_some(), "sealed": !self.unsealed, "t": t, "n": n,
            "progress": self.given.len(), "nonce": "", "recovery_seal": false, "version": "2.7.2", "migration": false,
            "storage_type": "inmem",
        })
    }
}

fn refuse(status: u16, said: &str) -> Reply {
    Reply::json(status, &json!({"errors": [said]}))
}

fn random(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| rand::random()).collect()
}

impl Core {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let made = change(&mut self.lock());
        (self.hooks.changed)();
        made
    }

    fn answer(&self, ask: &Ask) -> Reply {
        let put = matches!(ask.method.as_str(), "PUT" | "POST");
        match (ask.method.as_str(), ask.path.trim_start_matches("/v1/")) {
            ("GET", "sys/health") => self.health(),
            ("GET", "sys/seal-status") => Reply::json(200, &self.lock().seal_status()),
            (_, "sys/init") if put => self.init(&ask.json()),
            ("GET", "sys/init") => {
                Reply::json(200, &json!({"initialized": self.lock().seal.is_some()}))
            }
            (_, "sys/unseal") if put => self.unseal(&ask.json()),
            (_, "sys/health" | "sys/seal-status" | "sys/init" | "sys/unseal") => {
                Reply::json(405, &json!({"errors": []}))
            }
            (_, path) => self.with_token(ask, path, put),
        }
    }

    fn health(&self) -> Reply {
        let state = self.lock();
        let status = match &state.seal {
            None => 501,
            Some(_) if !state.unsealed => 503,
            Some(_) => 200,
        };
        let mut body = json!({
            "initialized": state.seal.is_some(), "sealed": !state.unsealed, "standby": !state.unsealed,
            "server_time_utc": (self.leases)().as_secs(), "version": "2.7.2",
        });
        if let (Some(seal), true) = (&state.seal, state.unsealed) {
            body["cluster_id"] = json!(seal.cluster_id);
        }
        Reply::json(status, &body)
    }

    fn init(&self, body: &Value) -> Reply {
        let number = |name: &str| body[name].as_u64().unwrap_or(0);
        let (shares, threshold) = (number("secret_shares"), number("secret_threshold"));
        if self.lock().seal.is_some() {
            return refuse(400, "Vault is already initialized");
        }
        let wrong = match (shares, threshold) {
            (0, _) => "shares must be at least one",
            (256.., _) => "shares cannot be larger than 255",
            (_, 0) => "threshold must be at least one",
            (s, t) if t > s => "threshold cannot be larger than shares",
            (s, 1) if s > 1 => "threshold must be greater than one for multiple shares",
            _ => "",
        };
        if !wrong.is_empty() {
            return refuse(400, &format!("invalid seal configuration: {wrong}"));
        }
        let keys: Vec<_> = (0..shares).map(|_| random(33)).collect();
        let hexed: Vec<_> = keys.iter().map(hex::encode).collect();
        let root = format!("s.{}", hex::encode(random(12)));
        let first = self.change(|s| {
            if s.seal.is_some() {
                return false;
            }
            let cluster_id = uuid::Uuid::new_v4().to_string();
            let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
            s.seal = Some(Seal {
                keys: hexed.clone(),
                threshold,
                cluster_id,
            });
            let token = TokenState {
                display_name: "root".into(),
                ttl: None,
                expires: None,
                parent: None,
            };
            s.tokens.insert(root.clone(), token);
            s.count("init");
            true
        });
        if !first {
            return refuse(400, "Vault is already initialized");
        }
        let based: Vec<_> = keys.iter().map(|k| BASE64.encode(k)).collect();
        Reply::json(
            200,
            &json!({"keys": hexed, "keys_base64": based, "root_token": root}),
        )
    }

    fn unseal(&self, body: &Value) -> Reply {
        let Some(threshold) = self.lock().seal.as_ref().map(|s| s.threshold) else {
            return refuse(400, "Vault is not initialized");
        };
        if body["reset"] == true {
            if self.lock().unsealed {
                return refuse(400, "vault is unsealed");
            }
            self.change(|s| s.given.clear());
            return Reply::json(200, &self.lock().seal_status());
        }
        let Some(key) = body["key"].as_str().filter(|k| !k.is_empty()) else {
            return refuse(
                400,
                "'key' must be specified in request body as JSON, or 'reset' set to true",
            );
        };
        let Some(key) = hex::decode(key).ok().or_else(|| BASE64.decode(key).ok()) else {
            return refuse(400, "'key' must be a valid hex or base64 string");
        };
        if self.lock().unsealed {
            return Reply::json(200, &self.lock().seal_status());
        }
        if key.len() < 16 {
            return refuse(400, "invalid key: key is shorter than minimum 16 bytes");
        }
        let opened = self.change(|s| {
            let key = hex::encode(&key);
            if !s.given.contains(&key) {
                s.given.push(key);
            }
            if s.given.len() < threshold {
                return None;
            }
            let given = std::mem::take(&mut s.given);
            let right = s
                .seal
                .as_ref()
                .is_some_and(|seal| given.iter().all(|k| seal.keys.contains(k)));
            if right {
                s.unsealed = true;
                s.count("unseal");
            }
            Some(right)
        });
        match opened {
            Some(false) => refuse(
                400,
                "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: cipher: message authentication failed",
            ),
            _ => Reply::json(200, &self.lock().seal_status()),
        }
    }

    fn with_token(&self, ask: &Ask, path: &str, put: bool) -> Reply {
        if !self.lock().unsealed {
            return refuse(503, "Vault is sealed");
        }
        let now = (self.leases)();
        let bearer = ask
            .header("authorization")
            .and_then(|v| v.strip_prefix("Bearer "));
        let token = ask.header("x-vault-token").or(bearer).unwrap_or_default();
        if !self.lock().valid(token, now) {
            return refuse(403, "permission denied");
        }
        match path {
            "auth/token/create" if put => self.create_token(token, &ask.json(), now),
            "auth/token/lookup-self" if ask.method == "GET" => self.lookup(token, now),
            "auth/token/revoke-self" if put => {
                self.change(|s| revoke(&mut s.tokens, token));
                Reply::empty(204)
            }
            "sys/seal" if put => {
                self.change(|s| s.unsealed = false);
                Reply::empty(204)
            }
            _ => refuse(
                404,
                &format!("no handler for route \"{path}\". route entry not found."),
            ),
        }
    }

    fn create_token(&self, parent: &str, body: &Value, now: Duration) -> Reply {
        let said = body["ttl"].as_str().unwrap_or("768h");
        let Some(ttl) = seconds(said) else {
            return refuse(400, &format!("time: invalid duration {said:?}"));
        };
        let token = format!("s.{}", hex::encode(random(12)));
        self.change(|s| {
            let made = TokenState {
                display_name: "token".into(),
                ttl: Some(ttl),
                expires: Some(now + ttl),
                parent: Some(parent.to_owned()),
            };
            s.tokens.insert(token.clone(), made);
            s.count("token");
        });
        let auth = json!({
            "client_token": token, "accessor": hex::encode(random(12)), "policies": ["root"], "token_policies": ["root"], "metadata": null,
            "lease_duration": ttl.as_secs(), "renewable": true, "entity_id": "", "token_type": "service", "orphan": false,
        });
        Reply::json(
            200,
            &json!({"request_id": uuid::Uuid::new_v4(), "data": null, "auth": auth}),
        )
    }

    fn lookup(&self, token: &str, now: Duration) -> Reply {
        let state = self.lock();
        let Some(found) = state.tokens.get(token) else {
            return refuse(403, "permission denied");
        };
        let left = found
            .expires
            .map_or(0, |at| at.saturating_sub(now).as_secs());
        let data = json!({
            "display_name": found.display_name, "id": token, "ttl": left, "creation_ttl": found.ttl.map_or(0, |t| t.as_secs()),
            "policies": ["root"], "orphan": found.parent.is_none(), "num_uses": 0, "type": "service",
        });
        Reply::json(
            200,
            &json!({"request_id": uuid::Uuid::new_v4(), "data": data, "auth": null}),
        )
    }
}

/// A token ends with its children.
fn revoke(tokens: &mut BTreeMap<String, TokenState>, token: &str) {
    tokens.remove(token);
    let children: Vec<_> = tokens
        .iter()
        .filter(|(_, t)| t.parent.as_deref() == Some(token))
        .map(|(id, _)| id.clone())
        .collect();
    for child in children {
        revoke(tokens, &child);
    }
}

/// Vault's durations: `600`, `600s`, `10m`, `1h`.
fn seconds(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (
            number,
            match text.as_bytes().last()? {
                b'm' => 60,
                b'h' => 3600,
                _ => 1,
            },
        ),
        None => (text, 1),
    };
    Some(Duration::from_secs(
        number.parse::<u64>().ok()?.checked_mul(unit)?,
    ))
}
