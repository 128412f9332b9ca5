//! The official client's files (`$JUJU_DATA`, `~/.local/share/juju`): read to adopt a controller, written so that `juju` works afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::connect::{Credentials, Endpoint, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ModelUuid;

#[path = "store_lock.rs"]
mod lock;

/// The files of a store, in the order in which they are written: the ones that others refer to first.
pub const FILES: [&str; 5] = [
    "clouds.yaml",
    "credentials.yaml",
    "controllers.yaml",
    "accounts.yaml",
    "models.yaml",
];

/// A client store in memory. Keys that this library does not know are kept.
#[derive(Clone, Default)]
pub struct Store {
    files: BTreeMap<String, Map<String, Value>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("controllers", &self.controllers())
            .finish_non_exhaustive()
    }
}

/// All that it takes to reach a controller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ControllerAccess {
    /// The controller's name in the store.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Its API addresses, `host:port`.
    pub endpoints: Vec<String>,
    /// Its CA in PEM.
    pub ca_cert: String,
    /// Its public name, if it has one.
    pub public_hostname: Option<String>,
    /// The user.
    pub user: String,
    /// The password.
    pub password: SecretString,
    /// The cloud it lives on.
    pub cloud: String,
    /// That cloud's region.
    pub region: String,
    /// Its version.
    pub agent_version: String,
}

impl ControllerAccess {
    /// From its parts.
    pub fn new(
        name: impl Into<String>,
        uuid: impl Into<String>,
        endpoints: Vec<String>,
        ca_cert: impl Into<String>,
        user: impl Into<String>,
        password: SecretString,
    ) -> Self {
        Self {
            name: name.into(),
            uuid: uuid.into(),
            endpoints,
            ca_cert: ca_cert.into(),
            public_hostname: None,
            user: user.into(),
            password,
            cloud: String::new(),
            region: String::new(),
            agent_version: String::new(),
        }
    }

    /// As an endpoint, perhaps through a proxy.
    pub fn endpoint(&self, proxy: Option<url::Url>) -> Endpoint {
        Endpoint {
            addresses: self.endpoints.clone(),
            ca_cert: Some(self.ca_cert.clone()).filter(|c| !c.is_empty()),
            public_hostname: self.public_hostname.clone(),
            model: None,
            proxy,
        }
    }

    /// User and password.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            user: self.user.clone(),
            password: self.password.clone(),
        }
    }

    /// Logs in to the controller.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect(&self, proxy: Option<url::Url>, options: Options) -> Result<Client> {
        Client::connect(self.endpoint(proxy), self.credentials(), options).await
    }

    /// Logs in to one of its models.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_model(
        &self,
        model: &ModelUuid,
        proxy: Option<url::Url>,
        options: Options,
    ) -> Result<Client> {
        Client::connect(
            self.endpoint(proxy).model(model.clone()),
            self.credentials(),
            options,
        )
        .await
    }
}

impl Store {
    /// The folder that the official client uses: `$JUJU_DATA`, else `$XDG_DATA_HOME/juju`, else `~/.local/share/juju`.
    pub fn default_dir() -> Option<PathBuf> {
        let var = |n: &str| {
            std::env::var_os(n)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        var("JUJU_DATA")
            .or_else(|| var("XDG_DATA_HOME").map(|p| p.join("juju")))
            .or_else(|| var("HOME").map(|p| p.join(".local/share/juju")))
    }

    /// Reads a folder, under the official client's lock. Files that are missing are empty.
    ///
    /// # Errors
    /// A file that cannot be read or is not YAML.
    pub fn read(dir: &Path) -> Result<Self> {
        // A folder that is not there needs no lock, and reading makes nothing.
        let _lock = if dir.exists() {
            Some(lock::acquire(dir)?)
        } else {
            None
        };
        Self::read_unlocked(dir)
    }

    fn read_unlocked(dir: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for name in FILES {
            match fs::read(dir.join(name)) {
                Ok(bytes) => {
                    files.insert(name.to_owned(), bytes);
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(store_error("read", &dir.join(name), e)),
            }
        }
        Self::from_files(&files)
    }

    /// From the files' contents by name (`controllers.yaml` ...), wherever they were read from.
    ///
    /// # Errors
    /// A file that is not UTF-8 or not a YAML mapping.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let mut store = Self::default();
        for (name, bytes) in files {
            if !FILES.contains(&name.as_str()) {
                continue;
            }
            let bad = |m: String| {
                Error::new(
                    ErrorKind::Store,
                    format!("read the client store's {name}"),
                    m,
                )
            };
            let text = std::str::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
            if text.trim().is_empty() {
                continue;
            }
            // The text of an error may quote the file, which holds passwords: only its place is told.
            let map: Map<String, Value> =
                serde_saphyr::from_str(text).map_err(|e| match e.location() {
                    Some(l) => bad(format!(
                        "line {}, column {}: not a YAML mapping",
                        l.line(),
                        l.column()
                    )),
                    None => bad("not a YAML mapping".to_owned()),
                })?;
            store.files.insert(name.clone(), map);
        }
        Ok(store)
    }

    /// The files' contents by name, as they would be written.
    ///
    /// # Errors
    /// What cannot be put as YAML.
    pub fn to_files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        self.files
            .iter()
            .map(|(name, map)| {
                let text = serde_saphyr::to_string(map).map_err(|e| {
                    Error::new(ErrorKind::Store, format!("write {name}"), e.to_string())
                })?;
                Ok((name.clone(), text.into_bytes()))
            })
            .collect()
    }

