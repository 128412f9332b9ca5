//! What real servers of three versions answered to the same requests (`data/observed.json`): the
//! fake like each of them answers so, and a real one still does.

use std::collections::BTreeMap;

use lxd_client::{Client, Error, Etag, Request};
use serde::Deserialize;
use serde_json::Value;

use crate::stage::{Stage, bodies, ended};

bodies!(answers_as_it_was_seen);

/// One request, in the order in which they were sent.
#[derive(Deserialize)]
struct Observed {
    request: String,
    body: Option<Value>,
    if_match: Option<String>,
    /// What this client makes of it: one thing, whatever the words, wherever the servers agree.
    means: Option<PerVersion>,
    /// `done` or `409: TEXT` at once; of an operation `op done`, or `op 409: TEXT` with what its
    /// `/wait` tells besides (nothing in 5.0.2).
    seen: PerVersion,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PerVersion {
    All(String),
    Each(BTreeMap<String, String>),
}

impl PerVersion {
    fn of(&self, version: &str) -> &str {
        match self {
            Self::All(one) => one,
            Self::Each(each) => &each[version],
        }
    }
}

fn means(error: &Error) -> &'static str {
    match () {
        () if error.is_not_found() => "missing",
        () if error.is_conflict() => "conflict",
        () if error.is_precondition_failed() => "stale",
        () => "refused",
    }
}

/// Sends one and tells what was seen, and what it means.
async fn send(lxd: &Client, one: &Observed) -> (String, &'static str) {
    let (method, at) = one.request.split_once(' ').unwrap();
    let mut request = match method {
        "GET" => Request::get(at),
        "POST" => Request::post(at),
        "PUT" => Request::put(at),
        "PATCH" => Request::patch(at),
        _ => Request::delete(at),
    };
    if let Some(body) = &one.body {
        request = request.json(body.clone());
    }
    if let Some(etag) = &one.if_match {
        request = request.if_match(Etag::new(etag));
    }
    let refused = |e: Error| {
        let seen = match e.status().unwrap() {
            412 => "412".to_owned(),
            status => format!("{status}: {}", e.message()),
        };
        (seen, means(&e))
    };
    if method == "GET" {
        return match lxd.send(request).await {
            Ok(_) => ("done".into(), "done"),
            Err(e) => refused(e),
        };
    }
    let started = match lxd.change(request).await {
        Ok(started) => started,
        Err(e) => return refused(e),
    };
    let Some(id) = started.id().cloned() else {
        return ("done".into(), "done");
    };
    let wait = Request::get(format!("/1.0/operations/{id}/wait"));
    let told = lxd.send(wait).await.err().and_then(|e| e.status());
    match started.wait().await {
        Ok(_) => ("op done".into(), "done"),
        Err(e) => match told {
            Some(code) => (format!("op {code}: {}", e.message()), means(&e)),
            None => (format!("op: {}", e.message()), means(&e)),
        },
    }
}

/// All but the words.
fn shape(seen: &str) -> &str {
    seen.split(':').next().unwrap()
}

async fn answers_as_it_was_seen(stage: Stage) {
    let all: Vec<Observed> = serde_json::from_str(include_str!("data/observed.json")).unwrap();
    // What an earlier run may have left.
    for at in [
        "instances/cbto-i",
        "networks/cbton0",
        "network-acls/cbto-a",
        "projects/cbto-p",
        "profiles/cbto-x",
        "storage-pools/cbt/volumes/custom/cbto-v/snapshots/s0",
        "storage-pools/cbt/volumes/custom/cbto-v",
    ] {
        let _ = ended(
            stage
                .lxd
                .change(Request::delete(format!("/1.0/{at}")))
                .await,
        )
        .await;
    }
    let (version, mut wrong) = (stage.like(), Vec::new());
    for one in &all {
        let (now, meaning) = send(&stage.lxd, one).await;
        let then = one.seen.of(version);
        let same = match stage.real {
            true => now == then,
            false => shape(&now) == shape(then),
        };
        let expected = one.means.as_ref().map_or("done", |m| m.of(version));
        if !same || meaning != expected {
            wrong.push(format!(
                "{} {}\n   seen: {then} ({expected})\n    now: {now} ({meaning})",
                one.request,
                one.body.as_ref().map(Value::to_string).unwrap_or_default(),
            ));
        }
    }
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} of {}:\n{}",
        all.len(),
        wrong.join("\n")
    );
}
