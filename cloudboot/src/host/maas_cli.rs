//! The two things that MAAS offers only as a command on its own host: `maas init` and `maas createadmin`.
//!
//! Facts, from MAAS's source: `--database-uri` on the command line would show the password to everybody on the host, and
//! without it the command asks on standard input; a second `init` asks whether to overwrite and loops for ever at end
//! of file, so it is never started where `snap_mode` says that the host is initialised; `createadmin` reads its
//! password twice with getpass, which takes standard input where there is no terminal.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::{Error, Kind, Result};
use super::exec::{Cmd, Exec};
use super::files::Files;

/// What the snap runs as: written by `maas init`.
const MODE: &str = "/var/snap/maas/common/snap_mode";
/// The region's settings: written by `maas init`.
const REGIOND: &str = "/var/snap/maas/current/regiond.conf";

/// MAAS's commands on its own host.
#[derive(Clone, Debug)]
pub struct MaasCli {
    exec: Arc<dyn Exec>,
    files: Files,
}

/// What `maas init` left on the host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Initialised {
    /// "region+rack", "region", "rack".
    pub mode: String,
    /// The URL that the region was told to have.
    pub maas_url: Option<String>,
    /// The database's host, name and user, without the password.
    pub database: Option<String>,
}

impl MaasCli {
    /// Through an exec and the files of the snap.
    pub fn new(exec: Arc<dyn Exec>, files: Files) -> Self {
        Self { exec, files }
    }

    /// What this host was initialised as; `None` if it was not.
    pub async fn observe(&self) -> Result<Option<Initialised>> {
        let mode = self
            .files
            .read_text(MODE)
            .await?
            .map(|m| m.trim().to_owned())
            .unwrap_or_default();
        if mode.is_empty() || mode == "none" {
            return Ok(None);
        }
        let text = self.files.read_text(REGIOND).await?.unwrap_or_default();
        let field = |key: &str| {
            text.lines()
                .find_map(|l| l.strip_prefix(key)?.trim_start().strip_prefix(':'))
                .map(|v| v.trim().trim_matches(['\'', '"']).to_owned())
        };
        let database = match (
            field("database_user"),
            field("database_host"),
            field("database_name"),
        ) {
            (Some(user), Some(host), Some(name)) => Some(format!("{user}@{host}/{name}")),
            _ => None,
        };
        Ok(Some(Initialised {
            mode,
            maas_url: field("maas_url"),
            database,
        }))
    }

    /// Initialises region and rack controller. Refused where the host is initialised already. Takes minutes
    /// (it migrates the database). `database_uri` goes by standard input.
    pub async fn init(
        &self,
        maas_url: &str,
        database_uri: &SecretString,
        timeout: Duration,
    ) -> Result<()> {
        let operation = "initialise MAAS (maas init region+rack)";
        if self.outlive("init", timeout).await? && self.observe().await?.is_some() {
            return Ok(());
        }
        if let Some(there) = self.observe().await? {
            return Err(Error::new(
                Kind::Conflict,
                operation,
                format!("this host is initialised as {} already", there.mode),
            ));
        }
        let cmd = Cmd::new("maas")
            .args(["init", "region+rack", "--maas-url", maas_url])
            .stdin(format!("{}\n", database_uri.expose_secret()))
            .timeout(timeout)
            .new_session();
        let output = self.exec.run(cmd).await?;
        output
            .check(operation)
            .map(drop)
            .map_err(|e| scrub(e, database_uri))
    }

    /// Creates an administrator, with the password by standard input. One of the same name that exists is [`Kind::Conflict`].
    pub async fn create_admin(
        &self,
        username: &str,
        email: &str,
        password: &SecretString,
        timeout: Duration,
    ) -> Result<()> {
        let operation = format!("create MAAS's administrator {username} (maas createadmin)");
        let secret = password.expose_secret();
        let cmd = Cmd::new("maas")
            .args([
                "createadmin",
                "--username",
                username,
                "--email",
                email,
                "--ssh-import",
                "",
            ])
            .stdin(format!("{secret}\n{secret}\n"))
            .timeout(timeout)
            .new_session();
        let output = self.exec.run(cmd).await?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output.check(&operation).map(drop).map_err(|e| {
            if said.contains("already exists") || said.contains("AlreadyExists") {
                Error::new(
                    Kind::Conflict,
                    operation.clone(),
                    format!("a user {username} or one with the address {email} exists already"),
                )
            } else {
                scrub(e, password)
            }
        })
    }

    /// Waits for a command that a killed run left behind: two at once would spoil each other. True if there was one.
    async fn outlive(&self, command: &str, timeout: Duration) -> Result<bool> {
        let until = tokio::time::Instant::now() + timeout;
        let mut seen = false;
        while self.running(command).await? {
            if !seen {
                tracing::info!(
                    command,
                    "an earlier run's maas command still goes on: waiting for its end"
                );
            }
            seen = true;
            if tokio::time::Instant::now() >= until {
                let detail = format!(
                    "a `maas {command}` of an earlier run did not end within {} s",
                    timeout.as_secs()
                );
                return Err(
                    Error::new(Kind::Busy, format!("wait for `maas {command}`"), detail)
                        .hint("`ps aux | grep maas` shows it"),
                );
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(seen)
    }

    /// Whether a process of this host is `maas <command>`.
    async fn running(&self, command: &str) -> Result<bool> {
        for pid in self
            .files
            .list("/proc")
            .await?
            .iter()
            .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
        {
            // A process may end while it is looked at.
            let Ok(line) = self.files.read(format!("/proc/{pid}/cmdline")).await else {
                continue;
            };
            if is_maas(&line, command) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a command line of `/proc` is `.../maas <command> ...`, be it through an interpreter.
fn is_maas(line: &[u8], command: &str) -> bool {
    let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
    words
        .windows(2)
        .any(|w| w[1] == command.as_bytes() && w[0].rsplit(|b| *b == b'/').next() == Some(b"maas"))
}

/// A program's last words may repeat what it was given.
fn scrub(error: Error, secret: &SecretString) -> Error {
    let detail = error.detail().replace(secret.expose_secret(), "[redacted]");
    let code = error.code().unwrap_or_default().to_owned();
    Error::new(error.kind(), error.operation().to_owned(), detail).with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_maas_is_known_by_its_words() {
        assert!(is_maas(
            b"/snap/maas/1/bin/python3\0/snap/maas/1/bin/maas\0init\0region+rack\0",
            "init"
        ));
        assert!(!is_maas(b"/snap/maas/1/bin/maas\0status\0", "init"));
        assert!(!is_maas(b"vi\0maas.txt\0init\0", "init"));
    }
}
