//! 6, 7. The image: imported by the region and synced to the rack; the PXE loader where the configuration asks for it.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(&["maas.pxe-loader"], async |stage| {
        let maas = stage.output(&stage.handles.maas)?;
        let mut lines = Vec::new();
        for image in maas.boot_resources().list().await? {
            lines.push(format!(
                "the image {} for {}",
                image.name, image.architecture
            ));
        }
        Ok(lines.join("\n"))
    })
    .await
}
