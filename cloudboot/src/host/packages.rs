//! Debian packages: observed in dpkg's status file, changed through `apt-get`.

use std::sync::Arc;
use std::time::Duration;

use super::error::{Error, Kind, Result};
use super::exec::{Cmd, Exec, Output};
use super::files::Files;

/// Where dpkg keeps what is installed.
const STATUS: &str = "/var/lib/dpkg/status";
/// How long another process that holds a lock of apt or dpkg is waited for (unattended upgrades take minutes).
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);
/// How often it is tried whether that one has ended, where apt does not wait by itself: its option counts for dpkg's lock alone, not
/// for those of its lists and archives.
const LOCK_LOOK: Duration = Duration::from_secs(2);

/// The package manager.
#[derive(Clone, Debug)]
pub struct Packages {
    exec: Arc<dyn Exec>,
    files: Files,
}

impl Packages {
    /// The package manager behind an exec and the files that dpkg writes.
    pub fn new(exec: Arc<dyn Exec>, files: Files) -> Self {
        Self { exec, files }
    }

    /// The version of an installed package; `None` if it is not installed (removed, or only its configuration left).
    pub async fn installed(&self, name: &str) -> Result<Option<String>> {
        Ok(self
            .files
            .read_text(STATUS)
            .await?
            .and_then(|text| installed_version(&text, name)))
    }

    /// Refreshes the lists of packages.
    pub async fn update(&self) -> Result<()> {
        self.apt(
            "update the package lists",
            &["update"],
            Duration::from_secs(600),
        )
        .await
        .map(drop)
    }

    /// Installs packages (`postgresql-14`, or `postgresql-14=14.11-0ubuntu0.22.04.1` for one version).
    /// Those that are there are left as they are.
    pub async fn install(&self, names: &[&str]) -> Result<()> {
        let mut args = vec!["install", "--no-install-recommends", "--no-upgrade"];
        args.extend(names);
        self.apt(
            &format!("install {}", names.join(", ")),
            &args,
            Duration::from_secs(1800),
        )
        .await
        .map(drop)
    }

    /// Which packages an installation of these would bring, their dependencies included, by name. Changes nothing.
    pub async fn would_install(&self, names: &[&str]) -> Result<Vec<String>> {
        let mut args = vec![
            "install",
            "--simulate",
            "--no-install-recommends",
            "--no-upgrade",
        ];
        args.extend(names);
        let operation = format!("see what {} brings along", names.join(", "));
        let output = self.apt(&operation, &args, SIMULATION).await?;
        Ok(simulated(&output.stdout_text(), &["Inst"]))
    }

    /// Which packages a removal of these would take away, those that depend on them included, by name. Changes nothing.
    pub async fn would_remove(&self, names: &[&str]) -> Result<Vec<String>> {
        let mut args = vec!["purge", "--simulate"];
        args.extend(names);
        let operation = format!("see what depends on {}", names.join(", "));
        let output = self.apt(&operation, &args, SIMULATION).await?;
        Ok(simulated(&output.stdout_text(), &["Remv", "Purg"]))
    }

    /// Removes packages, with their configuration and data where `purge` is set. Those that are not there are no error.
    pub async fn remove(&self, names: &[&str], purge: bool) -> Result<()> {
        let mut args = vec![if purge { "purge" } else { "remove" }];
        args.extend(names);
        self.apt(
            &format!("remove {}", names.join(", ")),
            &args,
            Duration::from_secs(1200),
        )
        .await
        .map(drop)
    }

    /// Runs apt-get, once whoever holds its locks has ended.
    async fn apt(&self, operation: &str, args: &[&str], timeout: Duration) -> Result<Output> {
        let until = tokio::time::Instant::now() + LOCK_TIMEOUT;
        loop {
            match self.apt_once(operation, args, timeout).await {
                Err(e) if e.kind() == Kind::Busy && tokio::time::Instant::now() < until => {
                    tracing::info!(%operation, "another package manager is running: waiting for it");
                    tokio::time::sleep(LOCK_LOOK).await;
                }
                ended => return ended,
            }
        }
    }

