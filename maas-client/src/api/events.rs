//! Events, script results, discoveries.

use crate::error::Result;
use crate::ids::{EventId, SystemId};
use crate::macros::{at, handle};
use crate::model::{Discovery, Events, ScriptSet};
use crate::params::params;

params! {
    /// Which events to list.
    EventParams {
        /// Names of nodes.
        hostname: Vec<String>,
        /// MAC addresses of nodes.
        mac_address: Vec<String>,
        /// Ids of nodes.
        id: Vec<SystemId>,
        /// Zones of nodes.
        zone: Vec<String>,
        /// The agent that allocated the node.
        agent_name: String,
        /// The least level: `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`.
        level: String,
        /// At most so many, up to 1000.
        limit: u32,
        /// Only those with a smaller id.
        before: EventId,
        /// Only those with a greater id.
        after: EventId,
        /// Whose nodes.
        owner: String,
    }
}

handle! {
    /// Events.
    EventLog
}

impl EventLog {
    /// The newest events that fit, newest first.
    pub async fn query(&self, params: &EventParams) -> Result<Events> {
        self.get("events/")
            .op("query")
            .query_params(params)
            .json()
            .await
    }
}

params! {
    /// Which results to list.
    ResultParams {
        /// `commissioning`, `testing` or `installation`.
        kind as "type": String,
        /// `node`, `cpu`, `memory`, `storage`...
        hardware_type: String,
        /// With the outputs, base64.
        include_output: bool,
        /// Names, tags or ids of scripts, separated by commas.
        filters: String,
    }
}

handle! {
    /// Script results of nodes.
    Results
}

impl Results {
    /// All result sets of a node.
    pub async fn list(&self, node: &SystemId, params: &ResultParams) -> Result<Vec<ScriptSet>> {
        self.get(at!["nodes", node, "results"])
            .query_params(params)
            .json()
            .await
    }

    /// One set: its id, or `current-commissioning`, `current-testing`, `current-installation`.
    pub async fn read(
        &self,
        node: &SystemId,
        set: &str,
        params: &ResultParams,
    ) -> Result<ScriptSet> {
        self.get(at!["nodes", node, "results", set])
            .query_params(params)
            .json()
            .await
    }

    /// Deletes a set.
    pub async fn delete(&self, node: &SystemId, set: &str) -> Result<()> {
        self.del(at!["nodes", node, "results", set]).empty().await
    }
}

handle! {
    /// Neighbours that were seen on the network.
    Discoveries
}

impl Discoveries {
    /// All of them.
    pub async fn list(&self) -> Result<Vec<Discovery>> {
        self.get("discovery/").json().await
    }

    /// One.
    pub async fn read(&self, id: &str) -> Result<Discovery> {
        self.get(at!["discovery", id]).json().await
    }

    /// Those whose address no node has.
    pub async fn by_unknown_ip(&self) -> Result<Vec<Discovery>> {
        self.get("discovery/").op("by_unknown_ip").json().await
    }

    /// Those whose MAC address no node has.
    pub async fn by_unknown_mac(&self) -> Result<Vec<Discovery>> {
        self.get("discovery/").op("by_unknown_mac").json().await
    }

    /// Those of which neither is known.
    pub async fn by_unknown_ip_and_mac(&self) -> Result<Vec<Discovery>> {
        self.get("discovery/")
            .op("by_unknown_ip_and_mac")
            .json()
            .await
    }
}
