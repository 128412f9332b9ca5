//! The lab: a data centre of fakes tied together by cause.

pub mod hooks;
pub mod lab_host;
