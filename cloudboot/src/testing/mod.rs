//! The lab: a data centre of fakes tied together by cause.
