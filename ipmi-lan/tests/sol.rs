//! Serial over LAN, against the simulator's echoing console.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use ipmi_lan::testing::{BmcSpec, Network, Quirks, Simulator};
use ipmi_lan::{Client, Credentials, ErrorKind, Timing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn what_is_typed_comes_back_whole_and_in_order_through_loss() {
    for network in [
        Network::default(),
        Network::delay(Duration::from_millis(1))
            .loss(0.1)
            .chaos(0.1, 0.0),
    ] {
        let sim = Simulator::builder()
            .bmc(BmcSpec::new("node1").network(network))
            .start()
            .await
            .unwrap();
        let client = Client::default();
        let bmc = client.bmc(
            sim.bmc(0).addr(),
            Credentials::new("admin", "secret".into()),
        );
        let mut line = bmc.sol(false).await.unwrap();
        let text: Vec<u8> = (0..1000u32)
            .flat_map(|n| n.to_string().into_bytes())
            .collect();
        let (mut reader, mut writer) = tokio::io::split(&mut line);
        let mut echoed = vec![0; text.len()];
        let (written, read) = tokio::join!(writer.write_all(&text), reader.read_exact(&mut echoed));
        written.unwrap();
        read.unwrap();
        assert_eq!(echoed, text);

        // Another session is refused, unless it takes the line over.
        let other = Client::default().bmc(
            sim.bmc(0).addr(),
            Credentials::new("admin", "secret".into()),
        );
        assert_eq!(
            other.sol(false).await.unwrap_err().kind(),
            &ErrorKind::Completion(0x80)
        );
        // Shut down, it is free: what goes on of the first cannot end the next.
        line.shutdown().await.unwrap();
        let mut taken = other.sol(true).await.unwrap();
        taken.write_all(b"x").await.unwrap();
        assert_eq!(taken.read_u8().await.unwrap(), b'x');
    }
}

/// What nobody reads holds the line up, but not its end.
#[tokio::test]
async fn an_unread_line_is_shut_down() {
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1"))
        .start()
        .await
        .unwrap();
    let client = Client::default();
    let bmc = client.bmc(
        sim.bmc(0).addr(),
        Credentials::new("admin", "secret".into()),
    );
    let mut line = bmc.sol(false).await.unwrap();
    let text = vec![b'x'; 6000];
    line.write_all(&text).await.unwrap();
    // Longer than an unanswered packet is repeated: slowness of ours is not the BMC's silence.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), line.shutdown());
    ended.await.unwrap().unwrap();
    let mut echoed = Vec::new();
    line.read_to_end(&mut echoed).await.unwrap();
    assert_eq!(echoed, text);
    bmc.sol(false).await.unwrap();
}

#[tokio::test]
async fn a_quiet_line_outlives_the_idle_time() {
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1"))
        .start()
        .await
        .unwrap();
    let mut timing = Timing::default();
    timing.idle = Duration::from_millis(100);
    let client = Client::builder().timing(timing).build();
    let bmc = client.bmc(
        sim.bmc(0).addr(),
        Credentials::new("admin", "secret".into()),
    );
    let mut line = bmc.sol(false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    line.write_all(b"still there").await.unwrap();
    let mut echoed = [0; 11];
    line.read_exact(&mut echoed).await.unwrap();
    assert_eq!(
        (&echoed, sim.counts()["node1:session"]),
        (b"still there", 1)
    );
    // Without a line an idle session is closed, for slots are few.
    drop(line);
    for _ in 0..500 {
        if sim.bmc(0).sessions() == (0, 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sim.bmc(0).sessions(), (0, 0));
}

/// Packet sizes that cannot be, and a line that stays taken although it was deactivated.
#[tokio::test]
async fn wrong_sizes_and_stuck_deactivations() {
    for (size, stuck) in [(0, 0), (2, 0), (0xffff, 0), (0x4000, 0), (9, 0), (64, 2)] {
        let quirks = Quirks {
            sol_size: Some(size),
            sol_stuck: stuck,
            ..Quirks::default()
        };
        let sim = Simulator::builder()
            .bmc(BmcSpec::new("node1").quirks(quirks))
            .start()
            .await
            .unwrap();
        let admin = Credentials::new("admin", "secret".into());
        let first = Client::default();
        let held = first.bmc(sim.bmc(0).addr(), admin.clone());
        let held = held.sol(false).await.unwrap();
        let other = Client::default();
        let bmc = other.bmc(sim.bmc(0).addr(), admin);
        let mut line = bmc
            .sol(true)
            .await
            .unwrap_or_else(|e| panic!("{size} {stuck}: {e}"));
        let text = vec![b'.'; 300];
        line.write_all(&text).await.unwrap();
        let mut echoed = vec![0; 300];
        line.read_exact(&mut echoed).await.unwrap();
        assert_eq!(echoed, text, "{size} {stuck}");
        drop((line, held));
    }
}
