//! The machine of a native bootstrap: waited for, looked into while it comes up, given back when it does not.

use std::net::IpAddr;
use std::time::Duration;

use juju_client::{ControllerAccess, ErrorKind, Options, first_contact};
use maas_client::{EventParams, Judgement, Machine, MachineGoal, NodeStatus, ReleaseParams};

use super::Attempt as _;
use super::native::{Begun, Native, begun};
use crate::engine::{Context, Deadline, Error, Polled};
use crate::juju_bootstrap::{PORT, ProofKey, trouble};

impl Native {
    /// Where its controller will listen.
    pub(super) fn addresses(machine: &Machine) -> Vec<String> {
        let mut ips: Vec<IpAddr> = machine
            .ip_addresses
            .iter()
            .filter_map(|ip| ip.parse().ok())
            .collect();
        ips.sort_by_key(IpAddr::is_ipv6);
        ips.iter()
            .map(|ip| std::net::SocketAddr::new(*ip, PORT).to_string())
            .collect()
    }

    /// Waits until MAAS has deployed it. `Err` within: that failed, and why.
    pub(super) async fn await_deployed(
        &self,
        cx: &Context,
        deadline: Deadline,
    ) -> Result<Result<(), String>, Error> {
        let hostname = &self.site.config.juju_vm.hostname;
        cx.waiting(format!("MAAS to deploy {hostname}"), deadline)
            .backoff(Duration::from_secs(1), Duration::from_secs(5))
            .advice("look at the machine's installation log in MAAS")
            .poll(async || {
                let machine = self.read().await?;
                Ok(match MachineGoal::Deployed.judge(Some(&machine)) {
                    Judgement::Reached => Polled::Done(Ok(())),
                    Judgement::Pending(what) => Polled::pending(what),
                    Judgement::Failed(why) => Polled::Done(Err(why)),
                    _ => Polled::pending("in a state that this version does not know"),
                })
            })
            .await
    }

    /// The last thing that MAAS noted of the machine.
    pub(super) async fn last_event(&self) -> Option<String> {
        let wanted = EventParams::new()
            .id(vec![self.machine.clone()])
            .limit(1u32);
        let events = self.maas.events().query(&wanted).await.ok()?.events;
        let event = events.into_iter().next()?;
        Some(format!(
            " (MAAS's last word of it: {} {})",
            event.r#type, event.description
        ))
    }

