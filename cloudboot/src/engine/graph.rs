//! The graph: built from values, its edges are the handles that steps hold.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::erased::{Bound, Erased};
use super::needs::{Handle, Key, KeyOf, Needs, Wired, Wiring};
use super::{Error, Step, StepId};

static NEXT_GRAPH: AtomicU64 = AtomicU64::new(1);

/// A step's output, erased.
pub(super) type Value = Arc<dyn Any + Send + Sync>;

/// The outputs that are known, by the step's place in the graph.
pub(super) type Outputs = HashMap<usize, Value>;

/// Why one step comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// The later one reads the earlier one's output.
    Data,
    /// Order only.
    Order,
}

/// The steps of a job and what each needs of the others.
///
/// ```
/// use cloudboot::engine::{Context, Error, Graph, Observation, Step, StepId, async_trait};
///
/// struct Greeting;
///
/// #[async_trait]
/// impl Step for Greeting {
///     type Needs = ();
///     type Output = String;
///     fn id(&self) -> StepId { "greeting".into() }
///     fn about(&self) -> String { "Find out how to greet".into() }
///     async fn observe(&self, _: &(), _: &Context) -> Result<Observation<String>, Error> {
///         Ok(Observation::Satisfied("hello".into()))
///     }
///     async fn apply(&self, _: &(), _: &Context) -> Result<(), Error> { Ok(()) }
/// }
///
/// struct Greet(&'static str);
///
/// #[async_trait]
/// impl Step for Greet {
///     type Needs = String;
///     type Output = ();
///     fn id(&self) -> StepId { format!("greet.{}", self.0).into() }
///     fn about(&self) -> String { format!("Greet {}", self.0) }
///     async fn observe(&self, greeting: &String, _: &Context) -> Result<Observation<()>, Error> {
///         Ok(if greeting == "hello" { Observation::Satisfied(()) } else { Observation::absent("not greeted") })
///     }
///     async fn apply(&self, _: &String, _: &Context) -> Result<(), Error> { Ok(()) }
/// }
///
/// let mut graph = Graph::new();
/// let greeting = graph.add(Greeting, ());
/// let alice = graph.add(Greet("alice"), &greeting);
/// let bob = graph.add(Greet("bob"), &greeting);
/// graph.after(&bob, &alice);
/// graph.check()?;
/// # Ok::<(), Error>(())
/// ```
pub struct Graph {
    id: u64,
    steps: DiGraph<Arc<dyn Erased>, Edge>,
    names: BTreeMap<StepId, usize>,
    after: Vec<(Key, Key)>,
    faults: Vec<String>,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph")
            .field("steps", &self.names.keys())
            .finish()
    }
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl Graph {
    /// A graph without steps.
    pub fn new() -> Self {
        Self {
            id: NEXT_GRAPH.fetch_add(1, Ordering::Relaxed),
            steps: DiGraph::new(),
            names: BTreeMap::new(),
            after: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Adds a step that reads what `needs` holds, and returns the handle to its output.
    ///
    /// What is wrong (a handle of another graph, a name twice) is told by [`check`](Self::check).
    pub fn add<S, N>(&mut self, step: S, needs: N) -> Handle<S::Output>
    where
        S: Step,
        N: Needs<Values = S::Needs>,
    {
        let id = step.id();
        if !id.is_well_formed() {
            self.faults.push(format!(
                "`{id}` is not a step's name: letters, digits, '-' and '_' between dots"
            ));
        }
        let mut wiring = Wiring::default();
        let Wired(read) = needs.wire(&mut wiring);
        let node = self.steps.add_node(Arc::new(Bound::new(step, read)));
        if self.names.insert(id.clone(), node.index()).is_some() {
            self.faults.push(format!("two steps are named `{id}`"));
        }
        for key in wiring.keys {
            match self.find(&key) {
                Ok(earlier) => {
                    self.steps
                        .update_edge(NodeIndex::new(earlier), node, Edge::Data);
                }
                Err(fault) => self.faults.push(format!("`{id}` reads {fault}")),
            }
        }
        Handle::new(self.id, node.index(), id)
    }

    /// Lets `later` begin only when `earlier` is done, without reading anything of it.
    ///
    /// The names are looked up by [`check`](Self::check), so that steps may be added in any order.
    pub fn after(&mut self, later: impl Into<Key>, earlier: impl Into<Key>) {
        self.after.push((later.into(), earlier.into()));
    }

    /// The names of all steps, in the order in which they were added.
    pub fn ids(&self) -> Vec<StepId> {
        self.steps.node_weights().map(|step| step.id()).collect()
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.steps.node_count()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells everything that is wrong with the graph at once: names twice or malformed, handles of
    /// another graph, unknown names, cycles.
    ///
    /// # Errors
    /// When something is wrong.
    pub fn check(&self) -> Result<(), Error> {
        self.build().map(drop)
    }

    fn find(&self, key: &Key) -> Result<usize, String> {
        match &key.0 {
            KeyOf::Handle { graph, index, .. } if *graph == self.id => Ok(*index),
            KeyOf::Handle { id, .. } => Err(format!("`{id}` through a handle of another graph")),
            KeyOf::Id(id) => self
                .names
                .get(id)
                .copied()
                .ok_or_else(|| format!("`{id}`, which is no step")),
        }
    }

    /// The graph with all of its edges, checked.
    pub(super) fn build(&self) -> Result<Built, Error> {
        let mut faults = self.faults.clone();
        let mut steps = self.steps.clone();
        for (later, earlier) in &self.after {
            match (self.find(later), self.find(earlier)) {
                (Ok(later), Ok(earlier)) => {
                    let (later, earlier) = (NodeIndex::new(later), NodeIndex::new(earlier));
                    if steps.find_edge(earlier, later).is_none() {
                        steps.add_edge(earlier, later, Edge::Order);
                    }
                }
                (Err(fault), _) | (_, Err(fault)) => faults.push(format!("an order names {fault}")),
            }
        }
        for cycle in tarjan_scc(&steps) {
            let turns_on_itself = |node: &NodeIndex| steps.find_edge(*node, *node).is_some();
            if cycle.len() > 1 || cycle.iter().any(turns_on_itself) {
                let mut names: Vec<_> = cycle
                    .iter()
                    .filter_map(|node| steps.node_weight(*node))
                    .map(|s| s.id())
                    .collect();
                names.sort();
                let names: Vec<_> = names.iter().map(|id| format!("`{id}`")).collect();
                faults.push(format!(
                    "each of these waits for the others: {}",
                    names.join(", ")
                ));
            }
        }
        if !faults.is_empty() {
            return Err(
                Error::terminal("check the graph of steps", faults.join("; "))
                    .next("mend the program that builds the graph"),
            );
        }
        Ok(Built {
            id: self.id,
            order: in_order(&steps),
            names: self.names.clone(),
            steps,
        })
    }
}

/// Every step after what it needs, and otherwise as they were added.
fn in_order(steps: &DiGraph<Arc<dyn Erased>, Edge>) -> Vec<usize> {
    let edges = |node, direction| steps.neighbors_directed(node, direction);
    let mut waits: Vec<usize> = steps
        .node_indices()
        .map(|node| edges(node, Direction::Incoming).count())
        .collect();
    let mut ready: BTreeSet<usize> = (0..waits.len())
        .filter(|&index| waits[index] == 0)
        .collect();
    let mut order = Vec::new();
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for later in edges(NodeIndex::new(index), Direction::Outgoing) {
            waits[later.index()] -= 1;
            if waits[later.index()] == 0 {
                ready.insert(later.index());
            }
        }
    }
    order
}

/// A graph that was checked: nothing is missing and nothing turns on itself.
pub(super) struct Built {
    pub(super) id: u64,
    /// Every step after what it needs.
    pub(super) order: Vec<usize>,
    names: BTreeMap<StepId, usize>,
    steps: DiGraph<Arc<dyn Erased>, Edge>,
}

impl Built {
    pub(super) fn step(&self, index: usize) -> &Arc<dyn Erased> {
        &self.steps[NodeIndex::new(index)]
    }

    pub(super) fn len(&self) -> usize {
        self.steps.node_count()
    }

    /// What comes before a step, and why.
    pub(super) fn before(&self, index: usize) -> Vec<(usize, Edge)> {
        let mut before: Vec<_> = self
            .steps
            .edges_directed(NodeIndex::new(index), Direction::Incoming)
            .map(|edge| (edge.source().index(), *edge.weight()))
            .collect();
        before.sort_by_key(|(index, _)| *index);
        before
    }

    /// The steps whose outputs a step reads.
    pub(super) fn needs(&self, index: usize) -> Vec<usize> {
        self.before(index)
            .into_iter()
            .filter(|(_, edge)| *edge == Edge::Data)
            .map(|(i, _)| i)
            .collect()
    }

    /// What comes after a step.
    pub(super) fn dependants(&self, index: usize) -> Vec<usize> {
        let mut after: Vec<_> = self
            .steps
            .neighbors_directed(NodeIndex::new(index), Direction::Outgoing)
            .map(NodeIndex::index)
            .collect();
        after.sort_unstable();
        after
    }

    /// The step and everything before it; over data only, or over order as well.
    pub(super) fn closure(&self, index: usize, data_only: bool) -> BTreeSet<usize> {
        let mut seen = BTreeSet::from([index]);
        let mut todo = vec![index];
        while let Some(index) = todo.pop() {
            for (before, edge) in self.before(index) {
                if (!data_only || edge == Edge::Data) && seen.insert(before) {
                    todo.push(before);
                }
            }
        }
        seen
    }

    /// The step of that name.
    pub(super) fn find(&self, id: &StepId) -> Result<usize, Error> {
        self.names.get(id).copied().ok_or_else(|| {
            let mut known: Vec<_> = self.names.iter().collect();
            known.sort_by_key(|(_, index)| **index);
            let known: Vec<_> = known.into_iter().map(|(id, _)| id.to_string()).collect();
            let nearest = nearest(id.as_str(), &known);
            Error::terminal(
                format!("find the step `{id}`"),
                "there is no step of that name",
            )
            .next(match nearest {
                Some(nearest) => format!(
                    "did you mean `{nearest}`? The steps are: {}",
                    known.join(", ")
                ),
                None => format!("the steps are: {}", known.join(", ")),
            })
        })
    }
}

/// The known name that is nearest to what was written, if any is near.
fn nearest<'a>(written: &str, known: &'a [String]) -> Option<&'a str> {
    let near = |name: &str| {
        let part = name.split('.').any(|part| part == written);
        let begins = written.len() > 2 && name.starts_with(written);
        if part || begins {
            0
        } else {
            distance(written, name)
        }
    };
    known
        .iter()
        .map(|name| (near(name), name.as_str()))
        .min()
        .filter(|(distance, _)| *distance <= 1 + written.len() / 4)
        .map(|(_, name)| name)
}

/// How many letters must be inserted, left out or changed to come from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
