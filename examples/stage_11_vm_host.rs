//! 11. The controller's bridge, LXD, and the VM host: the step that the thesis did by hand.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(&["maas.vm-host"], async |stage| {
        let maas = stage.output(&stage.handles.maas)?;
        let host = maas
            .vm_hosts()
            .read(stage.output(&stage.handles.vm_host)?)
            .await?;
        let room = host.available;
        Ok(format!(
            "the VM host {} has room for {} cores and {} MiB",
            host.name, room.cores, room.memory
        ))
    })
    .await
}