    /// Waits for the controller's port, reading meanwhile what the machine says of itself; the CA that is behind it.
    pub(super) async fn await_contact(
        &self,
        begun: &mut Begun,
        cx: &Context,
        deadline: Deadline,
    ) -> Result<String, Error> {
        let hostname = &self.site.config.juju_vm.hostname;
        let attempted = format!("bring up Juju's controller on {hostname}");
        let advice = format!(
            "log in with `ssh ubuntu@{hostname}` and the key {}, and look at /var/log/cloud-init-output.log and /var/log/juju/machine-0.log",
            self.site.config.ssh.maas_key.display()
        );
        let outcome = cx
            .waiting(format!("port {PORT} of {hostname}"), deadline)
            .backoff(Duration::from_secs(1), Duration::from_secs(5))
            .advice(advice.clone())
            .poll(async || {
                let machine = self.read().await?;
                if machine.status != NodeStatus::Deployed {
                    let why = format!("the machine is {} in MAAS", machine.status_name);
                    return Ok(Polled::Done(Err((why, advice.clone()))));
                }
                let mut said = "the machine has no address".to_owned();
                for address in Self::addresses(&machine) {
                    match self.contact(&address, begun).await {
                        Ok(ca) => return Ok(Polled::Done(Ok(ca))),
                        Err(error) if error.kind() == ErrorKind::Forbidden => {
                            return Ok(Polled::Failed(
                                Error::needs_operator(&attempted, error.to_string()).next(
                                    "look at the machine's console before anything is sent there",
                                ),
                            ));
                        }
                        Err(error) => said = error.message().to_owned(),
                    }
                }
                Ok(match self.look_inside().await {
                    Some(Seen::Failed(log)) => {
                        let told = match trouble::explain(&log) {
                            Some((why, next)) => (why.to_owned(), next.to_owned()),
                            None => (
                                format!("its log ends: {}", trouble::tail(&log, 6)),
                                advice.clone(),
                            ),
                        };
                        Polled::Done(Err(told))
                    }
                    Some(Seen::Working(line)) => Polled::pending(line),
                    None => Polled::pending(said),
                })
            })
            .await;
        match outcome {
            Ok(Ok(ca)) => Ok(ca),
            Ok(Err((why, next))) => {
                self.give_up(begun, &why, cx).await?;
                Err(Error::terminal(attempted, why).next(format!(
                    "{next}; the next run gives the machine back and deploys it anew"
                )))
            }
            Err(error) if error.class() == crate::engine::Class::Terminal => {
                // The deadline: what the agent wrote last may say why, however often it tries again.
                let told = match self.look_inside().await {
                    Some(Seen::Failed(log) | Seen::Working(log)) => trouble::explain(&log),
                    None => None,
                };
                self.give_up(begun, "the port did not open in time", cx)
                    .await?;
                Err(match told {
                    Some((why, next)) => Error::terminal(attempted, why).next(next).because(error),
                    None => error,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Who is behind an address: the CA that proves itself by the one-time key, or the one whose keys were given.
    async fn contact(&self, address: &str, begun: &Begun) -> Result<String, juju_client::Error> {
        let Some(given) = self.given_keys() else {
            let proof = ProofKey::from_hex(&begun.proof).unwrap_or_default();
            let soon = Duration::from_secs(10);
            return first_contact(address, proof.expose(), self.site.proxy(), soon).await;
        };
        let access = ControllerAccess::new(
            &self.site.config.juju.bootstrap.name,
            &begun.controller_uuid,
            vec![address.to_owned()],
            given.ca_cert.clone(),
            "admin",
            begun.first_password.clone().into(),
        );
        let proxy = self.site.proxy().cloned();
        match access.connect(proxy, Options::default()).await {
            Ok(_) => Ok(given.ca_cert),
            // It is the right one; whose password holds is seen when it is taken over.
            Err(error) if error.is_unauthorized() => Ok(given.ca_cert),
            Err(error) => Err(error),
        }
    }

    /// What cloud-init and the agent write, through LXD's agent in the VM; none where that does not answer.
    async fn look_inside(&self) -> Option<Seen> {
        let files = self
            .lxd
            .instances()
            .files(&self.site.config.juju_vm.hostname);
        let read = async |path: &str| -> Option<String> {
            let bytes = files.read_if_there(path).await.ok()??;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let output = read("/var/log/cloud-init-output.log").await?;
        let log = read("/var/log/juju/machine-0.log")
            .await
            .unwrap_or_default();
        let status = read("/run/cloud-init/status.json")
            .await
            .unwrap_or_default();
        let all = format!("{output}\n{log}");
        // The script's own last words; cloud-init tells of a command that failed when all have ended.
        let ended = output.contains("native-bootstrap: could not")
            || output.contains("not fetched or wrong sha256")
            || output.contains("did not open within")
            || failed(&status);
        if ended || log.contains("agent should be terminated") {
            return Some(Seen::Failed(all));
        }
        let last = |text: &str| trouble::tail(text, 1);
        Some(Seen::Working(if log.trim().is_empty() {
            format!("cloud-init: {}", last(&output))
        } else {
            format!("jujud: {}", last(&log))
        }))
    }

    /// Gives the machine of a bootstrap that was given up back, so that it can be deployed anew.
    pub(super) async fn give_back(&self, cx: &Context) -> Result<(), Error> {
        self.delete_first_key(cx).await?;
        let machine = self.read().await?;
        if machine.status == NodeStatus::Ready {
            return Ok(());
        }
        let hostname = &self.site.config.juju_vm.hostname;
        if let Some(former) = begun(cx).await?
            && !self.is_ours(&former).await?
        {
            return Ok(());
        }
        cx.intend(format!("release {hostname}, whose bootstrap failed"))
            .await?;
        let comment = ReleaseParams::new().comment(cx.owner_mark());
        self.maas
            .machines()
            .release(&self.machine, &comment)
            .await
            .attempt(&format!("release {hostname}"))?;
        cx.wait(
            format!("{hostname} to be released"),
            self.site
                .deadline("juju.controller", Deadline::minutes(10, 30)),
            async || {
                let machine = self.read().await?;
                Ok(if machine.status == NodeStatus::Ready {
                    Polled::Done(())
                } else {
                    Polled::pending(machine.status_name)
                })
            },
        )
        .await
    }
}

/// What the machine says of itself.
enum Seen {
    /// It goes on; the last line.
    Working(String),
    /// It has ended without a controller; the logs.
    Failed(String),
}

/// Whether cloud-init has ended with errors. Source: its `status.json`.
fn failed(status: &str) -> bool {
    let Ok(status) = serde_json::from_str::<serde_json::Value>(status) else {
        return false;
    };
    let last = &status["v1"]["modules-final"];
    let ended = last["finished"].as_f64().is_some_and(|at| at > 0.0);
    ended
        && last["errors"]
            .as_array()
            .is_some_and(|errors| !errors.is_empty())
}
