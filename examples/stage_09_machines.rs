//! 8 to 10. The machines: found by their BMCs, booted from the network, named, tagged, commissioned, bridged.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(&["metal.bridges"], async |stage| {
        let maas = stage.output(&stage.handles.maas)?;
        let mut lines = Vec::new();
        for node in stage.output(&stage.handles.nodes)? {
            let machine = maas.machines().read(&node.id).await?;
            let interfaces: Vec<_> = machine
                .interface_set
                .iter()
                .map(|it| it.name.as_str())
                .collect();
            lines.push(format!(
                "{}: {}, {} cores, {} MiB, tags {}, interfaces {}",
                node.name,
                machine.status,
                machine.cpu_count,
                machine.memory,
                machine.tag_names.join(" "),
                interfaces.join(" ")
            ));
        }
        Ok(lines.join("\n"))
    })
    .await
}
