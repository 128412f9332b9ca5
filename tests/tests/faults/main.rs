//! Every fault of the lab, and of what the run itself stands on: how the run ends, and what it says.
//!
//! The sentences are in `snapshots/`. What differs from run to run (times, ports, folders) is left out of them.

mod beforehand;
mod journal;
mod kit;
mod systems;
mod teardown;
