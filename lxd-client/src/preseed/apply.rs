//! Applying a preseed, and taking it back where it fails.

use serde_json::json;

use super::compare::server_config;
use super::{Preseed, PreseedPlan, is_secret};
use crate::request::Request;
use crate::types::Config;
use crate::{Client, Error, Result};

impl Client {
    /// Makes the server as the preseed wants it, as `lxd init --preseed` does, and tells what was
    /// changed. Doing it twice changes nothing the second time. If a change fails, those made
    /// before are taken back, in reverse; the error says if that failed too.
    ///
    /// Passwords in the server configuration are written each time, as the server does not tell
    /// them; one that was set before cannot be brought back.
    ///
    /// Not cancel safe: a future that is dropped in the middle leaves what was done, and takes
    /// nothing back. Applying it again completes it.
    ///
    /// # Errors
    /// The change that failed, with LXD's reason.
    pub async fn apply_preseed(&self, preseed: &Preseed) -> Result<PreseedPlan> {
        preseed.check()?;
        let mut done = PreseedPlan::default();
        done.notes.extend(preseed.passed_over());
        let mut undo: Vec<(String, Request)> = Vec::new();
        match self.preseed_forward(preseed, &mut done, &mut undo).await {
            Ok(()) => Ok(done),
            Err(cause) => {
                let mut left = Vec::new();
                for (object, request) in undo.into_iter().rev() {
                    let taken_back = match self.change(request).await {
                        Ok(started) => started.wait().await.map(|_| ()),
                        Err(e) => Err(e),
                    };
                    match taken_back {
                        Ok(()) => {}
                        Err(e) if e.is_not_found() => {}
                        Err(e) => left.push(format!("{object} ({})", e.message())),
                    }
                }
                if left.is_empty() {
                    return Err(cause);
                }
                Err(Error::new(
                    cause.kind(),
                    cause.attempted().to_owned(),
                    format!(
                        "{}; and these changes could not be taken back: {}",
                        cause.message(),
                        left.join(", ")
                    ),
                )
                .unclear(true)
                .with_source(cause))
            }
        }
    }

    async fn preseed_forward(
        &self,
        preseed: &Preseed,
        done: &mut PreseedPlan,
        undo: &mut Vec<(String, Request)>,
    ) -> Result<()> {
        for item in preseed.items() {
            let Some(step) = self.preseed_step(item, &mut done.notes).await? else {
                continue;
            };
            let object = step.change.object.clone();
            let named = |e: Error| {
                let kind = e.kind();
                let unclear = e.is_unclear();
                let mut text = format!("{}: {}", e.attempted(), e.message());
                if let Some(status) = e.status() {
                    text.push_str(&format!(" (status {status})"));
                }
                Error::new(kind, format!("preseed: {object}"), text)
                    .unclear(unclear)
                    .with_source(e)
            };
            let ended = match self.change(step.forward).await {
                Ok(started) => started.wait().await,
                Err(e) => Err(e),
            };
            match ended {
                Ok(_) => {}
                Err(e) => {
                    // What may have happened is taken back like what has.
                    if e.is_unclear() {
                        undo.extend(step.backward.map(|r| (step.change.object.clone(), r)));
                    }
                    return Err(named(e));
                }
            }
            undo.extend(step.backward.map(|r| (step.change.object.clone(), r)));
            done.changes.push(step.change);
        }
        match preseed.joining() {
            Some(_) => Ok(()),
            None => self.write_secrets(preseed).await,
        }
    }

    /// Secrets that stand already, and so were no change, may be others than the preseed's.
    async fn write_secrets(&self, preseed: &Preseed) -> Result<()> {
        if !preseed.config.keys().any(|k| is_secret(k)) {
            return Ok(());
        }
        let server = self.server().await?.into_inner();
        let secrets: Config = server_config(&preseed.config, &server, &mut Vec::new())
            .into_iter()
            .filter(|(k, v)| is_secret(k) && !v.is_empty())
            .collect();
        if secrets.is_empty() {
            return Ok(());
        }
        self.change(Request::patch("/1.0").json(json!({"config": secrets})))
            .await?
            .wait()
            .await?;
        Ok(())
    }
}
