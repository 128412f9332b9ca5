//! Which fields of answers are typed, and which typed fields a real region was seen to send: a misspelt
//! field would read as its default for ever, and a forgotten one would not be noticed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// For each type, told by its fields.
#[derive(Default)]
pub struct Shapes(BTreeMap<Vec<String>, Seen>);

#[derive(Default)]
struct Seen {
    /// Typed fields that were there.
    there: BTreeSet<String>,
    /// Fields that are not typed.
    untyped: BTreeSet<String>,
}

impl Shapes {
    pub fn learn(&mut self, typed: &Value, recorded: &Value) {
        match (typed, recorded) {
            (Value::Object(t), Value::Object(r)) => {
                let seen = self.0.entry(t.keys().cloned().collect()).or_default();
                for key in r.keys() {
                    if t.contains_key(key) {
                        seen.there.insert(key.clone());
                    } else {
                        seen.untyped.insert(key.clone());
                    }
                }
                for (key, value) in t {
                    if let Some(other) = r.get(key) {
                        self.learn(value, other);
                    }
                }
            }
            (Value::Array(t), Value::Array(r)) => {
                for (t, r) in t.iter().zip(r) {
                    self.learn(t, r);
                }
            }
            _ => {}
        }
    }

    /// Panics for a field that is not typed, or that is typed and was never seen.
    pub fn check(&self) {
        let mut wrong = Vec::new();
        let (mut types, mut fields) = (0, 0);
        for (names, seen) in &self.0 {
            types += 1;
            fields += seen.there.len();
            for name in seen
                .untyped
                .iter()
                .filter(|n| !PASSED_OVER.contains(&n.as_str()))
            {
                wrong.push(format!("{name} is not typed in {names:?}"));
            }
            for name in names {
                if !seen.there.contains(name) && !NOT_RECORDED.contains(&name.as_str()) {
                    wrong.push(format!("{name} was never seen in {names:?}"));
                }
            }
        }
        println!("answers of {types} shapes: {fields} fields, each typed and seen");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// An object's own address, which the client makes itself, and the mark of an object that is only named.
const PASSED_OVER: [&str; 2] = ["resource_uri", "__incomplete__"];

/// Fields that come only on request, with an upload, for a disk or interface under test, or from another MAAS.
const NOT_RECORDED: &[&str] = &[
    "ranges",
    "suggested_gateway",
    "progress",
    "upload_uri",
    "output",
    "stdout",
    "stderr",
    "result",
    "interface",
    "physical_blockdevice",
    "min",
    "title",
    "value",
    "storage",
    // 3.6 and 3.7.
    "enable_kernel_crash_dump",
    "is_dpu",
];
