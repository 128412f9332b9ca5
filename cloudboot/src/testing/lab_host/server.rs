//! `run/lab-host.socket`: answers the ports, and runs what is due.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::wire::{Answer, Request};
use super::{Inner, network, postgres, programs, seed, snapd};
use crate::host::units::UnitState;
use crate::host::{Error, Kind, Result};
use crate::testing::hooks::{Phase, Verdict};

pub(crate) fn bind(root: &Path, name: &str) -> Result<UnixListener> {
    let path = root.join("run").join(name);
    // A lab that was killed leaves its socket behind.
    let _ = std::fs::remove_file(&path);
    UnixListener::bind(&path).map_err(|e| Error::io(format!("listen on {}", path.display()), e))
}

pub(crate) fn listen(inner: Arc<Inner>, root: &Path) -> Result<JoinHandle<()>> {
    let listener = bind(root, "lab-host.socket")?;
    Ok(tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(serve(inner.clone(), stream));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }))
}

/// Runs what is due also when nobody asks: a rollback does not wait for a question.
pub(crate) fn clockwork(inner: Arc<Inner>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            tick(&inner).await;
        }
    })
}

/// Runs all that is due, in order.
pub(crate) async fn tick(inner: &Inner) {
    let _one = inner.ticking.lock().await;
    loop {
        let now = inner.now();
        let job = inner
            .state()
            .jobs
            .iter()
            .filter(|j| j.output.is_none() && j.due <= now)
            .min_by_key(|j| j.due)
            .cloned();
        let Some(job) = job else { break };
        let output = programs::finish(inner, &job.work)
            .await
            .unwrap_or_else(|e| programs::output(1, "", e.to_string()));
        if let Some(job) = inner.state().jobs.iter_mut().find(|j| j.id == job.id) {
            job.output = Some(output);
            scrub(&mut job.work);
        }
        inner.changed();
    }
    snapd::tick(inner).await;
    network::tick(inner).await;
}

/// A job that has ended keeps no secret.
fn scrub(work: &mut super::state::Work) {
    use super::state::Work;
    match work {
        Work::MaasInit { database_uri, .. } => database_uri.clear(),
        Work::MaasAdmin { password, .. } => password.clear(),
        _ => {}
    }
}

async fn serve(inner: Arc<Inner>, stream: UnixStream) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if !matches!(stream.read_line(&mut line).await, Ok(n) if n > 0) {
        return;
    }
    let Ok(request) = serde_json::from_str::<Request>(&line) else {
        return;
    };
    let title = request.title();
    let refused = |body: Vec<u8>| {
        Answer::from(Err(Error::new(
            Kind::Failed,
            title.clone(),
            String::from_utf8_lossy(&body).into_owned(),
        )))
    };
    let mut answer = match inner.tap(Phase::Before, &title).await {
        Verdict::Drop => return,
        Verdict::Answer(_, _, body) => refused(body),
        Verdict::Continue => {
            tick(&inner).await;
            let answer = Answer::from(act(&inner, request).await);
            inner.changed();
            answer
        }
    };
    match inner.tap(Phase::After, &title).await {
        Verdict::Drop => return,
        Verdict::Answer(_, _, body) => answer = refused(body),
        Verdict::Continue => {}
    }
    let Ok(mut text) = serde_json::to_string(&answer) else {
        return;
    };
    text.push('\n');
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn act(inner: &Arc<Inner>, request: Request) -> Result<Value> {
    let title = request.title();
    if title.starts_with("postgres") {
        let status = inner.files.read_text(seed::DPKG).await?.unwrap_or_default();
        let installed: Vec<String> = status
            .lines()
            .filter_map(|l| l.strip_prefix("Package: "))
            .map(str::to_owned)
            .collect();
        postgres::running(&installed, &title)?;
    }
    match request {
        Request::Exec {
            program,
            args,
            stdin,
            ..
        } => {
            let output = programs::run(inner, &program, &args, &stdin).await?;
            serde_json::to_value(output)
                .map_err(|e| Error::new(Kind::Malformed, title, e.to_string()))
        }
        Request::PgVersion => Ok(json!(140_011)),
        Request::PgObserve {
            role,
            password,
            database,
        } => postgres::observe(&inner.state(), &role, &password, &database),
        Request::PgCreateRole {
            role,
            password,
            mark,
        } => postgres::create_role(&mut inner.state(), role, password, mark),
        Request::PgSetPassword { role, password } => {
            postgres::set_password(&mut inner.state(), &role, password)
        }
        Request::PgCreateDatabase {
            database,
            owner,
            mark,
        } => postgres::create_database(&mut inner.state(), database, owner, mark),
        Request::PgDropDatabase { database } => {
            Ok(json!(inner.state().databases.remove(&database).is_some()))
        }
        Request::PgDropRole { role } => postgres::drop_role(&mut inner.state(), &role),
        Request::NetplanCurrent => network::current(inner).await.map(Value::String),
        Request::NetplanAttempt {
            change,
            rollback_ms,
        } => network::attempt(inner, &change, Duration::from_millis(rollback_ms))
            .await
            .map(Value::String),
        Request::NetplanPending => Ok(json!(
            inner
                .state()
                .trials
                .iter()
                .map(|t| &t.id)
                .collect::<Vec<_>>()
        )),
        Request::NetplanConfirm { trial } => network::confirm(inner, &trial).await,
        Request::NetplanCancel { trial } => network::cancel(inner, &trial).await,
        Request::UnitState { unit } => {
            let loaded = inner
                .files
                .exists(format!("/etc/systemd/system/{unit}"))
                .await?;
            let known = inner.state().units.get(&unit).cloned();
            let state = UnitState {
                loaded,
                ..known.unwrap_or_default()
            };
            serde_json::to_value(state)
                .map_err(|e| Error::new(Kind::Malformed, title, e.to_string()))
        }
        Request::UnitReload => Ok(Value::Null),
        Request::UnitEnable { unit } => change_unit(inner, &unit, |u| u.enabled = true).await,
        Request::UnitStart { unit } => change_unit(inner, &unit, |u| u.active = true).await,
        Request::UnitDisable { unit } => relax_unit(inner, &unit, |u| u.enabled = false),
        Request::UnitStop { unit } => relax_unit(inner, &unit, |u| u.active = false),
    }
}

async fn change_unit(
    inner: &Inner,
    unit: &str,
    change: impl FnOnce(&mut UnitState),
) -> Result<Value> {
    if !inner
        .files
        .exists(format!("/etc/systemd/system/{unit}"))
        .await?
    {
        return Err(Error::new(
            Kind::NotFound,
            format!("change the unit {unit}"),
            format!("Unit file {unit} does not exist."),
        )
        .with_code("org.freedesktop.systemd1.NoSuchUnit"));
    }
    let mut state = inner.state();
    if !state.units.contains_key(unit) {
        state.count(format!("unit:{unit}"));
    }
    let record = state.units.entry(unit.to_owned()).or_default();
    change(record);
    record.state = if record.active { "active" } else { "inactive" }.to_owned();
    Ok(Value::Null)
}

fn relax_unit(inner: &Inner, unit: &str, change: impl FnOnce(&mut UnitState)) -> Result<Value> {
    let mut state = inner.state();
    if let Some(record) = state.units.get_mut(unit) {
        change(record);
        record.state = if record.active { "active" } else { "inactive" }.to_owned();
        if !record.active && !record.enabled {
            state.units.remove(unit);
        }
    }
    Ok(Value::Null)
}
