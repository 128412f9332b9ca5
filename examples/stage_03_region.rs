//! 2 to 4. The region: its database, `maas init`, its HTTP server, the administrator and its API key.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(&["maas.admin"], async |stage| {
        let maas = stage.output(&stage.handles.maas)?;
        let version = maas.version().await?;
        let user = maas.users().whoami().await?;
        Ok(format!(
            "MAAS {} answers, to {}",
            version.version, user.username
        ))
    })
    .await
}
