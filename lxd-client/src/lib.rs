//! LXD over its REST API: instances, images, projects, profiles, networks, storage, operations,
//! events, exec, files, and `lxd init --preseed` done natively.
//!
//! ```no_run
//! # async fn f() -> lxd_client::Result<()> {
//! use lxd_client::{Client, ImageRemote, InstanceSource, NewInstance};
//!
//! let lxd = Client::local().build()?;
//! let remote = ImageRemote::ubuntu();
//! let new = NewInstance::container(
//!     "web",
//!     InstanceSource::Remote { remote, alias: "22.04".into() },
//! );
//! lxd.instances().create(&new).await?.wait().await?;
//! lxd.instances().start("web").await?.wait().await?;
//! # Ok(()) }
//! ```
//!
//! # Servers
//!
//! [`Client::local`] is this machine's LXD, [`Client::unix`] any socket, [`Client::https`] a server
//! on the network, which is known by the fingerprint of its certificate and by nothing else. It
//! knows us by ours, which [`Identity`] makes or reads. Trust comes by a token that somebody made
//! there (`lxc config trust add`), by the password that servers before 6.1 may have, or by an
//! administrator's [`Certificates::add`]:
//!
//! ```no_run
//! # async fn f(printed: &str) -> lxd_client::Result<()> {
//! use lxd_client::{Client, Identity, TrustToken};
//!
//! let token: TrustToken = printed.parse()?;
//! let me = Identity::generate("deployer")?; // keep it: certificate_pem() and key_pem()
//! let at = token.addresses().swap_remove(0);
//! let lxd = Client::https(at, token.fingerprint()?).identity(me).build()?;
//! lxd.certificates().trust_by_token(&token).await?;
//! # Ok(()) }
//! ```
//!
//! A clone may be bound to a project or a member of a cluster, for everything that is asked through
//! it: `lxd.project("tests").target("node3").instances()`. What only newer servers can do is asked
//! for first ([`Client::require`]): the error names the API extension and the release that has it.
//!
//! # Changes
//!
//! Every change answers a [`Started`]: [`Started::wait`] resolves when the change has really
//! happened, be it done at once or in the background (which of the two differs between LXD's
//! versions). [`Started::progress`] tells how far it is, [`Started::cancel`] ends it where LXD
//! lets it. Nothing is lost by waiting late: LXD forgets an operation five seconds after its end,
//! but from the moment it is known it is watched here.
//!
//! What is read comes with its ETag ([`Versioned`]); the `update` calls take it, and the `modify`
//! calls read, change and write until nobody was in between:
//!
//! ```no_run
//! # async fn f(lxd: lxd_client::Client) -> lxd_client::Result<()> {
//! lxd.profiles()
//!     .modify("default", |p| {
//!         p.config.insert("limits.cpu".into(), "2".into());
//!     })
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! # Inside instances
//!
//! ```no_run
//! # async fn f(lxd: lxd_client::Client) -> lxd_client::Result<()> {
//! use lxd_client::{Exec, FileOptions};
//!
//! let instances = lxd.instances();
//! let said = instances.exec("web", &Exec::shell("uname -r; exit 3")).await?;
//! assert_eq!(said.code, 3);
//! let files = instances.files("web");
//! files.write("/etc/motd", "hello\n", FileOptions::mode(0o644)).await?;
//! # Ok(()) }
//! ```
//!
//! [`Instances::exec_session`] is the same with its streams, window size and signals in hand.
//!
//! # Events
//!
//! [`Client::events`] is a stream that reconnects by itself and then says [`Event::Resynced`]: read
//! anew what matters, as something may have been missed. Operations' events may come out of order;
//! waiting for an operation is [`Started::wait`]'s business.
//!
//! # Preseeds
//!
//! [`Client::apply_preseed`] does what `lxd init --preseed` does with the same document, twice
//! without a change, and takes back what it did where it fails; [`Client::plan_preseed`] says what
//! it would do.
//!
//! # Errors
//!
//! One type, [`Error`], sorted by what happened rather than by its status, of which LXD has several
//! for the same thing:
//!
//! | Ask | It means | Then |
//! |---|---|---|
//! | [`Error::is_not_found`] | there is none | make it, or mend the name |
//! | [`Error::is_conflict`] | there is one already | take that one |
//! | [`Error::is_precondition_failed`] | it was changed since it was read | read it again and repeat, or use `modify` |
//! | [`Error::is_not_trusted`] | the server does not know us, or not in this project | see above |
//! | [`Error::is_connection`] | no connection, or no answer in time | try again later, unless it is |
//! | [`Error::is_unclear`] | the change may have happened | look before repeating |
//! | [`Error::is_retryable`] | it certainly did not happen and may work later | repeat, after [`Error::retry_after`] |
//! | [`ErrorKind::MissingExtension`] | the server is too old | upgrade it; the message says to what |
//! | [`ErrorKind::OperationFailed`] | it began and failed | LXD's reason is the message |
//! | [`ErrorKind::OperationVanished`] | the daemon was restarted meanwhile | look at the object |
//!
//! # Tests
//!
//! The feature `testing` has a fake LXD over real sockets. The same test bodies run on it and on a
//! real LXD; the fake is like 5.0.2, 5.21.7 or 6.9 (the builder's `like`), each of which it was held to.
//!
//! # Connections to the unix socket
//!
//! The accept loop of LXD 5.0 (`StarttlsListener.Accept`) waits for the first eight bytes of each
//! connection to its unix socket before it takes the next one. One connection that stands and
//! stays silent stalls the whole daemon, its own hooks included, until it is closed. So here:
//!
//! - there is no pool: each request opens a connection, writes at once, and closes it (a pool
//!   races a spare connection against one that becomes free, and keeps the loser silent). Opening
//!   one costs tens of microseconds on a unix socket. HTTPS connections are kept and used again;
//! - requests and websockets are opened in tasks of their own, so that a future that is not polled
//!   for a while (in a `buffer_unordered`, or behind a busy arm of a `select!`) cannot rest between
//!   connecting and writing. A future that is dropped closes its connection.

