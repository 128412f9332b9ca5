//! The same bodies against the fake and, where there is one, a real LXD.
//!
//! The real one is found by `CLOUDBOOT_LXD_SOCKET` (and `CLOUDBOOT_LXD_URL`, its HTTPS address);
//! `tests/peers/lxd-peer.sh start DIR` makes one from Debian's packages. With `CLOUDBOOT_PEERS=1`
//! its absence is a failure.

// A test's way to fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod commands;
mod files;
mod image;
mod images;
mod instances;
mod kept;
mod killed;
mod migration;
mod missing;
mod networks;
mod objects;
mod observed;
mod operations;
mod own;
mod stage;
mod trust;
mod volumes;
mod watched;
