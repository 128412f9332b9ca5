//! `cargo +nightly fuzz run lists ../tests/corpus/lists` (from `maas-client/`).
#![no_main]

#[path = "../../tests/fuzz/bodies.rs"]
#[allow(dead_code)]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::lists(data));
