//! Faults on demand, and the one hand through which every call of every system passes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::testing::hooks::{Phase, Verdict};

/// What happens to a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// It is answered with this status, headers and body, and not acted upon (HTTP; elsewhere an error with the text).
    Answer(u16, Vec<(String, String)>, String),
    /// The connection is cut before it is acted upon.
    CutBefore,
    /// It is acted upon, and the connection is cut before its answer.
    CutAfter,
    /// It is held for so long, of real time.
    Delay(Duration),
}

#[derive(Debug)]
struct Rule {
    calls: String,
    skip: usize,
    times: usize,
    fault: Fault,
}

/// The faults that are asked for.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    met: Mutex<BTreeMap<String, u64>>,
}

impl Faults {
    /// The next `times` calls whose name contains `calls` meet `fault`. A name is the system and what it is asked:
    /// `maas POST /MAAS/api/2.0/vm-hosts/`, `lxd PUT /1.0`, `juju Application.Deploy`, `vault PUT /v1/sys/init`,
    /// `host exec nft`, `bmc node1 RAKP 1`.
    pub fn next(&self, calls: impl Into<String>, times: usize, fault: Fault) {
        self.after(calls, 0, times, fault);
    }

    /// The same, after `skip` such calls went well.
    pub fn after(&self, calls: impl Into<String>, skip: usize, times: usize, fault: Fault) {
        lock(&self.rules).push(Rule {
            calls: calls.into(),
            skip,
            times,
            fault,
        });
    }

    /// How often each fault was met, by what it was asked for.
    pub fn met(&self) -> BTreeMap<String, u64> {
        lock(&self.met).clone()
    }

    /// No more faults.
    pub fn clear(&self) {
        lock(&self.rules).clear();
    }

    /// What becomes of a call.
    pub(super) async fn judge(&self, phase: Phase, call: &str) -> Verdict {
        let Some(fault) = self.meet(phase, call) else {
            return Verdict::Continue;
        };
        match fault {
            Fault::Answer(status, headers, body) => {
                Verdict::Answer(status, headers, body.into_bytes())
            }
            Fault::CutBefore | Fault::CutAfter => Verdict::Drop,
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                Verdict::Continue
            }
        }
    }

    fn meet(&self, phase: Phase, call: &str) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let at = rules.iter().position(|rule| {
            let when = if matches!(rule.fault, Fault::CutAfter) {
                Phase::After
            } else {
                Phase::Before
            };
            when == phase && call.contains(&rule.calls)
        })?;
        let rule = rules.get_mut(at)?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        let (fault, name) = (rule.fault.clone(), rule.calls.clone());
        rule.times = rule.times.saturating_sub(1);
        if rule.times == 0 {
            rules.remove(at);
        }
        *lock(&self.met).entry(name).or_default() += 1;
        Some(fault)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
