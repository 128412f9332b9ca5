//! Commands inside instances, over websockets: stdin, stdout, stderr, window size, signals,
//! exit code.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::instances::{Instances, path};
use crate::operation::Started;
use crate::request::{Request, segment};
use crate::websocket::{Socket, Writes, is_end};
use crate::{Error, ErrorKind, Result};

/// A command to run inside an instance.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exec {
    /// The program and its arguments; no shell is in between.
    pub command: Vec<String>,
    /// Environment variables beside LXD's own.
    pub environment: BTreeMap<String, String>,
    /// What it reads; empty is an immediate end.
    pub stdin: Bytes,
    /// As whom, numbered inside the instance; LXD's default is root.
    pub user: Option<u32>,
    /// As which group.
    pub group: Option<u32>,
    /// In which directory; LXD's default is the user's home.
    pub cwd: Option<String>,
    /// On a terminal of this many columns and rows: stderr then comes on stdout. Of a command that
    /// ends at once, LXD 5.0 loses the output on a terminal every now and then (in the daemon, if
    /// its reader looks between the exit and the closing of the terminal): run those without one.
    pub terminal: Option<(u16, u16)>,
}

impl Exec {
    /// A program and its arguments.
    pub fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            stdin: Bytes::new(),
            user: None,
            group: None,
            cwd: None,
            terminal: None,
        }
    }

    /// A line for the instance's `/bin/sh`.
    pub fn shell(line: impl Into<String>) -> Self {
        Self::new(["/bin/sh".to_owned(), "-c".to_owned(), line.into()])
    }

    /// Sets what it reads.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Bytes>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(key.into(), value.into());
        self
    }

    /// Runs it in this directory.
    #[must_use]
    pub fn cwd(mut self, at: impl Into<String>) -> Self {
        self.cwd = Some(at.into());
        self
    }

    /// Runs it as this user and group, numbered inside the instance.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.user = Some(uid);
        self.group = Some(gid);
        self
    }

    /// Runs it on a terminal.
    #[must_use]
    pub fn terminal(mut self, columns: u16, rows: u16) -> Self {
        self.terminal = Some((columns, rows));
        self
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "command": self.command,
            "environment": self.environment,
            "wait-for-websocket": true,
            "interactive": self.terminal.is_some(),
        });
        if let Some((columns, rows)) = self.terminal {
            body["width"] = columns.into();
            body["height"] = rows.into();
        }
        if let Some(user) = self.user {
            body["user"] = user.into();
        }
        if let Some(group) = self.group {
            body["group"] = group.into();
        }
        if let Some(cwd) = &self.cwd {
            body["cwd"] = cwd.clone().into();
        }
        body
    }
}

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// Its exit code: 127 if there is no such command, 128 + n if signal n killed it.
    pub code: i32,
    /// What it wrote (with a terminal: both streams).
    pub stdout: Bytes,
    /// What it wrote to stderr.
    pub stderr: Bytes,
}

impl ExecOutput {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }
}

/// Signals that can be sent to a running command, by Linux's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// 1.
    Hangup,
    /// 2.
    Interrupt,
    /// 9.
    Kill,
    /// 15.
    Terminate,
    /// Any other.
    Other(u8),
}

impl Signal {
    fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Kill => 9,
            Self::Terminate => 15,
            Self::Other(n) => n,
        }
    }
}

/// A piece of a running command's output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecChunk {
    /// From stdout (with a terminal: from either).
    Stdout(Bytes),
    /// From stderr.
    Stderr(Bytes),
}

/// A running command.
pub struct ExecSession {
    started: Started,
    stdin: Option<mpsc::Sender<Bytes>>,
    control: Option<Socket>,
    output: mpsc::Receiver<ExecChunk>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    terminal: bool,
}

