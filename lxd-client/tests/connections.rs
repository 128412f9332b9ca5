//! No connection to LXD's socket may stand and stay silent: 5.0's daemon takes no other one until
//! it has heard something (`StarttlsListener.Accept`), and the fake's accept loop does the same.

// A test's way to fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use lxd_client::testing::Fake;
use lxd_client::{
    Client, EventFilter, Exec, InstanceSource, NewInstance, Preseed, Project, Request,
};

const SEED: &str = "storage_pools: [{name: default, driver: dir}]\n\
    profiles: [{name: default, devices: {root: {type: disk, path: /, pool: default}}}]";

async fn seeded() -> (Fake, Client) {
    let fake = Fake::builder().start().await.unwrap();
    let lxd = Client::unix(fake.socket()).build().unwrap();
    lxd.apply_preseed(&Preseed::from_yaml(SEED).unwrap())
        .await
        .unwrap();
    (fake, lxd)
}

/// The daemon still takes a connection: asked by somebody else, as its own hooks would.
async fn is_open(fake: &Fake) {
    let other = Client::unix(fake.socket()).build().unwrap();
    tokio::time::timeout(Duration::from_secs(2), other.server())
        .await
        .expect("a silent connection stalls the daemon")
        .unwrap();
}

/// A pool races a spare connection against one that becomes free, and keeps the loser silent.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_leave_no_spare_one_behind() {
    let (fake, lxd) = seeded().await;
    for round in 0..5 {
        // One after the other, and several beside each other: whoever asks again races the
        // connection that is just becoming free.
        let asked = (0..8).map(|_| {
            let lxd = lxd.clone();
            tokio::spawn(async move {
                for _ in 0..40 {
                    lxd.server().await?;
                }
                Ok::<_, lxd_client::Error>(())
            })
        });
        let all = futures_util::future::join_all(asked);
        for answer in tokio::time::timeout(Duration::from_secs(20), all)
            .await
            .unwrap_or_else(|_| panic!("round {round}: a silent connection stalls the daemon"))
        {
            answer.unwrap().unwrap();
        }
        is_open(&fake).await;
    }
    let events = lxd.events(EventFilter::default());
    tokio::time::timeout(Duration::from_secs(2), events)
        .await
        .unwrap()
        .unwrap();
}

