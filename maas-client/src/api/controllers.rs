//! Rack and region controllers.

use serde_json::Value;

use crate::error::Result;
use crate::ids::SystemId;
use crate::macros::{at, handle};
use crate::model::{Controller, PowerParameterMap, PowerQuery, RackImages};
use crate::params::{PowerParameters, params};

params! {
    /// What can be changed of a controller.
    ControllerParams {
        /// Free text.
        description: String,
        /// Its domain.
        domain: String,
        /// Its zone.
        zone: String,
        /// Its power driver.
        power_type: String,
        /// The power driver's parameters.
        power_parameters: PowerParameters,
        /// Take the power parameters as they are.
        skip_check as "power_parameters_skip_check": bool,
    }
}

handle! {
    /// Rack controllers.
    Racks
}

impl Racks {
    /// All of them, with their services.
    pub async fn list(&self) -> Result<Vec<Controller>> {
        self.get("rackcontrollers/").json().await
    }

    /// One rack.
    pub async fn read(&self, id: &SystemId) -> Result<Controller> {
        self.get(at!["rackcontrollers", id]).json().await
    }

    /// Changes a rack.
    pub async fn update(&self, id: &SystemId, params: &ControllerParams) -> Result<Controller> {
        self.put(at!["rackcontrollers", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a rack, even one that serves VLANs when `force` is set.
    pub async fn delete(&self, id: &SystemId, force: bool) -> Result<()> {
        self.del(at!["rackcontrollers", id])
            .query("force", force.then_some(true))
            .empty()
            .await
    }

    /// The images that a rack has, whether it is connected, and whether it has all.
    pub async fn list_boot_images(&self, id: &SystemId) -> Result<RackImages> {
        self.get(at!["rackcontrollers", id])
            .op("list_boot_images")
            .json()
            .await
    }

    /// Makes one rack get the region's images.
    pub async fn import_boot_images(&self, id: &SystemId) -> Result<()> {
        self.post(at!["rackcontrollers", id])
            .op("import_boot_images")
            .repeatable()
            .empty()
            .await
    }

    /// Makes all racks get the region's images.
    pub async fn import_boot_images_all(&self) -> Result<()> {
        self.post("rackcontrollers/")
            .op("import_boot_images")
            .repeatable()
            .empty()
            .await
    }

    /// The power drivers with their fields.
    pub async fn describe_power_types(&self) -> Result<Vec<PowerType>> {
        self.get("rackcontrollers/")
            .op("describe_power_types")
            .json()
            .await
    }

    /// Asks a rack's BMC.
    pub async fn query_power_state(&self, id: &SystemId) -> Result<PowerQuery> {
        self.get(at!["rackcontrollers", id])
            .op("query_power_state")
            .json()
            .await
    }

    /// A rack's power parameters.
    pub async fn power_parameters(&self, id: &SystemId) -> Result<PowerParameterMap> {
        self.get(at!["rackcontrollers", id])
            .op("power_parameters")
            .secret()
            .json()
            .await
    }
}

crate::macros::model! {
    /// A power driver.
    PowerType {
        [
            /// Its name, such as `ipmi`.
            name: String,
        ]
        /// What it is.
        description: String,
        /// `power` or `pod`.
        driver_type: String,
        /// Its fields.
        fields: Vec<PowerField>,
        /// Programs that it lacks.
        missing_packages: Vec<String>,
        /// Whether it can compose machines.
        chassis: bool,
        /// Whether it can be asked.
        queryable: bool,
        /// Whether what it can do is found by asking (a chassis).
        can_probe: bool,
        /// What a machine composed by it has where nothing is said.
        defaults: Option<ComposeDefaults>,
    }
}

crate::macros::model! {
    /// What a composed machine has where nothing is said.
    ComposeDefaults {
        /// Cores.
        cores: u32,
        /// Memory in MiB.
        memory: u64,
        /// The disk in GB.
        storage: u64,
    }
}

crate::macros::model! {
    /// A field of a power driver.
    PowerField {
        [
            /// Its name.
            name: String,
        ]
        /// What people read.
        label: String,
        /// `string`, `choice`, `mac_address`, `password`...
        field_type: String,
        /// Whether it must be given.
        required: bool,
        /// Whether it is a secret (3.3 and later).
        secret: bool,
        /// `bmc` or `node`.
        scope: String,
        /// What it is when not given.
        default: Value,
        /// What can be chosen.
        choices: Vec<Vec<String>>,
    }
}

handle! {
    /// Region controllers.
    Regions
}

impl Regions {
    /// All of them.
    pub async fn list(&self) -> Result<Vec<Controller>> {
        self.get("regioncontrollers/").json().await
    }

    /// One region controller.
    pub async fn read(&self, id: &SystemId) -> Result<Controller> {
        self.get(at!["regioncontrollers", id]).json().await
    }

    /// Changes one.
    pub async fn update(&self, id: &SystemId, params: &ControllerParams) -> Result<Controller> {
        self.put(at!["regioncontrollers", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes one.
    pub async fn delete(&self, id: &SystemId, force: bool) -> Result<()> {
        self.del(at!["regioncontrollers", id])
            .query("force", force.then_some(true))
            .empty()
            .await
    }
}
