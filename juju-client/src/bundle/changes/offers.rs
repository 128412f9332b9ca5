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
                if self.m.offers.get(&name).is_some_and(|o| o.contains(offer)) {
                    continue;
                }
                let requires: Vec<String> = self.added.get(&name).cloned().into_iter().collect();
                let mut args = Map::new();
                args.insert("application".into(), json!(name));
                args.insert("endpoints".into(), json!(spec.endpoints));
                args.insert("offer-name".into(), json!(offer));
                let i = self.add(
                    "createOffer",
                    args,
                    requires,
                    format!(
                        "create offer {offer} using {name}:{}",
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
