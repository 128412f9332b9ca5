//! From files to a [`Config`], or to everything that is wrong with them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Config;
use super::error::{ConfigErrors, Fault, FaultKind};
use super::kinds::NAME;
use super::notes::{Env, Notes};
use super::reader::Section;
use super::redact::{hidden, redacted};
use super::schema::{
    Access, Capacity, Compute, Deadlines, Ipmi, Juju, JujuDefaults, JujuVm, Limits, Lxd, Maas,
    Machine, Mirrors, NetFix, Postgres, Proxy, Reach, Ssh, VaultKeys, VmHost,
};
use super::tree::{self, Kind, Node, child};
use super::value::Place;

/// Loads a configuration with overlays, and with an environment of the caller's own for `env:` references.
///
/// ```
/// # fn main() -> Result<(), cloudboot::config::ConfigErrors> {
/// # let dir = std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/testing/data"));
/// let config = cloudboot::config::Loader::new()
///     .env(|name| (name == "LXD_PASSWORD").then(|| "correct horse".to_owned()))
///     .overlay_text("lxd: {password: 'env:LXD_PASSWORD'}", &dir)
///     .load(dir.join("thesis.yaml"))?;
/// assert_eq!(config.maas.channel.to_string(), "3.4/stable");
/// # Ok(()) }
/// ```
pub struct Loader {
    env: Box<Env>,
    overlays: Vec<Source>,
}

enum Source {
    File(PathBuf),
    Text { yaml: String, file: PathBuf },
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("overlays", &self.overlays.len())
            .finish_non_exhaustive()
    }
}

impl Loader {
    /// A loader without overlays; `env:` references are looked up in the process's environment.
    pub fn new() -> Self {
        Self {
            env: Box::new(|name| std::env::var(name).ok()),
            overlays: Vec::new(),
        }
    }

    /// Looks `env:` references up here instead.
    #[must_use]
    pub fn env(mut self, env: impl Fn(&str) -> Option<String> + 'static) -> Self {
        self.env = Box::new(env);
        self
    }

    /// Lays a file over what comes before it: maps merge, lists and values replace, `null` removes.
    #[must_use]
    pub fn overlay(mut self, path: impl Into<PathBuf>) -> Self {
        self.overlays.push(Source::File(path.into()));
        self
    }

    /// Lays text over what comes before it; paths in it are relative to `dir`.
    #[must_use]
    pub fn overlay_text(mut self, yaml: impl Into<String>, dir: impl AsRef<Path>) -> Self {
        let file = dir
            .as_ref()
            .join(format!("overlay-{}", self.overlays.len() + 1));
        self.overlays.push(Source::Text {
            yaml: yaml.into(),
            file,
        });
        self
    }

    /// Reads the file and the overlays.
    ///
    /// # Errors
    /// Everything that is wrong in them, at once.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Config, ConfigErrors> {
        let base = Source::File(path.as_ref().to_path_buf());
        self.read(base).result
    }

    /// Reads text instead of a file; paths in it are relative to `dir`, and the deployment's default name is `cloudboot`.
    ///
    /// # Errors
    /// Everything that is wrong in it, at once.
    pub fn load_text(self, yaml: &str, dir: impl AsRef<Path>) -> Result<Config, ConfigErrors> {
        let base = Source::Text {
            yaml: yaml.to_owned(),
            file: dir.as_ref().join("cloudboot.yaml"),
        };
        self.read(base).result
    }

    fn read(self, base: Source) -> Reading {
        let mut faults = Vec::new();
        let mut files = Vec::new();
        let mut nothing_removed = Vec::new();
        let mut document: Option<Node> = None;
        for source in std::iter::once(base).chain(self.overlays) {
            let Some(node) = read_source(source, &mut files, &mut faults) else {
                continue;
            };
            match &mut document {
                None if files.len() == 1 => document = Some(node),
                // The base could not be read: what lies over it cannot be judged.
                None => {}
                Some(document) => nothing_removed.extend(document.overlay(node, "")),
            }
        }
        let notes = Notes::new(&*self.env);
        for (path, place) in nothing_removed {
            notes.warn(
                &path,
                Some(place),
                "removes nothing: there is no such key below this overlay",
            );
        }
        let config = match (&document, files.first()) {
            (Some(document), Some(file)) => read_document(&notes, document, file),
            _ => None,
        };
        notes.report_unknown();
        notes.report_open_secrets();
        faults.append(&mut notes.faults.borrow_mut());
        in_order(&mut faults, &files);
        let asked = notes.asked.take();
        let result = match (config, faults.is_empty()) {
            (Some(mut config), true) => {
                config.warnings = notes.warnings.take();
                Ok(config)
            }
            (None, true) => {
                // A reader that gives up without saying why; better this than a silent default.
                let fault = Fault::new(
                    FaultKind::Invalid,
                    "",
                    None,
                    "a configuration that cannot be read",
                    "one that can; please report this as a bug",
                );
                Err(ConfigErrors::new(vec![fault]))
            }
            _ => Err(ConfigErrors::new(faults)),
        };
        Reading { result, asked }
    }
}

struct Reading {
    result: Result<Config, ConfigErrors>,
    /// Each key that was asked for, and whether it was there; for the test of the reference file.
    #[cfg_attr(not(test), allow(dead_code))]
    asked: BTreeMap<String, bool>,
}

