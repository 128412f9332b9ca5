//! Instances moved within a server: to another pool, project, or member of its cluster.

use serde_json::{Value, json};

use crate::Result;
use crate::instances::{Instances, path};
use crate::operation::Started;
use crate::request::Request;

impl Instances {
    /// Moves a stopped instance's root disk to another storage pool, its snapshots with it.
    ///
    /// # Errors
    /// Not found; missing extension before LXD 4.11; through the operation, if it runs or the pool
    /// is not there.
    pub async fn move_to_pool(&self, name: &str, pool: &str) -> Result<Started> {
        let attempted = format!("moving {name} to the pool {pool}");
        self.client
            .require(&attempted, &["instance_pool_move"])
            .await?;
        self.relocate(name, json!({"pool": pool}), None).await
    }

    /// Moves a stopped instance to another project; it is reached through a client of that project
    /// afterwards.
    ///
    /// # Errors
    /// Not found; missing extension before LXD 4.21; through the operation, if it runs, or the
    /// project has one of its name or lacks its profiles.
    pub async fn move_to_project(&self, name: &str, project: &str) -> Result<Started> {
        let attempted = format!("moving {name} to the project {project}");
        self.client
            .require(&attempted, &["instance_project_move"])
            .await?;
        self.relocate(name, json!({"project": project}), None).await
    }

    /// Moves a stopped instance to another member of the cluster.
    ///
    /// # Errors
    /// Not found; refused if the server is no member of a cluster or the member is offline.
    pub async fn move_to_member(&self, name: &str, member: &str) -> Result<Started> {
        self.relocate(name, json!({}), Some(member)).await
    }

    async fn relocate(&self, name: &str, to: Value, member: Option<&str>) -> Result<Started> {
        let mut body = to;
        body["name"] = name.into();
        body["migration"] = true.into();
        let mut request = Request::post(path(name)).json(body);
        if let Some(member) = member {
            request = request.query("target", member);
        }
        self.client.change(request).await
    }
}
