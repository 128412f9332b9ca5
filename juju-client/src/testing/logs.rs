//! The log websocket: what the fake's units and machines have to say, made up of their states.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

use super::https::Ws;
use super::state::{Model, Shared, State};
use super::{answer, state};

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"];

fn level(s: &str) -> usize {
    LEVELS.iter().position(|l| *l == s).unwrap_or(0)
}

/// Every line so far, oldest first.
fn lines(s: &State, m: &Model, now: Duration) -> Vec<(Duration, Value)> {
    let line = |at: Duration, tag: String, sev: &str, module: String, msg: String| {
        (
            at,
            json!({"tag": tag, "ts": answer::time(at), "sev": sev, "mod": module, "loc": "", "msg": msg, "lab": null}),
        )
    };
    let mut all = Vec::new();
    for (id, mm) in &m.machines {
        all.push(line(
            mm.created,
            crate::machine_tag(id),
            "INFO",
            "juju.worker.provisioner".into(),
            format!("machine {id} is to be started"),
        ));
        if let Some(e) = &mm.error {
            all.push(line(
                mm.created,
                crate::machine_tag(id),
                "ERROR",
                "juju.worker.provisioner".into(),
                format!("cannot start instance for machine {id}: {e}"),
            ));
        }
    }
    for (app, a) in &m.apps {
        for (n, u) in &a.units {
            let name = format!("{app}/{n}");
            let c = answer::unit_condition(s, m, app, *n, u, now);
            if c.agent != "allocating" {
                all.push(line(
                    u.created,
                    crate::unit_tag(&name),
                    "INFO",
                    "juju.worker.uniter.operation".into(),
                    "ran \"install\" hook (via explicit, bespoke hook script)".into(),
                ));
                all.push(line(
                    c.since,
                    crate::unit_tag(&name),
                    "INFO",
                    format!("unit.{name}.juju-log"),
                    format!("{}: {}", c.workload, c.info),
                ));
            }
            if let Some(hook) = s.unit_errors.get(&name) {
                all.push(line(
                    c.since,
                    crate::unit_tag(&name),
                    "WARNING",
                    format!("unit.{name}.{hook}"),
                    "Traceback (most recent call last):".into(),
                ));
                all.push(line(
                    c.since,
                    crate::unit_tag(&name),
                    "ERROR",
                    "juju.worker.uniter.operation".into(),
                    format!(
                        "hook {hook:?} (via explicit, bespoke hook script) failed: exit status 1"
                    ),
                ));
            }
        }
    }
    all.sort_by_key(|l| l.0);
    all
}

/// `unit-vault-*` fits `unit-vault-0`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
        }
    }
}

fn wanted(q: &[(String, String)], line: &Value) -> bool {
    let all = |key: &'static str| q.iter().filter(move |(k, _)| k == key).map(|(_, v)| v);
    let text = |k: &str| line[k].as_str().unwrap_or_default();
    let module = |m: &String| text("mod") == m || text("mod").starts_with(&format!("{m}."));
    (all("includeEntity").next().is_none() || all("includeEntity").any(|e| fits(e, text("tag"))))
        && !all("excludeEntity").any(|e| fits(e, text("tag")))
        && (all("includeModule").next().is_none() || all("includeModule").any(module))
        && !all("excludeModule").any(module)
        && all("level").all(|l| level(text("sev")) >= level(l))
}

pub(super) async fn serve(
    shared: &Arc<Shared>,
    mut ws: Ws,
    model: &str,
    login: Result<String, (&'static str, &'static str)>,
    query: &[(String, String)],
) {
    let refusal = match login {
        Err(e) => Some((e.0.to_owned(), e.1)),
        Ok(_) if !shared.with(|s| s.models.contains_key(model)) => {
            Some((format!("unknown model: {model:?}"), "model not found"))
        }
        Ok(_) => None,
    };
    if let Some((message, code)) = refusal {
        let error = json!({"error": {"message": message, "code": code}});
        let _ = ws.send(Message::text(error.to_string())).await;
        let frame = CloseFrame {
            code: CloseCode::Away,
            reason: "".into(),
        };
        let _ = ws.close(Some(frame)).await;
        return;
    }
    let old = shared.with(|s| s.is_3x());
    let first = if old {
        json!({"error": null})
    } else {
        json!({})
    };
    if ws.send(Message::text(first.to_string())).await.is_err() {
        return;
    }
    let param = |k: &str| query.iter().find(|(n, _)| n == k).map(|(_, v)| v.as_str());
    let number = |k: &str| param(k).and_then(|v| v.parse::<usize>().ok());
    let mut left = number("maxLines").filter(|n| *n > 0).unwrap_or(usize::MAX);
    let tail = param("noTail") != Some("true");
    let mut told: Vec<Value> = Vec::new();
    let mut begun = false;
    loop {
        let now = shared.now();
        let all: Vec<Value> = shared.with(|s: &mut state::State| {
            s.models
                .get(model)
                .map(|m| lines(s, m, now))
                .unwrap_or_default()
                .into_iter()
                .map(|l| l.1)
                .filter(|l| wanted(query, l))
                .collect()
        });
        let mut fresh: Vec<Value> = all.iter().filter(|l| !told.contains(l)).cloned().collect();
        if !begun {
            begun = true;
            told = all;
            if param("replay") != Some("true") {
                let keep = number("backlog").unwrap_or(if tail { 10 } else { usize::MAX });
                fresh.drain(..fresh.len().saturating_sub(keep));
            }
        } else {
            told.extend(fresh.iter().cloned());
        }
        for l in fresh {
            if left == 0 {
                break;
            }
            left -= 1;
            if ws.send(Message::text(l.to_string())).await.is_err() {
                return;
            }
        }
        if left == 0 || !tail {
            let _ = ws.close(None).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
            m = ws.next() => if !matches!(m, Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_)))) { return },
        }
    }
}
