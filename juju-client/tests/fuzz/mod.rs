//! The bodies of the fuzz targets, which ordinary tests replay over the corpora: nothing that a network sends or a file holds may
//! panic.

use std::collections::BTreeMap;

use juju_client::api::watcher::Delta;
use juju_client::bundle::{Constraints, Model, PlanOptions};
use juju_client::{Bundle, Call, FullStatus, Reply, Rpc, Store};

/// Frames off the socket: lines of one connection, on which four calls are under way.
pub(crate) fn frames(data: &[u8]) {
    let mut rpc: Rpc<u32> = Rpc::default();
    for n in 0..4 {
        let call = Call {
            facade: "Client".into(),
            version: 8,
            id: String::new(),
            method: "FullStatus".into(),
            params: serde_json::Value::Null,
        };
        rpc.send(&call, n);
    }
    for line in data.split(|b| *b == b'\n') {
        if let Ok(answer) = rpc.receive(bytes::Bytes::copy_from_slice(line)) {
            judge(answer);
        }
    }
    rpc.drain();
}

fn judge(answer: juju_client::Incoming<u32>) {
    if let juju_client::Incoming::Answer(_, Ok(reply)) = answer {
        decode(&reply);
    }
}

fn decode(reply: &Reply) {
    // Both readers say the same.
    let value = reply.decode::<serde_json::Value>();
    assert_eq!(value, reply.decode_large::<serde_json::Value>());
    let status = reply.decode::<FullStatus>();
    let again = reply.decode_large::<FullStatus>();
    assert_eq!(format!("{status:?}"), format!("{again:?}"));
    if let Ok(status) = status {
        let _ = status.units().count() + status.all_machines().len();
        let _ = juju_client::Converged::judge(&status);
        let model = Model::from_parts(&status, BTreeMap::new(), &BTreeMap::new());
        if let Ok(bundle) =
            Bundle::parse("applications: {web: {charm: web, num_units: 2, to: [new, 'lxd:new']}}")
        {
            let _ = bundle.changes_against(model, &PlanOptions::default());
        }
    }
}

/// What a watcher of all says.
pub(crate) fn deltas(data: &[u8]) {
    if let Ok(all) = serde_json::from_slice::<Vec<Delta>>(data) {
        for d in &all {
            let _ = format!("{d:?}");
        }
    }
    let mut frame = b"{\"request-id\":1,\"response\":{\"deltas\":".to_vec();
    frame.extend_from_slice(data);
    frame.extend_from_slice(b"}}");
    frames(&frame);
}

/// Bundles: everything that can be asked of one without a controller.
pub(crate) fn bundles(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = text.parse::<Constraints>();
    let _ = Bundle::problems(text, &[text], None);
    if let Ok(bundle) = Bundle::parse(text) {
        let _ = bundle.warnings().count();
        let plan = bundle.changes();
        let _ = bundle.machines();
        if let Ok(plan) = plan {
            // Whatever is required is there, and comes before.
            let mut before = std::collections::BTreeSet::new();
            for c in &plan.changes {
                assert!(
                    c.requires.iter().all(|r| before.contains(r)),
                    "{} before what it requires",
                    c.id
                );
                before.insert(c.id.clone());
            }
            let _ = plan.to_string();
        }
    }
}

/// The client store's files, one after another between lines of `===`.
pub(crate) fn store(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split("===\n");
    let files: BTreeMap<String, Vec<u8>> = [
        "controllers.yaml",
        "accounts.yaml",
        "models.yaml",
        "clouds.yaml",
        "credentials.yaml",
    ]
    .into_iter()
    .filter_map(|n| parts.next().map(|p| (n.to_owned(), p.as_bytes().to_vec())))
    .collect();
    let Ok(store) = Store::from_files(&files) else {
        return;
    };
    for name in store.controllers() {
        if let Ok(access) = store.controller(Some(&name)) {
            let _ = access.endpoint(None);
            let _ = format!("{access:?}");
        }
        if let Some(m) = store.current_model(&name) {
            let _ = store.model(&name, m);
        }
    }
    // What is read can be written, and read again.
    if let Ok(files) = store.to_files() {
        assert!(
            Store::from_files(&files).is_ok(),
            "a store that was written is not read again"
        );
    }
}
