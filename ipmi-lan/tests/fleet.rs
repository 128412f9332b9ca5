//! Fleets: dead BMCs delay no other, also where there are more of them than may go at once; and the family of the address does not matter.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use ipmi_lan::testing::{BmcSpec, Simulator};
use ipmi_lan::{Bmc, Client, Credentials, PowerChange, PowerState, Protocol, discover, ping};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn admin() -> Credentials {
    Credentials::new("admin", "secret".into())
}

async fn fleet(count: usize) -> Simulator {
    Simulator::builder()
        .bmcs((0..count).map(|n| BmcSpec::new(format!("node{n}"))))
        .start()
        .await
        .unwrap()
}

/// Addresses of loopback where nothing listens.
fn nobody(n: u16) -> SocketAddr {
    ([127, 0, 0, 1], n + 1).into()
}

async fn status(bmc: Bmc) -> ipmi_lan::Result<PowerState> {
    bmc.power_state().await
}

#[tokio::test]
async fn dead_bmcs_delay_no_other() {
    let sim = fleet(50).await;
    let targets: Vec<_> = sim
        .addrs()
        .into_iter()
        .enumerate()
        .flat_map(|(n, addr)| [nobody(n as u16), addr])
        .map(|addr| (addr, admin()))
        .collect();
    let deadline = Duration::from_secs(3);
    let client = Client::builder().deadline(deadline).build();
    let begun = Instant::now();
    let mut results = std::pin::pin!(client.fleet(targets).run(status));
    let (mut alive, mut dead) = (0, 0);
    while let Some(result) = results.next().await {
        match result.result {
            Ok(_) => {
                alive += 1;
                // Long before the dead ones are given up.
                assert!(begun.elapsed() < deadline, "{:?}", result.addr);
            }
            Err(error) => {
                dead += 1;
                assert!(error.is_timeout(), "{error}");
                // Its own deadline and no more, but for what a busy machine adds.
                assert!(result.elapsed >= deadline, "{:?}", result.elapsed);
                assert!(result.elapsed < deadline * 2, "{:?}", result.elapsed);
            }
        }
    }
    assert_eq!((alive, dead), (50, 50));
}

#[tokio::test]
async fn more_dead_ones_than_may_go_at_once_do_not_keep_the_others_waiting() {
    let sim = fleet(40).await;
    let dead = (0..32).map(nobody);
    let targets: Vec<_> = dead.chain(sim.addrs()).map(|a| (a, admin())).collect();
    let client = Client::builder().deadline(Duration::from_secs(20)).build();
    let begun = Instant::now();
    let results: Vec<_> = client
        .fleet(targets)
        .limit(8)
        .run(status)
        .take(40)
        .collect()
        .await;
    assert!(results.iter().all(|r| r.result.is_ok()), "the live ones");
    // Four rounds of dead ones at half a second each; not four deadlines.
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    client.close().await;
}

#[tokio::test]
async fn the_limit_is_kept_and_results_are_in_order() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let sim = fleet(40).await;
    let client = Client::default();
    let targets: Vec<_> = sim.addrs().into_iter().map(|a| (a, admin())).collect();
    let results = client
        .fleet(targets)
        .limit(4)
        .collect(|bmc| async move {
            MOST.fetch_max(AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let state = bmc.power_state().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            AT_ONCE.fetch_sub(1, Ordering::SeqCst);
            state
        })
        .await;
    assert_eq!(
        results.iter().map(|r| r.index).collect::<Vec<_>>(),
        (0..40).collect::<Vec<_>>()
    );
    assert!(results.iter().all(|r| r.result.is_ok()));
    assert_eq!(MOST.load(Ordering::SeqCst), 4);
    assert!(client.fleet([]).collect(status).await.is_empty());
}

/// IPv6, and both families in one fleet: commands, IPMI v1.5, the serial line, presence.
#[tokio::test]
async fn ipv6() {
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    if let Err(error) = std::net::UdpSocket::bind(v6) {
        println!("skipped: no IPv6 on loopback here: {error}");
        return;
    }
    let sim = Simulator::builder()
        .bmcs((0..8).map(|n| {
            let spec = BmcSpec::new(format!("node{n}"));
            if n % 2 == 0 { spec.addr(v6) } else { spec }
        }))
        .start()
        .await
        .unwrap();
    let addr = sim.bmc(0).addr();
    assert_eq!(addr.ip(), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let client = Client::default();
    let targets: Vec<_> = sim.addrs().into_iter().map(|a| (a, admin())).collect();
    let results = client
        .fleet(targets)
        .collect(|bmc| async move {
            bmc.ensure_power(PowerState::On, Duration::from_secs(5))
                .await
        })
        .await;
    for result in results {
        assert_eq!(result.result.unwrap(), PowerChange::TurnedOn);
    }
    let old = Client::builder().protocol(Protocol::V15).build();
    let state = old.bmc(addr, admin()).power_state().await.unwrap();
    assert_eq!(state, PowerState::On);
    let mut line = client.bmc(addr, admin()).sol(false).await.unwrap();
    line.write_all(b"six").await.unwrap();
    let mut echoed = [0; 3];
    line.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"six");
    drop(line);
    assert!(ping(addr, Duration::from_secs(5)).await.unwrap().pong.ipmi);
    let found: Vec<_> = discover(sim.addrs(), 3).collect().await;
    assert_eq!(found.len(), 8, "{found:?}");
    client.close().await;
    old.close().await;
    assert!(sim.all().iter().all(|bmc| bmc.sessions() == (0, 0)));
}
