//! Relations.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::calls::{Answer, list, refuse};
use super::charms;
use super::state::{App, Model, Relation, State};

pub(super) fn add_relation(s: &mut State, m: &mut Model, p: &Value, now: Duration) -> Answer {
    let ends: Vec<String> = list(p, "endpoints")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let [a, b] = &ends[..] else {
        return refuse(
            "a relation should have exactly two endpoints",
            "bad request",
        );
    };
    let split = |e: &str| {
        e.split_once(':')
            .map_or((e.to_owned(), String::new()), |(x, y)| {
                (x.to_owned(), y.to_owned())
            })
    };
    let ((app1, ep1), (app2, ep2)) = (split(a), split(b));
    let prefix = format!("adding relation between endpoints {a:?} and {b:?}: ");
    let (Some(x), Some(y)) = (m.apps.get(&app1), m.apps.get(&app2)) else {
        let missing = if m.apps.contains_key(&app1) { b } else { a };
        return refuse(
            format!(
                "{prefix}cannot relate endpoints {a:?} and {b:?}: no candidates for {missing}: relation endpoint not found"
            ),
            "",
        );
    };
    for (app, ep, shown) in [(x, &ep1, a), (y, &ep2, b)] {
        let info = app.info();
        if !ep.is_empty()
            && !info.is_null()
            && !charms::endpoints(&info).iter().any(|e| e.0 == *ep)
            && ep != "juju-info"
        {
            return refuse(
                format!(
                    "{prefix}cannot relate endpoints {a:?} and {b:?}: no candidates for {shown}: relation endpoint not found"
                ),
                "",
            );
        }
    }
    let mut fits = candidates(x, &ep1, y, &ep2);
    if fits.len() > 1 {
        // The implicit endpoint stands back where another fits.
        let plain: Vec<_> = fits
            .iter()
            .filter(|f| f.0.0 != "juju-info" && f.1.0 != "juju-info")
            .cloned()
            .collect();
        if !plain.is_empty() {
            fits = plain;
        }
    }
    let (one, two) = match &fits[..] {
        [f] => f.clone(),
        [] => {
            return refuse(
                format!(
                    "{prefix}cannot relate endpoints {a:?} and {b:?}: no compatible endpoints found between applications"
                ),
                "",
            );
        }
        many => {
            let forms: Vec<String> = many
                .iter()
                .map(|(e, f)| format!("\"{app1}:{} {app2}:{}\"", e.0, f.0))
                .collect();
            return refuse(
                format!(
                    "{prefix}cannot relate endpoints {a:?} and {b:?}: ambiguous relation: \"{a} {b}\" could refer to {}",
                    forms.join("; ")
                ),
                "",
            );
        }
    };
    let exists = m.relations.iter().any(|r| {
        r.ends.len() == 2
            && r.ends.iter().any(|e| e.0 == app1 && e.1 == one.0)
            && r.ends.iter().any(|e| e.0 == app2 && e.1 == two.0)
    });
    if exists {
        return refuse(
            format!(
                "{prefix}cannot add relation \"{app1}:{}\", \"{app2}:{}\": relation {app1}:{} {app2}:{}: already exists",
                one.0, two.0, one.0, two.0
            ),
            if s.is_3x() { "already exists" } else { "" },
        );
    }
    let scope = if one.3 == "container"
        || two.3 == "container"
        || x.subordinate != y.subordinate && one.2 == "juju-info"
    {
        "container"
    } else {
        "global"
    };
    let id = m.next_relation;
    m.next_relation += 1;
    let end = |app: &str, e: &(String, String, String, String)| {
        (app.to_owned(), e.0.clone(), e.1.clone())
    };
    m.relations.push(Relation {
        id,
        interface: one.2.clone(),
        scope: scope.into(),
        ends: vec![end(&app1, &one), end(&app2, &two)],
        created: now,
    });
    s.count("relation");
    let shown = |e: &(String, String, String, String)| json!({"name": e.0, "role": e.1, "interface": e.2, "optional": false, "limit": 0, "scope": scope});
    let mut endpoints = Map::new();
    endpoints.insert(app1, shown(&one));
    endpoints.insert(app2, shown(&two));
    Ok(json!({"endpoints": endpoints}))
}

pub(super) type Endpoint = (String, String, String, String);

pub(super) fn candidates(x: &App, ep1: &str, y: &App, ep2: &str) -> Vec<(Endpoint, Endpoint)> {
    let of = |a: &App, ep: &str| -> Option<Vec<Endpoint>> {
        let mut all = charms::endpoints(&a.info());
        if all.is_empty() {
            return None;
        }
        if !all.iter().any(|e| e.0 == "juju-info") {
            all.push((
                "juju-info".into(),
                "provider".into(),
                "juju-info".into(),
                "global".into(),
            ));
        }
        Some(
            all.into_iter()
                .filter(|e| ep.is_empty() || e.0 == ep)
                .collect(),
        )
    };
    let free = |ep: &str, role: &str, interface: &str| -> Endpoint {
        (
            if ep.is_empty() {
                interface.to_owned()
            } else {
                ep.to_owned()
            },
            role.into(),
            interface.into(),
            "global".into(),
        )
    };
    match (of(x, ep1), of(y, ep2)) {
        (Some(xs), Some(ys)) => {
            let mut found = Vec::new();
            for e in &xs {
                for f in &ys {
                    let roles = (e.1 == "provider" && f.1 == "requirer")
                        || (e.1 == "requirer" && f.1 == "provider");
                    if roles && e.2 == f.2 {
                        found.push((e.clone(), f.clone()));
                    }
                }
            }
            found
        }
        // A charm that the store does not know fits everything.
        (Some(xs), None) => xs
            .into_iter()
            .take(1)
            .map(|e| {
                let f = free(
                    ep2,
                    if e.1 == "provider" {
                        "requirer"
                    } else {
                        "provider"
                    },
                    &e.2,
                );
                (e, f)
            })
            .collect(),
        (None, Some(ys)) => ys
            .into_iter()
            .take(1)
            .map(|f| {
                let e = free(
                    ep1,
                    if f.1 == "provider" {
                        "requirer"
                    } else {
                        "provider"
                    },
                    &f.2,
                );
                (e, f)
            })
            .collect(),
        (None, None) => vec![(free(ep1, "requirer", "any"), free(ep2, "provider", "any"))],
    }
}

pub(super) fn destroy_relation(m: &mut Model, p: &Value) -> Answer {
    let before = m.relations.len();
    if let Some(id) = p["relation-id"]
        .as_i64()
        .filter(|_| list(p, "endpoints").is_empty())
    {
        m.relations.retain(|r| r.id != id);
    } else {
        let ends: Vec<(String, String)> = list(p, "endpoints")
            .iter()
            .filter_map(Value::as_str)
            .map(|e| {
                e.split_once(':')
                    .map_or((e.to_owned(), String::new()), |(a, b)| {
                        (a.to_owned(), b.to_owned())
                    })
            })
            .collect();
        m.relations.retain(|r| {
            !(r.ends.len() == 2
                && ends.iter().all(|(a, ep)| {
                    r.ends
                        .iter()
                        .any(|e| e.0 == *a && (ep.is_empty() || e.1 == *ep))
                }))
        });
    }
    if m.relations.len() == before {
        let ends: Vec<&str> = list(p, "endpoints")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        return refuse(
            format!(
                "relation with endpoints [{}] or id {} not found",
                ends.join(" "),
                p["relation-id"].as_i64().unwrap_or(0)
            ),
            "not found",
        );
    }
    Ok(json!({}))
}
