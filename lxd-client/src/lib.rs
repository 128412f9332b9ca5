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
//! Every change answers a [`Started`]: [`Started::wait`] resolves when the change has really
//! happened, be it done at once or in the background (which of the two differs between LXD's
//! versions). Tested against LXD 5.0.2 and the fake of the feature `testing`.
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
pub use cluster::{Cluster, ClusterInfo, ClusterMember};
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
