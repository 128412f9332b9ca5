//! Instances brought from one server to another.
//!
//! LXD moves an instance over websockets, one for control and one for the content, that one server
//! offers (a secret for each, told in its operation) and the other one opens. Who opens them is the
//! mode: the new server (pull), the old one (push), or the client, which opens both servers' and
//! passes on what comes (relay).

use std::collections::BTreeMap;
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::instances::{Instances, path};
use crate::operation::{Finished, Operation, OperationId, Started};
use crate::request::{Request, segment};
use crate::types::Instance;
use crate::websocket::Socket;
use crate::{Client, Error, ErrorKind, Result};

/// How an instance's content gets from the one server to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyMode {
    /// The new server fetches it from the old one, which it reaches at this address
    /// (`https://host:8443`). What `lxc copy` does unless told otherwise.
    Pull(Url),
    /// The old server brings it to the new one, which it reaches at this address.
    Push(Url),
    /// It passes through this program: for servers that cannot reach each other, over whatever
    /// each of the two clients is connected by, unix sockets included.
    Relay,
}

/// How an instance is copied to another server: see [`Instances::copy_from`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InstanceCopy {
    /// How its content gets there.
    pub mode: CopyMode,
    /// The copy's name; the old one's if `None`.
    pub name: Option<String>,
    /// The pool of the copy's root disk; one of the old pool's name if `None`.
    pub pool: Option<String>,
    /// The copy's profiles; those of the old one's names if `None`.
    pub profiles: Option<Vec<String>>,
    /// Whether its snapshots stay behind.
    pub instance_only: bool,
    /// Whether it stays the same machine to others (`volatile.*`: its MACs, its UUID), as for a
    /// move: delete the old one afterwards, and never run both.
    pub same_machine: bool,
}

impl InstanceCopy {
    /// A copy of its own identity, under the old name, snapshots included.
    pub fn by(mode: CopyMode) -> Self {
        Self {
            mode,
            name: None,
            pool: None,
            profiles: None,
            instance_only: false,
            same_machine: false,
        }
    }

    /// Gives the copy another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Puts the copy's root disk on this pool.
    #[must_use]
    pub fn on_pool(mut self, pool: impl Into<String>) -> Self {
        self.pool = Some(pool.into());
        self
    }

    /// Uses these profiles of the new server.
    #[must_use]
    pub fn profiles<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.profiles = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves the snapshots behind.
    #[must_use]
    pub fn without_snapshots(mut self) -> Self {
        self.instance_only = true;
        self
    }

    /// Keeps what others know it by, as for a move.
    #[must_use]
    pub fn same_machine(mut self) -> Self {
        self.same_machine = true;
        self
    }

    /// The body of the POST that makes the copy, without what the mode adds to its source.
    fn body(&self, old: &Instance) -> Value {
        let mut new = old.clone();
        if !self.same_machine {
            new.config
                .retain(|key, _| !key.starts_with("volatile.") || key == "volatile.base_image");
        }
        if let Some(profiles) = &self.profiles {
            new.profiles.clone_from(profiles);
        }
        if let Some(pool) = &self.pool {
            put_root_on(&mut new, pool);
        }
        let mut body = new.put();
        body["name"] = json!(self.name.as_ref().unwrap_or(&old.name));
        body["type"] = json!(old.kind);
        body["source"] = json!({
            "type": "migration",
            "base-image": old.config.get("volatile.base_image").map_or("", String::as_str),
            "instance_only": self.instance_only, "container_only": self.instance_only,
            "live": false,
        });
        body
    }
}

/// The root disk may be a profile's: then the instance gets one of its own.
fn put_root_on(instance: &mut Instance, pool: &str) {
    let is_root = |device: &crate::Config| {
        device.get("type").is_some_and(|t| t == "disk")
            && device.get("path").is_some_and(|p| p == "/")
    };
    let (name, mut root) = instance
        .devices
        .iter()
        .chain(&instance.expanded_devices)
        .find(|(_, device)| is_root(device))
        .map_or_else(
            || {
                let root = [("type", "disk"), ("path", "/")];
                let root = root.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
                ("root".to_owned(), root)
            },
            |(name, root)| (name.clone(), root.clone()),
        );
    root.insert("pool".to_owned(), pool.to_owned());
    instance.devices.insert(name, root);
}

