//! 17, 18. The cloud: every unit active and idle, and the way in, tried.

mod common;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    common::stage::show(&["cloud.access"], async |stage| {
        let access = stage.output(&stage.handles.access)?;
        Ok(common::summary::access(&access, &stage.config.access.dir))
    })
    .await
}