/// Polls a future a few times, as a busy `select!` or `buffer_unordered` would, then lets it rest.
async fn rests<T>(fake: &Fake, future: impl Future<Output = T>, polls: usize) -> T {
    let mut future = pin!(future);
    for _ in 0..polls {
        let early = std::future::poll_fn(|cx| {
            Poll::Ready(match future.as_mut().poll(cx) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            })
        })
        .await;
        if let Some(value) = early {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Resting now, wherever it is.
    tokio::time::sleep(Duration::from_millis(50)).await;
    is_open(fake).await;
    future.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_future_that_rests_stalls_nobody() {
    let (fake, lxd) = seeded().await;
    let instances = lxd.instances();
    let source = InstanceSource::Remote {
        remote: lxd_client::ImageRemote::ubuntu(),
        alias: "22.04".into(),
    };
    let new = NewInstance::container("c", source);
    instances.create(&new).await.unwrap().wait().await.unwrap();
    instances.start("c").await.unwrap().wait().await.unwrap();
    for polls in 1..12 {
        rests(&fake, lxd.server(), polls).await.unwrap();
        let name = format!("p{polls}");
        let project = Project::named(&name);
        let started = rests(&fake, lxd.projects().create(&project), polls).await;
        started.unwrap().wait().await.unwrap();
        let events = lxd.events(EventFilter::default());
        rests(&fake, events, polls).await.unwrap();
        let echo = Exec::new(["echo", "hello"]);
        let out = rests(&fake, instances.exec("c", &echo), polls).await;
        assert_eq!(&out.unwrap().stdout[..], b"hello\n");
    }
}

/// One that is given up between connecting and writing is closed: the daemon goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_future_that_is_dropped_stalls_nobody() {
    let (fake, lxd) = seeded().await;
    for polls in 0..6 {
        {
            let mut future = pin!(lxd.send(Request::get("/1.0")));
            for _ in 0..polls {
                if futures_util::poll!(future.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        {
            let mut future = pin!(lxd.events(EventFilter::default()));
            for _ in 0..polls {
                if futures_util::poll!(future.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        is_open(&fake).await;
    }
}

/// No connection is kept, so that none can be kept silent: with a pool, a request races a spare
/// connection against the one that is becoming free, and which of the two stays behind is chance.
/// What shows for certain is that a kept connection would be used here, past the stalled door. It
/// shows too that the fake's door is as narrow as the real one's, without which the tests above
/// would hold for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn each_request_has_a_connection_of_its_own() {
    let (fake, lxd) = seeded().await;
    lxd.server().await.unwrap();
    let silent = tokio::net::UnixStream::connect(fake.socket())
        .await
        .unwrap();
    let asked = lxd.server();
    let stalled = tokio::time::timeout(Duration::from_millis(300), asked).await;
    assert!(stalled.is_err(), "answered on a connection that was kept");
    drop(silent);
    is_open(&fake).await;
}

/// Passes on what comes after a CONNECT, and counts those.
async fn proxy() -> (url::Url, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::sync::atomic::Ordering;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::default();
    let count = std::sync::Arc::<std::sync::atomic::AtomicUsize>::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(near.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let to = head.strip_prefix("CONNECT ").unwrap();
                let to = to.split(' ').next().unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let mut far = tokio::net::TcpStream::connect(to).await.unwrap();
                near.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")
                    .await
                    .unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (url.parse().unwrap(), asked)
}

/// Requests and websockets alike go through the proxy that is named.
#[tokio::test(flavor = "multi_thread")]
async fn all_goes_through_the_proxy() {
    use std::sync::atomic::Ordering;
    let (fake, local) = seeded().await;
    let me = lxd_client::Identity::generate("proxied").unwrap();
    let options = lxd_client::CertificateOptions::named("proxied");
    local.certificates().add(&me, &options).await.unwrap();
    local
        .set_config([("core.https_address", "[::]:8443")])
        .await
        .unwrap();
    let (url, asked) = proxy().await;
    let at = fake.url().unwrap();
    let shown = Client::look_at_fingerprint(&at, Some(&url)).await.unwrap();
    assert_eq!(shown, fake.fingerprint());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let lxd = Client::https(at, shown)
        .identity(me)
        .proxy(url)
        .connect_timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    assert!(lxd.server().await.unwrap().is_trusted());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    lxd.events(EventFilter::default()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    // A proxy that is not there is no way around.
    let nobody = Client::https(fake.url().unwrap(), fake.fingerprint())
        .proxy("http://127.0.0.1:9".parse().unwrap())
        .build()
        .unwrap();
    assert!(nobody.server().await.unwrap_err().is_connection());
    assert!(nobody.events(EventFilter::default()).await.is_err());
}

/// What cannot be reached is told by its path, with what to do.
#[tokio::test]
async fn a_socket_that_is_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("unix.socket");
    let lxd = Client::unix(&path).build().unwrap();
    let told = |e: &lxd_client::Error, hint: &str| {
        assert!(e.is_connection() && e.is_retryable(), "{e}");
        let text = e.to_string();
        assert!(
            text.contains(&path.display().to_string()) && text.contains(hint),
            "{text}"
        );
    };
    told(&lxd.server().await.unwrap_err(), "is LXD installed");
    told(
        &lxd.events(EventFilter::default()).await.unwrap_err(),
        "is LXD installed",
    );
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    told(&lxd.server().await.unwrap_err(), "start it again");
}

/// A server that takes its time is given as much as was said, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_a_timeout() {
    use lxd_client::testing::Verdict;
    let slow: lxd_client::testing::Tap = std::sync::Arc::new(|_, what| {
        let slow = what.ends_with("/projects");
        Box::pin(async move {
            if slow {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            Verdict::Continue
        })
    });
    let fake = Fake::builder().tap(slow).start().await.unwrap();
    let lxd = Client::unix(fake.socket())
        .request_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    lxd.server().await.unwrap();
    let error = lxd.projects().list().await.unwrap_err();
    assert_eq!(error.kind(), lxd_client::ErrorKind::Timeout, "{error}");
    assert!(error.is_retryable() && !error.is_unclear(), "{error}");
    let error = lxd.projects().create(&Project::named("p")).await;
    let error = error.map(|_| ()).unwrap_err();
    assert!(error.is_unclear() && !error.is_retryable(), "{error}");
    // A request's own limit goes before the client's.
    let patient = Request::get("/1.0/projects").limit(Duration::from_secs(20));
    lxd.send(patient).await.unwrap();
}