    /// Runs apt-get; where an earlier one was killed in the middle, dpkg's work is finished first.
    async fn apt_once(&self, operation: &str, args: &[&str], timeout: Duration) -> Result<Output> {
        let cmd = Cmd::new("apt-get")
            .args(["-q", "-y", "-o"])
            .arg(format!("DPkg::Lock::Timeout={}", LOCK_TIMEOUT.as_secs()))
            .args([
                "-o",
                "Dpkg::Options::=--force-confdef",
                "-o",
                "Dpkg::Options::=--force-confold",
            ])
            .args(args.iter().copied())
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("NEEDRESTART_MODE", "l")
            .timeout(timeout);
        let mut output = self.exec.run(cmd.clone()).await?;
        if !output.success() && output.tail().contains("dpkg was interrupted") {
            tracing::warn!("dpkg was interrupted earlier: finishing its work");
            let finish = Cmd::new("dpkg")
                .args(["--force-confdef", "--force-confold", "--configure", "-a"])
                .env("DEBIAN_FRONTEND", "noninteractive")
                .timeout(timeout);
            self.exec
                .run(finish)
                .await?
                .check("finish what dpkg was interrupted in (dpkg --configure -a)")?;
            output = self.exec.run(cmd).await?;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        output.check(operation).map_err(|e| explain(e, &said))
    }
}

/// A simulation reads lists and the status, and no more.
const SIMULATION: Duration = Duration::from_secs(120);

/// The packages of a simulation's lines: `Inst libpq5 (15.8-0+deb12u1 Debian:12.7/stable [amd64])`, `Purg libpq5 [15.8-0+deb12u1]`.
/// Source: apt's `apt-pkg/simulate`; a package of another architecture has it after a colon.
fn simulated(text: &str, words: &[&str]) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let (word, rest) = line.split_once(' ')?;
            let name = rest.split(' ').next().filter(|name| !name.is_empty())?;
            words.contains(&word).then(|| name.to_owned())
        })
        .collect()
}

/// What apt's best known refusals mean.
fn explain(error: Error, said: &str) -> Error {
    let (kind, hint) = if said.contains("Unable to locate package")
        || said.contains("has no installation candidate")
        // Of one version: "Version '3.0' for 'x' was not found".
        || (said.contains("Version '") && said.contains("was not found"))
    {
        (
            Kind::NotFound,
            "no configured repository has it: check its name and /etc/apt/sources.list, then `apt-get update`",
        )
    } else if said.contains("Could not get lock")
        || said.contains("Unable to acquire the dpkg frontend lock")
        || said.contains("Unable to lock directory")
    {
        (
            Kind::Busy,
            "another package manager is running; wait for it to end",
        )
    } else if said.contains("are you root") || said.contains("Permission denied") {
        (Kind::Denied, "run as root")
    } else if said.contains("Temporary failure resolving")
        || said.contains("Could not connect")
        || said.contains("Unable to fetch")
    {
        (
            Kind::Unavailable,
            "the mirror cannot be reached: check the route, DNS and the proxy",
        )
    } else if said.contains("dpkg was interrupted") {
        (Kind::Failed, "run `dpkg --configure -a` on the controller")
    } else {
        return error;
    };
    let code = error.code().unwrap_or_default().to_owned();
    Error::new(
        kind,
        error.operation().to_owned(),
        error.detail().to_owned(),
    )
    .with_code(code)
    .hint(hint)
}

fn installed_version(status: &str, name: &str) -> Option<String> {
    // One paragraph a package; only "install ok installed" (or held) counts, "deinstall ok config-files" does not.
    status.split("\n\n").find_map(|paragraph| {
        let field = |key: &str| {
            paragraph
                .lines()
                .find_map(|l| l.strip_prefix(key))
                .map(str::trim)
        };
        let here = field("Package:") == Some(name)
            && field("Status:").is_some_and(|s| s.ends_with(" ok installed"));
        if here {
            field("Version:").map(str::to_owned)
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_reads() {
        let said = "Reading package lists...\nThe following NEW packages will be installed:\n  a b\nInst b (1.0 local [all])\nInst a [0.9] (1.0 local [all]) []\nConf b (1.0 local [all])\nPurg c [2]\nRemv d [2]\n";
        assert_eq!(simulated(said, &["Inst"]), ["b", "a"]);
        assert_eq!(simulated(said, &["Remv", "Purg"]), ["c", "d"]);
    }

    #[test]
    fn only_installed_packages_count() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1.2\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 2\n\nPackage: ab\nStatus: hold ok installed\nDescription: x\n Package: c\nVersion: 3\n";
        assert_eq!(installed_version(status, "a").as_deref(), Some("1.2"));
        assert_eq!(installed_version(status, "b"), None);
        assert_eq!(installed_version(status, "ab").as_deref(), Some("3"));
        assert_eq!(installed_version(status, "c"), None);
    }
}
