//! 16. Vault: initialised with its keys durable first, unsealed, authorised, and its root CA.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(&["vault.root-ca"], async |stage| {
        let ca = stage.output(&stage.handles.root_ca)?;
        Ok(format!("the root CA of the cloud:\n{ca}"))
    })
    .await
}
