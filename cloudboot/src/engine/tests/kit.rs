//! A world with faults, steps that make things in it, and ways to kill a run.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::engine::store::{Entry, Lease, Record};
use crate::engine::*;

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It fails before it acts.
    Fails(Error),
    /// It acts, and fails afterwards.
    ActsAndFails(Error),
    Panics,
    /// It never returns.
    Hangs,
    /// It returns as if all were well, and did nothing.
    DoesNothing,
}

#[derive(Debug, Default)]
struct Inner {
    things: BTreeMap<String, String>,
    created: BTreeMap<String, u32>,
    removed: BTreeMap<String, u32>,
    calls: Vec<String>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    points: usize,
    kill_at: Option<usize>,
    in_use: BTreeMap<String, usize>,
    peak: BTreeMap<String, usize>,
}

/// The real system of these tests.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    inner: Arc<Mutex<Inner>>,
    pub(super) killed: Arc<Notify>,
}

impl World {
    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.lock().unwrap())
    }

    /// A place where a kill may strike.
    pub(super) async fn point(&self) {
        let struck = self.with(|it| {
            it.points += 1;
            it.kill_at == Some(it.points)
        });
        if struck {
            self.killed.notify_one();
            pending::<()>().await;
        }
    }

    /// Kills at the nth point from now on.
    pub(super) fn kill_at(&self, point: Option<usize>) {
        self.with(|it| {
            it.points = 0;
            it.kill_at = point;
        });
    }

    /// The next calls of that name ("apply a") go wrong.
    pub(super) fn fault(&self, call: &str, faults: impl IntoIterator<Item = Fault>) {
        self.with(|it| it.faults.entry(call.to_owned()).or_default().extend(faults));
    }

    async fn call(&self, call: String) -> Result<Option<Fault>, Error> {
        self.point().await;
        let fault = self.with(|it| {
            it.calls.push(call.clone());
            it.faults.get_mut(&call).and_then(VecDeque::pop_front)
        });
        match fault {
            Some(Fault::Fails(error)) => Err(error),
            Some(Fault::Panics) => panic!("{call} was told to panic"),
            Some(Fault::Hangs) => pending().await,
            other => Ok(other),
        }
    }

    pub(super) fn put(&self, thing: &str, mark: &str) {
        self.with(|it| it.things.insert(thing.to_owned(), mark.to_owned()));
    }

    pub(super) fn take(&self, thing: &str) {
        self.with(|it| it.things.remove(thing));
    }

    pub(super) fn has(&self, thing: &str) -> bool {
        self.with(|it| it.things.contains_key(thing))
    }

    pub(super) fn things(&self) -> Vec<String> {
        self.with(|it| it.things.keys().cloned().collect())
    }

    pub(super) fn created(&self) -> BTreeMap<String, u32> {
        self.with(|it| it.created.clone())
    }

    pub(super) fn removed(&self) -> BTreeMap<String, u32> {
        self.with(|it| it.removed.clone())
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.with(|it| it.calls.clone())
    }

    pub(super) fn count(&self, call: &str) -> usize {
        self.calls().iter().filter(|it| *it == call).count()
    }

    pub(super) fn forget_calls(&self) {
        self.with(|it| it.calls.clear());
    }

    pub(super) fn peak(&self, resource: &str) -> usize {
        self.with(|it| it.peak.get(resource).copied().unwrap_or(0))
    }
}

/// Makes one thing.
#[derive(Clone)]
pub(super) struct Make {
    pub(super) id: String,
    pub(super) world: World,
    pub(super) takes: Duration,
    pub(super) resources: Vec<Resource>,
    pub(super) deadline: Deadline,
    pub(super) approval: Option<String>,
    pub(super) drifted: bool,
}

impl Make {
    pub(super) fn new(world: &World, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            world: world.clone(),
            takes: secs(10),
            resources: Vec::new(),
            deadline: Deadline::default(),
            approval: None,
            drifted: false,
        }
    }

    pub(super) fn taking(mut self, seconds: u64) -> Self {
        self.takes = secs(seconds);
        self
    }

    pub(super) fn using(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    pub(super) fn within(mut self, deadline: Deadline) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn asking(mut self, question: &str) -> Self {
        self.approval = Some(question.to_owned());
        self
    }
}

#[async_trait]
impl Step for Make {
    type Needs = Vec<String>;
    type Output = String;

    fn id(&self) -> StepId {
        StepId::new(&self.id)
    }

    fn about(&self) -> String {
        format!("Make {}", self.id)
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }

    fn resources(&self) -> Vec<Resource> {
        self.resources.clone()
    }

    fn approval(&self) -> Option<String> {
        self.approval.clone()
    }

    fn estimate(&self) -> Option<Duration> {
        Some(self.takes)
    }

    async fn observe(
        &self,
        needs: &Vec<String>,
        _: &Context,
    ) -> Result<Observation<String>, Error> {
        self.world.call(format!("observe {}", self.id)).await?;
        for need in needs {
            assert!(
                self.world.has(need),
                "{} was observed without {need}",
                self.id
            );
        }
        Ok(
            match self.world.with(|it| it.things.get(&self.id).cloned()) {
                Some(mark) if mark == "drifted" => Observation::Drifted {
                    what: vec![format!("{} is bent", self.id)],
                    destructive: self.drifted,
                },
                Some(mark) if mark == "waits" => Observation::blocked("the sun is not up"),
                Some(mark) if mark == "lost" => Observation::needs_operator("its key is nowhere"),
                Some(_) => Observation::Satisfied(self.id.clone()),
                None => Observation::absent(format!("there is no {}", self.id)),
            },
        )
    }

