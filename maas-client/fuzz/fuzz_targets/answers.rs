//! Bodies of errors and of lists, whatever they hold, never panic.
//!
//! `cd maas-client && cargo +nightly fuzz run answers`
#![no_main]

use libfuzzer_sys::fuzz_target;
use maas_client::{Error, Machine, Subnet, VmHost};

fuzz_target!(|data: &[u8]| {
    let _ = serde_json::from_slice::<Vec<Machine>>(data);
    let _ = serde_json::from_slice::<Vec<VmHost>>(data);
    let _ = serde_json::from_slice::<Vec<Subnet>>(data);
    if let [status, rest @ ..] = data {
        let text = String::from_utf8_lossy(rest);
        let error = Error::from_answer(u16::from(*status) + 300, &text);
        let _ = (error.to_string(), error.is_already_exists(), error.is_images_unknown(), error.field_errors().len());
    }
});
