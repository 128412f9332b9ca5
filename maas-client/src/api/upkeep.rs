//! Scripts, files, messages, package repositories.

use bytes::Bytes;

use crate::error::Result;
use crate::ids::{NotificationId, PackageRepositoryId, SystemId};
use crate::macros::{at, bare, handle};
use crate::model::{
    CommissioningScript, InstallationResult, Notification, PackageRepository, Script, StoredFile,
};
use crate::params::params;

params! {
    /// Which scripts to list.
    ScriptFilter {
        /// `commissioning` or `testing`.
        kind as "type": String,
        /// The hardware's type.
        hardware_type: String,
        /// With their contents, base64.
        include_script: bool,
        /// Names, tags or ids, separated by commas.
        filters: String,
    }
}

params! {
    /// What a script has.
    ScriptParams {
        /// What people read.
        title: String,
        /// What it does.
        description: String,
        /// Tags, separated by commas.
        tags: String,
        /// `commissioning` or `testing`.
        kind as "type": String,
        /// The hardware's type.
        hardware_type: String,
        /// `disabled`, `instance` or `any`.
        parallel: String,
        /// How long it may run, in seconds.
        timeout: String,
        /// Whether it destroys data.
        destructive: bool,
        /// Hardware it is for.
        for_hardware: String,
        /// Whether it may boot the machine.
        may_reboot: bool,
        /// Whether commissioning runs again after it.
        recommission: bool,
        /// Whether it runs with the network as configured.
        apply_configured_networking: bool,
        /// The script itself.
        script: String,
        /// Why it is changed.
        comment: String,
    }
}

params! {
    /// Which results to list.
    InstallationResultFilter {
        /// Of these nodes.
        system_id: Vec<SystemId>,
        /// Of these names.
        name: Vec<String>,
        /// Of this type.
        result_type: String,
    }
}

params! {
    /// What a message has.
    NotificationParams {
        /// The text.
        message: String,
        /// Values for the text, as JSON.
        context: String,
        /// `error`, `warning`, `success` or `info`.
        category: String,
        /// A name by which a program finds it again.
        ident: String,
        /// To the user with this id.
        user: String,
        /// To all users.
        users: bool,
        /// To all administrators.
        admins: bool,
        /// Whether a user can take it off.
        dismissable: bool,
    }
}

params! {
    /// What a package repository has.
    PackageRepositoryParams {
        /// Its name.
        name: String,
        /// Its URL.
        url: String,
        /// Its distributions, separated by commas.
        distributions: String,
        /// Pockets not to use.
        disabled_pockets: String,
        /// Components not to use.
        disabled_components: String,
        /// Leave sources out.
        disable_sources: bool,
        /// Its components.
        components: String,
        /// Its architectures.
        arches: String,
        /// The key that signs it.
        key: String,
        /// Whether it is used.
        enabled: bool,
    }
}

handle! {
    /// Commissioning and testing scripts.
    Scripts
}

impl Scripts {
    /// The scripts that pass the filter.
    pub async fn list(&self, params: &ScriptFilter) -> Result<Vec<Script>> {
        self.get("scripts/").query_params(params).json().await
    }

    /// Adds a script.
    pub async fn create(&self, name: &str, params: &ScriptParams) -> Result<Script> {
        self.post("scripts/")
            .form("name", name)
            .params(params)
            .json()
            .await
    }

    /// One script.
    pub async fn read(&self, name: &str) -> Result<Script> {
        self.get(bare!["scripts", name]).json().await
    }

    /// Changes a script.
    pub async fn update(&self, name: &str, params: &ScriptParams) -> Result<Script> {
        self.put(bare!["scripts", name]).params(params).json().await
    }

    /// Deletes a script.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.del(bare!["scripts", name]).empty().await
    }

    /// Adds a tag.
    pub async fn add_tag(&self, name: &str, tag: &str) -> Result<Script> {
        self.post(bare!["scripts", name])
            .op("add_tag")
            .form("tag", tag)
            .json()
            .await
    }

    /// Takes a tag away.
    pub async fn remove_tag(&self, name: &str, tag: &str) -> Result<Script> {
        self.post(bare!["scripts", name])
            .op("remove_tag")
            .form("tag", tag)
            .json()
            .await
    }

    /// Takes an older version again: its id, or how many steps back as a negative number.
    pub async fn revert(&self, name: &str, to: i64) -> Result<Script> {
        self.post(bare!["scripts", name])
            .op("revert")
            .form("to", to)
            .json()
            .await
    }

    /// The script itself.
    pub async fn download(&self, name: &str, revision: Option<i64>) -> Result<Bytes> {
        self.get(bare!["scripts", name])
            .op("download")
            .query("revision", revision)
            .bytes()
            .await
    }
}

handle! {
    /// Commissioning scripts as before 2.3.
    CommissioningScripts
}

