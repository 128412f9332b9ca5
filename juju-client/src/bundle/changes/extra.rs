//! What the model has beyond the bundle.

use super::super::base;
use super::relations::{related, split};
use super::{Planner, base_text};

impl Planner<'_> {
    /// What the model has beyond the bundle.
    pub(super) fn extra(&self) -> Vec<String> {
        let mut extra = Vec::new();
        for (name, e) in &self.m.applications {
            match self.d.applications.get(name).and_then(Option::as_ref) {
                None => extra.push(format!("application {name}")),
                Some(app) => {
                    let want = usize::try_from(app.num_units).unwrap_or(0);
                    if e.units.len() > want && !e.subordinate {
                        extra.push(format!(
                            "{} of {} units of {name}",
                            e.units.len() - want,
                            e.units.len()
                        ));
                    }
                    let wanted = base_text(app, self.d);
                    if base::parse(&wanted).is_ok_and(|b| !base::same(&b, &e.base)) {
                        extra.push(format!("{name} is on {}, the bundle says {wanted}", e.base));
                    }
                    if e.exposed && !app.expose && app.exposed_endpoints.is_empty() {
                        extra.push(format!("{name} is exposed"));
                    }
                }
            }
        }
        for (a, ea, b, eb) in &self.m.relations {
            let both = self.d.applications.contains_key(a) && self.d.applications.contains_key(b);
            let r = (a.clone(), ea.clone(), b.clone(), eb.clone());
            let named = self.d.relations.iter().any(|p| match &p[..] {
                [x, y] => related(&r, split(x), split(y)) || related(&r, split(y), split(x)),
                _ => false,
            });
            if both && !named {
                extra.push(format!("relation {a}:{ea} {b}:{eb}"));
            }
        }
        extra
    }
}
