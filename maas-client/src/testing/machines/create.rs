//! Machines added, by an administrator or by themselves.

use super::*;

/// Power parameters as they are given: `power_parameters_x=...`, or `power_parameters` as JSON.
pub(super) fn power_parameters(req: &Req) -> Map<String, Value> {
    let mut out = Map::new();
    if let Some(Value::Object(map)) = req
        .get("power_parameters")
        .and_then(|t| serde_json::from_str(t).ok())
    {
        out.extend(map);
    }
    for (name, value) in &req.form {
        if let Some(key) = name.strip_prefix("power_parameters_")
            && key != "skip_check"
        {
            out.insert(key.to_owned(), json!(value));
        }
    }
    out
}

/// Parameters by which MAAS tells one BMC from another: all but the secrets.
pub(super) fn bmc_identity(parameters: &Map<String, Value>) -> Map<String, Value> {
    parameters
        .iter()
        .filter(|(k, _)| !matches!(k.as_str(), "power_pass" | "k_g" | "power_boot_type"))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

pub(super) fn create(s: &mut State, d: &Durations, req: &Req) -> R {
    let mut errors = Fields::default();
    errors.required(req, "architecture");
    let macs: Vec<String> = req
        .all("mac_addresses")
        .into_iter()
        .filter(|m| !m.is_empty())
        .map(str::to_lowercase)
        .collect();
    if macs.is_empty() {
        errors.add("mac_addresses", "This field is required.");
    }
    let power_type = req.filled("power_type").unwrap_or("").to_owned();
    let mut refused = false;
    for mac in &macs {
        let used = s
            .machines
            .iter()
            .find(|m| m.interfaces.iter().any(|i| i.mac == *mac))
            .map(|m| m.hostname.clone());
        if !is_mac(mac) {
            refused = true;
            errors.add(
                "mac_addresses",
                format!("'{mac}' is not a valid MAC address."),
            );
        } else if let Some(name) = used {
            refused = true;
            errors.add(
                "mac_addresses",
                format!("MAC address {mac} already in use on {name}."),
            );
        }
    }
    if refused && power_type == "manual" {
        errors.add(
            "power_type",
            "Can't set power type to manual without network interfaces",
        );
    }
    let architecture = req.filled("architecture").map(full_architecture);
    let known = s.architectures();
    if let Some(a) = architecture.as_ref().filter(|a| !known.contains(a)) {
        let list: Vec<String> = known.iter().map(|a| format!("'{a}'")).collect();
        errors.add(
            "architecture",
            format!(
                "'{a}' is not a valid architecture.  It should be one of: {}.",
                list.join(", ")
            ),
        );
    }
    if req
        .filled("hostname")
        .is_some_and(|h| s.machines.iter().any(|m| m.hostname == h))
    {
        errors.add("hostname", "Node with this Hostname already exists.");
    }
    let mut parameters = power_parameters(req);
    if !power_type.is_empty() && !super::super::defaults::POWER_TYPES.contains(&power_type.as_str())
    {
        errors.add(
            "power_type",
            format!("Select a valid choice. {power_type} is not one of the available choices."),
        );
    } else if power_type == "ipmi"
        && parameters
            .get("power_address")
            .and_then(Value::as_str)
            .unwrap_or("")
            .is_empty()
    {
        errors.add("power_parameters", "This field is required.");
    }
    errors.check()?;
    complete_parameters(&power_type, &mut parameters);
    let identity = bmc_identity(&parameters);
    let same_bmc = power_type != "manual"
        && !power_type.is_empty()
        && s.machines
            .iter()
            .any(|m| m.power_type == power_type && bmc_identity(&m.power_parameters) == identity);
    if same_bmc {
        return Err(false_conflict());
    }
    let deployed = req.flag("deployed").unwrap_or(false);
    let commission =
        req.flag("commission").unwrap_or(power_type != "manual") && !deployed && req.superuser;
    if commission && !s.can_commission() {
        return Err(text(
            400,
            format!(
                "Ephemeral operating system ubuntu {} is unavailable.",
                s.series_to_commission()
            ),
        ));
    }
    let spec = MachineSpec {
        macs,
        hostname: req.filled("hostname").unwrap_or("").to_owned(),
        architecture: architecture.unwrap_or_default(),
        // What a machine is made of when nobody says: as on the recorded region.
        cores: 8,
        memory_mb: 15918,
        disks: vec![100_000_000_000, 100_000_000_000],
        power_type,
        power_parameters: parameters,
    };
    let spec = s
        .enlisting
        .iter()
        .find(|e| {
            e.spec
                .macs
                .iter()
                .any(|m| spec.macs.contains(&m.to_lowercase()))
        })
        .map_or(spec.clone(), |e| MachineSpec {
            cores: e.spec.cores,
            memory_mb: e.spec.memory_mb,
            disks: e.spec.disks.clone(),
            ..spec
        });
    let id = progress::add_machine(s, &spec, false).ok_or_else(|| text(500, "no machine"))?;
    if let Some(m) = s.machine_mut(&id) {
        req.get("description")
            .unwrap_or("")
            .clone_into(&mut m.description);
        if let Some(zone) = req.filled("zone") {
            zone.clone_into(&mut m.zone);
        }
        if deployed {
            m.status = 6;
            m.owner = Some(req.user.clone());
        }
    }
    if commission {
        progress::commission(s, d, &id, &req.user, true, false);
    }
    if req.user.is_empty() {
        return enlisted(s, &id);
    }
    rendered(s, &id)
}

/// What a machine that tells of itself is shown.
pub(super) fn enlisted(s: &State, id: &str) -> R {
    let m = s.machine(id).ok_or_else(|| missing("Machine"))?;
    let whole = render::machine(s, m);
    let mut shown = Map::new();
    for key in [
        "status_action",
        "status",
        "hostname",
        "fqdn",
        "system_id",
        "architecture",
        "power_type",
        "node_type",
        "status_message",
        "domain",
        "status_name",
        "power_state",
        "zone",
        "resource_uri",
    ] {
        let mut value = whole[key].clone();
        if matches!(key, "domain" | "zone")
            && let Some(o) = value.as_object_mut()
        {
            o.remove("resource_uri");
        }
        shown.insert(key.into(), value);
    }
    Ok(json_ok(&Value::Object(shown)))
}
