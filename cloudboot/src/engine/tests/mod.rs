//! The engine's tests: a world that counts what is made in it, and steps that make things there.

mod chaos;
mod deadlines;
mod flow;
mod kit;
mod lease;
mod life;
mod report;
mod schedule;
mod store;
mod teardown;
