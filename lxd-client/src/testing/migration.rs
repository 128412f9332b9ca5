//! Instances that go from one server to another. Over real websockets, opened by whom the mode
//! says; what is said on them is this fake's own: the record as JSON, an empty text for its end, and
//! on the control socket `ok` or why not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::answers::{Reply, text};
use super::exec::Ws;
use super::jobs::{Failure, Job, Outcome};
use super::server::Core;
use super::state::{InstanceRecord, Op, World, random_hex};
use crate::{Client, Fingerprint};

/// What an operation brings away or takes in.
#[derive(Clone)]
pub(super) enum Migration {
    Send {
        project: String,
        name: String,
        alone: bool,
    },
    Receive {
        project: String,
        name: String,
        record: Box<InstanceRecord>,
    },
}

/// Sockets of another server's that one of our operations has to open.
pub(super) struct Dial {
    operation: String,
    url: String,
    certificate: String,
    secrets: BTreeMap<String, String>,
}

impl Dial {
    fn read(operation: &str, told: &Value) -> Self {
        Self {
            operation: operation.to_owned(),
            url: text(told, "operation"),
            certificate: text(told, "certificate"),
            secrets: super::answers::strings(&told["secrets"]),
        }
    }
}

impl World {
    /// POST `/1.0/instances/NAME` with `migration`.
    pub(super) fn send_instance(&mut self, project: &str, name: &str, body: &Value) -> Reply {
        let migration = Migration::Send {
            project: project.to_owned(),
            name: name.to_owned(),
            alone: body["instance_only"] == true,
        };
        let target = body["target"].is_object().then(|| &body["target"]);
        self.migrate("Migrating instance", project, name, migration, target)
    }

    /// POST `/1.0/instances` of what another server has.
    pub(super) fn receive_instance(
        &mut self,
        project: &str,
        name: &str,
        record: InstanceRecord,
        source: &Value,
    ) -> Result<Reply, Reply> {
        if self.record(project, name).is_some() {
            let what = "Failed creating instance record: Add instance info to the database: This \
                        \"instances\" entry already exists";
            return Err(Reply::error(500, what));
        }
        let migration = Migration::Receive {
            project: project.to_owned(),
            name: name.to_owned(),
            record: Box::new(record),
        };
        let target = match source["mode"].as_str() {
            Some("pull") => Some(source),
            Some("push") => None,
            mode => {
                let what = format!("Mode {:?} not implemented", mode.unwrap_or_default());
                return Err(Reply::error(501, what));
            }
        };
        Ok(self.migrate("Creating instance", project, name, migration, target))
    }

    /// POST `/1.0/instances/NAME` with `migration` and a pool or project of this server's.
    pub(super) fn relocate(&mut self, project: &str, name: &str, pool: &str, to: &str) -> Reply {
        let job = Job::Relocate {
            name: name.to_owned(),
            pool: pool.to_owned(),
            to: to.to_owned(),
        };
        let paths = [("instances", format!("/1.0/instances/{name}"))];
        let lasts = self.durations.update;
        Reply::Async(self.start(project, "Migrating instance", &paths, lasts, job))
    }

    pub(super) fn relocated(&mut self, project: &str, name: &str, pool: &str, to: &str) -> Outcome {
        if !pool.is_empty() && !self.state.pools.contains_key(pool) {
            return Err("Failed loading instance storage pool: Storage pool not found".into());
        }
        if !to.is_empty() && !self.state.projects.contains_key(to) {
            return Err(format!("Failed loading project {to:?}: Project not found").into());
        }
        let Some(record) = self.record(project, name) else {
            return Err("Instance not found".into());
        };
        if record.status != crate::types::InstanceStatus::Stopped {
            return Err("Instance must be stopped to be moved statelessly".into());
        }
        let root = record.devices.values_mut().find(|device| {
            device.get("type").is_some_and(|t| t == "disk")
                && device.get("path").is_some_and(|p| p == "/")
        });
        if let (Some(root), false) = (root, pool.is_empty()) {
            root.insert("pool".into(), pool.to_owned());
        }
        if !to.is_empty() {
            if self.record(to, name).is_some() {
                return Err("This \"instances\" entry already exists".into());
            }
            let here = self.state.projects.get_mut(project);
            if let Some(record) = here.and_then(|p| p.instances.remove(name))
                && let Some(there) = self.state.projects.get_mut(to)
            {
                there.instances.insert(name.to_owned(), record);
            }
        }
        self.dirty = true;
        Ok(None)
    }

    /// An operation that opens the other server's sockets, or offers its own.
    fn migrate(
        &mut self,
        description: &str,
        project: &str,
        name: &str,
        migration: Migration,
        target: Option<&Value>,
    ) -> Reply {
        let (class, metadata) = match target {
            Some(_) => ("task", Value::Null),
            None => (
                "websocket",
                json!({"control": random_hex(32), "fs": random_hex(32)}),
            ),
        };
        let op = Op {
            class: class.into(),
            description: description.into(),
            project: project.into(),
            resources: [(
                "instances".to_owned(),
                vec![format!("/1.0/instances/{name}")],
            )]
            .into(),
            metadata,
            job: Some(Job::Nothing),
            due: Duration::MAX,
            ..Op::default()
        };
        let id = self.start_op(op);
        self.migrations.insert(id.clone(), migration);
        if let Some(target) = target {
            self.dials.push(Dial::read(&id, target));
        }
        Reply::Async(id)
    }

