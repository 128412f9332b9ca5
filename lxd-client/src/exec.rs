//! Commands inside instances, over websockets: stdin, stdout, stderr, window size, signals,
//! exit code.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::command::{Exec, ExecOutput, Signal};
use crate::instances::{Instances, path};
use crate::operation::Started;
use crate::request::{Request, segment};
use crate::websocket::{Socket, Writes, is_end};
use crate::{Error, ErrorKind, Result};

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
