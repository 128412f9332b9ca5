//! Stage 13: Forwarding and NAT: the machines' way to the Internet through the controller.
//!
//! The thesis: `resolve_internet_issues()`, whose replace changed nothing and whose rules doubled at the second run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Attempt as _, Site, create, created};
use crate::engine::{Context, Deadline, Error, Observation, Step, StepId, Undo};
use crate::host::nat::NatSpec;

/// The kernel settings that let packets through.
const FORWARDING: [&str; 2] = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];

/// Address translation for the machines' network.
pub struct Nat {
    pub(super) site: Arc<Site>,
}

impl Nat {
    /// What is asked for; none where the configuration has no `net_fix`.
    fn spec(&self) -> Option<NatSpec> {
        self.site.config.net_fix.as_ref().map(|fix| NatSpec {
            source: fix.ip_saddr,
            out_interface: fix.ethernet.clone(),
            to: fix.forward_ip,
        })
    }
}

#[async_trait]
impl Step for Nat {
    type Needs = ();
    type Output = ();

    fn id(&self) -> StepId {
        "host.nat".into()
    }

    fn about(&self) -> String {
        match self.spec() {
            Some(spec) => format!(
                "forward and translate {} out of {}",
                spec.source, spec.out_interface
            ),
            None => "leave the machines' way out to the network (no net_fix)".to_owned(),
        }
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("host.nat", Deadline::minutes(5, 10))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(120))
    }

    async fn observe(&self, _: &(), _: &Context) -> Result<Observation<()>, Error> {
        let Some(spec) = self.spec() else {
            return Ok(Observation::Satisfied(()));
        };
        let mut missing = Vec::new();
        for key in FORWARDING {
            let setting = self
                .site
                .host
                .sysctl
                .observe(key)
                .await
                .attempt(&format!("read {key}"))?;
            if setting.live != "1" || setting.persisted.as_deref() != Some("1") {
                missing.push(format!("{key} is not set to 1, now and at boot"));
            }
        }
        let state = self
            .site
            .host
            .nat
            .observe()
            .await
            .attempt("list the nftables rules")?;
        if state.live.as_ref() != Some(&spec) {
            missing.push("our nftables table does not translate it".to_owned());
        }
        if state.persisted.as_ref() != Some(&spec) {
            missing.push("the rules are not loaded at boot".to_owned());
        }
        Ok(match (missing.is_empty(), state.table) {
            (true, _) => Observation::Satisfied(()),
            (false, true) => Observation::drifted(missing),
            (false, false) => Observation::absent(missing.join("; ")),
        })
    }

    async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
        let Some(spec) = self.spec() else {
            return Ok(());
        };
        let deployment = &self.site.config.deployment;
        for key in FORWARDING {
            create(cx, &format!("sysctl {key}")).await?;
            self.site
                .host
                .sysctl
                .set(key, "1", deployment)
                .await
                .attempt(&format!("set {key}"))?;
        }
        create(cx, "nftables table cloudboot").await?;
        self.site
            .host
            .nat
            .apply(&spec, deployment)
            .await
            .attempt("load the nftables rules")
    }

    async fn undo(&self, _: &(), cx: &Context) -> Result<Undo, Error> {
        let mut removed = Vec::new();
        if created(cx, "nftables table cloudboot") {
            cx.intend("remove nftables table cloudboot").await?;
            self.site
                .host
                .nat
                .remove()
                .await
                .attempt("remove our nftables table")?;
            removed.push("our nftables table and its unit".to_owned());
        }
        for key in FORWARDING {
            if created(cx, &format!("sysctl {key}")) {
                cx.intend(format!("restore sysctl {key}")).await?;
                self.site
                    .host
                    .sysctl
                    .restore(key)
                    .await
                    .attempt(&format!("restore {key}"))?;
                removed.push(format!("our setting of {key}"));
            }
        }
        Ok(super::removed(removed))
    }
}
