//! `juju.controller.agent`, `.charm` and `.keys`: what a native bootstrap takes from elsewhere than Juju's streams, its store and
//! the controller's own machine.

use secrecy::SecretString;
use url::Url;

use crate::config::error::FaultKind;
use crate::config::kinds::{POSITIVE, SERVICE_URL, SHA256, TEXT};
use crate::config::reader::{Section, Value};

/// `juju.controller.agent`: the archive of Juju's agent, instead of the newest one of `juju.channel` in Juju's streams.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentArchive {
    /// `version`, to the patch: `4.0.15`.
    pub version: String,
    /// `url`, as the controller's machine reaches it.
    pub url: Url,
    /// `sha256` of it.
    pub sha256: String,
    /// `size` in bytes.
    pub size: u64,
}

/// `juju.controller.charm`: the charm juju-controller as a file, instead of the store's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CharmFile {
    /// `url`, as the controller's machine reaches it.
    pub url: Url,
    /// `sha256` of it.
    pub sha256: String,
}

/// `juju.controller.keys`: the controller's CA, certificate and keys, instead of those that its machine makes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ControllerKeys {
    /// `ca`: the CA's certificate, PEM; a path or the text itself.
    pub ca: String,
    /// `ca_key`: the path of the CA's key, PKCS#8 in PEM.
    pub ca_key: SecretString,
    /// `cert`: the server's certificate, PEM, for juju-apiserver, localhost and anything; a path or the text itself.
    pub cert: String,
    /// `key`: the path of the server's key, PKCS#8 in PEM.
    pub key: SecretString,
}

impl AgentArchive {
    /// Outer `None`: it is wrong. Inner `None`: there is none.
    #[allow(clippy::option_option)] // The two absences are what the caller must tell apart.
    pub(crate) fn read(controller: &Section<'_>) -> Option<Option<Self>> {
        if !controller.has("agent") {
            return Some(None);
        }
        let agent = controller.section("agent");
        let version = agent.required("version", &TEXT);
        let url = agent.required("url", &SERVICE_URL);
        let sha256 = agent.required("sha256", &SHA256);
        let size = agent.required("size", &POSITIVE);
        Some(Some(Self {
            version: version?,
            url: url?,
            sha256: sha256?,
            size: size?.into(),
        }))
    }
}

impl CharmFile {
    /// As [`AgentArchive::read`].
    #[allow(clippy::option_option)] // The two absences are what the caller must tell apart.
    pub(crate) fn read(controller: &Section<'_>) -> Option<Option<Self>> {
        if !controller.has("charm") {
            return Some(None);
        }
        let charm = controller.section("charm");
        let url = charm.required("url", &SERVICE_URL);
        let sha256 = charm.required("sha256", &SHA256);
        Some(Some(Self {
            url: url?,
            sha256: sha256?,
        }))
    }
}

impl ControllerKeys {
    /// As [`AgentArchive::read`].
    #[allow(clippy::option_option)] // The two absences are what the caller must tell apart.
    pub(crate) fn read(controller: &Section<'_>) -> Option<Option<Self>> {
        if !controller.has("keys") {
            return Some(None);
        }
        let keys = controller.section("keys");
        let certificate = |key: &str| {
            let value = keys.required_value(key, "a certificate: a path, or its PEM text");
            value.and_then(|value| pem(&value, "CERTIFICATE"))
        };
        // By their path alone: a configuration may be shown.
        let private = |key: &str| {
            let value = keys.required_value(key, "the path of a key, PKCS#8 in PEM")?;
            let path = value.existing_file("a file with a key, PKCS#8 in PEM")?;
            let text = SecretString::from(std::fs::read_to_string(path).ok()?);
            sound(&value, text, "PRIVATE KEY")
        };
        let (ca, ca_key) = (certificate("ca"), private("ca_key"));
        let (cert, key) = (certificate("cert"), private("key"));
        Some(Some(Self {
            ca: ca?,
            ca_key: ca_key?,
            cert: cert?,
            key: key?,
        }))
    }
}

/// The PEM text of a kind that a value is, or that the file is which it names.
pub(super) fn pem(value: &Value<'_>, kind: &str) -> Option<String> {
    use secrecy::ExposeSecret as _;
    let text = value.text("a path, or PEM text")?;
    if text.contains("-----BEGIN ") {
        return sound(value, text.into(), kind).map(|text| text.expose_secret().to_owned());
    }
    let path = value.existing_file(&format!("a file with a {}, PEM", kind.to_lowercase()))?;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    sound(value, text.into(), kind).map(|text| text.expose_secret().to_owned())
}

fn sound(value: &Value<'_>, text: SecretString, kind: &str) -> Option<SecretString> {
    use secrecy::ExposeSecret as _;
    if text
        .expose_secret()
        .contains(&format!("-----BEGIN {kind}-----"))
    {
        return Some(text);
    }
    let (found, expected) = if kind == "CERTIFICATE" {
        ("a file without a certificate", "a certificate, PEM")
    } else {
        (
            "a file without a key in PKCS#8",
            "-----BEGIN PRIVATE KEY-----; `openssl pkcs8 -topk8 -nodes` makes it of another",
        )
    };
    value.fault(FaultKind::Invalid, found, expected);
    None
}
