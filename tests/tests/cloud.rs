//! Keystone and the dashboard over the lab's wire, verified with the lab's Vault root CA.

use cloudboot::openstack::{Access, ErrorKind, Reach, login_page};
use cloudboot::testing::ca::RootCa;
use cloudboot::testing::{dashboard, keystone, wire::Wire};

struct Cloud {
    wire: Wire,
    keystone: keystone::Fake,
    dashboard: dashboard::Fake,
    ca: RootCa,
    access: Access,
    reach: Reach,
}

async fn cloud() -> Cloud {
    let wire = Wire::start(0).await.unwrap();
    let keystone = keystone::Fake::builder().start().await.unwrap();
    let dashboard = dashboard::Fake::builder().start().await.unwrap();
    wire.route("10.42.0.7:5000", keystone.addr());
    wire.route("10.42.0.21:443", dashboard.addr());
    keystone.register("identity", "keystone", "https://10.42.0.7:5000/v3");
    let ca = RootCa::generate("the lab's root").unwrap();
    let reach = Reach::default()
        .proxy(wire.url())
        .ca_pem(ca.cert_pem.clone());
    let access = Access {
        dashboard: "https://10.42.0.21/horizon".parse().unwrap(),
        auth_url: "https://10.42.0.7:5000/v3".parse().unwrap(),
        user: "admin".into(),
        user_domain: "admin_domain".into(),
        password: keystone.password().into(),
        project: "admin".into(),
        project_domain: "admin_domain".into(),
        region: "RegionOne".into(),
        ca_pem: ca.cert_pem.clone(),
    };
    Cloud {
        wire,
        keystone,
        dashboard,
        ca,
        access,
        reach,
    }
}

#[tokio::test]
async fn a_token_and_a_login_page_over_verified_tls() {
    let c = cloud().await;
    let before = c
        .access
        .keystone(&c.reach)
        .unwrap()
        .authenticate()
        .await
        .unwrap_err();
    assert!(
        before.is_retryable() || before.kind() == ErrorKind::Tls,
        "no certificate yet: {before:?}"
    );
    c.keystone
        .serve_tls(&c.ca, &["10.42.0.7".parse().unwrap()])
        .unwrap();
    c.dashboard
        .serve_tls(&c.ca, &["10.42.0.21".parse().unwrap()])
        .unwrap();

    let keystone = c.access.keystone(&c.reach).unwrap();
    let token = keystone.token().await.unwrap();
    assert_eq!(token.catalog.kinds().collect::<Vec<_>>(), ["identity"]);
    assert!(token.project_id.is_some() && token.roles.iter().any(|r| r == "Admin"));
    let missing = keystone.nova().await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "OpenStack: find the Public endpoint of compute: the catalog has none; it knows: identity. \
         Is the service deployed and related to Keystone, and is the token scoped to a project?"
    );
    let page = login_page(&c.access.dashboard, &c.reach).await.unwrap();
    assert_eq!(
        page.url.as_str(),
        "https://10.42.0.21/horizon/auth/login/?next=/horizon/"
    );

    let stranger = RootCa::generate("a stranger").unwrap();
    let access = Access {
        ca_pem: stranger.cert_pem,
        ..c.access.clone()
    };
    let refused = access
        .keystone(&c.reach)
        .unwrap()
        .authenticate()
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Tls, "{refused:?}");
    let access = Access {
        password: "wrong".into(),
        ..c.access.clone()
    };
    let denied = access
        .keystone(&c.reach)
        .unwrap()
        .authenticate()
        .await
        .unwrap_err();
    assert!(
        denied.is_denied() && !denied.is_retryable() && !denied.to_string().contains("wrong."),
        "{denied}"
    );
}

#[tokio::test]
async fn a_certificate_for_another_address_is_refused() {
    let c = cloud().await;
    c.keystone
        .serve_tls(&c.ca, &["10.42.0.8".parse().unwrap()])
        .unwrap();
    let refused = c
        .access
        .keystone(&c.reach)
        .unwrap()
        .authenticate()
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Tls, "{refused:?}");
}

#[tokio::test]
async fn the_wire_says_what_is_not_there() {
    let c = cloud().await;
    c.wire.unroute("10.42.0.7:5000");
    let nowhere = c
        .access
        .keystone(&c.reach)
        .unwrap()
        .authenticate()
        .await
        .unwrap_err();
    assert!(
        nowhere.kind() == ErrorKind::Connect && nowhere.is_retryable() && !nowhere.is_unclear(),
        "{nowhere:?}"
    );
    let http = login_page(&"http://10.42.0.99/".parse().unwrap(), &c.reach)
        .await
        .unwrap_err();
    assert_eq!(
        http.answer(),
        "no route to 10.42.0.99:80: there is nothing at this address in the lab"
    );
    c.wire.route("10.42.0.99:80", c.dashboard.addr());
    assert!(
        login_page(&"http://10.42.0.99/".parse().unwrap(), &c.reach)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_ended_token_is_replaced() {
    let c = cloud().await;
    c.keystone
        .serve_tls(&c.ca, &["10.42.0.7".parse().unwrap()])
        .unwrap();
    let (saved, port) = (c.keystone.snapshot(), c.keystone.addr().port());
    c.keystone.stop().await;
    let reopened = keystone::Fake::builder()
        .port(port)
        .restore(saved)
        .start()
        .await
        .unwrap();
    assert!(reopened.is_tls(), "a reopened lab keeps its certificates");
    c.access.keystone(&c.reach).unwrap().token().await.unwrap();
}
