//! The region's name servers and proxy.

use std::sync::Arc;

use async_trait::async_trait;
use maas_client::Client;

use crate::engine::{Context, Error, Observation, Step, StepId, Undo};
use crate::steps::{Attempt as _, Site};

/// The name servers that the region forwards to, and the proxy that it goes out through.
pub struct Dns {
    pub(in crate::steps) site: Arc<Site>,
}

impl Dns {
    /// The region's settings by name, as MAAS reads them.
    fn wanted(&self) -> Vec<(&'static str, String)> {
        let config = &self.site.config;
        let servers: Vec<String> = config.maas.dns.iter().map(ToString::to_string).collect();
        let mut wanted = vec![("upstream_dns", servers.join(" "))];
        if let Some(proxy) = &config.proxy.http {
            wanted.push(("http_proxy", proxy.to_string()));
        }
        wanted
    }

    async fn read(&self, maas: &Client, name: &str) -> Result<String, Error> {
        let found = maas
            .config()
            .get_text(name)
            .await
            .attempt(&format!("read {name}"))?;
        Ok(found.unwrap_or_default())
    }
}

#[async_trait]
impl Step for Dns {
    type Needs = (Client,);
    type Output = ();

    fn id(&self) -> StepId {
        "maas.dns".into()
    }

    fn about(&self) -> String {
        let set: Vec<String> = self
            .wanted()
            .into_iter()
            .map(|(name, value)| format!("{name} to {value}"))
            .collect();
        format!("set {}", set.join(" and "))
    }

    async fn observe(&self, (maas,): &(Client,), _: &Context) -> Result<Observation<()>, Error> {
        let mut differs = Vec::new();
        for (name, wanted) in self.wanted() {
            let found = self.read(maas, name).await?;
            if found != wanted {
                differs.push(format!(
                    "{name} is {}, not {wanted}",
                    if found.is_empty() { "not set" } else { &found }
                ));
            }
        }
        Ok(if differs.is_empty() {
            Observation::Satisfied(())
        } else {
            Observation::drifted(differs)
        })
    }

    async fn apply(&self, (maas,): &(Client,), cx: &Context) -> Result<(), Error> {
        let known = cx.things_made(cx.step().clone());
        for (name, wanted) in self.wanted() {
            let before = self.read(maas, name).await?;
            if before == wanted {
                continue;
            }
            cx.intend(format!("set {name} to {wanted}")).await?;
            // What was there before anything of ours is what teardown gives back.
            if !known.iter().any(|made| made.what == name) {
                cx.made(name, before).await?;
            }
            maas.config()
                .set(name, wanted)
                .await
                .attempt(&format!("set {name}"))?;
        }
        Ok(())
    }

    async fn undo(&self, (maas,): &(Client,), cx: &Context) -> Result<Undo, Error> {
        let mut removed = Vec::new();
        for made in cx.things_made(cx.step().clone()) {
            cx.intend(format!("restore {}", made.what)).await?;
            maas.config()
                .set(&made.what, made.id.clone())
                .await
                .attempt(&format!("restore {}", made.what))?;
            removed.push(format!("our {}", made.what));
        }
        Ok(crate::steps::removed(removed))
    }
}
