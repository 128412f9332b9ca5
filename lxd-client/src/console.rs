//! What an instance wrote on its console, and LXD's own logs of it.

use bytes::Bytes;

use crate::Result;
use crate::instances::{Instances, path};
use crate::request::{Request, segment};

impl Instances {
    /// The console's ring buffer (containers; of VMs where the server keeps one).
    ///
    /// # Errors
    /// Not found; refused where the instance has none or does not run.
    pub async fn console_log(&self, name: &str) -> Result<Bytes> {
        let request = Request::get(format!("{}/console", path(name)));
        Ok(self.client.raw(request).await?.1)
    }

    /// The names of LXD's logs of it.
    ///
    /// # Errors
    /// Not found.
    pub async fn logs(&self, name: &str) -> Result<Vec<String>> {
        let paths = self
            .client
            .get::<Option<Vec<String>>>(&format!("{}/logs", path(name)))
            .await?
            .into_inner()
            .unwrap_or_default();
        Ok(paths
            .iter()
            .filter_map(|p| p.rsplit('/').next())
            .map(str::to_owned)
            .collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// Not found.
    pub async fn log(&self, name: &str, log: &str) -> Result<Bytes> {
        let request = Request::get(format!("{}/logs/{}", path(name), segment(log)));
        Ok(self.client.raw(request).await?.1)
    }
}
