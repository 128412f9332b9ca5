//! 15. The bundle, submitted over the RPC: MAAS composes its machines as Juju asks for them.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(&["cloud.bundle"], async |stage| {
        let juju = stage.output(&stage.handles.model)?;
        let status = juju.status().await?;
        let mut lines = vec![format!(
            "{} applications, {} relations",
            status.applications.len(),
            status.relations.len()
        )];
        for (name, unit) in status.units() {
            lines.push(format!(
                "{name:<28} {:<12} {}",
                unit.workload_status.status, unit.workload_status.info
            ));
        }
        Ok(lines.join("\n"))
    })
    .await
}