    /// Writes a folder: mode 700, files of mode 600, each replaced atomically, under the official client's lock. What was read some time
    /// ago may overwrite what others have written since: see [`Store::update`].
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, dir: &Path) -> Result<()> {
        make_dir(dir)?;
        let _lock = lock::acquire(dir)?;
        self.write_unlocked(dir)
    }

    /// Reads a folder, changes what was read and writes it back, all under one lock of the official client's: nothing that another writes
    /// meanwhile is lost.
    ///
    /// # Errors
    /// The file system's; what `change` says.
    pub fn update<T>(dir: &Path, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        make_dir(dir)?;
        let _lock = lock::acquire(dir)?;
        let mut store = Self::read_unlocked(dir)?;
        let outcome = change(&mut store)?;
        store.write_unlocked(dir)?;
        Ok(outcome)
    }

    fn write_unlocked(&self, dir: &Path) -> Result<()> {
        let files = self.to_files()?;
        for name in FILES {
            if let Some(bytes) = files.get(name) {
                write_atomically(&dir.join(name), bytes)?;
            }
        }
        Ok(())
    }

    fn section(&self, file: &str, key: &str) -> Option<&Map<String, Value>> {
        self.files.get(file)?.get(key)?.as_object()
    }

    fn section_mut(&mut self, file: &str, key: &str) -> &mut Map<String, Value> {
        let slot = self
            .files
            .entry(file.to_owned())
            .or_default()
            .entry(key.to_owned())
            .or_insert_with(|| json!({}));
        object(slot)
    }

    /// Names of the controllers.
    pub fn controllers(&self) -> Vec<String> {
        self.section("controllers.yaml", "controllers")
            .map(|m| m.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The current controller's name.
    pub fn current_controller(&self) -> Option<&str> {
        self.files
            .get("controllers.yaml")?
            .get("current-controller")?
            .as_str()
    }

    /// A controller by name (none: the current one, else the only one), with its account.
    ///
    /// # Errors
    /// `is_not_found()`; or its account has no password (a macaroon login, say).
    pub fn controller(&self, name: Option<&str>) -> Result<ControllerAccess> {
        let names = self.controllers();
        let name = match name
            .or(self.current_controller())
            .or(if let [one] = &names[..] {
                Some(one.as_str())
            } else {
                None
            }) {
            Some(n) => n.to_owned(),
            None => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "find the current controller in the client store",
                    "none is current",
                )
                .hint(format!("name one of: {}", names.join(", "))));
            }
        };
        let op = format!("find controller {name:?} in the client store");
        let missing = |m: &str| Error::new(ErrorKind::NotFound, op.clone(), m.to_owned());
        let c = self
            .section("controllers.yaml", "controllers")
            .and_then(|m| m.get(&name))
            .ok_or_else(|| missing("there is none of that name"))?;
        let text = |k: &str| {
            c.get(k)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let endpoints: Vec<String> = c
            .get("api-endpoints")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        if endpoints.is_empty() {
            return Err(missing(
                "it has no api-endpoints: its bootstrap may not have ended",
            ));
        }
        let account = self
            .section("accounts.yaml", "controllers")
            .and_then(|m| m.get(&name))
            .ok_or_else(|| missing("it has no account"))?;
        if let Some(kind) = account.get("type").and_then(Value::as_str)
            && kind != "userpass"
        {
            return Err(Error::new(
                ErrorKind::Unauthorized,
                op,
                format!("its account logs in by {kind:?}"),
            )
            .hint("only logins with user and password are supported: add a local user, and log in as it with the official client"));
        }
        let user = account
            .get("user")
            .and_then(Value::as_str)
            .ok_or_else(|| missing("its account names no user"))?;
        let password = account.get("password").and_then(scalar).ok_or_else(|| {
            missing("its account holds no password")
                .hint("only logins with user and password are supported")
        })?;
        Ok(ControllerAccess {
            uuid: text("uuid"),
            endpoints,
            ca_cert: text("ca-cert"),
            public_hostname: Some(text("public-hostname")).filter(|h| !h.is_empty()),
            user: user.to_owned(),
            password: SecretString::from(password),
            cloud: text("cloud"),
            region: text("region"),
            agent_version: text("agent-version"),
            name,
        })
    }

    /// The UUID of a model (`openstack` or `admin/openstack`) of a controller.
    pub fn model(&self, controller: &str, model: &str) -> Option<ModelUuid> {
        let models = self
            .section("models.yaml", "controllers")?
            .get(controller)?
            .get("models")?
            .as_object()?;
        let (_, found) = models
            .iter()
            .find(|(k, _)| *k == model || k.rsplit('/').next() == Some(model))?;
        found.get("uuid")?.as_str()?.parse().ok()
    }

    /// The current model of a controller.
    pub fn current_model(&self, controller: &str) -> Option<&str> {
        self.section("models.yaml", "controllers")?
            .get(controller)?
            .get("current-model")?
            .as_str()
    }

    /// Enters a controller with its account and makes it the current one.
    pub fn set_controller(&mut self, access: &ControllerAccess, cloud_type: &str) {
        let c = object(
            self.section_mut("controllers.yaml", "controllers")
                .entry(access.name.clone())
                .or_insert_with(|| json!({})),
        );
        c.insert("uuid".into(), json!(access.uuid));
        c.insert("api-endpoints".into(), json!(access.endpoints));
        c.insert("ca-cert".into(), json!(access.ca_cert));
        if let Some(h) = &access.public_hostname {
            c.insert("public-hostname".into(), json!(h));
        }
        c.insert("cloud".into(), json!(access.cloud));
        if !access.region.is_empty() {
            c.insert("region".into(), json!(access.region));
        }
        c.insert("type".into(), json!(cloud_type));
        c.insert("agent-version".into(), json!(access.agent_version));
        c.entry("controller-machine-count").or_insert(json!(1));
        c.entry("active-controller-machine-count")
            .or_insert(json!(1));
        self.files
            .entry("controllers.yaml".into())
            .or_default()
            .insert("current-controller".into(), json!(access.name));
        let account = json!({"type": "userpass", "user": access.user, "password": access.password.expose_secret(), "last-known-access": "superuser"});
        self.section_mut("accounts.yaml", "controllers")
            .insert(access.name.clone(), account);
    }

    /// Forgets a controller, its account and its models.
    pub fn remove_controller(&mut self, name: &str) {
        for file in ["controllers.yaml", "accounts.yaml", "models.yaml"] {
            self.section_mut(file, "controllers").remove(name);
        }
        if self.current_controller() == Some(name) {
            self.files
                .entry("controllers.yaml".into())
                .or_default()
                .remove("current-controller");
        }
    }

    /// Enters a model (name without owner) and makes it the current one.
    pub fn set_model(&mut self, controller: &str, user: &str, model: &str, uuid: &ModelUuid) {
        let full = format!("{user}/{model}");
        let c = object(
            self.section_mut("models.yaml", "controllers")
                .entry(controller.to_owned())
                .or_insert_with(|| json!({})),
        );
        let models = object(c.entry("models").or_insert_with(|| json!({})));
        models.insert(
            full.clone(),
            json!({"uuid": uuid.as_str(), "type": "iaas", "branch": "master"}),
        );
        c.insert("current-model".into(), json!(full));
    }

    /// Enters a cloud.
    pub fn set_cloud(&mut self, name: &str, cloud: &crate::api::cloud::Cloud) {
        self.section_mut("clouds.yaml", "clouds")
            .insert(name.to_owned(), json!(cloud));
    }

    /// Enters a cloud's credential.
    pub fn set_credential(
        &mut self,
        cloud: &str,
        name: &str,
        credential: &crate::api::cloud::CloudCredential,
    ) {
        let mut v = json!({"auth-type": credential.auth_type});
        for (k, secret) in &credential.attrs {
            v[k.as_str()] = json!(secret.expose_secret());
        }
        object(
            self.section_mut("credentials.yaml", "credentials")
                .entry(cloud.to_owned())
                .or_insert_with(|| json!({})),
        )
        .insert(name.to_owned(), v);
    }
}

fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|e| store_error("make", dir, e))?;
    set_mode(dir, 0o700)
}

/// The object in a slot; what is no object is replaced by an empty one.
fn object(slot: &mut Value) -> &mut Map<String, Value> {
    if !slot.is_object() {
        *slot = json!({});
    }
    match slot {
        Value::Object(m) => m,
        _ => unreachable!("it has just been made one"),
    }
}

/// A password of digits alone is a number to YAML.
fn scalar(v: &Value) -> Option<String> {
    match v {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

fn store_error(what: &str, path: &Path, e: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{what} {}", path.display()),
        e.to_string(),
    )
    .with_source(e)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|e| store_error("set the mode of", path, e))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> Result<()> {
    Ok(())
}

fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let temporary = path.with_file_name(format!(".{name}.{:016x}", rand::random::<u64>()));
    let mut open = fs::OpenOptions::new();
    open.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        open.mode(0o600);
    }
    let written = (|| {
        let mut f = open.open(&temporary)?;
        f.write_all(bytes)?;
        f.sync_all()?;
        fs::rename(&temporary, path)
    })();
    written.map_err(|e| {
        let _ = fs::remove_file(&temporary);
        store_error("write", path, e)
    })
}
