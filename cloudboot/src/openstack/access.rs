//! The access parameters, and the files that hold them: `clouds.yaml` for the OpenStack SDKs, `openrc` for shells.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Credential, Keystone, Scope};
use crate::rest::{Error, ErrorKind, Reach, Result};

/// How a user gets into the cloud.
#[derive(Debug, Clone)]
pub struct Access {
    /// The dashboard's address.
    pub dashboard: Url,
    /// Keystone's address, with its `/v3`.
    pub auth_url: Url,
    /// The user's name.
    pub user: String,
    /// The name of the user's domain.
    pub user_domain: String,
    /// The password.
    pub password: SecretString,
    /// The project's name.
    pub project: String,
    /// The name of the project's domain.
    pub project_domain: String,
    /// The region.
    pub region: String,
    /// The PEM of the CA that issued the cloud's certificates; empty for a cloud without TLS.
    pub ca_pem: String,
}

impl Access {
    /// A Keystone client with these parameters, verified with this CA. `reach`'s own CA is not used.
    pub fn keystone(&self, reach: &Reach) -> Result<Keystone> {
        let credential = Credential::Password {
            user: self.user.clone(),
            user_domain: self.user_domain.clone(),
            password: self.password.clone(),
        };
        let scope = Scope::Project {
            name: self.project.clone(),
            domain: self.project_domain.clone(),
        };
        let reach = Reach {
            ca_pem: Some(self.ca_pem.clone()).filter(|pem| !pem.is_empty()),
            ..reach.clone()
        };
        Keystone::new(self.auth_url.clone(), credential, scope, &reach)
    }

    /// The text of a `clouds.yaml` with one cloud called `cloud`, its CA in the file `cacert`.
    pub fn clouds_yaml(&self, cloud: &str, cacert: &Path) -> String {
        let q = yaml_quoted;
        let mut s = String::from(
            "# Written by cloudboot. It holds a password: keep its mode at 600.\nclouds:\n",
        );
        let _ = writeln!(s, "  {}:", q(cloud));
        let _ = writeln!(s, "    auth:");
        let auth = [
            ("auth_url", self.auth_url.as_str()),
            ("username", &self.user),
            ("password", self.password.expose_secret()),
            ("user_domain_name", &self.user_domain),
            ("project_name", &self.project),
            ("project_domain_name", &self.project_domain),
        ];
        for (key, value) in auth {
            let _ = writeln!(s, "      {key}: {}", q(value));
        }
        let _ = writeln!(s, "    region_name: {}", q(&self.region));
        if !self.ca_pem.is_empty() {
            let _ = writeln!(s, "    cacert: {}", q(&cacert.to_string_lossy()));
        }
        let _ = writeln!(s, "    interface: \"public\"\n    identity_api_version: 3");
        s
    }

    /// The text of an `openrc` for POSIX shells, its CA in the file `cacert`.
    pub fn openrc(&self, cacert: &Path) -> String {
        let mut s = String::from(
            "# Written by cloudboot. It holds a password: keep its mode at 600. Use: . ./openrc\n",
        );
        let vars = [
            ("OS_AUTH_URL", self.auth_url.as_str()),
            ("OS_IDENTITY_API_VERSION", "3"),
            ("OS_USERNAME", &self.user),
            ("OS_PASSWORD", self.password.expose_secret()),
            ("OS_USER_DOMAIN_NAME", &self.user_domain),
            ("OS_PROJECT_NAME", &self.project),
            ("OS_PROJECT_DOMAIN_NAME", &self.project_domain),
            ("OS_REGION_NAME", &self.region),
            ("OS_INTERFACE", "public"),
            ("OS_CACERT", &cacert.to_string_lossy()),
        ];
        let without_ca = |name: &str| name == "OS_CACERT" && self.ca_pem.is_empty();
        for (name, value) in vars.into_iter().filter(|(name, _)| !without_ca(name)) {
            let _ = writeln!(s, "export {name}={}", shell_quoted(value));
        }
        s
    }

