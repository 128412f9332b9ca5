//! What the model has beyond the bundle: told, and as changes for whoever asks that it go.

use serde_json::{Map, Value, json};

use super::super::base;
use super::super::plan::Change;
use super::relations::{related, split};
use super::{Planner, base_text};

fn removal(method: &str, n: usize, description: String, args: Value) -> Change {
    Change {
        id: format!("{method}-{n}"),
        method: method.into(),
        args: match args {
            Value::Object(m) => m,
            _ => Map::new(),
        },
        requires: Vec::new(),
        description,
    }
}

impl Planner<'_> {
    /// What the model has beyond the bundle, in words.
    pub(super) fn extra(&self) -> Vec<String> {
        let mut extra: Vec<String> = self.removals().into_iter().map(|c| c.description).collect();
        for (name, e) in &self.m.applications {
            if let Some(app) = self.d.applications.get(name).and_then(Option::as_ref) {
                let wanted = base_text(app, self.d, self.o);
                if base::parse(&wanted).is_ok_and(|b| !base::same(&b, &e.base)) {
                    extra.push(format!("{name} is on {}, the bundle says {wanted}", e.base));
                }
            }
        }
        extra
    }

    /// What would remove it: relations, exposures, units, applications.
    pub(super) fn removals(&self) -> Vec<Change> {
        let (mut relations, mut exposed, mut units, mut applications) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (a, ea, b, eb) in &self.m.relations {
            let both = self.d.applications.contains_key(a) && self.d.applications.contains_key(b);
            let r = (a.clone(), ea.clone(), b.clone(), eb.clone());
            let named = self.d.relations.iter().any(|p| match &p[..] {
                [x, y] => related(&r, split(x), split(y)) || related(&r, split(y), split(x)),
                _ => false,
            });
            if both && a != b && !named {
                relations.push(removal(
                    "removeRelation",
                    relations.len(),
                    format!("relation {a}:{ea} {b}:{eb}"),
                    json!({"endpoint1": format!("{a}:{ea}"), "endpoint2": format!("{b}:{eb}")}),
                ));
            }
        }
        for (name, e) in &self.m.applications {
            let Some(app) = self.d.applications.get(name).and_then(Option::as_ref) else {
                applications.push(removal(
                    "removeApplication",
                    applications.len(),
                    format!("application {name}"),
                    json!({"application": name}),
                ));
                continue;
            };
            let want = usize::try_from(app.num_units).unwrap_or(0);
            if e.units.len() > want && !e.subordinate {
                let surplus: Vec<&String> = e.units[want..].iter().map(|(u, _)| u).collect();
                units.push(removal(
                    "removeUnits",
                    units.len(),
                    format!("{} of {} units of {name}", surplus.len(), e.units.len()),
                    json!({"application": name, "units": surplus}),
                ));
            }
            if e.exposed && !app.expose && app.exposed_endpoints.is_empty() {
                exposed.push(removal(
                    "unexpose",
                    exposed.len(),
                    format!("{name} is exposed"),
                    json!({"application": name}),
                ));
            }
        }
        [relations, exposed, units, applications].concat()
    }
}
