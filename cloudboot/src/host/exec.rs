//! The only place of the workspace where processes are started.
//!
//! Four things on the controller have no API and no file format: `apt-get`, `nft`, `maas init` and
//! `maas createadmin`; reading addresses (`ip -j`) and validating netplan files (`netplan generate`) join them.
//! A command is a program of the list and an argument vector: never a shell, never a secret in `args`
//! (secrets go by standard input), no retries in here.

use std::fmt;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;

use super::error::{Error, Kind, Result};

/// The programs that may be started.
pub const ALLOWED: &[&str] = &["apt-get", "dpkg", "ip", "maas", "netplan", "nft"];

/// Where programs are looked for: the caller's PATH is not trusted.
const PATH: &[&str] = &[
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/snap/bin",
];

/// Of the caller's environment, only what reaches a mirror or a store through a proxy is handed on.
const INHERITED: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "HOME",
];

/// How much of an output is kept (bytes). A chatty program cannot fill the memory.
const OUTPUT_LIMIT: u64 = 4 << 20;

/// A program to run, its arguments, and how.
#[derive(Clone)]
pub struct Cmd {
    /// The program's name, one of [`ALLOWED`].
    pub program: String,
    /// Its arguments. Never a secret: everybody on the host can read them.
    pub args: Vec<String>,
    /// What is added to its environment.
    pub env: Vec<(String, String)>,
    /// What it reads; nothing (end of file at once) by default.
    pub stdin: Option<SecretString>,
    /// When it is killed. Default: 60 s.
    pub timeout: Duration,
    /// Start it in a session without a terminal, so that password prompts read standard input.
    pub new_session: bool,
}

impl Cmd {
    /// A command with no arguments, nothing to read, and a minute to end.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: None,
            timeout: Duration::from_secs(60),
            new_session: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// What it reads from standard input.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<SecretString>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// When it is killed.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts it without a controlling terminal.
    #[must_use]
    pub fn new_session(mut self) -> Self {
        self.new_session = true;
        self
    }

    /// The program and its first arguments that are plain words: how errors and taps name it ("maas init region+rack").
    pub fn title(&self) -> String {
        let mut title = self.program.clone();
        for word in self.args.iter().take_while(|a| !a.starts_with('-')).take(2) {
            title.push(' ');
            title.push_str(word);
        }
        title
    }
}

impl fmt::Debug for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cmd")
            .field("program", &self.program)
            .field("args", &self.args)
            .field(
                "env",
                &self.env.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .field("stdin", &self.stdin.as_ref().map(|_| "[redacted]"))
            .field("timeout", &self.timeout)
            .field("new_session", &self.new_session)
            .finish()
    }
}

/// How a program ended, and what it wrote.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Output {
    /// Its exit status; 128 + n if signal n ended it.
    pub status: i32,
    /// What it wrote to standard output, at most 4 MiB.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, at most 4 MiB.
    pub stderr: Vec<u8>,
}

impl Output {
    /// It ended with status 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// Standard output as text.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What an error should show of what it wrote to standard error, or else to standard output: the first line (where dpkg
    /// and nft say what is wrong, before their advice) and the last ones (where a traceback ends).
    pub fn tail(&self) -> String {
        let text = if self.stderr.iter().any(|b| !b.is_ascii_whitespace()) {
            &self.stderr
        } else {
            &self.stdout
        };
        let text = String::from_utf8_lossy(text);
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        match lines.as_slice() {
            [first, .., _, _, _, _, _] if lines.len() > 6 => {
                format!("{first} | ... | {}", lines[lines.len() - 5..].join(" | "))
            }
            all => all.join(" | "),
        }
    }

    /// Itself if the status is 0, else an error of [`Kind::Failed`] that holds the tail and the status.
    pub fn check(self, operation: &str) -> Result<Self> {
        if self.success() {
            return Ok(self);
        }
        let detail = format!("it exited with status {}: {}", self.status, self.tail());
        Err(Error::new(Kind::Failed, operation, detail).with_code(self.status.to_string()))
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("status", &self.status)
            .field("stdout", &self.stdout.len())
            .field("stderr", &self.stderr.len())
            .finish()
    }
}

/// Where programs run.
#[async_trait]
pub trait Exec: Send + Sync + fmt::Debug {
    /// Runs one program to its end. Dropping the future kills the program.
    async fn run(&self, cmd: Cmd) -> Result<Output>;

    /// Whether programs run as root there.
    fn is_root(&self) -> bool;
}

/// Programs of this machine.
#[derive(Debug, Clone, Default)]
pub struct LocalExec;

impl LocalExec {
    fn find(program: &str) -> Option<PathBuf> {
        PATH.iter()
            .map(|dir| PathBuf::from(dir).join(program))
            .find(|p| p.is_file())
    }
}

