//! The one source of time: waits, retries and deadlines all ask it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;

/// Time as the engine sees it.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time since an origin of the clock's own. Waits and deadlines are measured by it.
    fn now(&self) -> Duration;

    /// The date, for people and records only: it may jump, and nothing is measured by it.
    fn timestamp(&self) -> Timestamp;

    /// Returns when `now` has advanced by `duration`. Cancel safe.
    async fn sleep(&self, duration: Duration);

    /// How much real time a deadline leaves at least. A clock that runs a thousand times as fast
    /// does not make this machine as fast: without this, a quarter of an hour would be over before
    /// a slow answer came.
    fn least_real(&self) -> Duration {
        Duration::ZERO
    }
}

fn later(base: Timestamp, by: Duration) -> Timestamp {
    base.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// This machine's clock.
#[derive(Clone, Debug)]
pub struct RealClock(Instant);

impl RealClock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that runs `speed` times as fast as real time, over a time source of the caller's choice.
#[derive(Clone)]
pub struct ScaledClock {
    source: Arc<dyn Fn() -> Duration + Send + Sync>,
    speed: f64,
    epoch: Timestamp,
    least_real: Duration,
}

/// What a deadline leaves by default under a clock that runs faster than real time.
const LEAST_REAL: Duration = Duration::from_secs(3);

impl ScaledClock {
    /// A clock that begins now, at this machine's date, and runs `speed` times as fast.
    /// A speed that is not a positive number counts as 1.
    pub fn new(speed: f64) -> Self {
        let speed = sane(speed);
        let begin = Instant::now();
        Self {
            source: Arc::new(move || begin.elapsed().mul_f64(speed)),
            speed,
            epoch: Timestamp::now(),
            least_real: least_real(speed),
        }
    }

    /// A clock that reads its (already scaled) time from `source`, whose time runs `speed` times as
    /// fast as real time: the lab's. `epoch` is the date at the source's zero.
    pub fn from_source(
        source: impl Fn() -> Duration + Send + Sync + 'static,
        speed: f64,
        epoch: Timestamp,
    ) -> Self {
        let speed = sane(speed);
        Self {
            source: Arc::new(source),
            speed,
            epoch,
            least_real: least_real(speed),
        }
    }

    /// Sets how much real time a deadline leaves at least: by default 3 s where the clock runs
    /// faster than real time.
    #[must_use]
    pub fn leaving(mut self, least_real: Duration) -> Self {
        self.least_real = least_real;
        self
    }

    /// How many times as fast as real time.
    pub fn speed(&self) -> f64 {
        self.speed
    }
}

fn least_real(speed: f64) -> Duration {
    if speed > 1.0 {
        LEAST_REAL
    } else {
        Duration::ZERO
    }
}

fn sane(speed: f64) -> f64 {
    if speed.is_finite() && speed > 0.0 {
        speed
    } else {
        1.0
    }
}

impl fmt::Debug for ScaledClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScaledClock")
            .field("speed", &self.speed)
            .field("now", &self.now())
            .finish()
    }
}

#[async_trait]
impl Clock for ScaledClock {
    fn now(&self) -> Duration {
        (self.source)()
    }

    fn timestamp(&self) -> Timestamp {
        later(self.epoch, self.now())
    }

    fn least_real(&self) -> Duration {
        self.least_real
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now().saturating_add(duration);
        // The source may run slower than it says (a lab that was paused): ask it, never assume.
        while let Some(left) = until.checked_sub(self.now()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left.div_f64(self.speed).max(Duration::from_micros(50))).await;
        }
    }
}

/// A clock that stands still until it is told to go on: for tests that are exact and take no time.
///
/// [`drive`](Self::drive) runs a future and, whenever it only waits for time, jumps to the next
/// moment that something waits for.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Manual>>);

#[derive(Debug)]
struct Manual {
    now: Duration,
    epoch: Timestamp,
    shift: jiff::SignedDuration,
    next: u64,
    sleepers: BTreeMap<(Duration, u64), Waker>,
}

impl ManualClock {
    /// A clock at zero, on 2025-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Manual {
            now: Duration::ZERO,
            epoch: Timestamp::from_second(1_735_689_600).unwrap_or(Timestamp::UNIX_EPOCH),
            shift: jiff::SignedDuration::ZERO,
            next: 0,
            sleepers: BTreeMap::new(),
        })))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Manual) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let woken = self.with(|manual| {
            manual.now += by;
            let later = manual.sleepers.split_off(&(manual.now, u64::MAX));
            std::mem::replace(&mut manual.sleepers, later)
        });
        woken.into_values().for_each(Waker::wake);
    }

    /// Moves the date, and nothing else: what setting the wall clock does.
    pub fn jump(&self, by: jiff::SignedDuration) {
        self.with(|manual| manual.shift += by);
    }

    /// The moment that the next sleeper waits for.
    pub fn next_wake(&self) -> Option<Duration> {
        self.with(|manual| manual.sleepers.keys().next().map(|(at, _)| *at))
    }

    /// Runs `future` to its end; time jumps ahead whenever it waits for nothing but time.
    ///
    /// The future must do its work itself: what runs in other tasks or threads is not seen, and
    /// time would jump while it works.
    pub async fn drive<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(move |cx| {
            loop {
                let flag = Arc::new(Flag {
                    woken: AtomicBool::new(false),
                    outer: cx.waker().clone(),
                });
                let waker = Waker::from(Arc::clone(&flag));
                if let Poll::Ready(output) =
                    future.as_mut().poll(&mut TaskContext::from_waker(&waker))
                {
                    return Poll::Ready(output);
                }
                if flag.woken.load(Ordering::SeqCst) {
                    continue;
                }
                let Some(next) = self.next_wake() else {
                    return Poll::Pending;
                };
                let now = self.now();
                self.advance(next.saturating_sub(now));
            }
        })
        .await
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

struct Flag {
    woken: AtomicBool,
    outer: Waker,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.outer.wake_by_ref();
    }
}

struct Sleeper {
    clock: ManualClock,
    key: (Duration, u64),
}

impl Future for Sleeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.clock.with(|manual| {
            if manual.now >= self.key.0 {
                Poll::Ready(())
            } else {
                manual.sleepers.insert(self.key, cx.waker().clone());
                Poll::Pending
            }
        })
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.clock.with(|manual| manual.sleepers.remove(&self.key));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.with(|manual| manual.now)
    }

    fn timestamp(&self) -> Timestamp {
        self.with(|manual| {
            later(manual.epoch, manual.now)
                .checked_add(manual.shift)
                .unwrap_or(Timestamp::MAX)
        })
    }

    async fn sleep(&self, duration: Duration) {
        let key = self.with(|manual| {
            manual.next += 1;
            (manual.now.saturating_add(duration), manual.next)
        });
        Sleeper {
            clock: self.clone(),
            key,
        }
        .await;
    }
}