impl std::fmt::Debug for ExecSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecSession")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl Drop for ExecSession {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Instances {
    /// Runs a command to its end and keeps what it wrote. A command that is not there ends with
    /// code 127, as in a shell. The caller owns the deadline; dropping the future drops the
    /// sockets, and with them a command that reads or writes.
    ///
    /// # Errors
    /// Not found; refused if the instance does not run; a broken connection, after which the
    /// command may still be running ([`Error::is_unclear`]).
    pub async fn exec(&self, name: &str, exec: &Exec) -> Result<ExecOutput> {
        let mut session = self.exec_session(name, exec).await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        // The input goes in beside the reading, or two full pipes would wait for each other.
        let stdin = session.stdin.take();
        if exec.terminal.is_some() {
            // Hanging up would end the command before it has spoken.
            session.stdin.clone_from(&stdin);
        }
        let input = exec.stdin.clone();
        let feed = async move {
            if let Some(stdin) = stdin {
                for piece in input.chunks(64 * 1024) {
                    if stdin.send(Bytes::copy_from_slice(piece)).await.is_err() {
                        break;
                    }
                }
            }
        };
        let read = async {
            while let Some(chunk) = session.output.recv().await {
                match chunk {
                    ExecChunk::Stdout(b) => stdout.extend_from_slice(&b),
                    ExecChunk::Stderr(b) => stderr.extend_from_slice(&b),
                }
            }
        };
        tokio::join!(feed, read);
        let code = session.wait().await?;
        Ok(ExecOutput {
            code,
            stdout: stdout.into(),
            stderr: stderr.into(),
        })
    }

    /// Starts a command and hands over its streams. `exec.stdin` is not sent: use
    /// [`ExecSession::write`] and [`ExecSession::close_stdin`].
    ///
    /// # Errors
    /// As [`Instances::exec`].
    pub async fn exec_session(&self, name: &str, exec: &Exec) -> Result<ExecSession> {
        if exec.command.is_empty() {
            return Err(Error::invalid("exec", "the command is empty"));
        }
        let attempted = format!("exec {} in {name}", exec.command[0]);
        let started = self
            .client
            .change(Request::post(format!("{}/exec", path(name))).json(exec.body()))
            .await?;
        self.session(attempted, started, exec.terminal.is_some())
            .await
    }

    /// Connects an operation's sockets.
    pub(crate) async fn session(
        &self,
        attempted: String,
        started: Started,
        on_terminal: bool,
    ) -> Result<ExecSession> {
        let (Some(id), Some(operation)) = (started.id(), started.operation()) else {
            return Err(Error::new(
                ErrorKind::Protocol,
                attempted,
                "the answer is no operation",
            ));
        };
        let fds = operation.metadata["fds"].clone();
        let at = format!("/1.0/operations/{}/websocket", segment(id.as_str()));
        let open = async |fd: &str| -> Result<Option<Socket>> {
            match fds[fd].as_str() {
                Some(secret) => Ok(Some(
                    self.client.websocket(&at, &[("secret", secret)]).await?,
                )),
                None => Ok(None),
            }
        };
        // All of them within five seconds, or LXD gives the command up. The control socket first:
        // LXD does not wait for it before it starts a command without a terminal, and a quick one
        // would be over, with its operation, before the socket comes.
        let control = open("control").await?;
        let (stdin, stdout, stderr) = tokio::try_join!(open("0"), open("1"), open("2"))?;
        let (tell, output) = mpsc::channel(64);
        let mut tasks = Vec::new();
        let (feed, fed) = mpsc::channel::<Bytes>(16);
        match (stdin, on_terminal) {
            // A terminal has one socket for both ways.
            (Some(socket), true) => {
                tasks.push(tokio::spawn(terminal(socket, fed, tell)));
            }
            (Some(socket), false) => {
                tasks.push(tokio::spawn(write_stream(socket, fed)));
                for (socket, make) in [
                    (stdout, ExecChunk::Stdout as fn(Bytes) -> ExecChunk),
                    (stderr, ExecChunk::Stderr),
                ] {
                    if let Some(socket) = socket {
                        tasks.push(tokio::spawn(read_stream(socket, tell.clone(), make)));
                    }
                }
            }
            (None, _) => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    attempted,
                    "the operation tells no socket for stdin",
                ));
            }
        }
        Ok(ExecSession {
            started,
            stdin: Some(feed),
            control,
            output,
            tasks,
            terminal: on_terminal,
        })
    }
}

impl ExecSession {
    /// The next piece of output; `None` when all streams have ended.
    pub async fn next(&mut self) -> Option<ExecChunk> {
        self.output.recv().await
    }

