//! Commands in the fake's instances: what it knows itself, or what the world says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::answers::{Reply, Req};
use super::jobs::Job;
use super::server::Core;
use super::state::{Op, World, random_hex};
use super::{ExecResult, InstanceChange, InstanceView};
use crate::types::InstanceStatus;

pub(super) type Ws = WebSocketStream<TokioIo<Upgraded>>;

/// An exec whose sockets are being connected.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) sockets: BTreeMap<String, Ws>,
}

impl World {
    pub(super) fn exec(&mut self, req: &Req, project: &str, name: &str) -> Result<Reply, Reply> {
        let body = req.json()?;
        let running = self
            .record(project, name)
            .is_some_and(|r| r.status == InstanceStatus::Running);
        if !running {
            return Err(Reply::error(400, "Instance is not running"));
        }
        let interactive = body["interactive"].as_bool().unwrap_or(false);
        let names: &[&str] = if interactive {
            &["0", "control"]
        } else {
            &["0", "1", "2", "control"]
        };
        let fds: serde_json::Map<String, Value> = names
            .iter()
            .map(|fd| ((*fd).to_owned(), random_hex(32).into()))
            .collect();
        let metadata = json!({
            "command": body["command"], "environment": body["environment"], "fds": fds,
            "interactive": interactive,
        });
        let op = Op {
            class: "websocket".into(),
            description: "Executing command".into(),
            project: project.into(),
            resources: [(
                "instances".to_owned(),
                vec![format!("/1.0/instances/{name}")],
            )]
            .into(),
            metadata,
            // LXD gives up a command whose sockets are not connected within five seconds.
            job: Some(Job::Nothing),
            due: Duration::MAX,
            ..Op::default()
        };
        Ok(Reply::Async(self.start_op(op)))
    }
}

impl World {
    /// The console's own terminal; what is typed on it is echoed.
    pub(super) fn console(&mut self, req: &Req, project: &str, name: &str) -> Result<Reply, Reply> {
        req.raw_json()?;
        let running = self
            .record(project, name)
            .is_some_and(|r| r.status == InstanceStatus::Running);
        if !running {
            return Err(Reply::error(400, "Instance is not running"));
        }
        let op = Op {
            class: "websocket".into(),
            description: "Showing console".into(),
            project: project.into(),
            resources: [(
                "instances".to_owned(),
                vec![format!("/1.0/instances/{name}")],
            )]
            .into(),
            metadata: json!({
                "command": ["cat"], "interactive": true,
                "fds": {"0": random_hex(32), "control": random_hex(32)},
            }),
            job: Some(Job::Nothing),
            due: Duration::MAX,
            ..Op::default()
        };
        Ok(Reply::Async(self.start_op(op)))
    }

    pub(super) fn console_log(
        &mut self,
        req: &Req,
        project: &str,
        name: &str,
    ) -> Result<Reply, Reply> {
        let Some(record) = self.record(project, name) else {
            return Err(Reply::not_found("Instance"));
        };
        if req.method == "DELETE" {
            record.console.clear();
            self.dirty = true;
            return Ok(Reply::empty());
        }
        Ok(Reply::bytes(record.console.clone().into_bytes()))
    }
}

impl Core {
    /// A socket of an exec has come; the last one starts the command.
    pub(super) async fn exec_socket(self: Arc<Self>, id: String, fd: String, mut socket: Ws) {
        if self.with(|w| w.migrations.contains_key(&id)) {
            return self.migration_socket(id, fd, socket).await;
        }
        // As the real one does at once, and every ten seconds.
        let _ = socket.send(Message::Ping("keepalive".into())).await;
        let told = self.with(|w| {
            let op = w.state.operations.get(&id)?;
            let instance = op.resources.get("instances")?.first()?.clone();
            let name = instance.rsplit('/').next()?.to_owned();
            let view = w.view(&op.project, &name, InstanceChange::Seen)?;
            Some((op.metadata.clone(), view))
        });
        let Some((metadata, view)) = told else { return };
        let wanted = metadata["fds"].as_object().map_or(0, serde_json::Map::len);
        let complete = {
            let mut execs = self.execs();
            let pending = execs.entry(id.clone()).or_default();
            pending.sockets.insert(fd, socket);
            if pending.sockets.len() == wanted {
                execs.remove(&id)
            } else {
                None
            }
        };
        if let Some(pending) = complete {
            self.run_exec(id, metadata, view, pending.sockets).await;
        }
    }

