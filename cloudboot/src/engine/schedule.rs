//! Which step begins when: as soon as its needs are met and its resources are free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::attempt::{Attempt, End, Ended};
use super::builder::Parts;
use super::context::Common;
use super::graph::{Built, Edge, Outputs};
use super::{By, Error, Event, Failure, Observation, Resource};

/// How a step stands in a walk.
pub(super) enum State {
    /// It has not begun.
    Todo,
    /// It runs.
    Running,
    /// It stands.
    Stands(By),
    /// It was looked at, and does not stand.
    Unmet(Observation<()>),
    /// It failed.
    Failed(Error),
    /// It will not begin.
    Skipped(String),
    /// It cannot be looked at: what it reads is not known.
    Pending,
}

impl State {
    fn has_ended(&self) -> bool {
        !matches!(self, Self::Todo | Self::Running)
    }

    pub(super) fn stands(&self) -> bool {
        matches!(self, Self::Stands(_))
    }
}

/// One step of a walk.
pub(super) struct Node {
    pub(super) state: State,
    /// After the walk began.
    pub(super) start: Duration,
    pub(super) end: Duration,
    pub(super) attempts: u32,
    pub(super) changed: bool,
    pub(super) longest_wait: Option<super::Waited>,
    pub(super) released_by: Option<usize>,
}

/// Whether steps are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Observed and applied.
    Run,
    /// Observed.
    Look,
    /// Observed, and what stands in part is recalled.
    Recall,
}

/// A walk over a part of the graph.
pub(super) struct Walk {
    graph: Arc<Built>,
    parts: Arc<Parts>,
    common: Arc<Common>,
    mode: Mode,
    began: Duration,
    limits: BTreeMap<String, usize>,
    used: BTreeMap<String, usize>,
    /// The longest chain of estimates from a step to the end: the longest begins first.
    tails: Vec<Duration>,
    pub(super) nodes: BTreeMap<usize, Node>,
    /// In the order in which they began.
    pub(super) begun: Vec<usize>,
    pub(super) outputs: Outputs,
}

impl Walk {
    pub(super) fn new(
        graph: Arc<Built>,
        parts: Arc<Parts>,
        common: Arc<Common>,
        mode: Mode,
        part: &BTreeSet<usize>,
        outputs: Outputs,
    ) -> Self {
        let node = || Node {
            state: State::Todo,
            start: Duration::ZERO,
            end: Duration::ZERO,
            attempts: 0,
            changed: false,
            longest_wait: None,
            released_by: None,
        };
        let mut limits = BTreeMap::new();
        for Resource { name, limit } in graph
            .order
            .iter()
            .flat_map(|&index| graph.step(index).resources())
        {
            let smallest = limits.entry(name).or_insert(limit);
            *smallest = limit.min(*smallest);
        }
        limits.extend(parts.limits.clone());
        Self {
            tails: tails(&graph),
            began: common.clock.now(),
            nodes: part.iter().map(|&index| (index, node())).collect(),
            graph,
            parts,
            common,
            mode,
            limits,
            used: BTreeMap::new(),
            begun: Vec::new(),
            outputs,
        }
    }

    /// Walks to the end. Dropping this stops every step where it is, as a kill would.
    pub(super) async fn run(&mut self) {
        let mut running = FuturesUnordered::new();
        let mut last_ended = None;
        loop {
            for index in self.ready() {
                if self.take(index) {
                    running.push(self.begin(index, last_ended));
                }
            }
            let Some((index, ended)) = running.next().await else {
                break;
            };
            self.end(index, ended);
            last_ended = Some(index);
        }
    }

    /// Settles what can be settled without running anything, and finds the steps whose needs are
    /// met: the one with the longest chain behind it first.
    fn ready(&mut self) -> Vec<usize> {
        let mut ready: Vec<usize> = Vec::new();
        let graph = Arc::clone(&self.graph);
        for &index in &graph.order {
            if !self
                .nodes
                .get(&index)
                .is_some_and(|node| matches!(node.state, State::Todo))
            {
                continue;
            }
            match self.verdict(index) {
                Some(State::Todo) => ready.push(index),
                Some(state) => self.settle(index, state),
                None => {}
            }
        }
        ready.sort_by_key(|&index| std::cmp::Reverse(self.tails[index]));
        ready
    }

    /// Takes all resources of a step, or none where one is not free.
    fn take(&mut self, index: usize) -> bool {
        let resources = self.graph.step(index).resources();
        let used = |name: &String| self.used.get(name).copied().unwrap_or(0);
        let limit = |name: &String| self.limits.get(name).copied().unwrap_or(1);
        let free = resources.iter().all(|it| used(&it.name) < limit(&it.name));
        if free {
            for Resource { name, .. } in resources {
                *self.used.entry(name).or_insert(0) += 1;
            }
        }
        free
    }

