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

mod answer;
mod certificates;
mod client;
mod cloud_init;
mod cluster;
mod console;
mod error;
mod events;
mod exec;
mod extensions;
mod files;
mod folders;
mod images;
mod instances;
mod networks;
mod operation;
mod preseed;
mod profiles;
mod projects;
mod proxy;
mod request;
mod snapshots;
mod storage;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod types;
mod websocket;

pub use answer::{Answer, AnswerKind, Etag, Versioned};
pub use certificates::{Certificates, TrustToken};
pub use client::{Client, ClientBuilder};
pub use cloud_init::{CloudInit, Snap, WriteFile};
pub use cluster::{ClusterMember, Warning};
pub use error::{Error, ErrorKind, Result};
pub use events::{Event, EventFilter, EventStream, Lifecycle, Logging};
pub use exec::{Exec, ExecChunk, ExecOutput, ExecSession, Signal};
pub use files::{FileContent, FileMeta, FileOptions, Files};
pub use images::{ImageImport, Images};
pub use instances::Instances;
pub use networks::Networks;
pub use operation::{Finished, Operation, OperationId, Operations, Started};
pub use preseed::{
    Preseed, PreseedChange, PreseedCluster, PreseedPlan, PreseedPool, PreseedProfile,
    PreseedProject, PreseedVolume, ProjectNetwork,
};
pub use profiles::Profiles;
pub use projects::Projects;
pub use request::Request;
pub use snapshots::{Backup, Snapshot};
pub use storage::StoragePools;
pub use tls::{Fingerprint, Identity, certificate_base64};
pub use types::*;