    async fn run_exec(
        self: Arc<Self>,
        id: String,
        mut metadata: Value,
        view: InstanceView,
        mut sockets: BTreeMap<String, Ws>,
    ) {
        let command: Vec<String> =
            serde_json::from_value(metadata["command"].clone()).unwrap_or_default();
        let (killed, kill) = oneshot::channel();
        let control = sockets
            .remove("control")
            .map(|socket| tokio::spawn(listen_for_signals(socket, killed)));
        let (Some(input), interactive) = (sockets.remove("0"), metadata["interactive"] == true)
        else {
            return;
        };
        let (mut to_input, mut from_input) = input.split();
        let reads = command.first().is_some_and(|c| c.ends_with("cat")) && command.len() == 1;
        // What does not read does not wait for the end of its input either.
        let stdin = if reads && interactive {
            type_in(&mut to_input, &mut from_input).await
        } else if reads {
            read_all(from_input).await
        } else {
            tokio::time::timeout(Duration::from_millis(50), read_all(from_input))
                .await
                .unwrap_or_default()
        };
        let hook = self.hook();
        let mine = match hook {
            Some(hook) => {
                hook.exec(view.clone(), command.clone(), stdin.clone())
                    .await
            }
            None => None,
        };
        let result = match mine {
            Some(result) => Some(result),
            None => self.builtin(&view, &command, &stdin, kill).await,
        };
        let shown = result.clone().unwrap_or_default();
        if interactive {
            let both = [shown.stdout.clone(), shown.stderr.clone()].concat();
            let _ = to_input.send(Message::Binary(both.into())).await;
            let _ = to_input.send(Message::Text("".into())).await;
        }
        for (fd, bytes) in [
            ("1", shown.stdout_for(interactive)),
            ("2", shown.stderr.clone()),
        ] {
            if let Some(mut socket) = sockets.remove(fd) {
                for piece in bytes.chunks(32 * 1024) {
                    let piece = Bytes::copy_from_slice(piece);
                    if socket.send(Message::Binary(piece)).await.is_err() {
                        break;
                    }
                }
                // An empty text frame, then the connection drops without a close frame.
                let _ = socket.send(Message::Text("".into())).await;
                let _ = socket.flush().await;
            }
        }
        let outcome = match &result {
            Some(result) => {
                metadata["return"] = result.code.into();
                Ok(Some(metadata))
            }
            None => {
                metadata["return"] = 127.into();
                self.with(|w| {
                    if let Some(op) = w.state.operations.get_mut(&id) {
                        op.metadata = metadata;
                    }
                });
                Err("Command not found".into())
            }
        };
        self.with(|w| w.finish(&id, outcome));
        self.settle().await;
        if let Some(control) = control {
            control.abort();
        }
    }

