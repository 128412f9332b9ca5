//! HTTPS: the server pinned, the client trusted by token, by password, by an administrator.

use lxd_client::{
    CertificateOptions, Client, ErrorKind, Event, EventFilter, Exec, Fingerprint, Identity,
    Project, TrustToken,
};
use secrecy::ExposeSecret;

use crate::stage::{Stage, bodies};

bodies!(
    is_refused_without_trust,
    is_trusted_by_token,
    is_not_trusted_by_a_name_that_is_taken,
    is_trusted_by_password,
    is_trusted_by_an_administrator,
    talks_to_the_pinned_server_only,
    is_trusted_with_an_rsa_key,
    keeps_its_trust_store,
    confines_a_client_to_its_projects,
);

async fn client(stage: &Stage, identity: &Identity) -> Client {
    let url = stage.https().await;
    let print = stage
        .lxd
        .server()
        .await
        .unwrap()
        .environment
        .certificate_fingerprint
        .clone();
    Client::https(url, print.parse().unwrap())
        .identity(identity.clone())
        .build()
        .unwrap()
}

/// Takes out what an earlier run has left under this name.
async fn forget(stage: &Stage, name: &str) {
    let trusted = stage.lxd.certificates();
    for old in trusted.list().await.unwrap() {
        if old.name == name {
            let print = old.fingerprint.parse().unwrap();
            trusted.delete(&print).await.unwrap();
        }
    }
}

async fn is_refused_without_trust(stage: Stage) {
    let me = Identity::generate("cbt-stranger").unwrap();
    let client = client(&stage, &me).await;
    let server = client.server().await.unwrap();
    assert!(!server.is_trusted() && server.config.is_empty());
    assert!(server.has_extension("projects"));
    let error = client.instances().list().await.unwrap_err();
    assert!(
        error.is_not_trusted() && error.to_string().contains("trust store"),
        "{error}"
    );
    assert!(client.resources().await.unwrap_err().is_not_trusted());
    assert!(
        client
            .set_config([("core.debug_address", "")])
            .await
            .unwrap_err()
            .is_not_trusted()
    );
    assert!(
        client
            .events(EventFilter::default())
            .await
            .unwrap_err()
            .is_not_trusted()
    );
    let wrong = "not the password".to_owned().into();
    let error = client.certificates().trust_by_password(&wrong).await;
    let error = error.unwrap_err();
    assert!(!error.to_string().contains("not the password"), "{error}");
    // From 6.2 on nobody is trusted by a password, and told so.
    let no_more = error.status() == Some(501);
    assert_eq!(no_more, stage.since(6, 2), "{error}");
    assert!(no_more || error.is_not_trusted(), "{error}");
}

async fn is_trusted_by_token(stage: Stage) {
    let me = Identity::generate("cbt-token").unwrap();
    let client = client(&stage, &me).await;
    let options = CertificateOptions::named(stage.name("me"));
    let token = stage.lxd.certificates().make_token(&options).await.unwrap();
    assert!(!format!("{token:?}").contains(token.secret().expose_secret()));
    let pinned: Fingerprint = token.fingerprint().unwrap();
    let shown = stage
        .lxd
        .server()
        .await
        .unwrap()
        .environment
        .certificate_fingerprint
        .clone();
    assert_eq!(pinned.as_str(), shown);
    // As it is carried by hand from the one machine to the other.
    let carried: TrustToken = token.secret().expose_secret().parse().unwrap();
    client
        .certificates()
        .trust_by_token(&carried)
        .await
        .unwrap();
    assert!(client.server().await.unwrap().is_trusted());
    client.instances().list().await.unwrap();
    // Again: nothing to do.
    client
        .certificates()
        .trust_by_token(&carried)
        .await
        .unwrap();
    let kept = stage
        .lxd
        .certificates()
        .get(&me.fingerprint())
        .await
        .unwrap();
    assert_eq!(kept.name, stage.name("me"));
    // It is good once.
    let other = Identity::generate("cbt-other").unwrap();
    let other = Client::https(stage.https().await, pinned)
        .identity(other)
        .build()
        .unwrap();
    assert!(
        other
            .certificates()
            .trust_by_token(&carried)
            .await
            .unwrap_err()
            .is_not_trusted()
    );
    // Websockets over TLS.
    let mut events = client.events(EventFilter::default()).await.unwrap();
    events
        .find(|e| matches!(e, Event::Resynced).then_some(()))
        .await
        .unwrap();
    let name = stage.running("c").await;
    let out = client
        .instances()
        .exec(&name, &Exec::new(["echo", "by TLS"]))
        .await
        .unwrap();
    assert_eq!(&out.stdout[..], b"by TLS\n");
    client.instances().delete_forced(&name).await.unwrap();
    stage
        .lxd
        .certificates()
        .delete(&me.fingerprint())
        .await
        .unwrap();
    assert!(
        client
            .instances()
            .list()
            .await
            .unwrap_err()
            .is_not_trusted()
    );
}

