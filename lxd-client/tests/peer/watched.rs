//! Clusters, warnings, metrics.

use crate::stage::{Stage, bodies};

bodies!(is_watched_over,);

async fn is_watched_over(stage: Stage) {
    let lxd = &stage.lxd;
    assert!(lxd.cluster_members().await.unwrap().is_empty());
    let error = lxd.cluster().member("none").await.unwrap_err();
    assert!(error.message().contains("not clustered"), "{error}");
    let error = lxd.cluster().join_token("new").await.unwrap_err();
    assert!(error.message().contains("not clustered"), "{error}");
    if let Some(fake) = &stage.fake {
        fake.warn("Couldn't find the CGroup blkio.weight", "ignored");
    }
    // A machine of the tests' kind gives it cause.
    let warnings = lxd.warnings().await.unwrap();
    let warning = warnings.first().expect("the daemon is worried");
    assert!(!warning.kind.is_empty());
    lxd.acknowledge_warning(&warning.uuid).await.unwrap();
    let now = lxd.warning(&warning.uuid).await.unwrap();
    assert_eq!(now.status, "acknowledged");
    let missing = lxd.warning("no-such").await;
    assert!(missing.unwrap_err().is_not_found());
    let missing = lxd.delete_warning("no-such").await;
    assert!(missing.unwrap_err().is_not_found());
    let metrics = lxd.metrics_text().await.unwrap();
    assert!(
        metrics.contains("# EOF") || metrics.contains("# HELP"),
        "{metrics}"
    );
}
