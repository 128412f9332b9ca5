//! The typed call that a recorded request stands for.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::BTreeMap;

use juju_client::api::application::{Deploy, SetCharm};
use juju_client::api::charms::{CharmResource, Origin};
use juju_client::api::cloud::{Cloud, CloudCredential};
use juju_client::api::machines::{NewMachine, Placement};
use juju_client::api::models::{DestroyModel, NewModel};
use juju_client::api::progress::ExecTarget;
use juju_client::api::repository::FromRepository;
use juju_client::bundle::Constraints;
use juju_client::{ActionId, Client, Result};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn of<T: DeserializeOwned + Default>(v: &Value) -> T {
    serde_json::from_value(v.clone()).unwrap_or_default()
}

fn text(v: &Value, key: &str) -> String {
    v[key].as_str().unwrap_or_default().to_owned()
}

fn unit(tag: &str) -> String {
    tag.strip_prefix("unit-")
        .and_then(|t| t.rsplit_once('-'))
        .map_or(tag.to_owned(), |(a, n)| format!("{a}/{n}"))
}

fn app(tag: &str) -> String {
    tag.strip_prefix("application-").unwrap_or(tag).to_owned()
}

fn deploy(d: &Value) -> Deploy {
    let mut out = Deploy::new(
        text(d, "application"),
        text(d, "charm-url"),
        of(&d["charm-origin"]),
    );
    out.channel = text(d, "channel");
    out.num_units = of(&d["num-units"]);
    out.config_yaml = text(d, "config-yaml");
    out.constraints = of(&d["constraints"]);
    out.placement = d["placement"].is_array().then(|| of(&d["placement"]));
    out.endpoint_bindings = of(&d["endpoint-bindings"]);
    out.resources = of(&d["resources"]);
    out.storage = of(&d["storage"]);
    out.force = of(&d["Force"]);
    out
}

fn drop_ok<T>(r: Result<T>) -> Result<()> {
    r.map(drop)
}