/// Two certificates of one name: 5.0.2 takes them, later servers keep a name once only. Then nobody
/// is told to be trusted who is not.
async fn is_not_trusted_by_a_name_that_is_taken(stage: Stage) {
    let name = stage.name("me");
    forget(&stage, &name).await;
    let options = CertificateOptions::named(&name);
    let (one, two) = (Identity::generate("one"), Identity::generate("two"));
    let trusted = stage.lxd.certificates();
    trusted.add(&one.unwrap(), &options).await.unwrap();
    let client = client(&stage, &two.unwrap()).await;
    let token = trusted.make_token(&options).await.unwrap();
    match client.certificates().trust_by_token(&token).await {
        Err(e) if stage.since(5, 21) => assert!(e.is_conflict(), "{e}"),
        told => told.unwrap(),
    }
    let is_trusted = client.server().await.unwrap().is_trusted();
    assert_eq!(is_trusted, !stage.since(5, 21));
    forget(&stage, &name).await;
}

async fn is_trusted_by_password(stage: Stage) {
    if stage.since(6, 1) {
        let gone = stage.lxd.set_config([("core.trust_password", "any")]).await;
        let gone = gone.unwrap_err();
        assert!(gone.message().contains("nknown key"), "{gone}");
        return;
    }
    let me = Identity::generate("cbt-password").unwrap();
    let client = client(&stage, &me).await;
    stage
        .lxd
        .set_config([("core.trust_password", "s3cret of the lab")])
        .await
        .unwrap();
    let wrong = "something else".to_owned().into();
    assert!(
        client
            .certificates()
            .trust_by_password(&wrong)
            .await
            .unwrap_err()
            .is_not_trusted()
    );
    let right = "s3cret of the lab".to_owned().into();
    client
        .certificates()
        .trust_by_password(&right)
        .await
        .unwrap();
    client
        .certificates()
        .trust_by_password(&right)
        .await
        .unwrap();
    assert!(client.server().await.unwrap().is_trusted());
    stage
        .lxd
        .certificates()
        .delete(&me.fingerprint())
        .await
        .unwrap();
    stage
        .lxd
        .set_config([("core.trust_password", "")])
        .await
        .unwrap();
    assert!(
        client
            .certificates()
            .trust_by_password(&right)
            .await
            .unwrap_err()
            .is_not_trusted()
    );
}

async fn is_trusted_by_an_administrator(stage: Stage) {
    let me = Identity::generate("cbt-admin").unwrap();
    let client = client(&stage, &me).await;
    let options = CertificateOptions::named(stage.name("me"));
    stage.lxd.certificates().add(&me, &options).await.unwrap();
    let error = stage
        .lxd
        .certificates()
        .add(&me, &options)
        .await
        .unwrap_err();
    assert!(error.is_conflict(), "{error}");
    assert!(client.server().await.unwrap().is_trusted());
    // The same certificate brought back from its PEM.
    let again = Identity::from_pem(me.certificate_pem(), me.key_pem().clone()).unwrap();
    assert_eq!(again.fingerprint(), me.fingerprint());
    assert!(!format!("{me:?} {client:?}").contains("PRIVATE"));
    let listed = stage.lxd.certificates().list().await.unwrap();
    assert!(
        listed
            .iter()
            .any(|c| c.fingerprint == me.fingerprint().as_str())
    );
    stage
        .lxd
        .certificates()
        .delete(&me.fingerprint())
        .await
        .unwrap();
    assert!(
        stage
            .lxd
            .certificates()
            .delete(&me.fingerprint())
            .await
            .unwrap_err()
            .is_not_found()
    );
}

async fn talks_to_the_pinned_server_only(stage: Stage) {
    let url = stage.https().await;
    let shown = Client::look_at_fingerprint(&url, None).await.unwrap();
    let told = stage
        .lxd
        .server()
        .await
        .unwrap()
        .environment
        .certificate_fingerprint
        .clone();
    assert_eq!(shown.as_str(), told);
    let another: Fingerprint = "ab".repeat(32).parse().unwrap();
    let client = Client::https(url, another).build().unwrap();
    let error = client.server().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongServer, "{error}");
    assert!(
        error.to_string().contains(shown.as_str()) && !error.is_unclear(),
        "{error}"
    );
    let error = client.events(EventFilter::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongServer, "{error}");
}

