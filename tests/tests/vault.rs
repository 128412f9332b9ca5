//! Vault: one body against the fake and against a real OpenBao.

use std::time::Duration;

use cloudboot::engine::{MemorySecretStore, SecretStore};
use cloudboot::testing::hooks::{Hooks, Phase, Verdict};
use cloudboot::testing::vault::Fake;
use cloudboot::vault::{Client, Reach, Shares, State, keys};
use cloudboot_tests::peer;
use secrecy::ExposeSecret as _;

const NAME: &str = "vault-keys";

/// From nothing to a token, and back to sealed: every answer that the pipeline relies on.
async fn body(vault: &Client) {
    let health = vault.health().await.unwrap();
    assert_eq!(health.state(), State::Uninitialised, "501 is a state");
    let status = vault.seal_status().await.unwrap();
    assert!(!status.initialized && status.sealed && status.progress == 0);
    let early = vault
        .unseal(&"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB".into())
        .await
        .unwrap_err();
    assert_eq!(
        (early.status().unwrap().as_u16(), early.answer()),
        (400, "Vault is not initialized")
    );
    let absurd = vault
        .init(Shares {
            shares: 2,
            threshold: 3,
        })
        .await
        .unwrap_err();
    assert_eq!(
        absurd.answer(),
        "invalid seal configuration: threshold cannot be larger than shares"
    );
    assert!(!absurd.is_unclear() && !absurd.is_retryable());

    let store = MemorySecretStore::new();
    let made = keys::initialise(vault, &store, NAME, Shares::default())
        .await
        .unwrap();
    assert_eq!((made.keys.len(), made.threshold), (5, 3));
    let kept = keys::load(&store, NAME).await.unwrap().unwrap();
    assert_eq!(
        kept.root_token.expose_secret(),
        made.root_token.expose_secret()
    );
    let again = keys::initialise(vault, &store, NAME, Shares::default())
        .await
        .unwrap();
    assert_eq!(
        again.root_token.expose_secret(),
        made.root_token.expose_secret(),
        "a second run finds the first one's keys"
    );
    let twice = vault.init(Shares::default()).await.unwrap_err();
    assert_eq!(
        (twice.status().unwrap().as_u16(), twice.answer()),
        (400, "Vault is already initialized")
    );

    assert_eq!(
        vault.health().await.unwrap().state(),
        State::Sealed,
        "503 is a state"
    );
    let sealed = vault
        .create_token(&made.root_token, Duration::from_secs(600))
        .await
        .unwrap_err();
    assert_eq!(
        (sealed.status().unwrap().as_u16(), sealed.answer()),
        (503, "Vault is sealed")
    );
    assert!(sealed.is_retryable() && !sealed.is_unclear());

    assert_eq!(vault.unseal(&made.keys[0]).await.unwrap().progress, 1);
    assert_eq!(
        vault.unseal(&made.keys[0]).await.unwrap().progress,
        1,
        "the same key is not counted twice"
    );
    assert_eq!(vault.reset_unseal().await.unwrap().progress, 0);
    for (key, said) in [
        ("!!", "'key' must be a valid hex or base64 string"),
        ("AAAA", "invalid key: key is shorter than minimum 16 bytes"),
    ] {
        assert_eq!(vault.unseal(&key.into()).await.unwrap_err().answer(), said);
    }
    // A wrong key is found out at the threshold only.
    vault.unseal(&made.keys[0]).await.unwrap();
    vault
        .unseal(&"MfSNcpTt2+jhCU6iWRSeoCzmzxPObjpjL86RfmHWE7P+".into())
        .await
        .unwrap();
    let wrong = vault.unseal(&made.keys[1]).await.unwrap_err();
    assert_eq!(wrong.status().unwrap().as_u16(), 400);
    assert_eq!(vault.seal_status().await.unwrap().progress, 0);

    // Somebody left a wrong key behind: ours are given a second time.
    vault
        .unseal(&"MfSNcpTt2+jhCU6iWRSeoCzmzxPObjpjL86RfmHWE7P+".into())
        .await
        .unwrap();
    assert!(!keys::unseal(vault, &kept).await.unwrap().sealed);
    assert!(
        !keys::unseal(vault, &kept).await.unwrap().sealed,
        "a second run leaves it alone"
    );
    assert!(
        !vault.unseal(&made.keys[4]).await.unwrap().sealed,
        "one key more is no error"
    );
    active(vault).await;
    assert_eq!(
        vault.reset_unseal().await.unwrap_err().answer(),
        "vault is unsealed"
    );

    let token = vault
        .create_token(&made.root_token, Duration::from_secs(600))
        .await
        .unwrap();
    assert_eq!(
        (token.lease_duration, token.policies.as_slice()),
        (600, ["root".to_owned()].as_slice())
    );
    let info = vault.lookup_self(&token.token).await.unwrap();
    assert!(
        info.creation_ttl == 600 && (1..=600).contains(&info.ttl),
        "{info:?}"
    );
    assert_eq!(
        vault.lookup_self(&made.root_token).await.unwrap().ttl,
        0,
        "the root token lives for ever"
    );
    let stranger = vault.lookup_self(&"s.nobody".into()).await.unwrap_err();
    assert!(
        stranger.is_denied()
            && stranger.status().unwrap().as_u16() == 403
            && stranger.answer().contains("permission denied")
    );
    vault.revoke_self(&token.token).await.unwrap();
    assert!(
        vault
            .lookup_self(&token.token)
            .await
            .unwrap_err()
            .is_denied()
    );

    for secret in made.keys.iter().chain([&made.root_token]) {
        for text in [
            format!("{vault:?}"),
            format!("{made:?}"),
            format!("{wrong:?}"),
            wrong.to_string(),
            format!("{token:?}"),
        ] {
            assert!(!text.contains(secret.expose_secret()), "a secret in {text}");
        }
    }
}