/// Makes the typed call that the recorded one stands for; `None`: there is none.
pub async fn make(c: &Client, facade: &str, method: &str, p: &Value) -> Option<Result<()>> {
    let apps = c.applications();
    let first = |k: &str| p[k][0].clone();
    let entity = || text(&p["entities"][0], "tag");
    let model = |tag: String| tag.parse();
    Some(match (facade, method) {
        ("Application", "AddRelation")
            if p["endpoints"].as_array().is_some_and(|e| e.len() == 2) =>
        {
            apps.add_relation(p["endpoints"][0].as_str()?, p["endpoints"][1].as_str()?)
                .await
        }
        ("Application", "DestroyRelation")
            if p["endpoints"].as_array().is_some_and(|e| e.len() == 2) =>
        {
            apps.destroy_relation(p["endpoints"][0].as_str()?, p["endpoints"][1].as_str()?)
                .await
        }
        ("Application", "AddUnits") if p["num-units"].as_i64()? >= 0 => {
            let placement: Vec<Placement> = of(&p["placement"]);
            drop_ok(
                apps.add_units(&text(p, "application"), of(&p["num-units"]), &placement)
                    .await,
            )
        }
        ("Application", "Deploy") => apps.deploy(&deploy(&first("applications"))).await,
        ("Application", "DestroyApplication") if first("applications")["dry-run"].is_null() => {
            apps.destroy(
                &app(&text(&first("applications"), "application-tag")),
                of(&first("applications")["force"]),
            )
            .await
        }
        ("Application", "DestroyUnit") if first("units")["dry-run"].is_null() => {
            apps.destroy_units(
                &[&unit(&text(&first("units"), "unit-tag"))],
                of(&first("units")["force"]),
            )
            .await
        }
        ("Application", "Expose") => {
            apps.expose(&text(p, "application"), &of(&p["exposed-endpoints"]))
                .await
        }
        ("Application", "Unexpose") => apps.unexpose(&text(p, "application")).await,
        ("Application", "Get") => drop_ok(apps.get(&text(p, "application")).await),
        ("Application", "GetCharmURLOrigin") => {
            drop_ok(apps.charm_url_origin(&text(p, "application")).await)
        }
        ("Application", "Leader") => drop_ok(apps.leader(&app(&text(p, "tag"))).await),
        ("Application", "MergeBindings") => {
            apps.merge_bindings(
                &app(&text(&first("args"), "application-tag")),
                &of(&first("args")["bindings"]),
            )
            .await
        }
        ("Application", "ResolveUnitErrors") if p["all"] != json!(true) => {
            let units: Vec<String> = p["tags"]["entities"]
                .as_array()?
                .iter()
                .map(|t| unit(&text(t, "tag")))
                .collect();
            apps.resolve_errors(
                &units.iter().map(String::as_str).collect::<Vec<_>>(),
                of(&p["retry"]),
            )
            .await
        }
        ("Application", "SetCharm") => {
            let mut s = SetCharm::default();
            s.application = text(p, "application");
            s.charm_url = text(p, "charm-url");
            s.charm_origin = of(&p["charm-origin"]);
            s.channel = text(p, "channel");
            s.force = of(&p["force"]);
            s.force_base = of(&p["force-base"]);
            s.force_units = of(&p["force-units"]);
            s.resource_ids = of(&p["resource-ids"]);
            apps.set_charm(&s).await
        }
        ("Application", "SetConfigs")
            if text(&first("Args"), "config-yaml").is_empty()
                && text(&first("Args"), "generation").is_empty() =>
        {
            apps.set_config(
                &text(&first("Args"), "application"),
                &of(&first("Args")["config"]),
            )
            .await
        }
        ("Application", "UnsetApplicationsConfig") => {
            let options: Vec<String> = of(&first("Args")["options"]);
            apps.unset_config(
                &text(&first("Args"), "application"),
                &options.iter().map(String::as_str).collect::<Vec<_>>(),
            )
            .await
        }
        ("Application", "SetConstraints") => {
            apps.set_constraints(
                &text(p, "application"),
                &of::<Constraints>(&p["constraints"]),
            )
            .await
        }
        ("Application", "UnitsInfo") if entity().starts_with("unit-") => {
            drop_ok(apps.unit(&unit(&entity())).await)
        }
        ("Action", "EnqueueOperation")
            if p["actions"].as_array().is_some_and(|a| !a.is_empty()) =>
        {
            let a = first("actions");
            drop_ok(
                c.actions()
                    .enqueue(
                        &unit(&text(&a, "receiver")),
                        &text(&a, "name"),
                        &of(&a["parameters"]),
                    )
                    .await,
            )
        }
        ("Action", "Actions") => drop_ok(
            c.actions()
                .result(&ActionId(entity().trim_start_matches("action-").into()))
                .await,
        ),
        ("Action", "Cancel") => drop_ok(
            c.actions()
                .cancel(&ActionId(entity().trim_start_matches("action-").into()))
                .await,
        ),
        ("Action", "ListOperations") => {
            let (units, names): (Vec<String>, Vec<String>) = (of(&p["units"]), of(&p["actions"]));
            let refs = |v: &'_ [String]| v.iter().map(String::clone).collect::<Vec<_>>();
            let (units, names) = (refs(&units), refs(&names));
            drop_ok(
                c.actions()
                    .list(
                        &units.iter().map(String::as_str).collect::<Vec<_>>(),
                        &names.iter().map(String::as_str).collect::<Vec<_>>(),
                    )
                    .await,
            )
        }
        ("Annotations", "Get") => drop_ok(c.annotations().get(&entity()).await),
        ("Annotations", "Set") => {
            c.annotations()
                .set(
                    &text(&first("annotations"), "entity"),
                    &of(&first("annotations")["annotations"]),
                )
                .await
        }
        ("Charms", "AddCharm") => drop_ok(
            c.charms()
                .add(
                    &text(p, "url"),
                    &of::<Origin>(&p["charm-origin"]),
                    of(&p["force"]),
                )
                .await,
        ),
        ("Charms", "CharmInfo") => drop_ok(c.charms().info(&text(p, "url")).await),
        ("Charms", "List") => drop_ok(c.charms().list().await),
        ("Charms", "ListCharmResources") => {
            let e = first("entities");
            drop_ok(
                c.charms()
                    .resources(&text(&e, "charm-url"), &of(&e["charm-origin"]))
                    .await,
            )
        }
        ("Charms", "ResolveCharms") => {
            let questions: Vec<(String, Origin)> = p["resolve"]
                .as_array()?
                .iter()
                .take(1)
                .map(|q| (text(q, "reference"), of(&q["charm-origin"])))
                .collect();
            match c.charms().resolve(&questions).await {
                Ok(mut all) => drop_ok(all.remove(0)),
                Err(e) => Err(e),
            }
        }
        ("Client", "FullStatus") => drop_ok(c.status().await),
        ("Cloud", "Clouds") => drop_ok(c.cloud().list().await),
        ("Cloud", "AddCloud") => {
            c.cloud()
                .add(&text(p, "name"), &of::<Cloud>(&p["cloud"]), of(&p["force"]))
                .await
        }
        ("Cloud", "UpdateCloud") => {
            c.cloud()
                .update(
                    &text(&first("clouds"), "name"),
                    &of::<Cloud>(&first("clouds")["cloud"]),
                )
                .await
        }
        ("Cloud", "RemoveClouds") => {
            c.cloud()
                .remove(entity().trim_start_matches("cloud-"))
                .await
        }
        ("Cloud", "UserCredentials") => drop_ok(
            c.cloud()
                .credentials(text(&first("user-clouds"), "cloud-tag").trim_start_matches("cloud-"))
                .await,
        ),
        ("Cloud", "CredentialContents") if p["include-secrets"] == json!(true) => {
            let one = first("credentials");
            drop_ok(
                c.cloud()
                    .credential(&text(&one, "cloud-name"), &text(&one, "credential-name"))
                    .await,
            )
        }
        ("Cloud", "UpdateCredentialsCheckModels") => {
            let one = first("credentials");
            let tag = text(&one, "tag");
            let parts: Vec<&str> = tag.strip_prefix("cloudcred-")?.splitn(3, '_').collect();
            let credential = credential(&one["credential"]);
            c.cloud()
                .update_credential(parts.first()?, parts.get(2)?, &credential)
                .await
        }
        ("Controller", "ControllerConfig") => drop_ok(c.controller().config().await),
        ("Controller", "DestroyController") if p["force"].is_null() => {
            c.controller().destroy(of(&p["destroy-models"])).await
        }
        ("UserManager", "SetPassword") => {
            let one = first("changes");
            c.controller()
                .set_password(
                    text(&one, "tag").trim_start_matches("user-"),
                    &SecretString::from(text(&one, "password")),
                )
                .await
        }
        ("MachineManager", "AddMachines") => {
            let d = first("params");
            if d["jobs"].is_null()
                || !text(&d, "instance-id").is_empty()
                || !d["addresses"].is_null()
            {
                return None;
            }
            let mut m = NewMachine::new(
                d["base"].is_object().then(|| of(&d["base"])),
                of(&d["constraints"]),
            );
            m.parent = Some(text(&d, "parent-id"));
            m.container = Some(text(&d, "container-type"));
            m.placement = d["placement"].is_object().then(|| of(&d["placement"]));
            drop_ok(c.machines().add(&m).await)
        }
        ("MachineManager", "DestroyMachineWithParams")
            if p["dry-run"].is_null() && p["keep"].is_null() =>
        {
            let id = p["machine-tags"][0]
                .as_str()?
                .trim_start_matches("machine-")
                .replace('-', "/");
            c.machines().destroy(&[&id], of(&p["force"])).await
        }
        ("MachineManager", "RetryProvisioning") => {
            let ids: Vec<String> = of::<Vec<String>>(&p["machines"])
                .iter()
                .map(|t| t.trim_start_matches("machine-").to_owned())
                .collect();
            c.machines()
                .retry_provisioning(&ids.iter().map(String::as_str).collect::<Vec<_>>())
                .await
        }
        ("ModelConfig", "ModelGet") => drop_ok(c.model_config().get().await),
        ("ModelConfig", "ModelSet") => c.model_config().set(&of(&p["config"])).await,
        ("ModelConfig", "ModelUnset") => {
            let keys: Vec<String> = of(&p["keys"]);
            c.model_config()
                .unset(&keys.iter().map(String::as_str).collect::<Vec<_>>())
                .await
        }
        ("ModelManager", "CreateModel") => {
            let mut new = NewModel::new(text(p, "name"));
            new.cloud = p["cloud-tag"]
                .as_str()
                .map(|t| t.trim_start_matches("cloud-").to_owned());
            new.region = p["region"].as_str().map(str::to_owned);
            new.credential = p["credential"]
                .as_str()
                .and_then(|t| t.splitn(3, '_').nth(2))
                .map(str::to_owned);
            new.config = of(&p["config"]);
            drop_ok(c.models().create(&new).await)
        }
        ("ModelManager", "ListModels") => drop_ok(c.models().list().await),
        ("ModelManager", "ModelInfo") => drop_ok(c.models().info(&model(entity()).ok()?).await),
        ("ModelManager", "DestroyModels") => {
            let m = first("models");
            let mut how = DestroyModel::default();
            how.destroy_storage = of(&m["destroy-storage"]);
            how.force = of(&m["force"]);
            c.models()
                .destroy(&model(text(&m, "model-tag")).ok()?, how)
                .await
        }
        ("Resources", "AddPendingResources") => {
            let list: Vec<(CharmResource, i64)> = p["resources"]
                .as_array()?
                .iter()
                .map(|r| (of(r), r["revision"].as_i64().unwrap_or(-1)))
                .collect();
            drop_ok(
                c.add_pending_resources(
                    &app(&text(p, "tag")),
                    &text(p, "url"),
                    &of(&p["charm-origin"]),
                    &list,
                )
                .await,
            )
        }
        ("Spaces", "ListSpaces") => drop_ok(c.spaces().await),
        ("Spaces", "ReloadSpaces") => c.reload_spaces().await,
        ("Subnets", "ListSubnets") => drop_ok(c.subnets().await),
        ("Application", "DeployFromRepository") => drop_ok(
            apps.deploy_from_repository(&repository(&first("Args")))
                .await,
        ),
        ("Application", "ScaleApplications") => {
            let one = first("applications");
            apps.scale(&app(&text(&one, "application-tag")), of(&one["scale"]))
                .await
        }
        ("Application", "DestroyRelation") if p["endpoints"].is_null() && p["force"].is_null() => {
            apps.destroy_relation_id(of(&p["relation-id"])).await
        }
        ("Action", "ApplicationsCharmsActions") => {
            drop_ok(c.actions().of_application(&app(&entity())).await)
        }
        ("Action", "Operations") => drop_ok(c.actions().operation(&entity()).await),
        ("Action", "Run") if p["parallel"] == json!(true) => {
            let mut on = ExecTarget::default();
            on.units = of(&p["units"]);
            on.applications = of(&p["applications"]);
            on.machines = of(&p["machines"]);
            let timeout = std::time::Duration::from_nanos(of(&p["timeout"]));
            drop_ok(c.actions().exec(&text(p, "commands"), &on, timeout).await)
        }
        ("Action", "WatchActionsProgress") => {
            let id = ActionId(entity().trim_start_matches("action-").into());
            drop_ok(c.actions().progress(&id).await)
        }
        ("ApplicationOffers", "Offer") => {
            let o = first("Offers");
            let endpoints: BTreeMap<String, String> = of(&o["endpoints"]);
            let endpoints: Vec<&str> = endpoints.keys().map(String::as_str).collect();
            c.offers()
                .create(
                    &model(text(&o, "model-tag")).ok()?,
                    &text(&o, "application-name"),
                    &endpoints,
                    Some(&text(&o, "offer-name")),
                )
                .await
        }
        ("ApplicationOffers", "ListApplicationOffers") => {
            let f = first("Filters");
            drop_ok(
                c.offers()
                    .list(&text(&f, "model-qualifier"), &text(&f, "model-name"))
                    .await,
            )
        }
        ("Cloud", "AddCredentials") => {
            let one = first("credentials");
            let tag = text(&one, "tag");
            let parts: Vec<&str> = tag.strip_prefix("cloudcred-")?.splitn(3, '_').collect();
            c.cloud()
                .add_credential(
                    parts.first()?,
                    parts.get(2)?,
                    &credential(&one["credential"]),
                )
                .await
        }
        ("Cloud", "Cloud") => drop_ok(c.cloud().get(entity().trim_start_matches("cloud-")).await),
        ("Cloud", "RevokeCredentialsCheckModels") => {
            let one = first("credentials");
            let tag = text(&one, "tag");
            let parts: Vec<&str> = tag.strip_prefix("cloudcred-")?.splitn(3, '_').collect();
            c.cloud()
                .revoke_credential(parts.first()?, parts.get(2)?, of(&one["force"]))
                .await
        }
        ("KeyManager", "AddKeys") if p["user"] == "admin" => {
            let keys: Vec<String> = of(&p["ssh-keys"]);
            c.ssh_keys()
                .add(&keys.iter().map(String::as_str).collect::<Vec<_>>())
                .await
        }
        ("KeyManager", "ListKeys") => drop_ok(c.ssh_keys().list(of(&p["mode"])).await),
        ("ModelConfig", "GetModelConstraints") => drop_ok(c.model_config().constraints().await),
        ("ModelConfig", "SetModelConstraints") => {
            c.model_config()
                .set_constraints(&of(&p["constraints"]))
                .await
        }
        ("ModelManager", "ModelDefaultsForClouds") => drop_ok(
            c.models()
                .defaults(entity().trim_start_matches("cloud-"))
                .await,
        ),
        ("ModelManager", "ModifyModelAccess") => {
            let one = first("changes");
            c.models()
                .grant(
                    &model(text(&one, "model-tag")).ok()?,
                    text(&one, "user-tag").trim_start_matches("user-"),
                    &text(&one, "access"),
                )
                .await
        }
        ("Resources", "ListResources") => drop_ok(c.list_resources(&app(&entity())).await),
        ("Spaces", "CreateSpaces") => {
            let one = first("spaces");
            let cidrs: Vec<String> = of(&one["cidrs"]);
            c.create_space(
                text(&one, "space-tag").trim_start_matches("space-"),
                &cidrs.iter().map(String::as_str).collect::<Vec<_>>(),
            )
            .await
        }
        ("Subnets", "AllZones") => drop_ok(c.zones().await),
        ("Storage", "ListPools") => drop_ok(c.storage().pools().await),
        ("Storage", "ListStorageDetails") => drop_ok(c.storage().list().await),
        ("Storage", "ListVolumes") => drop_ok(c.storage().volumes().await),
        ("Storage", "ListFilesystems") => drop_ok(c.storage().filesystems().await),
        _ => return None,
    })
}

