//! Lists, read in one way; and objects changed under the guard of their ETag.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::operation::Finished;
use crate::request::Request;
use crate::{Client, Error, ErrorKind, Result};

/// What a list is narrowed and widened by. The project and the cluster member are the client's
/// ([`Client::project`], [`Client::target`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// In LXD's own language, such as `status eq Running and config.user.owner eq me`.
    pub filter: Option<String>,
    /// Of every project instead of the client's.
    pub all_projects: bool,
}

impl Listing {
    /// Everything of the client's project.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only what this filter lets through (`FIELD eq VALUE`, `ne`, joined by `and`, `or`, `not`).
    #[must_use]
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Of every project.
    #[must_use]
    pub fn all_projects(mut self) -> Self {
        self.all_projects = true;
        self
    }
}

/// A collection, and the extensions by which it is narrowed and widened. A server that lacks one
/// ignores the query silently, so that asking anyway would be answered with the wrong things.
pub(crate) struct Collection {
    pub(crate) path: String,
    pub(crate) filter: Option<&'static str>,
    pub(crate) all_projects: Option<&'static str>,
}

impl Client {
    /// A list at some depth; `null` is an empty one.
    pub(crate) async fn collect<T: DeserializeOwned>(&self, request: Request) -> Result<Vec<T>> {
        let listed = self.fetch::<Option<Vec<T>>>(request).await?;
        Ok(listed.into_inner().unwrap_or_default())
    }

    /// A collection's objects (recursion 1 or 2).
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        collection: Collection,
        recursion: u8,
        listing: &Listing,
    ) -> Result<Vec<T>> {
        let attempted = format!("listing {}", collection.path);
        let mut request = Request::get(collection.path).query("recursion", recursion.to_string());
        if let Some(filter) = &listing.filter {
            let Some(extension) = collection.filter else {
                let what = "LXD filters instances, images and volumes only; filter what is listed";
                return Err(Error::invalid(attempted, what));
            };
            self.require(&attempted, &[extension]).await?;
            request = request.query("filter", filter);
        }
        if listing.all_projects {
            let Some(extension) = collection.all_projects else {
                let what = "these do not belong to projects, or LXD cannot list those of all";
                return Err(Error::invalid(attempted, what));
            };
            self.require(&attempted, &[extension]).await?;
            request = request.query("all-projects", "true");
        }
        self.collect(request).await
    }

    /// The names of a collection's objects (recursion 0), without their projects.
    pub(crate) async fn names(&self, path: String) -> Result<Vec<String>> {
        let paths: Vec<String> = self.collect(Request::get(path)).await?;
        Ok(paths.iter().map(|path| last_segment(path)).collect())
    }

    /// Reads an object, changes it, writes it; and again if somebody else wrote in between
    /// (`change` then runs on what was read anew).
    pub(crate) async fn modify<T: DeserializeOwned>(
        &self,
        path: &str,
        put: impl Fn(&T) -> Value,
        mut change: impl FnMut(&mut T),
    ) -> Result<Finished> {
        let mut last = None;
        for _ in 0..10 {
            let mut object = self.get::<T>(path).await?;
            let etag = object.etag().cloned();
            change(&mut object);
            match self.put(path, put(&object), etag.as_ref()).await {
                Ok(started) => match started.wait().await {
                    Err(e) if e.is_precondition_failed() || is_in_the_way(&e) => last = Some(e),
                    ended => return ended,
                },
                Err(e) if e.is_precondition_failed() => last = Some(e),
                Err(e) => return Err(e),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(last
            .unwrap_or_else(|| Error::new(ErrorKind::Precondition, path, "changed all the time")))
    }
}

/// Two updates at once: the second's operation fails, whichever way the first one ended.
fn is_in_the_way(e: &Error) -> bool {
    e.message().contains("matching non-reusable operation")
        || e.message().contains("Instance is busy")
}

/// The name that a path ends in, unescaped.
pub(crate) fn last_segment(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    // `+` stands for itself in a path.
    let form = format!("x={}", last.replace('+', "%2B"));
    url::form_urlencoded::parse(form.as_bytes())
        .next()
        .map(|(_, name)| name.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::last_segment;

    #[test]
    fn names_are_unescaped() {
        assert_eq!(last_segment("/1.0/profiles/a%20b+c?project=p"), "a b+c");
        assert_eq!(last_segment("/1.0/networks/lxdbr0"), "lxdbr0");
    }
}
