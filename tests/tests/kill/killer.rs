//! The hand that kills: it sees every call that reaches the lab, and knows at which of them the caller has to die.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
// The process that is killed.
#[allow(clippy::disallowed_types)]
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cloudboot::engine::Report;
use cloudboot::testing::Lab;
use cloudboot::testing::hooks::{Phase, Verdict};

use super::child;

/// How often of each call's name is killed in one life of the pipeline, at most.
const OCCURRENCES: u32 = 2;

/// The one call that must not be killed in a run that has to end well: what Vault answers, it answers once. It has
/// a test of its own.
const ONE_SHOT: (&str, &str) = ("vault PUT /v1/sys/init", "after");

/// What is killed in every run of the tests.
pub(crate) const SAMPLE: &[(&str, &str)] = &[
    ("after", "host snapd POST /v2/snaps/maas"),
    ("before", "host postgres CREATE ROLE"),
    ("after", "host exec maas init region+rack"),
    ("after", "host exec maas createadmin"),
    ("before", "maas POST /MAAS/api/2.0/ipranges/"),
    ("after", "maas POST /MAAS/api/2.0/vm-hosts/1/?op=compose"),
    ("after", "lxd PATCH /1.0"),
    ("before", "bmc rack1-u1 Chassis Control"),
    (
        "after",
        "maas POST /MAAS/api/2.0/machines/{id}/?op=commission",
    ),
    ("before", "lxd DELETE /1.0/instances/juju-bootstrap-lab"),
    ("after", "juju ModelManager.CreateModel"),
    ("after", "juju Application.Deploy"),
    ("before", "juju Application.AddRelation"),
    ("before", "vault PUT /v1/sys/unseal"),
    ("after", "vault POST /v1/auth/token/create"),
    ("after", "juju Action.EnqueueOperation"),
];