fn credential(v: &Value) -> CloudCredential {
    let mut credential = CloudCredential::maas("");
    credential.auth_type = text(v, "auth-type");
    credential.attrs = of::<BTreeMap<String, String>>(&v["attrs"])
        .into_iter()
        .map(|(k, v)| (k, SecretString::from(v)))
        .collect();
    credential
}

fn repository(d: &Value) -> FromRepository {
    let mut f = FromRepository::new(text(d, "CharmName"));
    f.application = text(d, "ApplicationName");
    f.base = d["base"].is_object().then(|| of(&d["base"]));
    f.channel = d["channel"].as_str().map(str::to_owned);
    f.config_yaml = text(d, "ConfigYAML");
    f.constraints = of(&d["Cons"]);
    f.dry_run = of(&d["DryRun"]);
    f.endpoint_bindings = of(&d["endpoint-bindings"]);
    f.force = of(&d["force"]);
    f.num_units = d["num-units"].as_u64().and_then(|n| u32::try_from(n).ok());
    f.placement = d["Placement"].is_array().then(|| of(&d["Placement"]));
    f.revision = d["revision"].as_i64();
    f.resources = of(&d["resources"]);
    f.storage = d["storage"].is_object().then(|| of(&d["storage"]));
    f.trust = of(&d["Trust"]);
    f
}
