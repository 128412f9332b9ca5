//! A bad network, and callers that go away: nothing is lost, done twice or left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use ipmi_lan::command::chassis::ChassisControl;
use ipmi_lan::testing::{BmcSpec, Network, Quirks, Simulator};
use ipmi_lan::{Client, Credentials, PowerState, Protocol};

fn admin() -> Credentials {
    Credentials::new("admin", "secret".into())
}

async fn fleet(count: usize, spec: impl Fn(BmcSpec) -> BmcSpec) -> Simulator {
    Simulator::builder()
        .bmcs((0..count).map(|n| spec(BmcSpec::new(format!("node{n}")))))
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn every_bmc_of_a_fleet_answers_through_loss_duplication_and_reordering() {
    let network = Network::delay(Duration::from_millis(2))
        .loss(0.10)
        .chaos(0.05, 0.05);
    for quirks in [
        Quirks::default(),
        Quirks {
            fresh_rakp2: true,
            ..Quirks::default()
        },
        Quirks {
            open_each_time: true,
            ..Quirks::default()
        },
        Quirks {
            rakp3_once: true,
            ..Quirks::default()
        },
    ] {
        let sim = fleet(100, |spec| {
            spec.network(network).quirks(quirks.clone()).slots(8)
        })
        .await;
        let client = Client::builder().deadline(Duration::from_secs(15)).build();
        let targets = sim.addrs().into_iter().map(|addr| (addr, admin()));
        let results = client
            .fleet(targets)
            .collect(|bmc| async move { bmc.power_state().await })
            .await;
        let failed: Vec<_> = results
            .iter()
            .filter_map(|r| r.result.as_ref().err())
            .map(ToString::to_string)
            .collect();
        assert!(failed.is_empty(), "{quirks:?}: {failed:?}");
        client.close().await;
    }
}

#[tokio::test]
async fn a_reset_is_carried_out_at_most_once_however_often_it_is_sent() {
    let sim = fleet(60, |spec| spec.powered(true).slots(8)).await;
    let client = Client::builder().deadline(Duration::from_secs(4)).build();
    let bmcs: Vec<_> = sim
        .addrs()
        .into_iter()
        .map(|addr| client.bmc(addr, admin()))
        .collect();
    futures_util::future::join_all(bmcs.iter().map(|bmc| bmc.power_state())).await;
    for bmc in sim.all() {
        bmc.set_network(Network::default().loss(0.2).chaos(0.2, 0.0));
    }
    let results = futures_util::future::join_all(
        bmcs.iter()
            .map(|bmc| bmc.chassis_control(ChassisControl::Reset)),
    )
    .await;
    for (n, result) in results.into_iter().enumerate() {
        let resets = sim
            .counts()
            .get(&format!("node{n}:reset"))
            .copied()
            .unwrap_or(0);
        match result {
            Ok(()) => assert_eq!(resets, 1, "node{n}"),
            Err(error) => {
                assert!(resets <= 1, "node{n}: {resets}");
                assert!(error.is_unclear() || resets == 0, "node{n}: {error}");
            }
        }
    }
}

/// That many operations, cut off anywhere: before anything was sent, in each step of the handshake, in the command, in the close.
async fn cancelled(operations: u32, protocol: Protocol) {
    let sim = fleet(1, |spec| spec.slots(4)).await;
    let addr = sim.bmc(0).addr();
    let client = Client::builder().protocol(protocol).build();
    let (mut cut, mut ended) = (0, 0);
    while cut < operations {
        let bmc = client.bmc(addr, admin());
        // Patience is counted in turns of the runtime: from none to more than a session takes.
        let turns = (cut + ended) % 10;
        let mut patience = std::pin::pin!(async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        });
        tokio::select! {
            biased;
            _ = bmc.power_state() => ended += 1,
            () = &mut patience => cut += 1,
        }
    }
    println!("{cut} operations cut off, {ended} beside them came to their end");
    let sessions = sim.counts().get("node0:session").copied();
    println!("{sessions:?} sessions of RMCP+ were opened to the end");
    client.close().await;
    let begun = Instant::now();
    while sim.bmc(0).sessions() != (0, 0) && begun.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sim.bmc(0).sessions(), (0, 0));
    // And it still answers at once.
    assert_eq!(
        client.bmc(addr, admin()).power_state().await.unwrap(),
        PowerState::Off
    );
}

#[tokio::test]
async fn ten_thousand_cancelled_operations_leave_no_session_in_four_slots() {
    cancelled(10_000, Protocol::V2).await;
}

#[tokio::test]
async fn cancelled_operations_of_v15_leave_no_session_either() {
    cancelled(2_000, Protocol::V15).await;
}

#[tokio::test]
async fn a_dropped_client_and_a_dropped_stream_leave_nothing_behind() {
    let sim = fleet(20, |spec| {
        spec.network(Network::delay(Duration::from_millis(3)))
    })
    .await;
    let targets: Vec<_> = sim
        .addrs()
        .into_iter()
        .map(|addr| (addr, admin()))
        .collect();
    {
        let client = Client::default();
        let mut stream = std::pin::pin!(
            client
                .fleet(targets.clone())
                .run(|bmc| async move { bmc.power_state().await })
        );
        for _ in 0..5 {
            stream.next().await.unwrap().result.unwrap();
        }
    }
    let begun = Instant::now();
    while sim.all().iter().any(|bmc| bmc.sessions() != (0, 0)) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            sim.all().iter().map(|b| b.sessions()).collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
