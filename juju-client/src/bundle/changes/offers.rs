//! Offers made and consumed.

use serde_json::{Map, json};

use super::Planner;

impl Planner<'_> {
    pub(super) fn offers(&mut self) {
        for (name, url) in &self.d.saas {
            if self.m.remote.contains_key(name) {
                continue;
            }
            let mut args = Map::new();
            args.insert("application-name".into(), json!(name));
            args.insert("url".into(), json!(url));
            let i = self.add(
                "consumeOffer",
                args,
                Vec::new(),
                format!("consume offer {name} at {url}"),
            );
            self.added.insert(name.clone(), self.changes[i].id.clone());
        }
        for (name, app) in self.specs() {
            for (offer, spec) in &app.offers {
                let there = self.m.offers.get(&name).is_some_and(|o| o.contains(offer));
                let mut wanted = spec.endpoints.clone();
                wanted.sort();
                if there
                    && self
                        .m
                        .offer_endpoints
                        .get(offer)
                        .is_none_or(|e| *e == wanted)
                {
                    continue;
                }
                let requires: Vec<String> = self.added.get(&name).cloned().into_iter().collect();
                let mut args = Map::new();
                args.insert("application".into(), json!(name));
                let endpoints = Some(&spec.endpoints).filter(|e| !e.is_empty());
                args.insert("endpoints".into(), json!(endpoints));
                args.insert("offer-name".into(), json!(offer));
                if there {
                    args.insert("update".into(), json!(true));
                }
                let i = self.add(
                    "createOffer",
                    args,
                    requires,
                    format!(
                        "{} offer {offer} using {name}:{}",
                        if there { "update" } else { "create" },
                        spec.endpoints.join(",")
                    ),
                );
                let id = self.changes[i].id.clone();
                for (user, access) in &spec.acl {
                    let mut args = Map::new();
                    args.insert("user".into(), json!(user));
                    args.insert("access".into(), json!(access));
                    args.insert("offer".into(), json!(offer));
                    self.add(
                        "grantOfferAccess",
                        args,
                        vec![id.clone()],
                        format!("grant user {user} {access} access to offer {offer}"),
                    );
                }
            }
        }
    }
}
