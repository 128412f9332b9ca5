//! The host: the same bodies against the lab's and, where one runs here, the real thing.

#![allow(clippy::unwrap_used)] // The helpers are part of tests as well.

mod apt;
mod argv;
mod bodies;
mod dhcp;
mod lab;
mod nat;
mod netplan;
mod preflight;
mod racks;
mod real;
mod snaps;
mod sweep;
mod systemd;