impl CommissioningScripts {
    /// Their names.
    pub async fn list(&self) -> Result<Vec<String>> {
        self.get("commissioning-scripts/").json().await
    }

    /// Adds one.
    pub async fn create(
        &self,
        name: &str,
        content: impl Into<Bytes>,
    ) -> Result<CommissioningScript> {
        self.post("commissioning-scripts/")
            .form("name", name)
            .file("content", content)
            .json()
            .await
    }

    /// The script itself.
    pub async fn read(&self, name: &str) -> Result<Bytes> {
        self.get(bare!["commissioning-scripts", name]).bytes().await
    }

    /// Changes one.
    pub async fn update(
        &self,
        name: &str,
        content: impl Into<Bytes>,
    ) -> Result<CommissioningScript> {
        self.put(bare!["commissioning-scripts", name])
            .file("content", content)
            .json()
            .await
    }

    /// Deletes one.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.del(bare!["commissioning-scripts", name]).empty().await
    }
}

handle! {
    /// Results as before 2.0.
    InstallationResults
}

impl InstallationResults {
    /// The results that pass the filter.
    pub async fn list(&self, params: &InstallationResultFilter) -> Result<Vec<InstallationResult>> {
        self.get("installation-results/")
            .query_params(params)
            .json()
            .await
    }
}

handle! {
    /// Files that users keep in MAAS.
    Files
}

impl Files {
    /// The files whose names begin so.
    pub async fn list(&self, prefix: Option<&str>) -> Result<Vec<StoredFile>> {
        self.get("files/").query("prefix", prefix).json().await
    }

    /// Keeps a file.
    pub async fn create(&self, filename: &str, file: impl Into<Bytes>) -> Result<()> {
        self.post("files/")
            .form("filename", filename)
            .file("file", file)
            .empty()
            .await
    }

    /// A file's content.
    pub async fn get_content(&self, filename: &str) -> Result<Bytes> {
        self.get("files/")
            .op("get")
            .query("filename", filename)
            .bytes()
            .await
    }

    /// A file's content, by its key; needs no login.
    pub async fn get_by_key(&self, key: &str) -> Result<Bytes> {
        self.get("files/")
            .op("get_by_key")
            .query("key", key)
            .bytes()
            .await
    }

    /// Deletes the file named in the query.
    pub async fn delete_named(&self, filename: &str) -> Result<()> {
        self.del("files/").query("filename", filename).empty().await
    }

    /// A file, its content base64.
    pub async fn read(&self, filename: &str) -> Result<StoredFile> {
        self.get(at!["files", filename]).json().await
    }

    /// Deletes a file.
    pub async fn delete(&self, filename: &str) -> Result<()> {
        self.del(at!["files", filename]).empty().await
    }
}

handle! {
    /// Messages to users.
    Notifications
}

impl Notifications {
    /// All messages.
    pub async fn list(&self) -> Result<Vec<Notification>> {
        self.get("notifications/").json().await
    }

    /// Makes a message.
    pub async fn create(&self, params: &NotificationParams) -> Result<Notification> {
        self.post("notifications/").params(params).json().await
    }

    /// One message.
    pub async fn read(&self, id: NotificationId) -> Result<Notification> {
        self.get(at!["notifications", id]).json().await
    }

    /// Changes a message.
    pub async fn update(
        &self,
        id: NotificationId,
        params: &NotificationParams,
    ) -> Result<Notification> {
        self.put(at!["notifications", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a message.
    pub async fn delete(&self, id: NotificationId) -> Result<()> {
        self.del(at!["notifications", id]).empty().await
    }

    /// Takes a message off the user's page.
    pub async fn dismiss(&self, id: NotificationId) -> Result<()> {
        self.post(at!["notifications", id])
            .op("dismiss")
            .empty()
            .await
    }
}

handle! {
    /// Where deployed machines get packages.
    PackageRepositories
}

impl PackageRepositories {
    /// All repositories.
    pub async fn list(&self) -> Result<Vec<PackageRepository>> {
        self.get("package-repositories/").json().await
    }

    /// Makes a repository.
    pub async fn create(&self, params: &PackageRepositoryParams) -> Result<PackageRepository> {
        self.post("package-repositories/")
            .params(params)
            .json()
            .await
    }

    /// One repository.
    pub async fn read(&self, id: PackageRepositoryId) -> Result<PackageRepository> {
        self.get(at!["package-repositories", id]).json().await
    }

    /// Changes a repository.
    pub async fn update(
        &self,
        id: PackageRepositoryId,
        params: &PackageRepositoryParams,
    ) -> Result<PackageRepository> {
        self.put(at!["package-repositories", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a repository.
    pub async fn delete(&self, id: PackageRepositoryId) -> Result<()> {
        self.del(at!["package-repositories", id]).empty().await
    }
}