/// An instance on its way from one server to another.
#[derive(Debug)]
#[must_use = "a copy may fail after it began: wait() for it"]
pub struct InstanceTransfer {
    old: Started,
    new: Started,
    /// What is passed on by us, while it is.
    relay: JoinSet<()>,
}

impl InstanceTransfer {
    /// Waits until the copy stands. Dropping the future leaves the two servers at it, except for a
    /// relay, which ends with it.
    ///
    /// # Errors
    /// As [`Started::wait`], of the new server's operation; what the old one says of it as well.
    pub async fn wait(self) -> Result<Finished> {
        let Self { old, new, relay } = self;
        let attempted = new.attempted().to_owned();
        let ended = new.wait().await;
        // The old server is a little later, and busy with the instance until then. What it never
        // was asked for it goes on waiting for.
        let tail = Duration::from_secs(if ended.is_ok() { 15 } else { 2 });
        let old = tokio::time::timeout(tail, old.wait()).await;
        drop(relay);
        let error = match ended {
            Ok(finished) => return Ok(finished),
            Err(error) => error,
        };
        let Ok(Err(other)) = old else {
            return Err(error);
        };
        let what = format!(
            "{}; the server it comes from says: {}",
            error.message(),
            other.message()
        );
        let told = Error::new(error.kind(), attempted, what).unclear(error.is_unclear());
        Err(match error.operation() {
            Some(id) => told.with_operation(id),
            None => told,
        })
    }

    /// The new server's operation each time something new is seen of it (`fs_progress` in its
    /// metadata); ends when it ends.
    pub fn progress(&self) -> impl Stream<Item = Operation> + Send + 'static {
        self.new.progress()
    }
}

impl Instances {
    /// Copies an instance of the server of `from` (and its project) to this one, without its
    /// running state: stop it first, if its files must be of one moment. Either server must know
    /// nothing of the other: the secrets of this one copy are all that they need.
    ///
    /// Within one server, [`crate::InstanceSource::Copy`] does it faster.
    ///
    /// # Errors
    /// Not found at `from`; conflict if there is one of the name here; through the transfer, if
    /// the servers cannot reach each other as the mode wants it.
    pub async fn copy_from(
        &self,
        from: &Client,
        name: &str,
        copy: &InstanceCopy,
    ) -> Result<InstanceTransfer> {
        let attempted = format!("copying the instance {name} from another server");
        let old = from.instances().get(name).await?.into_inner();
        let mut body = copy.body(&old);
        let mut ask = json!({
            "migration": true, "live": false,
            "instance_only": copy.instance_only, "container_only": copy.instance_only,
        });
        let at_old = |ask: Value| from.change(Request::post(path(name)).json(ask));
        let at_new = |body: Value| {
            self.client
                .change(Request::post("/1.0/instances").json(body))
        };
        if let CopyMode::Push(_) | CopyMode::Relay = copy.mode {
            self.client.require(&attempted, &["container_push"]).await?;
        }
        match &copy.mode {
            CopyMode::Pull(address) => {
                let old = at_old(ask).await?;
                let source = &mut body["source"];
                source["mode"] = "pull".into();
                source["operation"] = operation_url(address, &old, &attempted)?.into();
                source["certificate"] = certificate(from).await?.into();
                source["secrets"] = json!(secrets(&old, &attempted)?);
                let new = at_new(body).await?;
                let relay = JoinSet::new();
                Ok(InstanceTransfer { old, new, relay })
            }
            CopyMode::Push(address) => {
                from.require(&attempted, &["container_push_target"]).await?;
                body["source"]["mode"] = "push".into();
                let new = at_new(body).await?;
                ask["target"] = json!({
                    "operation": operation_url(address, &new, &attempted)?,
                    "certificate": certificate(&self.client).await?,
                    "secrets": secrets(&new, &attempted)?,
                });
                let old = at_old(ask).await?;
                let relay = JoinSet::new();
                Ok(InstanceTransfer { old, new, relay })
            }
            CopyMode::Relay => {
                let old = at_old(ask).await?;
                body["source"]["mode"] = "push".into();
                let new = at_new(body).await?;
                let relay = relay((from, &old), (&self.client, &new), &attempted).await?;
                Ok(InstanceTransfer { old, new, relay })
            }
        }
    }
}

