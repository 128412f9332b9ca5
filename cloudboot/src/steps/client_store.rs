//! The official client's files, so that `juju` works on the operator's machine: `JUJU_DATA=<access.dir>/juju juju status`.

use std::path::PathBuf;

use juju_client::api::cloud::{Cloud, CloudCredential};
use juju_client::{Client as Juju, ControllerAccess, ModelUuid, Store};
use secrecy::ExposeSecret as _;

use super::{Attempt as _, Site};
use crate::engine::Error;

/// Where they are.
pub(super) fn folder(site: &Site) -> PathBuf {
    site.config.access.dir.join("juju")
}

/// What the connection knows better than what was kept: an adopted controller's UUID, its version.
fn completed(site: &Site, mut access: ControllerAccess, controller: &Juju) -> ControllerAccess {
    let login = controller.session().login;
    let uuid = login.controller_tag.trim_start_matches("controller-");
    if !uuid.is_empty() {
        uuid.clone_into(&mut access.uuid);
    }
    if !login.server_version.is_empty() {
        access.agent_version.clone_from(&login.server_version);
    }
    access.cloud.clone_from(&site.config.juju.cloud.name);
    access
}

/// Whether they hold the controller and the model as they are.
pub(super) fn is_written(
    site: &Site,
    access: ControllerAccess,
    controller: &Juju,
    model: &ModelUuid,
) -> bool {
    let wanted = completed(site, access, controller);
    let Ok(store) = Store::read(&folder(site)) else {
        return false;
    };
    let same = |there: ControllerAccess| {
        there.uuid == wanted.uuid
            && there.endpoints == wanted.endpoints
            && there.ca_cert.trim() == wanted.ca_cert.trim()
            && there.user == wanted.user
            && there.password.expose_secret() == wanted.password.expose_secret()
    };
    let name = &wanted.name;
    store.controller(Some(name)).is_ok_and(same)
        && store
            .model(name, &site.config.juju.model.name)
            .is_some_and(|there| there == *model)
}

/// Writes them.
///
/// # Errors
/// The folder can't be read or written.
pub(super) fn write(
    site: &Site,
    access: ControllerAccess,
    controller: &Juju,
    model: &ModelUuid,
    key: &maas_client::ApiKey,
) -> Result<(), Error> {
    let juju = &site.config.juju;
    let attempted = "write the juju client's files";
    let access = completed(site, access, controller);
    let folder = folder(site);
    let mut store = Store::read(&folder).attempt(attempted)?;
    store.set_cloud(&juju.cloud.name, &Cloud::maas(juju.cloud.endpoint.as_str()));
    let credential = CloudCredential::maas(key.expose().expose_secret());
    store.set_credential(&juju.cloud.name, &juju.credential.name, &credential);
    store.set_controller(&access, "maas");
    store.set_model(&access.name, &access.user, &juju.model.name, model);
    store.write(&folder).attempt(attempted)
}

/// Deletes them.
///
/// # Errors
/// The folder is there and can't be deleted.
pub(super) fn remove(site: &Site) -> Result<(), Error> {
    match std::fs::remove_dir_all(folder(site)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::terminal(
            "delete the juju client's files",
            error.to_string(),
        )),
        _ => Ok(()),
    }
}
