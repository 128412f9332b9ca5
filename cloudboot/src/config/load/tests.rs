use super::*;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/configs")
}

#[test]
fn the_reference_loads_and_names_every_key() {
    let file = examples().join("reference.yaml");
    if !file.exists() {
        println!("skipped: examples/configs is not beside this crate; run it in the workspace");
        return;
    }
    let loader =
        Loader::new().env(|name| Some(format!("secret {name}").chars().take(20).collect()));
    let reading = loader.read(Source::File(file.clone()));
    if let Err(errors) = &reading.result {
        panic!("{errors}");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let forgotten: Vec<&String> = reading
        .asked
        .iter()
        .filter(|(path, there)| {
            let key = path.rsplit('.').next().unwrap_or(path);
            !**there && !text.contains(&format!("# {key}:"))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(
        forgotten.is_empty(),
        "keys that the reference does not show: {forgotten:?}"
    );
    assert!(
        reading.asked.len() > 120,
        "only {} keys were asked for",
        reading.asked.len()
    );
}

#[test]
fn the_defaults_of_the_reference_are_the_defaults() {
    // The sections that the reference says may be left out, left out: the values stay.
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing/data");
    let least = "
postgres: {password: a}
maas:
  channel: '3.4'
  username: admin
  password: b
  email: admin@example.com
  dhcp: {cidr: 10.42.0.0/16, gateway: 10.42.0.1, ip_range: {start: 10.42.191.0, size: 64}}
  nodes_amount: 2
ipmi: {user: admin, password: c}
juju: {channel: '3.1', bundle: bundle.yaml}
";
    let config = Config::from_str(least, &dir).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.deployment, "cloudboot");
    assert_eq!(config.state_dir, dir.join(".cloudboot"));
    assert_eq!(config.access.dir, dir.join(".cloudboot/access"));
    assert_eq!(config.ssh.maas_key, dir.join(".cloudboot/ssh/maaskey"));
    assert_eq!(config.maas.server.as_str(), "http://10.42.0.1:5240/MAAS");
    assert_eq!(config.maas.quorum, 2);
    assert!(!config.maas.pxe_loader_fix.enabled);
    assert_eq!(config.maas.dhcp.subnet, "10.42.0.0/16");
    assert_eq!(config.vm_host.address, "10.42.0.1:8443");
    assert_eq!(config.juju.cloud.name, "maas");
    assert_eq!(config.juju.credential.name, "admin");
    assert_eq!(config.juju.bootstrap.tags, ["juju"]);
    assert_eq!(config.lxd.channel.to_string(), "5.21/stable");
    assert_eq!(config.ipmi.suites, [17, 3]);
    assert_eq!((config.vault.shares, config.vault.threshold), (5, 3));
    assert_eq!(config.limits.get("maas"), None);
    assert!(config.net_fix.is_none() && config.machines.is_empty() && config.warnings.is_empty());
}
