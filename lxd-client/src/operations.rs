//! The server's background operations, whoever started them.

use std::collections::BTreeMap;

use crate::operation::{Operation, OperationId, Started};
use crate::request::{Request, segment};
use crate::{Client, Result};

/// The server's background operations.
#[derive(Debug, Clone)]
pub struct Operations {
    client: Client,
}

impl Client {
    /// The server's background operations.
    pub fn operations(&self) -> Operations {
        Operations {
            client: self.clone(),
        }
    }
}

impl Operations {
    /// All of the client's project, running ones and those that ended in the last five seconds, and
    /// those that belong to no project.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list(&self) -> Result<Vec<Operation>> {
        self.grouped(Request::get("/1.0/operations").query("recursion", "1"))
            .await
    }

    /// Those of every project, and those that belong to none. Before LXD 5.17 the projects are
    /// asked one by one.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list_all_projects(&self) -> Result<Vec<Operation>> {
        let all = || Request::get("/1.0/operations").query("recursion", "1");
        let extension = "operations_get_query_all_projects";
        if self.client.has_extension(extension).await? {
            return self.grouped(all().query("all-projects", "true")).await;
        }
        let mut by_id = BTreeMap::new();
        for project in self.client.projects().names().await? {
            // Those of no project are told in each.
            for operation in self.grouped(all().query("project", project)).await? {
                by_id.insert(operation.id.clone(), operation);
            }
        }
        Ok(by_id.into_values().collect())
    }

    /// `{}` when there is none, else lists grouped by status.
    async fn grouped(&self, request: Request) -> Result<Vec<Operation>> {
        let grouped = self
            .client
            .fetch::<Option<BTreeMap<String, Option<Vec<Operation>>>>>(request)
            .await?
            .into_inner()
            .unwrap_or_default();
        Ok(grouped.into_values().flatten().flatten().collect())
    }

    /// One operation, as it is now.
    ///
    /// # Errors
    /// Not found, if it ended more than five seconds ago.
    pub async fn get(&self, id: &OperationId) -> Result<Operation> {
        Ok(self.client.get::<Operation>(&path(id)).await?.into_inner())
    }

    /// Joins an operation that was started elsewhere or in an earlier run.
    ///
    /// # Errors
    /// Not found, if it ended more than five seconds ago.
    pub async fn join(&self, id: &OperationId) -> Result<Started> {
        let first = self.get(id).await?;
        Ok(Started::joined(&self.client, id, first))
    }

    /// Asks the server to cancel an operation.
    ///
    /// # Errors
    /// If it cannot be cancelled or is over.
    pub async fn cancel(&self, id: &OperationId) -> Result<()> {
        self.client.send(Request::delete(path(id))).await?;
        Ok(())
    }
}

fn path(id: &OperationId) -> String {
    format!("/1.0/operations/{}", segment(id.as_str()))
}
