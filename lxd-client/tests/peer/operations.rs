//! Operations and events.

use std::time::Duration;

use futures_util::StreamExt;
use lxd_client::{Event, EventFilter, StateAction};

use crate::stage::{Stage, bodies};

bodies!(
    is_not_fooled_by_a_vanished_operation,
    tells_events_in_order,
    joins_and_cancels,
    lists_those_of_all_projects,
);

async fn is_not_fooled_by_a_vanished_operation(stage: Stage) {
    stage.image().await;
    let instances = stage.lxd.instances();
    let started = instances.create(&stage.container("c")).await.unwrap();
    let id = started.id().cloned().unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(
        stage
            .lxd
            .operations()
            .get(&id)
            .await
            .unwrap_err()
            .is_not_found()
    );
    // It was watched from the beginning.
    started.wait().await.unwrap();
    assert!(
        stage
            .lxd
            .operations()
            .join(&id)
            .await
            .unwrap_err()
            .is_not_found()
    );
    // A failure is kept just as well.
    let started = instances.start(&stage.name("c")).await.unwrap();
    started.wait().await.unwrap();
    let started = instances.start(&stage.name("c")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let error = started.wait().await.unwrap_err();
    assert!(error.message().contains("already running"), "{error}");
    instances.delete_forced(&stage.name("c")).await.unwrap();
}

async fn tells_events_in_order(stage: Stage) {
    stage.image().await;
    let instances = stage.lxd.instances();
    let mut events = stage.lxd.events(EventFilter::default()).await.unwrap();
    assert!(matches!(events.next().await, Some(Ok(Event::Resynced))));
    let name = stage.name("c");
    let started = instances.create(&stage.container("c")).await.unwrap();
    let id = started.id().unwrap().as_str().to_owned();
    started.wait().await.unwrap();
    let source = format!("/1.0/instances/{name}");
    let found = events.find(|e| match e {
        Event::Lifecycle { lifecycle, .. } if lifecycle.source == source => {
            Some(lifecycle.action.clone())
        }
        _ => None,
    });
    let action = tokio::time::timeout(Duration::from_secs(10), found)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(action, "instance-created");
    let mut events = stage.lxd.events(EventFilter::default()).await.unwrap();
    let deleted = instances.delete(&name).await.unwrap();
    let del = deleted.id().unwrap().as_str().to_owned();
    let found = events.find(|e| match e {
        Event::Operation { operation, .. } if operation.id == del && operation.is_final() => {
            Some(operation.status_code)
        }
        _ => None,
    });
    let code = tokio::time::timeout(Duration::from_secs(10), found)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(code, 200);
    deleted.wait().await.unwrap();
    assert_ne!(id, del);
}

async fn joins_and_cancels(stage: Stage) {
    let name = stage.running("c").await;
    let instances = stage.lxd.instances();
    // An init that ignores the power signal: the stop lasts until its own limit, then fails.
    let started = instances
        .set_state(
            &name,
            StateAction::Restart,
            Some(Duration::from_secs(1)),
            true,
        )
        .await
        .unwrap();
    let id = started.id().cloned().unwrap();
    let joined = stage.lxd.operations().join(&id).await.unwrap();
    let (a, b) = tokio::join!(started.wait(), joined.wait());
    a.unwrap();
    b.unwrap();
    stage.https().await;
    // A token operation is the one that can be cancelled, and is never waited for.
    let token = stage
        .lxd
        .certificates()
        .make_token(&lxd_client::CertificateOptions::named(stage.name("t")))
        .await
        .unwrap();
    assert_eq!(token.client_name(), stage.name("t"));
    let open = stage.lxd.operations().list().await.unwrap();
    let op = open
        .iter()
        .find(|o| o.class == "token" && o.metadata["request"]["name"] == stage.name("t"))
        .unwrap();
    assert!(op.may_cancel);
    let id = lxd_client::OperationId::new(&op.id);
    let started = stage.lxd.operations().join(&id).await.unwrap();
    started.cancel().await.unwrap();
    let error = started.wait().await.unwrap_err();
    assert_eq!(
        error.kind(),
        lxd_client::ErrorKind::OperationCancelled,
        "{error}"
    );
    instances.delete_forced(&name).await.unwrap();
}

async fn lists_those_of_all_projects(stage: Stage) {
    let (project, within) = stage.project().await;
    let mut new = stage.container("c");
    new.source = lxd_client::InstanceSource::Empty;
    let made = within.instances().create(&new).await.unwrap();
    let id = made.id().unwrap().as_str().to_owned();
    made.wait().await.unwrap();
    let mine = |listed: Vec<lxd_client::Operation>| listed.iter().filter(|o| o.id == id).count();
    // Ended, and not forgotten yet: in its own project, in no other, once among all.
    assert_eq!(mine(within.operations().list().await.unwrap()), 1);
    assert_eq!(mine(stage.lxd.operations().list().await.unwrap()), 0);
    let all = stage.lxd.operations().list_all_projects().await.unwrap();
    assert_eq!(mine(all), 1);
    within.instances().delete_forced(&new.name).await.unwrap();
    let deleted = stage.lxd.projects().delete(&project).await.unwrap();
    deleted.wait().await.unwrap();
}
