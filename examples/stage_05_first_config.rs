//! 5. The first configuration: DNS, the SSH key, the image selection, the dynamic range, DHCP, the gateway.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(
        &["maas.dns", "maas.ssh-key", "maas.images", "maas.network"],
        async |stage| {
            let maas = stage.output(&stage.handles.maas)?;
            let network = stage.output(&stage.handles.network)?;
            let subnet = maas.subnets().read(network.subnet).await?;
            let mut lines = vec![format!(
                "the subnet {}, its gateway {}",
                subnet.cidr,
                subnet.gateway_ip.unwrap_or_default()
            )];
            for range in maas.ip_ranges().list().await? {
                lines.push(format!(
                    "a range from {} to {}",
                    range.start_ip, range.end_ip
                ));
            }
            Ok(lines.join("\n"))
        },
    )
    .await
}
