//! An instance's console, what it wrote there, and LXD's own logs of it.

use bytes::Bytes;
use serde_json::json;

use crate::instances::{Instances, path};
use crate::request::{Request, segment};
use crate::{ExecSession, Result};

impl Instances {
    /// Opens an instance's console: what `lxc console` does. The session's output is the console's,
    /// and what is written to it is typed there. There is no command and so no exit code: dropping
    /// the session (or [`ExecSession::close_stdin`]) leaves the console.
    ///
    /// # Errors
    /// Not found; refused if the instance does not run or its console is in use.
    pub async fn console(&self, name: &str, columns: u16, rows: u16) -> Result<ExecSession> {
        let attempted = format!("opening the console of {name}");
        self.client.require(&attempted, &["console"]).await?;
        let body = json!({"type": "console", "width": columns, "height": rows});
        let request = Request::post(format!("{}/console", path(name))).json(body);
        let started = self.client.change(request).await?;
        self.session(attempted, started, true).await
    }

    /// Empties the console's ring buffer.
    ///
    /// # Errors
    /// Not found, of the instance or the buffer.
    pub async fn clear_console_log(&self, name: &str) -> Result<()> {
        let request = Request::delete(format!("{}/console", path(name)));
        self.client.change(request).await?.wait().await?;
        Ok(())
    }

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
        self.client.names(format!("{}/logs", path(name))).await
    }

    /// One of them.
    ///
    /// # Errors
    /// Not found.
    pub async fn log(&self, name: &str, log: &str) -> Result<Bytes> {
        let request = Request::get(format!("{}/logs/{}", path(name), segment(log)));
        Ok(self.client.raw(request).await?.1)
    }

    /// Deletes one of them.
    ///
    /// # Errors
    /// Not found; refused for those that LXD keeps.
    pub async fn delete_log(&self, name: &str, log: &str) -> Result<()> {
        let request = Request::delete(format!("{}/logs/{}", path(name), segment(log)));
        self.client.change(request).await?.wait().await?;
        Ok(())
    }
}