    /// Gives the command something to read.
    ///
    /// # Errors
    /// If its stdin is closed.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Result<()> {
        let closed = || Error::new(ErrorKind::Connection, "exec: writing", "stdin is closed");
        self.stdin
            .as_ref()
            .ok_or_else(closed)?
            .send(bytes.into())
            .await
            .map_err(|_| closed())
    }

    /// Tells the command that there is no more to read. On a terminal this hangs up, which ends
    /// the command.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Tells a terminal its new size.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn resize(&mut self, columns: u16, rows: u16) -> Result<()> {
        self.control(json!({
            "command": "window-resize",
            "args": {"width": columns.to_string(), "height": rows.to_string()},
        }))
        .await
    }

    /// Sends the command a signal.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn signal(&mut self, signal: Signal) -> Result<()> {
        self.control(json!({"command": "signal", "signal": signal.number()}))
            .await
    }

    async fn control(&mut self, message: Value) -> Result<()> {
        let broken = |e: String| Error::new(ErrorKind::Connection, "exec: control", e);
        let Some(control) = &mut self.control else {
            return Err(broken("there is no control socket".into()));
        };
        let text = Message::Text(message.to_string().into());
        tokio::time::timeout(Duration::from_secs(10), control.send(text))
            .await
            .map_err(|_| broken("the server does not read".into()))?
            .map_err(|e| broken(e.to_string()))
    }

    /// Waits for the end and tells the exit code. Output that was not read is read and dropped.
    ///
    /// # Errors
    /// If the server or the connection is lost.
    pub async fn wait(mut self) -> Result<i32> {
        if !self.terminal {
            self.close_stdin();
        }
        while self.output.recv().await.is_some() {}
        self.close_stdin();
        let done = Started::placeholder(&self.started);
        let started = std::mem::replace(&mut self.started, done);
        started.wait_code().await
    }
}

/// Sends what comes, then the empty text frame that means end of file.
async fn write_stream(mut socket: Socket, mut from: mpsc::Receiver<Bytes>) {
    socket.get_mut().set_writes(Writes::UntilClosed);
    loop {
        tokio::select! {
            piece = from.recv() => match piece {
                Some(bytes) => if socket.send(Message::Binary(bytes)).await.is_err() { return },
                None => break,
            },
            // Pings are answered while reading, and the server's end is seen.
            message = socket.next() => if !matches!(message, Some(Ok(_))) { return },
        }
    }
    let _ = socket.send(Message::Text("".into())).await;
    // The server closes when it is done with it.
    while let Some(Ok(_)) = socket.next().await {}
}

/// Passes on what comes until the empty text frame, or until the connection drops.
async fn read_stream(
    mut socket: Socket,
    to: mpsc::Sender<ExecChunk>,
    make: fn(Bytes) -> ExecChunk,
) {
    socket.get_mut().set_writes(Writes::Never);
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Binary(bytes) = message {
            if to.send(make(bytes)).await.is_err() {
                return;
            }
        } else if is_end(&message) {
            break;
        }
    }
}

async fn terminal(
    mut socket: Socket,
    mut from: mpsc::Receiver<Bytes>,
    to: mpsc::Sender<ExecChunk>,
) {
    socket.get_mut().set_writes(Writes::UntilClosed);
    let mut open = true;
    loop {
        tokio::select! {
            piece = from.recv(), if open => match piece {
                Some(bytes) => if socket.send(Message::Binary(bytes)).await.is_err() { return },
                None => {
                    open = false;
                    if socket.send(Message::Text("".into())).await.is_err() { return }
                }
            },
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    if to.send(ExecChunk::Stdout(bytes)).await.is_err() { return }
                }
                Some(Ok(m)) if is_end(&m) => break,
                Some(Ok(_)) => {}
                _ => return,
            },
        }
    }
    // An interactive operation ends only when we close this one.
    let _ = socket.close(None).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::BoxIo;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    /// A daemon that has pinged, written, and gone, all before we read: what a loaded machine
    /// makes of a quick command.
    async fn all_said() -> Socket {
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let mut daemon = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
        let said = [
            Message::Ping("keepalive".into()),
            Message::Binary("again\n".into()),
            Message::Text("".into()),
        ];
        for message in said {
            daemon.send(message).await.unwrap();
        }
        // No close frame: the connection drops.
        drop(daemon);
        WebSocketStream::from_raw_socket(BoxIo::new(ours), Role::Client, None).await
    }

    async fn heard(mut output: mpsc::Receiver<ExecChunk>) -> Vec<ExecChunk> {
        let mut heard = Vec::new();
        while let Some(chunk) = output.recv().await {
            heard.push(chunk);
        }
        heard
    }

    #[tokio::test]
    async fn a_pong_too_late_loses_no_output() {
        let expected = [ExecChunk::Stdout("again\n".into())];
        let (tell, output) = mpsc::channel(8);
        read_stream(all_said().await, tell, ExecChunk::Stdout).await;
        assert_eq!(heard(output).await, expected);
        let (tell, output) = mpsc::channel(8);
        let (_input, fed) = mpsc::channel(8);
        terminal(all_said().await, fed, tell).await;
        assert_eq!(heard(output).await, expected);
    }
}
