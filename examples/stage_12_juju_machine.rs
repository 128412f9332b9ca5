//! 12. The Juju machine: an empty VM on the VM host, tagged and commissioned.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(&["juju.machine"], async |stage| {
        let maas = stage.output(&stage.handles.maas)?;
        let machine = maas
            .machines()
            .read(&stage.output(&stage.handles.juju_machine)?)
            .await?;
        Ok(format!(
            "{}: {}, {} cores, {} MiB",
            machine.hostname, machine.status, machine.cpu_count, machine.memory
        ))
    })
    .await
}
