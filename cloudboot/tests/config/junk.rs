//! Nothing that is written makes the reader panic, or give up without a word.

use proptest::prelude::*;

use crate::{THESIS, overlaid, sound, text};

/// Documents made of the schema's own words, so that they get past the first check.
fn yaml() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("maas".to_owned()),
        Just("dhcp".to_owned()),
        Just("ip_range".to_owned()),
        Just("juju".to_owned()),
        Just("machines".to_owned()),
        Just("bmc".to_owned()),
        Just("ipmi".to_owned()),
        Just("10.42.0.0/16".to_owned()),
        Just("255.255.255.255".to_owned()),
        Just("env:X".to_owned()),
        Just("<<".to_owned()),
        Just("4294967295".to_owned()),
        Just("null".to_owned()),
        "[a-z0-9/:.é\\-]{0,9}",
        "\\PC{0,6}",
    ];
    let leaf = word
        .clone()
        .prop_map(|word| serde_json::Value::String(word).to_string());
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((word.clone(), inner), 0..5).prop_map(|entries| {
                let entries = entries.iter().map(|(key, value)| {
                    format!("{}: {value}", serde_json::Value::String(key.clone()))
                });
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

/// The paths of all values of a document, so that each can be replaced.
fn paths(value: &serde_json::Value, at: &[String], all: &mut Vec<Vec<String>>) {
    if let serde_json::Value::Object(map) = value {
        for (key, value) in map {
            let at = [at, std::slice::from_ref(key)].concat();
            paths(value, &at, all);
            all.push(at);
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(junk in "\\PC*", yaml in yaml(), seed in "[ \\-:{}\\[\\]&*!|>'\"%@`#,?a-c\n\t]{0,60}") {
        let _ = text(&junk);
        let _ = text(&yaml);
        let _ = text(&seed);
    }

    /// Any value of a sound configuration replaced by anything: sound, or faults with places; never a panic, and
    /// never the excuse of a reader that gave up without a word.
    #[test]
    fn nothing_in_the_place_of_a_value_panics(which in any::<prop::sample::Index>(), junk in yaml()) {
        let base = sound(text(THESIS));
        let mut all = Vec::new();
        paths(base.redacted_json(), &[], &mut all);
        let path = &all[which.index(all.len())];
        let overlay = path.iter().rev().fold(junk, |inner, key| {
            format!("{{{}: {inner}}}", serde_json::Value::String(key.clone()))
        });
        if let Err(errors) = overlaid(&overlay) {
            prop_assert!(!errors.faults().is_empty());
            for fault in errors.faults() {
                prop_assert!(fault.place.is_some(), "{} from {}", fault, overlay);
            }
        }
    }
}
