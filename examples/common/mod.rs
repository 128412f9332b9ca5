//! What the examples share: the way to a lab or to real systems, the progress, the tables, the end.

#![allow(
    dead_code,
    reason = "compiled into each example, and each uses a part of it"
)]

pub(crate) mod approve;
pub(crate) mod drive;
pub(crate) mod exit;
pub(crate) mod interrupt;
pub(crate) mod json;
pub(crate) mod live;
pub(crate) mod out;
pub(crate) mod place;
pub(crate) mod plain;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod say;
pub(crate) mod stage;
pub(crate) mod summary;
pub(crate) mod table1;
pub(crate) mod times;

/// Logs to standard error, where `RUST_LOG` asks for it.
pub(crate) fn trace() {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
    }
}
