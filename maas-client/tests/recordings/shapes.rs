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

    pub fn check(&self) {
        for (fields, seen) in &self.0 {
            let absent: Vec<_> = fields.iter().filter(|f| !seen.there.contains(*f)).collect();
            println!(
                "{fields:?}\n  never seen: {absent:?}\n  untyped: {:?}",
                seen.untyped
            );
        }
    }
}