    /// What is sent: the record as JSON.
    fn packed(&mut self, migration: &Migration) -> Result<Vec<u8>, String> {
        let Migration::Send {
            project,
            name,
            alone,
        } = migration
        else {
            return Err("not the sender".into());
        };
        let mut record = self
            .record(project, name)
            .cloned()
            .ok_or("Instance not found")?;
        if *alone {
            record.snapshots.clear();
        }
        serde_json::to_vec(&record).map_err(|e| e.to_string())
    }

    /// Makes the instance of what came.
    fn unpack(&mut self, migration: Migration, packed: &[u8]) -> Result<(), String> {
        let Migration::Receive {
            project,
            name,
            mut record,
        } = migration
        else {
            return Err("not the receiver".into());
        };
        let sent: InstanceRecord = serde_json::from_slice(packed).map_err(|e| e.to_string())?;
        record.files = sent.files;
        record.snapshots = sent.snapshots;
        record.metadata = sent.metadata;
        record.templates = sent.templates;
        self.dirty = true;
        self.create_instance(&project, &name, *record, None)
            .map(|_| ())
            .map_err(|failure| failure.why)
    }
}

const BROKEN: &str = "websocket: close 1006 (abnormal closure): unexpected EOF";

impl Core {
    /// Opens what this server's operations have to open at others.
    pub(super) fn dial_out(self: &Arc<Self>) {
        for dial in self.with(|w| std::mem::take(&mut w.dials)) {
            let core = self.clone();
            self.until_over(async move {
                let id = dial.operation.clone();
                match open(dial).await {
                    Ok((control, fs)) => core.migrate(id, control, fs).await,
                    Err(why) => core.end(&id, Err(why)).await,
                }
            });
        }
    }

    /// A socket that this server's operation offers has been opened; the last one starts it.
    pub(super) async fn migration_socket(self: Arc<Self>, id: String, fd: String, socket: Ws) {
        let both = {
            let mut pending = self.execs();
            let sockets = &mut pending.entry(id.clone()).or_default().sockets;
            sockets.insert(fd, socket);
            match (sockets.remove("control"), sockets.remove("fs")) {
                (Some(control), Some(fs)) => {
                    pending.remove(&id);
                    Some((control, fs))
                }
                (control, fs) => {
                    sockets.extend(control.map(|s| ("control".to_owned(), s)));
                    sockets.extend(fs.map(|s| ("fs".to_owned(), s)));
                    None
                }
            }
        };
        if let Some((control, fs)) = both {
            self.migrate(id, control, fs).await;
        }
    }

    async fn migrate<S>(self: Arc<Self>, id: String, mut control: S, mut fs: S)
    where
        S: Stream<Item = Result<Message, WsError>> + Sink<Message> + Unpin + Send,
    {
        let Some(migration) = self.with(|w| w.migrations.remove(&id)) else {
            return;
        };
        let outcome = if matches!(migration, Migration::Send { .. }) {
            match self.with(|w| w.packed(&migration)) {
                Ok(packed) => {
                    for piece in packed.chunks(32 * 1024) {
                        let piece = bytes::Bytes::copy_from_slice(piece);
                        if fs.send(Message::Binary(piece)).await.is_err() {
                            break;
                        }
                    }
                    let _ = fs.send(Message::Text("".into())).await;
                    match control.next().await {
                        Some(Ok(Message::Text(verdict))) if verdict.as_str() == "ok" => Ok(()),
                        Some(Ok(Message::Text(why))) => Err(why.to_string()),
                        _ => Err(BROKEN.into()),
                    }
                }
                Err(why) => Err(why),
            }
        } else {
            let taken = match receive(&mut fs).await {
                Some(packed) => self.with(|w| w.unpack(migration, &packed)),
                None => Err(BROKEN.into()),
            };
            let verdict = taken.as_ref().err().map_or("ok", String::as_str).to_owned();
            let _ = control.send(Message::Text(verdict.into())).await;
            taken.map_err(|why| format!("Error transferring instance data: {why}"))
        };
        self.end(&id, outcome).await;
        for socket in [&mut control, &mut fs] {
            let _ = socket.send(Message::Close(None)).await;
        }
    }

    async fn end(&self, id: &str, outcome: Result<(), String>) {
        self.with(|w| {
            w.migrations.remove(id);
            w.finish(id, outcome.map(|()| None).map_err(Failure::from));
        });
        self.settle().await;
    }
}

/// What came up to the empty text.
async fn receive(
    fs: &mut (impl Stream<Item = Result<Message, WsError>> + Unpin),
) -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    loop {
        match fs.next().await? {
            Ok(Message::Binary(piece)) => packed.extend_from_slice(&piece),
            Ok(Message::Text(_)) => return Some(packed),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            _ => return None,
        }
    }
}

/// The other server's control and content sockets.
async fn open(dial: Dial) -> Result<(crate::websocket::Socket, crate::websocket::Socket), String> {
    let (base, path) = dial
        .url
        .split_once("/1.0/")
        .ok_or_else(|| format!("Invalid operation URL {:?}", dial.url))?;
    let url = base.parse().map_err(|e| format!("{e}"))?;
    let der = CertificateDer::from_pem_slice(dial.certificate.as_bytes())
        .map_err(|_| "Invalid certificate".to_owned())?;
    let client = Client::https(url, Fingerprint::of_der(&der))
        .build()
        .map_err(|e| e.to_string())?;
    let path = format!("/1.0/{path}/websocket");
    let secret = |name: &str| dial.secrets.get(name).map_or("", String::as_str);
    let open = async |name: &str| {
        let query = [("secret", secret(name))];
        let opened = client.websocket(&path, &query).await;
        opened.map_err(|e| format!("Failed to connect to {name} channel: {e}"))
    };
    Ok((open("control").await?, open("fs").await?))
}
