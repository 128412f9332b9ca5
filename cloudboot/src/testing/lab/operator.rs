//! What the lab's operator has in hand.

use serde_json::json;

use super::world::{World, bmc_ip};
use super::{BUNDLE, Operator, THESIS, mirror};

/// The operator's files: the thesis's configuration and bundle, and how this lab is reached.
pub(super) fn write_operator(world: &World, folder: &std::path::Path) -> std::io::Result<Operator> {
    std::fs::create_dir_all(folder)?;
    let (config, overlay) = (folder.join("maas.yaml"), folder.join("lab.yaml"));
    let password = folder.join("bmc-password");
    let (bmc_password, checksum) =
        world.read(|book| (book.bmc_password.clone(), book.mirror_sha256.clone()));
    std::fs::write(&config, THESIS)?;
    std::fs::write(folder.join("bundle.yaml"), BUNDLE)?;
    std::fs::write(&password, &bmc_password)?;
    private(&password)?;
    private(&config)?;
    let nodes = world.read(|book| book.nodes);
    let forwards: std::collections::BTreeMap<String, String> = world
        .bmcs()
        .addrs()
        .iter()
        .enumerate()
        .map(|(index, at)| (format!("{}:623", bmc_ip(index)), at.to_string()))
        .collect();
    let seconds = |real: f64| format!("{}s", (real * world.clock.speed()).max(3600.0).ceil());
    let reached = json!({
        "deployment": "lab",
        "ssh": {"maas_key": folder.join("maaskey")},
        "maas": {
            "nodes_amount": nodes,
            "pxe_loader_fix": {"enabled": true, "url": mirror::URL, "sha256": checksum},
        },
        "ipmi": {"user": "root", "password": format!("file:{}", password.display())},
        "reach": {"proxy": world.wire().url(), "forwards": forwards},
        "net_fix": {"ethernet": "eno2"},
        "mirrors": {"juju_agents": mirror::AGENTS},
        // What runs fast must not be given up sooner: this machine's own slowness counts in real seconds.
        "deadlines": {"default": {"stall": seconds(30.0), "total": seconds(600.0)}},
    });
    // JSON is YAML.
    std::fs::write(
        &overlay,
        format!(
            "# How the lab's systems are reached; written at each start of the lab.\n{reached:#}\n"
        ),
    )?;
    Ok(Operator {
        folder: folder.to_owned(),
        config,
        overlays: vec![overlay],
    })
}

pub(super) fn private(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}
