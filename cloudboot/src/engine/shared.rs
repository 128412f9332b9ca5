//! One look at a system for all who wait on it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::{Context, Error};

type Fetch<T> = Box<dyn Fn() -> BoxFuture<'static, Result<T, Error>> + Send + Sync>;

/// A view of a system that many waiters share: a hundred steps that wait for a hundred machines
/// list the machines once, not a hundred times. Clones share the view.
///
/// ```
/// # use cloudboot::engine::{Context, Error, Shared};
/// # use std::time::Duration;
/// # async fn list_machines() -> Result<Vec<String>, Error> { Ok(vec![]) }
/// # async fn poll(cx: &Context) -> Result<(), Error> {
/// let machines = Shared::new(Duration::from_secs(2), || async { list_machines().await });
/// let now = machines.get(cx).await?; // asks the system
/// let same = machines.get(cx).await?; // younger than 2 s: shared
/// # Ok(()) }
/// ```
pub struct Shared<T>(Arc<Inner<T>>);

/// When its fetch began, and what it came to.
type View<T> = (Duration, Result<Arc<T>, Error>);

struct Inner<T> {
    max_age: Duration,
    fetch: Fetch<T>,
    last: Mutex<Option<View<T>>>,
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// A view that `fetch` takes anew when the last one is older than `max_age`.
    pub fn new<F, Fut>(max_age: Duration, fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        Self(Arc::new(Inner {
            max_age,
            fetch: Box::new(move || Box::pin(fetch())),
            last: Mutex::new(None),
        }))
    }

    /// The view, no older than `max_age` at the time of the call. Of several callers one fetches and
    /// the others wait for it. Cancel safe: where the one that fetches is dropped, another fetches.
    ///
    /// # Errors
    /// What the fetch failed with; it is shared like a view.
    pub async fn get(&self, cx: &Context) -> Result<Arc<T>, Error> {
        let oldest = cx.clock().now().saturating_sub(self.0.max_age);
        self.since(cx, oldest).await
    }

    /// A view taken after this call: for who has just changed the system.
    ///
    /// # Errors
    /// What the fetch failed with.
    pub async fn fresh(&self, cx: &Context) -> Result<Arc<T>, Error> {
        self.0.last.lock().await.take();
        self.since(cx, cx.clock().now()).await
    }

    async fn since(&self, cx: &Context, oldest: Duration) -> Result<Arc<T>, Error> {
        let mut last = self.0.last.lock().await;
        if let Some((at, view)) = &*last
            && *at >= oldest
        {
            return view.clone();
        }
        // The view is as old as the beginning of its fetch: what happens meanwhile may not be in it.
        let begun = cx.clock().now();
        let view = (self.0.fetch)().await.map(Arc::new);
        *last = Some((begun, view.clone()));
        view
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("max_age", &self.0.max_age)
            .finish_non_exhaustive()
    }
}