/// An unsealed server with a raft takes a moment to become the active one.
async fn active(vault: &Client) {
    for _ in 0..100 {
        if vault.health().await.unwrap().state() == State::Active {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{vault:?} did not become active");
}

fn client(url: &str) -> Client {
    Client::new(url.parse().unwrap(), &Reach::default()).unwrap()
}

#[tokio::test]
async fn fake() {
    let fake = Fake::builder().start().await.unwrap();
    body(&client(fake.url().as_str())).await;
    let counts = fake.counts();
    assert_eq!(
        (counts["init"], counts["unseal"], counts["token"]),
        (1, 1, 1)
    );
}

/// The peer is started uninitialised; this is the only test that uses it.
#[tokio::test]
async fn openbao() {
    if let Some(url) = peer("openbao") {
        body(&client(&url)).await;
    }
}

/// The same over TLS, verified with the peer's own CA; a stranger's CA is refused.
#[tokio::test]
async fn openbao_tls() {
    let Some(url) = peer("openbao-tls") else {
        return;
    };
    let ca = std::fs::read_to_string(std::env::var("CLOUDBOOT_OPENBAO_CA").unwrap()).unwrap();
    let stranger = cloudboot::testing::ca::RootCa::generate("another").unwrap();
    let reach = |pem: &str| Reach::default().ca_pem(pem);
    let refused = Client::new(url.parse().unwrap(), &reach(&stranger.cert_pem))
        .unwrap()
        .health()
        .await
        .unwrap_err();
    assert_eq!(
        refused.kind(),
        cloudboot::vault::ErrorKind::Tls,
        "{refused}"
    );
    body(&Client::new(url.parse().unwrap(), &reach(&ca)).unwrap()).await;
}

/// Hooks that cut the connection after `call` was acted upon.
fn cutting(call: &'static str) -> Hooks {
    Hooks {
        tap: std::sync::Arc::new(move |phase, called| {
            let cut = phase == Phase::After && called == call;
            Box::pin(async move {
                if cut {
                    Verdict::Drop
                } else {
                    Verdict::Continue
                }
            })
        }),
        ..Hooks::default()
    }
}

#[tokio::test]
async fn a_lost_init_answer_needs_an_operator_and_is_never_sent_again() {
    let fake = Fake::builder()
        .hooks(cutting("PUT /v1/sys/init"))
        .start()
        .await
        .unwrap();
    let (vault, store) = (client(fake.url().as_str()), MemorySecretStore::new());
    let url = fake.url();
    let sentence = format!(
        "Vault: initialise {url}: it is initialised, and its keys are nowhere. This run asked for the initialisation and its answer, the \
         only place where the keys ever stood, was lost. If nothing is kept in this Vault yet, empty its storage (remove and deploy the \
         vault application again) and run again; nothing else can open it (`vault-keys` in the secret store is where the keys would be)"
    );
    for _ in 0..2 {
        let lost = keys::initialise(&vault, &store, NAME, Shares::default())
            .await
            .unwrap_err();
        assert!(lost.needs_operator());
        assert_eq!(lost.to_string(), sentence);
    }
    assert_eq!(fake.counts()["init"], 1);
    assert_eq!(store.names().await.unwrap(), ["vault-keys.intent"]);
}

#[tokio::test]
async fn an_init_that_was_never_received_is_sent_again() {
    let first = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let hooks = Hooks {
        tap: std::sync::Arc::new(move |phase, called| {
            let cut = phase == Phase::Before
                && called == "PUT /v1/sys/init"
                && first.swap(false, std::sync::atomic::Ordering::SeqCst);
            Box::pin(async move {
                if cut {
                    Verdict::Drop
                } else {
                    Verdict::Continue
                }
            })
        }),
        ..Hooks::default()
    };
    let fake = Fake::builder().hooks(hooks).start().await.unwrap();
    let (vault, store) = (client(fake.url().as_str()), MemorySecretStore::new());
    let unclear = keys::initialise(&vault, &store, NAME, Shares::default())
        .await
        .unwrap_err();
    assert!(
        unclear.is_unclear() && !unclear.needs_operator(),
        "{unclear}"
    );
    keys::initialise(&vault, &store, NAME, Shares::default())
        .await
        .unwrap();
    assert_eq!(fake.counts()["init"], 1);
}

#[tokio::test]
async fn keys_that_are_not_of_this_vault() {
    let fake = Fake::builder().start().await.unwrap();
    let vault = client(fake.url().as_str());
    let theirs = vault.init(Shares::default()).await.unwrap();

    let empty = MemorySecretStore::new();
    let somebody = keys::initialise(&vault, &empty, NAME, Shares::default())
        .await
        .unwrap_err();
    assert!(
        somebody.needs_operator()
            && somebody
                .to_string()
                .contains("Somebody else initialised it: put their keys"),
        "{somebody}"
    );
    // The operator does what the sentence says.
    empty.put(NAME, &theirs.to_secret()).await.unwrap();
    let adopted = keys::initialise(&vault, &empty, NAME, Shares::default())
        .await
        .unwrap();
    assert!(!keys::unseal(&vault, &adopted).await.unwrap().sealed);

    let other = Fake::builder().start().await.unwrap();
    let other = client(other.url().as_str());
    let new = keys::initialise(&other, &empty, NAME, Shares::default())
        .await
        .unwrap_err();
    assert!(
        new.needs_operator()
            && new
                .to_string()
                .contains("keys of an earlier Vault are kept as `vault-keys`"),
        "{new}"
    );
    other.init(Shares::default()).await.unwrap();
    let closed = keys::unseal(&other, &adopted).await.unwrap_err();
    assert!(
        closed.needs_operator() && closed.answer() == "the kept keys do not open this Vault",
        "{closed}"
    );
}

#[tokio::test]
async fn a_unit_is_sealed_after_a_restart_and_forgets_nothing() {
    let fake = Fake::builder().start().await.unwrap();
    let store = MemorySecretStore::new();
    let vault = client(fake.url().as_str());
    let kept = keys::initialise(&vault, &store, NAME, Shares::default())
        .await
        .unwrap();
    keys::unseal(&vault, &kept).await.unwrap();
    let token = vault
        .create_token(&kept.root_token, Duration::from_secs(600))
        .await
        .unwrap();
    let ca = fake.generate_root_ca().unwrap();
    fake.seal();
    let (saved, port) = (fake.snapshot(), fake.addr().port());
    fake.stop().await;

    let fake = Fake::builder()
        .port(port)
        .restore(saved)
        .start()
        .await
        .unwrap();
    assert_eq!(vault.health().await.unwrap().state(), State::Sealed);
    assert!(
        !fake.accepts(token.token.expose_secret()),
        "a sealed Vault accepts nothing"
    );
    keys::unseal(&vault, &keys::load(&store, NAME).await.unwrap().unwrap())
        .await
        .unwrap();
    assert!(fake.accepts(token.token.expose_secret()) && !fake.accepts("s.nobody"));
    assert_eq!(
        fake.generate_root_ca().unwrap().cert_pem,
        ca.cert_pem,
        "the root CA is made once"
    );
    let counts = fake.counts();
    assert_eq!(
        (counts["init"], counts["unseal"], counts["root-ca"]),
        (1, 2, 1)
    );
}

/// A secret store that is full when the keys are to be written, for two attempts.
struct Full(MemorySecretStore, std::sync::atomic::AtomicU32);

#[async_trait::async_trait]
impl SecretStore for Full {
    async fn get(
        &self,
        name: &str,
    ) -> Result<Option<secrecy::SecretString>, cloudboot::engine::Error> {
        self.0.get(name).await
    }

    async fn put(
        &self,
        name: &str,
        value: &secrecy::SecretString,
    ) -> Result<(), cloudboot::engine::Error> {
        if name == NAME && self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 {
            return Err(cloudboot::engine::Error::terminal(
                "write the secret",
                "no space left on device",
            ));
        }
        self.0.put(name, value).await
    }

    async fn remove(&self, name: &str) -> Result<bool, cloudboot::engine::Error> {
        self.0.remove(name).await
    }

    async fn names(&self) -> Result<Vec<String>, cloudboot::engine::Error> {
        self.0.names().await
    }
}

#[tokio::test]
async fn a_full_disk_does_not_lose_the_keys() {
    let fake = Fake::builder().start().await.unwrap();
    let vault = client(fake.url().as_str());
    let store = Full(MemorySecretStore::new(), 0.into());
    let made = keys::initialise(&vault, &store, NAME, Shares::default())
        .await
        .unwrap();
    let kept = keys::kept(&vault, &store, NAME).await.unwrap().unwrap();
    assert_eq!(
        kept.root_token.expose_secret(),
        made.root_token.expose_secret()
    );
}
