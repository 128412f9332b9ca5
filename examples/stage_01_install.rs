//! 1. The controller: MAAS and LXD as snaps, PostgreSQL as a package.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(
        &["host.maas", "host.lxd", "host.postgresql"],
        async |stage| {
            let mut lines = Vec::new();
            for name in ["maas", "lxd"] {
                if let Some(snap) = stage.host.snaps.get(name).await? {
                    lines.push(format!(
                        "{name} {} from {}",
                        snap.version, snap.tracking_channel
                    ));
                }
            }
            let package = &stage.config.postgres.version;
            if let Some(version) = stage.host.packages.installed(package).await? {
                lines.push(format!("{package} {version}"));
            }
            Ok(lines.join("\n"))
        },
    )
    .await
}