/// The certificate that a server shows, in PEM form: what the other one pins.
async fn certificate(of: &Client) -> Result<String> {
    Ok(of.server().await?.environment.certificate.clone())
}

fn running<'a>(started: &'a Started, attempted: &str) -> Result<(&'a OperationId, &'a Operation)> {
    started.id().zip(started.operation()).ok_or_else(|| {
        let what = "the server began no operation that could be connected to";
        Error::new(ErrorKind::Protocol, attempted, what).unclear(true)
    })
}

fn operation_url(address: &Url, started: &Started, attempted: &str) -> Result<String> {
    let (id, _) = running(started, attempted)?;
    let base = address.as_str().trim_end_matches('/');
    Ok(format!("{base}/1.0/operations/{}", segment(id.as_str())))
}

/// The sockets that an operation may offer (`shared/api/migration.go`). Its metadata tells more than
/// their secrets: from 6.x on what it is about, as `entity_url`.
const SOCKETS: [&str; 3] = ["control", "fs", "criu"];

/// The sockets' secrets by name.
fn secrets(started: &Started, attempted: &str) -> Result<BTreeMap<String, String>> {
    let (_, operation) = running(started, attempted)?;
    let told: BTreeMap<String, String> = operation
        .metadata
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| SOCKETS.contains(&name.as_str()))
        .filter_map(|(name, secret)| Some((name.clone(), secret.as_str()?.to_owned())))
        .collect();
    if told.contains_key("control") {
        return Ok(told);
    }
    let what = "the operation tells no secret of a control socket";
    Err(Error::new(ErrorKind::Protocol, attempted, what).unclear(true))
}

/// Opens the sockets that both offer and passes on what comes, both ways.
async fn relay(
    old: (&Client, &Started),
    new: (&Client, &Started),
    attempted: &str,
) -> Result<JoinSet<()>> {
    let (offered, wanted) = (secrets(old.1, attempted)?, secrets(new.1, attempted)?);
    if let Some(name) = wanted.keys().find(|name| !offered.contains_key(*name)) {
        let what = format!(
            "the new server wants a socket {name:?} that the old one does not offer; are their \
             versions too far apart?"
        );
        return Err(Error::new(ErrorKind::Protocol, attempted, what).unclear(true));
    }
    let mut relay = JoinSet::new();
    for (name, secret) in &wanted {
        let (from, to) = tokio::try_join!(
            open(old.0, old.1, &offered[name], attempted),
            open(new.0, new.1, secret, attempted),
        )?;
        let ((from_sink, from), (to_sink, to)) = (from.split(), to.split());
        relay.spawn(async move {
            tokio::join!(pass_on(from, to_sink), pass_on(to, from_sink));
        });
    }
    Ok(relay)
}

async fn open(client: &Client, of: &Started, secret: &str, attempted: &str) -> Result<Socket> {
    let (id, _) = running(of, attempted)?;
    let at = format!("/1.0/operations/{}/websocket", segment(id.as_str()));
    client.websocket(&at, &[("secret", secret)]).await
}

/// Passes on what comes until it ends, which the other side is told.
async fn pass_on(mut from: SplitStream<Socket>, mut to: SplitSink<Socket, Message>) {
    while let Some(Ok(message)) = from.next().await {
        let sent = match message {
            // An empty text ends a stream of content; the socket stays, for the next one.
            Message::Binary(_) | Message::Text(_) => to.send(message).await,
            Message::Close(_) => break,
            _ => continue,
        };
        if sent.is_err() {
            break;
        }
    }
    let _ = to.send(Message::Close(None)).await;
}