fn read_source(
    source: Source,
    files: &mut Vec<Arc<Path>>,
    faults: &mut Vec<Fault>,
) -> Option<Node> {
    let (text, file) = match source {
        Source::Text { yaml, file } => (Ok(yaml), file),
        Source::File(file) => (std::fs::read_to_string(&file), file),
    };
    let file: Arc<Path> = file.into();
    files.push(file.clone());
    match text {
        Ok(text) => tree::parse(&text, &file, faults),
        Err(error) => {
            faults.push(Fault::new(
                FaultKind::Unreadable,
                "",
                Some(Place {
                    file,
                    line: 0,
                    column: 0,
                }),
                error.to_string(),
                "a configuration, a readable YAML file",
            ));
            None
        }
    }
}

/// As a reader goes through the files; what has no place comes last.
fn in_order(faults: &mut [Fault], files: &[Arc<Path>]) {
    let order: HashMap<&Path, usize> = files
        .iter()
        .enumerate()
        .map(|(i, file)| (&**file, i))
        .collect();
    faults.sort_by_key(|fault| match &fault.place {
        Some(place) => (
            order.get(&*place.file).copied().unwrap_or(usize::MAX),
            place.line,
            place.column,
        ),
        None => (usize::MAX, usize::MAX, usize::MAX),
    });
}

fn read_document(notes: &Notes<'_>, document: &Node, file: &Path) -> Option<Config> {
    let top = Place {
        file: file.into(),
        line: 1,
        column: 1,
    };
    let root = Section::new(
        notes,
        String::new(),
        String::new(),
        Some(document),
        Some(top),
    );

    let deployment = root
        .optional("deployment", &NAME)
        .map(|name| name.unwrap_or_else(|| stem(file)));
    let state_dir = match root.value("state_dir") {
        Some(value) => value.path(),
        None => Some(file.parent().unwrap_or(Path::new("")).join(".cloudboot")),
    };
    let postgres = Postgres::read(&root);
    let ssh = Ssh::read(&root, state_dir.as_deref());
    let ipmi = Ipmi::read(&root);
    let machines = Machine::read_all(&root, ipmi.as_ref());
    let listed = root
        .value("machines")
        .map_or(0, |machines| match &machines.node.kind {
            Kind::List(items) => items.len(),
            _ => 0,
        });
    let maas = Maas::read(&root, (listed > 0).then_some(listed));
    let gateway = maas.as_ref().map(|maas| maas.dhcp.gateway);
    let lxd = Lxd::read(&root);
    let vm_host = VmHost::read(&root, gateway, lxd.as_ref().map(|lxd| lxd.port));
    let juju_vm = JujuVm::read(&root);
    let compute = Compute::read(&root);
    let defaults = JujuDefaults {
        gateway,
        username: maas.as_ref().map(|maas| maas.username.as_str()),
        tag: juju_vm.as_ref().map(|vm| vm.tag.as_str()),
    };
    let juju = Juju::read(&root, &defaults);
    let vault = VaultKeys::read(&root);
    let net_fix = NetFix::read(&root, maas.as_ref().map(|maas| maas.dhcp.cidr));
    let reach = Reach::read(&root);
    let proxy = Proxy::read(&root);
    let mirrors = Mirrors::read(&root);
    let limits = Limits::read(&root);
    let deadlines = Deadlines::read(&root);
    let access = Access::read(&root, state_dir.as_deref());
    let capacity = Capacity::read(&root);

    let mut origins = BTreeMap::new();
    note_origins(document, "", &mut origins);
    Some(Config {
        deployment: deployment?,
        state_dir: state_dir?,
        postgres: postgres?,
        ssh: ssh?,
        maas: maas?,
        machines: machines?,
        ipmi: ipmi?,
        lxd: lxd?,
        vm_host: vm_host?,
        juju_vm: juju_vm?,
        compute: compute?,
        juju: juju?,
        vault: vault?,
        net_fix: net_fix?,
        reach: reach?,
        proxy: proxy?,
        mirrors: mirrors?,
        limits: limits?,
        deadlines: deadlines?,
        access: access?,
        capacity: capacity?,
        warnings: Vec::new(),
        origins,
        document: shown_document(document, &notes.secrets.borrow()),
    })
}

/// A file's stem as a name: what a name may not hold becomes a dash.
fn stem(file: &Path) -> String {
    let stem = file
        .file_stem()
        .map(|stem| stem.to_string_lossy())
        .unwrap_or_default();
    let name: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() {
        "cloudboot".to_owned()
    } else {
        name.to_owned()
    }
}

fn note_origins(node: &Node, path: &str, origins: &mut BTreeMap<String, Place>) {
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                note_origins(item, &path, origins);
                origins.insert(path, item.place.clone());
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                let path = child(path, &entry.key);
                note_origins(&entry.value, &path, origins);
                origins.insert(path, entry.place().clone());
            }
        }
    }
}

/// The merged document, its secrets hidden, references to them kept.
fn shown_document(document: &Node, secrets: &[String]) -> serde_json::Value {
    fn show(node: &Node, path: &str, secrets: &[String]) -> serde_json::Value {
        match &node.kind {
            Kind::Scalar { text, .. } if secrets.iter().any(|secret| secret == path) => {
                hidden(text).into()
            }
            Kind::Scalar { .. } => node.json(),
            Kind::List(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(index, item)| show(item, &format!("{path}[{index}]"), secrets))
                    .collect()
            }
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| {
                    (
                        entry.key.clone(),
                        show(&entry.value, &child(path, &entry.key), secrets),
                    )
                })
                .collect(),
        }
    }
    redacted(&show(document, "", secrets))
}

#[cfg(test)]
mod tests;