    async fn apply(&self, _: &Vec<String>, cx: &Context) -> Result<(), Error> {
        cx.intend(format!("make {}", self.id)).await?;
        for resource in &self.resources {
            self.world.with(|it| {
                let used = it.in_use.entry(resource.name().to_owned()).or_insert(0);
                *used += 1;
                let used = *used;
                let peak = it.peak.entry(resource.name().to_owned()).or_insert(0);
                *peak = used.max(*peak);
            });
        }
        let result = async {
            let fault = self.world.call(format!("apply {}", self.id)).await?;
            cx.clock().sleep(self.takes).await;
            if let Some(Fault::DoesNothing) = fault {
                return Ok(());
            }
            self.world.with(|it| {
                it.things.insert(self.id.clone(), cx.owner_mark());
                *it.created.entry(self.id.clone()).or_insert(0) += 1;
            });
            self.world.point().await;
            if let Some(Fault::ActsAndFails(error)) = fault {
                return Err(error);
            }
            cx.made("thing", &self.id).await
        }
        .await;
        for resource in &self.resources {
            self.world
                .with(|it| *it.in_use.get_mut(resource.name()).unwrap() -= 1);
        }
        result
    }

    async fn undo(&self, _: &Vec<String>, cx: &Context) -> Result<Undo, Error> {
        self.world.call(format!("undo {}", self.id)).await?;
        match self.world.with(|it| it.things.get(&self.id).cloned()) {
            None => Ok(Undo::NothingToDo),
            Some(mark) if mark != cx.owner_mark() => Ok(Undo::kept("it does not carry our mark")),
            Some(_) => {
                cx.intend(format!("remove {}", self.id)).await?;
                self.world.with(|it| {
                    it.things.remove(&self.id);
                    *it.removed.entry(self.id.clone()).or_insert(0) += 1;
                });
                self.world.point().await;
                Ok(Undo::removed(&self.id))
            }
        }
    }
}

/// A store that can be killed before and after each write, and told to fail.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultyStore {
    pub(super) inner: MemoryStore,
    pub(super) world: World,
    pub(super) full: Arc<std::sync::atomic::AtomicBool>,
}

impl FaultyStore {
    pub(super) fn new(world: &World) -> Self {
        Self {
            inner: MemoryStore::new(),
            world: world.clone(),
            full: Arc::default(),
        }
    }
}

#[async_trait]
impl StateStore for FaultyStore {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn lease(&self, deployment: &str) -> Result<Option<Lease>, Error> {
        self.inner.lease(deployment).await
    }

    async fn swap_lease(
        &self,
        deployment: &str,
        expected: Option<&Lease>,
        new: &Lease,
    ) -> Result<bool, Error> {
        self.world.point().await;
        let swapped = self.inner.swap_lease(deployment, expected, new).await;
        self.world.point().await;
        swapped
    }

    async fn append(
        &self,
        deployment: &str,
        generation: u64,
        at: Timestamp,
        record: &Record,
    ) -> Result<bool, Error> {
        self.world.point().await;
        if self.full.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(
                Error::needs_operator("write the journal", "the disk is full").next("make room"),
            );
        }
        let appended = self.inner.append(deployment, generation, at, record).await;
        self.world.point().await;
        appended
    }

    async fn read(&self, deployment: &str) -> Result<Vec<Entry>, Error> {
        self.inner.read(deployment).await
    }
}

/// A world, its clock and its store, and engines over them.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) clock: ManualClock,
    pub(super) store: FaultyStore,
}

impl Bench {
    pub(super) fn new() -> Self {
        let world = World::default();
        Self {
            store: FaultyStore::new(&world),
            clock: ManualClock::new(),
            world,
        }
    }

    pub(super) fn builder(&self, graph: Graph) -> EngineBuilder {
        Engine::builder(graph)
            .deployment("bench")
            .store(Arc::new(self.store.clone()))
            .clock(Arc::new(self.clock.clone()))
    }

    pub(super) fn make(&self, id: &str) -> Make {
        Make::new(&self.world, id)
    }

    /// a; b and c need a; d needs b and c; e needs nothing.
    pub(super) fn diamond(&self) -> Graph {
        let mut graph = Graph::new();
        let a = graph.add(self.make("a"), vec![]);
        let b = graph.add(self.make("b").taking(20), vec![a.clone()]);
        let c = graph.add(self.make("c").taking(30), vec![a]);
        graph.add(self.make("d"), vec![b, c]);
        graph.add(self.make("e").taking(5), vec![]);
        graph
    }

    /// Runs; a kill or the end.
    pub(super) async fn run(&self, engine: &Engine) -> Result<Report, Error> {
        self.clock.drive(engine.run()).await
    }

    /// Runs `work` until it ends or is killed.
    pub(super) async fn until_killed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = self.clock.drive(work) => Some(done),
            () = self.world.killed.notified() => None,
        }
    }
}