    /// Writes `ca.pem` (mode 644), `clouds.yaml` and `openrc` (mode 600) into `folder`, each whole or not at all.
    /// The cloud is called `cloud` in `clouds.yaml`. The folder is made if it is missing.
    pub fn write(&self, folder: &Path, cloud: &str) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| io("make the folder", folder, e))?;
        let folder = folder.canonicalize().map_err(|e| io("find", folder, e))?;
        let ca = folder.join("ca.pem");
        write_whole(&ca, &self.ca_pem, 0o644)?;
        write_whole(
            &folder.join("clouds.yaml"),
            &self.clouds_yaml(cloud, &ca),
            0o600,
        )?;
        write_whole(&folder.join("openrc"), &self.openrc(&ca), 0o600)
    }

    /// Deletes the files of [`Access::write`] from `folder`; those that are not there are no error.
    pub fn remove(folder: &Path) -> Result<()> {
        for name in ["clouds.yaml", "openrc", "ca.pem"] {
            let path = folder.join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io("delete", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the files of [`Access::write`] stand in `folder` as they would be written now.
    pub fn is_written(&self, folder: &Path, cloud: &str) -> bool {
        let Ok(folder) = folder.canonicalize() else {
            return false;
        };
        let ca = folder.join("ca.pem");
        let same = |path: &Path, text: &str, mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::read(path).is_ok_and(|read| read == text.as_bytes())
                && path
                    .metadata()
                    .is_ok_and(|m| m.permissions().mode() & 0o777 == mode)
        };
        same(&ca, &self.ca_pem, 0o644)
            && same(
                &folder.join("clouds.yaml"),
                &self.clouds_yaml(cloud, &ca),
                0o600,
            )
            && same(&folder.join("openrc"), &self.openrc(&ca), 0o600)
    }
}

/// A double-quoted YAML scalar: the same string to a YAML 1.1 reader (the SDKs use PyYAML) and a 1.2 one, whatever it holds.
fn yaml_quoted(text: &str) -> String {
    let mut s = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => s.push_str("\\\""),
            '\\' => s.push_str("\\\\"),
            '\n' => s.push_str("\\n"),
            c if c.is_control() || c == '\u{feff}' || c == '\u{2028}' || c == '\u{2029}' => {
                let _ = write!(s, "\\U{:08x}", u32::from(c));
            }
            c => s.push(c),
        }
    }
    s.push('"');
    s
}

/// A single-quoted word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn io(what: &str, path: &Path, e: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{what} {}", path.display()),
        e.to_string(),
    )
    .with_source(e)
}

/// Writes a file beside its place, makes it durable and renames it: a reader sees the old one or the new one, and never a wider mode.
fn write_whole(path: &Path, text: &str, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = |e| io("write", path, e);
    let mut file = tempfile::Builder::new()
        .prefix(".cloudboot-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))
        .map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(password: &str) -> Access {
        Access {
            dashboard: "https://10.42.0.21/horizon".parse().unwrap(),
            auth_url: "https://10.42.0.7:5000/v3".parse().unwrap(),
            user: "admin".into(),
            user_domain: "admin_domain".into(),
            password: password.into(),
            project: "admin".into(),
            project_domain: "admin_domain".into(),
            region: "RegionOne".into(),
            ca_pem: "-----BEGIN CERTIFICATE-----\n".into(),
        }
    }

    #[test]
    fn files_are_whole_private_and_recognised() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("access");
        let a = access("s3cret");
        assert!(!a.is_written(&there, "lab"));
        a.write(&there, "lab").unwrap();
        assert!(a.is_written(&there, "lab"));
        for name in ["clouds.yaml", "openrc"] {
            assert_eq!(
                there.join(name).metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{name}"
            );
        }
        assert!(!access("another").is_written(&there, "lab"));
        std::fs::set_permissions(there.join("openrc"), std::fs::Permissions::from_mode(0o644))
            .unwrap();
        assert!(
            !a.is_written(&there, "lab"),
            "a password that others may read is not what we wrote"
        );
        assert_eq!(
            std::fs::read_dir(&there).unwrap().count(),
            3,
            "no temporary file is left"
        );
        assert!(!format!("{a:?}").contains("s3cret"));
    }

    #[test]
    fn any_password_survives_yaml() {
        #[derive(serde::Deserialize)]
        struct Doc {
            clouds: std::collections::BTreeMap<String, serde_json::Value>,
        }
        for password in [
            "0755",
            "no",
            "a: b # c",
            "\"quoted\" \\ '",
            "{x}",
            "tab\there\nand line",
            "é\u{2028}\u{7f}",
            "~",
            "*x",
        ] {
            let text = access(password).clouds_yaml("lab", Path::new("/a b/ca.pem"));
            let doc: Doc = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(doc.clouds["lab"]["auth"]["password"], password);
            assert_eq!(doc.clouds["lab"]["cacert"], "/a b/ca.pem");
        }
    }

    #[test]
    fn a_quote_cannot_leave_its_word() {
        let text = access("it's $(rm) `x`").openrc(Path::new("/ca.pem"));
        assert!(
            text.contains(r"export OS_PASSWORD='it'\''s $(rm) `x`'"),
            "{text}"
        );
    }
}
