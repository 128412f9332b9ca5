//! Waits: one list call a round however many machines, failures at once with what is known of them, and
//! imports that are really complete.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use maas_client::*;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const FAST: WaitLimits =
    WaitLimits::within(Duration::from_secs(60)).every(Duration::from_millis(5));

async fn region() -> (MockServer, Client) {
    let server = MockServer::start().await;
    let client = Client::builder(server.uri()).build().unwrap();
    (server, client)
}

fn at(part: &str) -> wiremock::MockBuilder {
    Mock::given(method("GET")).and(path(format!("/MAAS/api/2.0/{part}")))
}

fn json_of(value: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(value)
}

fn id(n: usize) -> SystemId {
    format!("m{n:05}").parse().unwrap()
}

fn machines(count: usize, status: impl Fn(usize) -> i64) -> Value {
    (0..count)
        .map(|n| json!({"system_id": id(n), "hostname": format!("node{n}"), "status": status(n)}))
        .collect()
}

async fn lists(server: &MockServer) -> (usize, usize) {
    let requests = server.received_requests().await.unwrap();
    let lists = requests
        .iter()
        .filter(|r| r.url.path() == "/MAAS/api/2.0/machines/")
        .count();
    (lists, requests.len())
}

#[tokio::test]
async fn three_thousand_machines_cost_one_call_a_round() {
    let (server, client) = region().await;
    let round = AtomicUsize::new(0);
    // In each round another thousand is ready.
    at("machines/")
        .respond_with(move |_: &Request| {
            let ready = 1000 * round.fetch_add(1, Ordering::SeqCst);
            json_of(machines(3001, |n| if n < ready { 4 } else { 1 }))
        })
        .mount(&server)
        .await;
    let ids: Vec<SystemId> = (0..3000).map(id).collect();
    let ready = client
        .machines()
        .wait(&ids, MachineGoal::Ready, FAST)
        .await
        .unwrap();
    assert_eq!(
        ready.len(),
        3000,
        "the one that nobody waited for is left out"
    );
    assert_eq!(lists(&server).await, (4, 4));
    assert!(
        server.received_requests().await.unwrap()[0]
            .url
            .query()
            .is_none(),
        "thousands of ids do not fit into an address"
    );
}

#[tokio::test]
async fn a_failure_ends_the_wait_at_once_with_what_is_known() {
    let (server, client) = region().await;
    at("machines/")
        .respond_with(json_of(machines(40, |n| if n == 7 { 2 } else { 1 })))
        .mount(&server)
        .await;
    at("nodes/m00007/results/current-commissioning/")
        .respond_with(json_of(json!({"id": 5, "results": [
            {"name": "20-maas-01-install-lldpd", "status": 2, "status_name": "Passed"},
            {"name": "maas-serial-ports", "status": 3, "status_name": "Failed", "exit_status": 1},
        ]})))
        .mount(&server)
        .await;
    at("events/")
        .and(query_param("op", "query"))
        .and(query_param("id", "m00007"))
        .respond_with(json_of(json!({"count": 1, "events": [
            {"id": 9, "created": "Mon, 23 Nov. 2026 03:54:22", "type": "Failed commissioning", "description": "no disk"}]})))
        .mount(&server)
        .await;
    let ids: Vec<SystemId> = (0..40).map(id).collect();
    let began = Instant::now();
    let error = client
        .machines()
        .wait(&ids, MachineGoal::Ready, FAST)
        .await
        .unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(error.kind(), ErrorKind::Failed);
    insta::assert_snapshot!(error);
    let failure = error.machine_failure().unwrap();
    assert_eq!(failure.system_id, id(7));
    let failed: Vec<_> = failure.results.as_ref().unwrap().failures().collect();
    assert_eq!((failed.len(), failed[0].exit_status), (1, Some(1)));
    assert_eq!(failure.events[0].description, "no disk");
    assert_eq!(lists(&server).await, (1, 3));
}

