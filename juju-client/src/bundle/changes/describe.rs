//! The official client's words for a change.

use super::super::data::ApplicationSpec;
use super::charm_text;

/// The official client's words for a charm and where it comes from.
pub(super) fn describe_charm(what: &str, app: &ApplicationSpec, base: &str) -> String {
    let (name, hub) = charm_text(&app.charm);
    let mut s = what.to_owned();
    let from = if hub { " from charm-hub" } else { "" };
    let optional = |s: &mut String, word: &str, v: &str| {
        if !v.is_empty() {
            s.push_str(&format!(" {word} {v}"));
        }
    };
    if what.starts_with("deploy") {
        s.push_str(from);
        optional(&mut s, "on", base);
        optional(&mut s, "with", &app.channel);
        if what.rsplit(' ').next() != Some(name.as_str()) {
            s.push_str(&format!(" using {name}"));
        }
        return s;
    }
    if what.starts_with("upgrade") {
        s.push_str(&format!("{from} using charm {name}"));
    } else {
        s.push_str(&format!(" {name}{from}"));
    }
    if let Some(r) = app.revision {
        s.push_str(&format!(" with revision {r}"));
    }
    optional(&mut s, "for base", base);
    optional(&mut s, "from channel", &app.channel);
    s
}

pub(super) fn exposure(name: &str, app: &ApplicationSpec) -> String {
    if app.exposed_endpoints.is_empty() {
        return format!(
            "expose all endpoints of {name} and allow access from CIDRs 0.0.0.0/0 and ::/0"
        );
    }
    let endpoints: Vec<String> = app
        .exposed_endpoints
        .iter()
        .map(|(ep, s)| {
            let to: Vec<&str> = s
                .spaces
                .iter()
                .chain(&s.cidrs)
                .map(String::as_str)
                .collect();
            format!(
                "{ep:?} to {}",
                if to.is_empty() {
                    "everybody".to_owned()
                } else {
                    to.join(", ")
                }
            )
        })
        .collect();
    format!("expose endpoints of {name}: {}", endpoints.join("; "))
}