/// Where to kill: the call's name, which time it is called in a life, and "before" or "after".
#[derive(Debug)]
pub(crate) enum Points {
    All,
    These(BTreeSet<(String, &'static str)>),
}

impl Points {
    /// Every call that is ever made.
    pub(crate) fn all() -> Self {
        Self::All
    }

    /// Calls of every system, most of them such that make something.
    pub(crate) fn sample() -> Self {
        let these = SAMPLE
            .iter()
            .map(|(phase, name)| ((*name).to_owned(), *phase));
        Self::These(these.collect())
    }

    /// One point.
    pub(crate) fn the(call: &str, phase: &'static str) -> Self {
        Self::These([(call.to_owned(), phase)].into())
    }
}

/// A call's name without what differs from world to world: ids of operations and of machines.
pub(crate) fn name(call: &str) -> String {
    let call = call.split("&id=").next().unwrap_or(call);
    let mut before = "";
    let mut parts = Vec::new();
    for part in call.split('/') {
        let operation = part.len() == 36
            && part
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        let machine = matches!(before, "machines" | "nodes" | "rackcontrollers")
            && part.len() == 6
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        parts.push(if operation || machine { "{id}" } else { part });
        before = part;
    }
    parts.join("/")
}

/// Whether a call changes nothing.
fn is_look(name: &str) -> bool {
    name.split(' ').any(|word| word == "GET")
}

#[derive(Debug)]
#[allow(clippy::disallowed_types)]
struct Life {
    child: Option<Child>,
    /// How often each call was made in this life.
    made: BTreeMap<String, u32>,
    /// What MAAS is at work on: it calls LXD for it.
    maas: BTreeSet<String>,
    /// The points at which it was killed, in their order.
    killed: Vec<(String, u32, &'static str)>,
}

/// Kills the pipeline at its points.
#[derive(Debug)]
pub(crate) struct Killer {
    points: Points,
    life: Mutex<Life>,
}

impl Killer {
    pub(crate) fn new(points: Points) -> Arc<Self> {
        Arc::new(Self {
            points,
            life: Mutex::new(Life {
                child: None,
                made: BTreeMap::new(),
                maas: BTreeSet::new(),
                killed: Vec::new(),
            }),
        })
    }

    /// What the lab shows its calls to.
    #[allow(clippy::type_complexity)]
    pub(crate) fn hook(
        self: &Arc<Self>,
    ) -> Arc<dyn Fn(Phase, &str) -> futures_util::future::BoxFuture<'static, Verdict> + Send + Sync>
    {
        let killer = Arc::clone(self);
        Arc::new(move |phase, call| {
            let verdict = killer.see(phase, call);
            Box::pin(async move { verdict })
        })
    }

    fn see(&self, phase: Phase, call: &str) -> Verdict {
        let mut life = self.life.lock().unwrap();
        let name = name(call);
        let phase = match phase {
            Phase::Before => "before",
            Phase::After => "after",
        };
        if phase == "before" {
            *life.made.entry(name.clone()).or_default() += 1;
        }
        if name.starts_with("maas ") && !is_look(&name) {
            if phase == "before" {
                life.maas.insert(name.clone());
            } else {
                life.maas.remove(&name);
            }
        }
        let of_maas = name.starts_with("lxd ")
            && (!life.maas.is_empty() || !name.contains("bootstrap") && name.contains("/state"));
        let times = life.made.get(&name).copied().unwrap_or(1);
        let point = (name, times, phase);
        if !self.wanted(&point, &life.killed) {
            return Verdict::Continue;
        }
        // What a dead pipeline had sent before it died, is acted upon.
        let Some(mut child) = life.child.take() else {
            return Verdict::Continue;
        };
        child.kill().unwrap();
        child.wait().unwrap();
        life.made.clear();
        life.maas.clear();
        let look = is_look(&point.0);
        life.killed.push(point);
        // The pipeline's death takes no other caller's call away; to one that only looks it makes no difference.
        if phase == "before" && !of_maas && !look {
            Verdict::Drop
        } else {
            Verdict::Continue
        }
    }

    fn wanted(
        &self,
        point: &(String, u32, &'static str),
        killed: &[(String, u32, &'static str)],
    ) -> bool {
        let (name, times, phase) = point;
        match &self.points {
            Points::All => {
                (name.as_str(), *phase) != ONE_SHOT
                    && *times <= OCCURRENCES
                    && !killed.contains(point)
            }
            Points::These(these) => {
                these.contains(&(name.clone(), *phase))
                    && !killed.iter().any(|(n, _, p)| n == name && p == phase)
            }
        }
    }

    /// Starts the pipeline again and again, until it ends by itself: its report.
    pub(crate) async fn run_to_the_end(&self, lab: &Lab, folder: &Path) -> Report {
        let (report, log) = (folder.join("report.json"), folder.join("log"));
        let order = child::pipeline(lab, &report);
        let mut deaths = 0;
        loop {
            let began = Instant::now();
            {
                let mut life = self.life.lock().unwrap();
                life.made.clear();
                life.maas.clear();
                life.child = Some(child::start(&order, &log));
            }
            let status = loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let mut life = self.life.lock().unwrap();
                match life.child.as_mut() {
                    None => break None,
                    Some(child) => {
                        if let Some(status) = child.try_wait().unwrap() {
                            life.child = None;
                            break Some(status);
                        }
                    }
                }
            };
            let Some(status) = status else {
                deaths += 1;
                if std::env::var_os("SHOW").is_some() {
                    let life = self.life.lock().unwrap();
                    println!("{deaths}: {:?} {:?}", began.elapsed(), life.killed.last());
                }
                continue;
            };
            assert!(
                status.success(),
                "the pipeline ended with {status}: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            return serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        }
    }

    /// Where it was killed.
    pub(crate) fn kills(&self) -> Vec<String> {
        let life = self.life.lock().unwrap();
        life.killed
            .iter()
            .map(|(name, times, phase)| format!("{phase} {name} ({times})"))
            .collect()
    }
}