#[tokio::test]
async fn a_region_that_is_away_for_a_round_is_looked_past() {
    let (server, client) = region().await;
    at("machines/")
        .respond_with(ResponseTemplate::new(503).set_body_string("restarting"))
        .up_to_n_times(5)
        .mount(&server)
        .await;
    at("machines/")
        .respond_with(json_of(machines(1, |_| 6)))
        .mount(&server)
        .await;
    let client = Client::builder(client.base_url())
        .retry(Retry::never())
        .build()
        .unwrap();
    let done = client
        .machines()
        .wait(&[id(0)], MachineGoal::Deployed, FAST)
        .await;
    assert_eq!(done.unwrap().len(), 1);
}

#[tokio::test]
async fn what_does_not_move_is_a_stall() {
    let (server, client) = region().await;
    at("machines/")
        .respond_with(json_of(machines(2000, |_| 99)))
        .mount(&server)
        .await;
    let ids: Vec<SystemId> = (0..2000).map(id).collect();
    let error = client
        .machines()
        .wait(
            &ids,
            MachineGoal::Ready,
            FAST.stall(Duration::from_millis(50)),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    let text = error.to_string();
    assert!(
        text.contains("nothing has changed") && text.contains("status 99"),
        "{text}"
    );
    assert!(text.len() < 2000, "{} bytes", text.len());
}

/// An image of which so much of one file is there.
fn image(part: f64) -> Value {
    let whole = part >= 1.0;
    json!({"id": 4, "name": "ubuntu/jammy", "architecture": "amd64/ga-22.04", "sets": {"20240101": {
        "version": "20240101", "complete": whole, "size": 500_000_000, "files": {
            "boot-kernel": {"size": 10_000_000, "complete": true},
            "squashfs": {"size": 490_000_000, "complete": whole, "progress": if whole { Value::Null } else { json!(part) }}}}}})
}

async fn imports(
    server: &MockServer,
    importing: bool,
    part: impl Fn() -> f64 + Send + Sync + 'static,
) {
    at("boot-resources/")
        .and(query_param("op", "is_importing"))
        .respond_with(json_of(json!(importing)))
        .mount(server)
        .await;
    let mut named = image(0.0);
    named.as_object_mut().unwrap().remove("sets");
    at("boot-resources/")
        .respond_with(json_of(json!([named])))
        .mount(server)
        .await;
    at("boot-resources/4/")
        .respond_with(move |_: &Request| json_of(image(part())))
        .mount(server)
        .await;
    at("rackcontrollers/")
        .respond_with(json_of(json!([{"system_id": "kqywdf"}])))
        .mount(server)
        .await;
    at("rackcontrollers/kqywdf/")
        .respond_with(json_of(json!({"connected": true, "status": "synced",
            "images": [{"name": "ubuntu/jammy", "architecture": "amd64"}]})))
        .mount(server)
        .await;
}

fn jammy() -> [WantedImage; 1] {
    [WantedImage::ubuntu("jammy", "amd64")]
}

#[tokio::test]
async fn an_image_that_is_only_named_is_no_image() {
    let (server, client) = region().await;
    // The import failed in its middle; the list names the image all the same.
    imports(&server, false, || 0.4).await;
    let error = client
        .wait_for_images(&jammy(), Duration::ZERO, FAST)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    insta::assert_snapshot!(error);
}

#[tokio::test]
async fn a_whole_image_on_a_rack_is_one() {
    let (server, client) = region().await;
    imports(&server, false, || 1.0).await;
    client
        .wait_for_images(&jammy(), Duration::ZERO, FAST)
        .await
        .unwrap();
}

#[tokio::test]
async fn growth_is_no_stall_and_its_end_is() {
    let (server, client) = region().await;
    let began = Instant::now();
    // A file grows for a second, and then no more.
    imports(&server, true, move || {
        began.elapsed().as_secs_f64().min(1.0) * 0.5
    })
    .await;
    let limits = FAST.stall(Duration::from_millis(600));
    let error = client
        .wait_for_images(&jammy(), Duration::ZERO, limits)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(
        began.elapsed() > Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    assert!(error.to_string().contains("255.0 of 500.0 MB"), "{error}");
}
