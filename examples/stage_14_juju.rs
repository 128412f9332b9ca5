//! 13, 14. NAT for the machines, and Juju: the client, the controller on its machine, the model.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(&["juju.model"], async |stage| {
        let juju = stage.output(&stage.handles.model)?;
        let status = juju.status().await?;
        Ok(format!(
            "the model {} on Juju {}",
            status.model.name, status.model.version
        ))
    })
    .await
}