    /// The few commands that the fake knows.
    async fn builtin(
        &self,
        view: &InstanceView,
        command: &[String],
        stdin: &[u8],
        kill: oneshot::Receiver<u8>,
    ) -> Option<ExecResult> {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let program = words.first().map(|p| p.rsplit('/').next().unwrap_or(p))?;
        let ok = |stdout: Vec<u8>| {
            Some(ExecResult {
                stdout,
                ..ExecResult::default()
            })
        };
        match (program, &words[1..]) {
            ("true", _) => ok(Vec::new()),
            ("false", _) => Some(ExecResult {
                code: 1,
                ..ExecResult::default()
            }),
            ("echo", rest) => ok(format!("{}\n", rest.join(" ")).into_bytes()),
            ("cat", []) => ok(stdin.to_vec()),
            ("cat", [path]) => {
                let found = self.with(|w| w.look_inside(&view.project, &view.name, path).cloned());
                match found {
                    Some(file) => ok(file.content),
                    None => Some(ExecResult {
                        code: 1,
                        stdout: Vec::new(),
                        stderr: format!("cat: can't open '{path}': No such file or directory\n")
                            .into_bytes(),
                    }),
                }
            }
            ("sleep", [seconds]) => {
                let lasts = Duration::from_secs_f64(seconds.parse().unwrap_or(0.0));
                let signal = tokio::time::timeout(lasts, kill).await.ok()?.ok();
                Some(ExecResult {
                    code: signal.map_or(0, |s| 128 + i32::from(s)),
                    ..ExecResult::default()
                })
            }
            ("sh", ["-c", line]) => Some(shell(line)),
            _ => None,
        }
    }
}

impl ExecResult {
    fn stdout_for(&self, interactive: bool) -> Vec<u8> {
        if interactive {
            Vec::new()
        } else {
            self.stdout.clone()
        }
    }
}

/// `echo` and `exit` joined by `;`, with `>&2`.
fn shell(line: &str) -> ExecResult {
    let mut result = ExecResult::default();
    for part in line.split(';').map(str::trim) {
        let (part, to_err) = match part.strip_suffix(">&2") {
            Some(part) => (part.trim(), true),
            None => (part, false),
        };
        if let Some(text) = part.strip_prefix("echo") {
            let out = if to_err {
                &mut result.stderr
            } else {
                &mut result.stdout
            };
            out.extend_from_slice(format!("{}\n", text.trim()).as_bytes());
        } else if let Some(code) = part.strip_prefix("exit") {
            result.code = code.trim().parse().unwrap_or(0);
            break;
        }
    }
    result
}

async fn read_all(mut from: impl futures_core::Stream<Item = WsItem> + Unpin) -> Bytes {
    let mut all = Vec::new();
    while let Some(Ok(message)) = from.next().await {
        match message {
            Message::Binary(bytes) => all.extend_from_slice(&bytes),
            Message::Text(_) | Message::Close(_) => break,
            _ => {}
        }
    }
    all.into()
}

/// What is typed on a terminal, echoed as it comes, until control-D.
async fn type_in(
    to: &mut (impl futures_util::Sink<Message> + Unpin),
    mut from: impl futures_core::Stream<Item = WsItem> + Unpin,
) -> Bytes {
    let mut all = Vec::new();
    while let Some(Ok(message)) = from.next().await {
        match message {
            Message::Binary(bytes) => {
                let over = bytes.iter().position(|b| *b == 4);
                let typed = bytes.slice(..over.unwrap_or(bytes.len()));
                all.extend_from_slice(&typed);
                if to.send(Message::Binary(typed)).await.is_err() || over.is_some() {
                    break;
                }
            }
            Message::Text(_) | Message::Close(_) => break,
            _ => {}
        }
    }
    all.into()
}

type WsItem = Result<Message, tokio_tungstenite::tungstenite::Error>;

async fn listen_for_signals(mut socket: Ws, killed: oneshot::Sender<u8>) {
    let (tell, mut told) = mpsc::channel::<u8>(1);
    let read = async move {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message
                && let Ok(value) = serde_json::from_str::<Value>(text.as_str())
                && let Some(signal) = value["signal"].as_u64()
            {
                let _ = tell.send(u8::try_from(signal).unwrap_or(15)).await;
            }
        }
    };
    let pass = async move {
        if let Some(signal) = told.recv().await {
            let _ = killed.send(signal);
        }
        // The sender is kept until then: a dropped one would look like a signal.
        while told.recv().await.is_some() {}
    };
    tokio::join!(read, pass);
}
