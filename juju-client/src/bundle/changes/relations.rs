//! Relations.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::Planner;

impl Planner<'_> {
    pub(super) fn relations(&mut self) {
        for pair in &self.d.relations {
            let [a, b] = &pair[..] else { continue };
            let (a, b) = (split(a), split(b));
            if self
                .m
                .relations
                .iter()
                .any(|r| related(r, a, b) || related(r, b, a))
            {
                continue;
            }
            let mut requires = Vec::new();
            let mut name = |(app, ep): (&str, &str), added: &BTreeMap<String, String>| {
                let app = match added.get(app) {
                    Some(id) => {
                        requires.push(id.clone());
                        format!("${id}")
                    }
                    None => app.to_owned(),
                };
                if ep.is_empty() {
                    app
                } else {
                    format!("{app}:{ep}")
                }
            };
            let (one, two) = (name(a, &self.added), name(b, &self.added));
            let mut args = Map::new();
            args.insert("endpoint1".into(), json!(one));
            args.insert("endpoint2".into(), json!(two));
            let shown = |(app, ep): (&str, &str)| {
                if ep.is_empty() {
                    app.to_owned()
                } else {
                    format!("{app}:{ep}")
                }
            };
            self.add(
                "addRelation",
                args,
                requires,
                format!("add relation {} - {}", shown(a), shown(b)),
            );
        }
    }
}

pub(super) fn split(e: &str) -> (&str, &str) {
    e.split_once(':').unwrap_or((e, ""))
}

/// Whether a relation is the one that a bundle names; an endpoint left out fits any.
pub(super) fn related(
    r: &(String, String, String, String),
    a: (&str, &str),
    b: (&str, &str),
) -> bool {
    r.0 == a.0 && r.2 == b.0 && (a.1.is_empty() || r.1 == a.1) && (b.1.is_empty() || r.3 == b.1)
}
