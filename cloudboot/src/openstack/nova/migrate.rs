//! Moving servers, and finding out what became of it.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::types::{Migration, MigrationId, RequestId, Server, ServerId, ServerStatus};
use super::{Nova, query};
use crate::rest::Result;

/// What became of a move.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Move {
    /// It goes on.
    Running {
        /// The migration, once Nova has made one.
        migration: Option<Migration>,
    },
    /// The server is on another host, and nothing is left to be done with it.
    Done {
        /// The host.
        host: String,
    },
    /// The server is where it was.
    Failed {
        /// Nova's reasons.
        reason: String,
    },
}

impl Nova {
    /// Asks for a running server to be moved to `host`, or to one that the scheduler picks. 202 means only that it was asked: see
    /// [`Nova::moved`]. 409 for a server that does not run; 400 for a host that does not exist.
    pub async fn live_migrate(&self, id: &ServerId, host: Option<&str>) -> Result<RequestId> {
        self.act(
            id,
            &json!({"os-migrateLive": {"host": host, "block_migration": "auto"}}),
        )
        .await
    }

    /// Asks for the server of a dead host to be made again elsewhere. The host must be fenced and [forced down](Nova::force_down) first:
    /// 400 `Compute service of ... is still in use.` otherwise.
    pub async fn evacuate(&self, id: &ServerId, host: Option<&str>) -> Result<RequestId> {
        let how = host.map_or_else(|| json!({}), |host| json!({"host": host}));
        self.act(id, &json!({"evacuate": how})).await
    }

    /// The live migrations of a server that go on, with their progress. The list empties when they are over.
    pub async fn running_migrations(&self, id: &ServerId) -> Result<Vec<Migration>> {
        Ok(self
            .get::<Found>(&format!("servers/{id}/migrations"))
            .await?
            .migrations)
    }

    /// The migrations, of one server or from and to one host if asked so, over or not.
    pub async fn migrations(
        &self,
        server: Option<&ServerId>,
        host: Option<&str>,
    ) -> Result<Vec<Migration>> {
        let query = query(&[
            ("instance_uuid", server.map(ServerId::as_str)),
            ("host", host),
        ]);
        Ok(self
            .get::<Found>(&format!("os-migrations{query}"))
            .await?
            .migrations)
    }

    /// Makes a live migration end: the server is paused or its memory fetched afterwards, as the hypervisor is set up.
    pub async fn force_complete(&self, id: &ServerId, migration: MigrationId) -> Result<()> {
        let path = format!("servers/{id}/migrations/{}/action", migration.0);
        self.send(Method::POST, &path, Some(&json!({"force_complete": null})))
            .await
            .map(|_| ())
    }

    /// Ends a live migration: the server stays where it is.
    pub async fn abort_migration(&self, id: &ServerId, migration: MigrationId) -> Result<()> {
        self.send(
            Method::DELETE,
            &format!("servers/{id}/migrations/{}", migration.0),
            None,
        )
        .await
        .map(|_| ())
    }

    /// What became of the move of `id` away from `source` that `request` asked for.
    ///
    /// It is done when the latest migration is over without failure, the server is on another host than `source`, and nothing more is
    /// being done with it; whether its booking has moved as well is [`Placement::booked_on`](crate::openstack::Placement::booked_on).
    pub async fn moved(&self, id: &ServerId, source: &str, request: &RequestId) -> Result<Move> {
        let migration = self
            .migrations(Some(id), None)
            .await?
            .into_iter()
            .max_by_key(|m| m.id);
        let server = self.server(id).await?;
        let ours = migration.filter(|m| m.source_compute.as_deref().is_none_or(|s| s == source));
        let resting = server.task_state.is_none()
            && server.status != ServerStatus::Migrating
            && server.status != ServerStatus::Rebuild;
        match ours {
            Some(m) if m.status.is_failure() && resting => Ok(Move::Failed {
                reason: self.why(&server, request, &m).await,
            }),
            Some(m) if m.status.is_over() && !m.status.is_failure() && resting => match server.host
            {
                Some(host) if host != source => Ok(Move::Done { host }),
                _ => Ok(Move::Running { migration: Some(m) }),
            },
            migration => Ok(Move::Running { migration }),
        }
    }

    /// Nova's reasons, from the action's events; the migration's own words if there are none.
    async fn why(&self, server: &Server, request: &RequestId, migration: &Migration) -> String {
        let mut reasons: Vec<String> = Vec::new();
        if let Ok(action) = self.action(&server.id, request).await {
            reasons.extend(
                action
                    .events
                    .into_iter()
                    .filter_map(|e| e.details)
                    .filter(|d| !d.is_empty()),
            );
            if reasons.is_empty() {
                reasons.extend(action.message);
            }
        }
        reasons.dedup();
        let target = migration.dest_compute.as_deref().unwrap_or("no host");
        match reasons.is_empty() {
            true => format!("the migration to {target} ended as {}", migration.status),
            false => format!(
                "the migration to {target} ended as {}: {}",
                migration.status,
                reasons.join("; ")
            ),
        }
    }
}

#[derive(Deserialize)]
struct Found {
    migrations: Vec<Migration>,
}