async fn keeps_its_trust_store(stage: Stage) {
    let trusted = stage.lxd.certificates();
    let me = Identity::generate("cbt-store").unwrap();
    let print = me.fingerprint();
    let _ = trusted.delete(&print).await;
    let options = CertificateOptions::named(stage.name("me"));
    trusted
        .add_base64(&me.certificate_base64(), &options)
        .await
        .unwrap();
    let names = trusted.names().await.unwrap();
    assert!(names.contains(&print.as_str().to_owned()));
    let kept = trusted.get(&print).await.unwrap();
    assert_eq!((kept.kind.as_str(), kept.restricted), ("client", false));
    assert_eq!(kept.fingerprint, print.as_str());
    assert!(kept.certificate.contains("BEGIN CERTIFICATE"));
    trusted
        .modify(&print, |c| {
            c.name = stage.name("renamed");
            c.restricted = true;
            c.projects = vec!["default".into()];
        })
        .await
        .unwrap();
    let now = trusted.get(&print).await.unwrap();
    assert_eq!(now.name, stage.name("renamed"));
    assert_eq!(
        (now.restricted, &now.projects[..]),
        (true, &["default".to_owned()][..])
    );
    assert_ne!(now.etag(), kept.etag());
    let nowhere = trusted
        .modify(&print, |c| c.projects = vec!["cbt-none".into()])
        .await;
    assert!(nowhere.unwrap_err().is_not_found());
    for (nonsense, why) in [("bm8=", "Invalid certificate"), ("n o", "illegal base64")] {
        let error = trusted.add_base64(nonsense, &options).await.unwrap_err();
        assert_eq!(error.status(), Some(400), "{error}");
        assert!(error.message().contains(why), "{error}");
    }
    trusted.delete(&print).await.unwrap();
    assert!(trusted.delete(&print).await.unwrap_err().is_not_found());
    assert!(trusted.get(&print).await.unwrap_err().is_not_found());
    let missing = trusted.modify(&print, |_| ()).await;
    assert!(missing.unwrap_err().is_not_found());
}

async fn confines_a_client_to_its_projects(stage: Stage) {
    let (project, within) = stage.project().await;
    let me = Identity::generate("cbt-confined").unwrap();
    forget(&stage, &stage.name("me")).await;
    let mut options = CertificateOptions::named(stage.name("me"));
    options.projects = vec![project.clone()];
    let lxd = client(&stage, &me).await;
    let token = stage.lxd.certificates().make_token(&options).await.unwrap();
    lxd.certificates().trust_by_token(&token).await.unwrap();

    // Its own project is all its own.
    let mine = lxd.project(&project);
    let mut new = stage.container("c");
    new.source = lxd_client::InstanceSource::Empty;
    let made = mine.instances().create(&new).await.unwrap();
    made.wait().await.unwrap();
    assert_eq!(mine.instances().list().await.unwrap().len(), 1);
    assert_eq!(lxd.projects().names().await.unwrap(), [project.as_str()]);
    assert!(mine.profiles().get("default").await.is_ok());
    assert_eq!(lxd.certificates().names().await.unwrap().len(), 1);
    lxd.resources().await.unwrap();
    assert!(!lxd.storage_pools().names().await.unwrap().is_empty());
    // What is the others', and the server's, is not.
    let refused = [
        lxd.instances().list().await.map(|_| ()),
        lxd.instances().list_all_projects().await.map(|_| ()),
        lxd.instances().create(&new).await.map(|_| ()),
        lxd.profiles().list().await.map(|_| ()),
        lxd.networks().list().await.map(|_| ()),
        lxd.projects().get("default").await.map(|_| ()),
        lxd.projects()
            .create(&Project::named("cbt-q"))
            .await
            .map(|_| ()),
        lxd.storage_pools()
            .create(&lxd_client::StoragePool::new("cbt-q", "dir"))
            .await
            .map(|_| ()),
        lxd.set_config([("user.x", "1")]).await,
        lxd.certificates().make_token(&options).await.map(|_| ()),
        lxd.warnings().await.map(|_| ()),
    ];
    for (n, refused) in refused.into_iter().enumerate() {
        let error = refused.expect_err(&n.to_string());
        assert!(error.is_not_trusted(), "{n}: {error}");
    }
    // The metrics are told to it by later versions: those of what it may see.
    assert_eq!(lxd.metrics_text().await.is_ok(), stage.since(5, 21));
    within.instances().delete_forced(&new.name).await.unwrap();
    let trusted = stage.lxd.certificates();
    trusted.delete(&me.fingerprint()).await.unwrap();
    let deleted = stage.lxd.projects().delete(&project).await.unwrap();
    deleted.wait().await.unwrap();
}

/// A key of the older kind, that somebody has already (made for this test, and good for nothing).
async fn is_trusted_with_an_rsa_key(stage: Stage) {
    let certificate = include_str!("data/rsa.crt");
    let key = include_str!("data/rsa.key").to_owned();
    let me = Identity::from_pem(certificate, key.into()).unwrap();
    let _ = stage.lxd.certificates().delete(&me.fingerprint()).await;
    let lxd = client(&stage, &me).await;
    assert!(!lxd.server().await.unwrap().is_trusted());
    let options = CertificateOptions::named(stage.name("me"));
    let token = stage.lxd.certificates().make_token(&options).await.unwrap();
    lxd.certificates().trust_by_token(&token).await.unwrap();
    assert!(lxd.server().await.unwrap().is_trusted());
    lxd.events(EventFilter::default()).await.unwrap();
    let trusted = stage.lxd.certificates();
    trusted.delete(&me.fingerprint()).await.unwrap();
}