mod acls;
mod answer;
mod backups;
mod builder;
mod certificates;
mod client;
mod cloud_init;
mod cluster;
mod command;
mod console;
mod driven;
mod error;
mod events;
mod exec;
mod extensions;
mod files;
mod folders;
mod forwards;
mod images;
mod instances;
mod listing;
mod metadata;
mod migration;
mod moves;
mod multipart;
mod networks;
mod operation;
mod operations;
mod preseed;
mod profiles;
mod projects;
mod proxy;
mod request;
mod snapshots;
mod split_images;
mod storage;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod transfer;
mod types;
mod volumes;
mod warnings;
mod websocket;

pub use acls::NetworkAcls;
pub use answer::{Answer, AnswerKind, Etag, Versioned};
pub use backups::Backup;
pub use builder::ClientBuilder;
pub use certificates::{Certificates, TrustToken};
pub use client::Client;
pub use cloud_init::{CloudInit, Snap, WriteFile};
pub use cluster::{Cluster, ClusterInfo, ClusterJoin, ClusterMember, MemberConfig};
pub use command::{Exec, ExecOutput, Signal};
pub use error::{Error, ErrorKind, Result};
pub use events::{Event, EventFilter, EventStream, Lifecycle, Logging};
pub use exec::{ExecChunk, ExecSession};
pub use files::{FileContent, FileMeta, FileOptions, Files};
pub use images::{ImageImport, Images};
pub use instances::Instances;
pub use listing::Listing;
pub use metadata::{ImageMetadata, ImageTemplate};
pub use migration::{CopyMode, InstanceCopy, InstanceTransfer};
pub use networks::Networks;
pub use operation::{Finished, Operation, OperationId, Started};
pub use operations::Operations;
pub use preseed::{
    Preseed, PreseedChange, PreseedCluster, PreseedPlan, PreseedPool, PreseedProfile,
    PreseedProject, PreseedVolume, ProjectNetwork,
};
pub use profiles::Profiles;
pub use projects::Projects;
pub use request::Request;
pub use snapshots::Snapshot;
pub use split_images::ImageFiles;
pub use storage::StoragePools;
pub use tls::{Fingerprint, Identity, certificate_base64};
pub use transfer::Download;
pub use types::*;
pub use warnings::{Metric, Warning};
