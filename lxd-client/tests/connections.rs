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