#[async_trait]
impl Exec for LocalExec {
    fn is_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }

    #[allow(clippy::disallowed_types)] // This file is the one place.
    async fn run(&self, cmd: Cmd) -> Result<Output> {
        let operation = format!("run {}", cmd.title());
        if !ALLOWED.contains(&cmd.program.as_str()) {
            return Err(Error::new(
                Kind::Unsupported,
                operation,
                format!("{} is not a program that cloudboot starts", cmd.program),
            ));
        }
        let missing = |name: &str| {
            Error::new(
                Kind::Unavailable,
                operation.clone(),
                format!("there is no {name} in {}", PATH.join(":")),
            )
            .hint(format!("install {name} on the controller"))
        };
        let program = Self::find(&cmd.program).ok_or_else(|| missing(&cmd.program))?;
        // Without a session of its own the program gets a process group, so that its children end with it.
        let mut command = if cmd.new_session {
            let mut c = tokio::process::Command::new(
                Self::find("setsid").ok_or_else(|| missing("setsid"))?,
            );
            c.arg("--wait").arg(&program);
            c
        } else {
            let mut c = tokio::process::Command::new(&program);
            c.process_group(0);
            c
        };
        command
            .args(&cmd.args)
            .env_clear()
            .env("PATH", PATH.join(":"))
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", "C.UTF-8");
        for name in INHERITED {
            if let Ok(value) = std::env::var(name) {
                command.env(name, value);
            }
        }
        command.envs(cmd.env.iter().map(|(k, v)| (k, v)));
        command.stdin(if cmd.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        // Files and not pipes: when this process is killed, a program that writes to a pipe dies of it, and apt-get or
        // `maas init` must rather come to their end.
        let io = |e| Error::io(operation.clone(), e);
        let (out, err) = (
            tempfile::tempfile().map_err(io)?,
            tempfile::tempfile().map_err(io)?,
        );
        command
            .stdout(out.try_clone().map_err(io)?)
            .stderr(err.try_clone().map_err(io)?)
            .kill_on_drop(true);

        tracing::debug!(program = %cmd.program, args = ?cmd.args, "starting a program");
        let mut child = command
            .spawn()
            .map_err(|e| Error::io(operation.clone(), e))?;
        let pid = child.id();
        let stdin = child.stdin.take();
        let feed = async {
            if let (Some(mut pipe), Some(text)) = (stdin, &cmd.stdin) {
                // A program that ends without reading it all is judged by its status, not by the broken pipe.
                let _ = pipe.write_all(text.expose_secret().as_bytes()).await;
                let _ = pipe.shutdown().await;
            }
        };
        let work = async {
            let ((), status) = tokio::join!(feed, child.wait());
            status
        };
        match tokio::time::timeout(cmd.timeout, work).await {
            Ok(Ok(status)) => {
                use std::os::unix::process::ExitStatusExt;
                let status = status
                    .code()
                    .or_else(|| status.signal().map(|s| 128 + s))
                    .unwrap_or(-1);
                Ok(Output {
                    status,
                    stdout: read_back(out).map_err(io)?,
                    stderr: read_back(err).map_err(io)?,
                })
            }
            Ok(Err(e)) => Err(Error::io(operation, e).unclear()),
            Err(_) => {
                kill_group(pid);
                Err(Error::new(
                    Kind::Timeout,
                    operation,
                    format!(
                        "it did not end within {} s and was killed",
                        cmd.timeout.as_secs_f32()
                    ),
                ))
            }
        }
    }
}

fn kill_group(pid: Option<u32>) {
    let pid = pid
        .and_then(|p| i32::try_from(p).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

/// What a program has written to a file.
fn read_back(mut file: std::fs::File) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    file.rewind()?;
    file.take(OUTPUT_LIMIT).read_to_end(&mut kept)?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_listed_programs_start_and_they_end_in_time() {
        let refused = LocalExec
            .run(Cmd::new("sh").args(["-c", "true"]))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), Kind::Unsupported);
        // dpkg is on every machine that builds this with apt; elsewhere there is nothing to show.
        if LocalExec::find("dpkg").is_none() {
            println!("skipped: dpkg is not here (a Debian or Ubuntu has it)");
            return;
        }
        let output = LocalExec
            .run(Cmd::new("dpkg").args(["--version"]))
            .await
            .unwrap();
        assert!(
            output.success() && output.stdout_text().contains("dpkg"),
            "{output:?}"
        );
        let failed = LocalExec
            .run(Cmd::new("dpkg").args(["--no-such-option"]))
            .await
            .unwrap();
        let error = failed.check("ask dpkg").unwrap_err();
        assert_eq!(error.code(), Some("2"), "{error}");
        assert!(error.to_string().contains("no-such-option"), "{error}");
    }

    #[test]
    fn no_secret_is_shown() {
        let cmd = Cmd::new("maas")
            .args(["init"])
            .env("PASSWORD", "hidden-1")
            .stdin("hidden-2");
        assert!(!format!("{cmd:?}").contains("hidden"));
        assert_eq!(
            Cmd::new("maas")
                .args(["init", "region+rack", "--maas-url", "x"])
                .title(),
            "maas init region+rack"
        );
    }
}