    /// Whether a step that has not begun can (`Todo`), never will, or must wait (`None`).
    fn verdict(&self, index: usize) -> Option<State> {
        if self.mode == Mode::Run {
            if self.common.lost.is_cancelled() {
                return Some(State::Skipped(
                    "another runner took the deployment over".to_owned(),
                ));
            }
            if self.common.cancel.is_cancelled() {
                return Some(State::Skipped("the run was asked to stop".to_owned()));
            }
        }
        let before: Vec<_> = self
            .graph
            .before(index)
            .into_iter()
            .filter_map(|(index, edge)| {
                self.nodes
                    .get(&index)
                    .map(|node| (index, edge, &node.state))
            })
            .collect();
        if self.mode == Mode::Run
            && let Some(because) = before
                .iter()
                .find_map(|(index, _, state)| self.hinders(*index, state))
        {
            return Some(State::Skipped(because));
        }
        if !before.iter().all(|(_, _, state)| state.has_ended()) {
            return None;
        }
        let unknown = |(index, edge, _): &(usize, Edge, _)| {
            *edge == Edge::Data && !self.outputs.contains_key(index)
        };
        if before.iter().any(unknown) {
            Some(State::Pending)
        } else {
            Some(State::Todo)
        }
    }

    /// Why what comes after a step will not begin.
    fn hinders(&self, index: usize, state: &State) -> Option<String> {
        let id = self.graph.step(index).id();
        match state {
            State::Failed(error) if error.is_cancelled() => {
                Some("the run was asked to stop".to_owned())
            }
            State::Failed(error) if error.is_needs_operator() => {
                Some(format!("`{id}` needs an operator"))
            }
            State::Failed(_) => Some(format!("`{id}` failed")),
            State::Skipped(because) => Some(because.clone()),
            State::Unmet(_) | State::Pending => Some(format!("`{id}` does not stand")),
            State::Todo | State::Running | State::Stands(_) => None,
        }
    }

    fn settle(&mut self, index: usize, state: State) {
        let now = self.common.clock.now().saturating_sub(self.began);
        if let State::Skipped(because) = &state {
            self.common.tell(Event::Skipped {
                at: self.common.clock.timestamp(),
                step: self.graph.step(index).id(),
                because: because.clone(),
            });
        }
        if let Some(node) = self.nodes.get_mut(&index) {
            node.state = state;
            (node.start, node.end) = (now, now);
        }
    }

    fn begin(
        &mut self,
        index: usize,
        last_ended: Option<usize>,
    ) -> BoxFuture<'static, (usize, Ended)> {
        let step = Arc::clone(self.graph.step(index));
        let order_stands = self.graph.before(index).iter().all(|(before, _)| {
            self.nodes
                .get(before)
                .is_none_or(|node| node.state.stands())
        });
        if let Some(node) = self.nodes.get_mut(&index) {
            node.state = State::Running;
            node.start = self.common.clock.now().saturating_sub(self.began);
            node.released_by = last_ended;
        }
        self.begun.push(index);
        let needs = self.graph.needs(index);
        let outputs = needs
            .into_iter()
            .filter_map(|need| Some((need, Arc::clone(self.outputs.get(&need)?))))
            .collect();
        if self.mode == Mode::Run {
            self.common.tell(Event::Started {
                at: self.common.clock.timestamp(),
                step: step.id(),
                about: step.about(),
            });
        }
        let attempt = Attempt::new(
            step,
            outputs,
            Arc::clone(&self.parts),
            Arc::clone(&self.common),
        );
        let mode = self.mode;
        Box::pin(async move {
            let ended = match mode {
                Mode::Run => attempt.run().await,
                // What comes before it in order may be why it cannot be asked yet.
                Mode::Look => attempt.look(order_stands, false).await,
                Mode::Recall => attempt.look(order_stands, true).await,
            };
            (index, ended)
        })
    }

    fn end(&mut self, index: usize, ended: Ended) {
        let step = self.graph.step(index);
        for Resource { name, .. } in step.resources() {
            if let Some(used) = self.used.get_mut(&name) {
                *used = used.saturating_sub(1);
            }
        }
        let Some(node) = self.nodes.get_mut(&index) else {
            return;
        };
        node.end = self.common.clock.now().saturating_sub(self.began);
        node.attempts = ended.attempts;
        node.changed = ended.changed;
        node.longest_wait = ended.longest_wait;
        let took = node.end.saturating_sub(node.start);
        let (at, id) = (self.common.clock.timestamp(), step.id());
        let tell = |event| {
            if self.mode == Mode::Run {
                self.common.tell(event);
            }
        };
        node.state = match ended.end {
            End::Stands(output, by) => {
                self.outputs.insert(index, output);
                tell(Event::Satisfied {
                    at,
                    step: id.clone(),
                    by,
                });
                tell(Event::Finished {
                    at,
                    step: id,
                    took,
                    changed: node.changed,
                });
                State::Stands(by)
            }
            End::Unmet(seen, recalled) => {
                self.outputs.extend(recalled.map(|output| (index, output)));
                State::Unmet(seen)
            }
            End::Failed(error) => {
                tell(Event::Failed {
                    at,
                    step: id,
                    error: Failure::from(&error),
                });
                State::Failed(error)
            }
        };
    }
}

/// For each step, the longest chain of estimates from its beginning to the end.
fn tails(graph: &Built) -> Vec<Duration> {
    let mut tails = vec![Duration::ZERO; graph.len()];
    for &index in graph.order.iter().rev() {
        let after = graph
            .dependants(index)
            .into_iter()
            .map(|later| tails[later])
            .max()
            .unwrap_or_default();
        tails[index] = after + graph.step(index).estimate().unwrap_or_default();
    }
    tails
}
