//! Tags.

use crate::error::Result;
use crate::ids::SystemId;
use crate::macros::{at, handle};
use crate::model::{Controller, Machine, Tag, TagUpdate};
use crate::params::params;

params! {
    /// What a tag has besides its name.
    TagParams {
        /// A new name (update only).
        name: String,
        /// What it is for.
        comment: String,
        /// An XPath expression over the hardware description that sets it.
        definition: String,
        /// Kernel options for the machines that have it.
        kernel_opts: String,
    }
}

handle! {
    /// Tags.
    Tags
}

impl Tags {
    /// All tags.
    pub async fn list(&self) -> Result<Vec<Tag>> {
        self.get("tags/").json().await
    }

    /// Makes a tag. Filters and constraints that name a tag which does not exist are refused.
    pub async fn create(&self, name: &str, params: &TagParams) -> Result<Tag> {
        self.post("tags/")
            .form("name", name)
            .params(params)
            .json()
            .await
    }

    /// One tag.
    pub async fn read(&self, name: &str) -> Result<Tag> {
        self.get(at!["tags", name]).json().await
    }

    /// Changes a tag.
    pub async fn update(&self, name: &str, params: &TagParams) -> Result<Tag> {
        self.put(at!["tags", name]).params(params).json().await
    }

    /// Deletes a tag.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.del(at!["tags", name]).empty().await
    }

    /// Gives the tag to some nodes and takes it from others. Ids that do not exist are passed over:
    /// compare the counts.
    pub async fn update_nodes(
        &self,
        name: &str,
        add: &[SystemId],
        remove: &[SystemId],
    ) -> Result<TagUpdate> {
        self.post(at!["tags", name])
            .op("update_nodes")
            .form("add", add)
            .form("remove", remove)
            .repeatable()
            .json()
            .await
    }

    /// The machines that have it.
    pub async fn machines(&self, name: &str) -> Result<Vec<Machine>> {
        self.get(at!["tags", name]).op("machines").json().await
    }

    /// The rack controllers that have it.
    pub async fn rack_controllers(&self, name: &str) -> Result<Vec<Controller>> {
        self.get(at!["tags", name])
            .op("rack_controllers")
            .json()
            .await
    }

    /// The region controllers that have it.
    pub async fn region_controllers(&self, name: &str) -> Result<Vec<Controller>> {
        self.get(at!["tags", name])
            .op("region_controllers")
            .json()
            .await
    }
}
