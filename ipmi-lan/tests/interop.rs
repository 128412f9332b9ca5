//! Interoperation with software that is not ours, both ways: ipmitool and ipmipower drive the simulator; the client drives ipmi_sim and pyghmi's BMC.
//!
//! The peers are found in PATH and by `tests/peers/ipmi/ipmi-peer.sh` of the workspace (port 623 on loopback, so as root). Where one is missing its test
//! says so and is skipped; with `CLOUDBOOT_PEERS=1` it fails instead.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::disallowed_types, reason = "peers are processes")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::Duration;

use ipmi_lan::command::boot::{BootDevice, BootFlags, BootOverride, BootVerify};
use ipmi_lan::testing::{BmcSpec, Simulator, User};
use ipmi_lan::{
    AuthType, CipherSuite, Client, Credentials, ErrorKind, PowerChange, PowerState, Privilege,
    Protocol, discover, ping,
};

const INSTALL: &str = "apt-get install -y --no-install-recommends openipmi ipmitool freeipmi-tools";
const WAIT: Duration = Duration::from_secs(10);

/// The peers take fixed addresses: one test at a time.
static PEERS: Mutex<()> = Mutex::new(());

fn admin() -> Credentials {
    Credentials::new("admin", "secret".into())
}

fn skip(what: &str) -> bool {
    println!("skipped: {what}; {INSTALL}");
    assert!(
        std::env::var("CLOUDBOOT_PEERS").as_deref() != Ok("1"),
        "{what}, and CLOUDBOOT_PEERS=1"
    );
    true
}

fn missing(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .any(|dir| dir.join(program).is_file());
    !found && skip(&format!("{program} is not installed"))
}

async fn run(program: &str, args: &[&str]) -> Output {
    let (program, args) = (
        program.to_owned(),
        args.iter().map(ToString::to_string).collect::<Vec<_>>(),
    );
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    tokio::task::spawn_blocking(move || {
        Command::new(program)
            .args(args)
            .env("PATH", path)
            .output()
            .unwrap()
    })
    .await
    .unwrap()
}

async fn ipmitool(addr: SocketAddr, suite: &str, args: &[&str]) -> (bool, String) {
    let (host, port) = (addr.ip().to_string(), addr.port().to_string());
    let base = [
        "-I", "lanplus", "-C", suite, "-H", &host, "-p", &port, "-U", "admin", "-P", "secret",
        "-N", "2", "-R", "3",
    ];
    let output = run("ipmitool", &[&base, args].concat()).await;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn ipmitool_drives_the_simulator() {
    if missing("ipmitool") {
        return;
    }
    let suites = [1, 2, 3, 6, 7, 8, 17].map(|n| CipherSuite::new(n).unwrap());
    let sim = Simulator::builder()
        .bmc(BmcSpec::new("node1").suites(suites).slots(20))
        .start()
        .await
        .unwrap();
    let bmc = sim.bmc(0);
    for suite in ["3", "17"] {
        let call = async |args: &[&str]| {
            let (ok, text) = ipmitool(bmc.addr(), suite, args).await;
            assert!(ok, "suite {suite}, {args:?}: {text}");
            text
        };
        assert!(call(&["power", "status"]).await.contains("is off"));
        call(&["chassis", "bootdev", "pxe", "options=efiboot"]).await;
        assert!(
            bmc.boot().valid && bmc.boot().uefi && bmc.boot().device == BootDevice::Pxe,
            "{:?}",
            bmc.boot()
        );
        let read = call(&["chassis", "bootparam", "get", "5"]).await;
        assert!(
            read.contains("Force PXE") && read.contains("EFI boot"),
            "{read}"
        );
        call(&["power", "on"]).await;
        for _ in 0..500 {
            if bmc.power() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(bmc.power() && !bmc.boot().valid);
        assert!(call(&["power", "status"]).await.contains("is on"));
        call(&["power", "cycle"]).await;
        call(&["power", "off"]).await;
        let id = call(&["mc", "info"]).await;
        assert!(
            id.contains("IPMI Version              : 2.0")
                && id.contains("Firmware Revision         : 1.23"),
            "{id}"
        );
        assert!(call(&["mc", "guid"]).await.to_lowercase().contains("guid"));
        let lan = call(&["lan", "print", "1"]).await;
        assert!(lan.contains(&bmc.state().unwrap().mac.to_string()), "{lan}");
        let sensors = call(&["sdr", "list"]).await;
        assert!(
            sensors.contains("CPU Temp")
                && sensors.contains("42 degrees C")
                && sensors.contains("5600 RPM"),
            "{sensors}"
        );
        bmc.edit(|state| {
            let event =
                ipmi_lan::command::sel::SelEvent::new(1_700_000_000, 0x01, 1, 0x01, [0x59, 91, 90]);
            state.storage.log(event);
        });
        let log = call(&["sel", "list"]).await;
        assert!(log.contains("Upper Critical going high"), "{log}");
        call(&["sel", "clear"]).await;
        let fru = call(&["fru", "print", "0"]).await;
        assert!(
            fru.contains("SN-node1") && fru.contains("Simulated server"),
            "{fru}"
        );
        let users = call(&["user", "list", "1"]).await;
        assert!(users.contains("admin"), "{users}");
        call(&["chassis", "identify", "5"]).await;
        call(&["chassis", "policy", "always-on"]).await;
        call(&["mc", "watchdog", "get"]).await;
    }
    for suite in ["1", "2", "6", "7", "8"] {
        let (ok, text) = ipmitool(bmc.addr(), suite, &["power", "status"]).await;
        // Some builds of ipmitool were made without the MD5 suites.
        let left_out = text.contains("Unsupported") || text.contains("unsupported");
        assert!(
            (ok && text.contains("is off")) || (left_out && suite.parse::<u8>().unwrap() >= 6),
            "suite {suite}: {text}"
        );
    }
    for auth in ["MD5", "PASSWORD"] {
        let (host, port) = (bmc.addr().ip().to_string(), bmc.addr().port().to_string());
        let args = [
            "-I", "lan", "-A", auth, "-H", &host, "-p", &port, "-U", "admin", "-P", "secret",
            "power", "status",
        ];
        let output = run("ipmitool", &args).await;
        assert!(
            output.status.success(),
            "v1.5, {auth}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(bmc.sessions(), (0, 0), "ipmitool closes what it opens");
}

#[tokio::test(flavor = "multi_thread")]
async fn ipmitool_knows_k_g_and_twenty_bytes() {
    if missing("ipmitool") {
        return;
    }
    let user = User::new("admin", "twenty-bytes-secret!", Privilege::Administrator);
    let sim = Simulator::builder()
        .bmc(
            BmcSpec::new("kg")
                .users([user])
                .kg(b"0123456789abcdefghij".to_vec()),
        )
        .start()
        .await
        .unwrap();
    let (host, port) = (
        sim.bmc(0).addr().ip().to_string(),
        sim.bmc(0).addr().port().to_string(),
    );
    let args = |kg| {
        [
            "-I",
            "lanplus",
            "-C",
            "17",
            "-H",
            &host,
            "-p",
            &port,
            "-U",
            "admin",
            "-P",
            "twenty-bytes-secret!",
            "-k",
            kg,
            "power",
            "status",
        ]
        .map(str::to_owned)
    };
    let right = args("0123456789abcdefghij");
    let output = run("ipmitool", &right.each_ref().map(String::as_str)).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let wrong = args("another-key");
    let output = run(
        "ipmitool",
        &[
            &wrong.each_ref().map(String::as_str)[..],
            &["-N", "1", "-R", "1"],
        ]
        .concat(),
    )
    .await;
    assert!(!output.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn ipmipower_drives_the_simulator() {
    if missing("ipmipower") {
        return;
    }
    let sim = Simulator::builder()
        .bmcs((0..8).map(|n| BmcSpec::new(format!("node{n}"))))
        .start()
        .await
        .unwrap();
    let hosts = sim
        .addrs()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",");
    for suite in ["3", "17"] {
        for (action, expected) in [
            ("--on", "ok"),
            ("--stat", "on"),
            ("--cycle", "ok"),
            ("--off", "ok"),
            ("--stat", "off"),
        ] {
            let args = [
                "-D", "LAN_2_0", "-I", suite, "-h", &hosts, "-u", "admin", "-p", "secret", "-l",
                "OPERATOR", action,
            ];
            let output = run("ipmipower", &args).await;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(
                text.lines()
                    .filter(|l| l.ends_with(&format!(": {expected}")))
                    .count(),
                8,
                "suite {suite} {action}: {text}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Started peers; ended when dropped.
struct Peers(PathBuf, PathBuf);

impl Drop for Peers {
    fn drop(&mut self) {
        let _ = Command::new(&self.0).arg("stop").arg(&self.1).status();
    }
}

fn peers(name: &str) -> Option<Peers> {
    let script = std::env::var_os("IPMI_PEERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/ipmi/ipmi-peer.sh"),
        PathBuf::from,
    );
    if !script.is_file() {
        skip("the workspace's tests/peers/ipmi is not there");
        return None;
    }
    if missing("ipmi_sim") || missing("ipmitool") {
        return None;
    }
    let dir = std::env::temp_dir().join(format!("ipmi-peers-{name}-{}", std::process::id()));
    let peers = Peers(script, dir);
    let output = Command::new(&peers.0)
        .arg("start")
        .arg(&peers.1)
        .arg("4")
        .output()
        .unwrap();
    if !output.status.success() {
        skip(&format!(
            "the peers did not start: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
        return None;
    }
    Some(peers)
}

#[tokio::test(flavor = "multi_thread")]
#[allow(
    clippy::await_holding_lock,
    reason = "the lock keeps other tests off the peers' addresses"
)]
async fn the_client_drives_ipmi_sim_and_pyghmi() {
    let _one = PEERS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // ipmi_sim connects to the serial port as it starts.
    let machine = tokio::net::TcpListener::bind("127.0.0.1:9102").await;
    let Some(_peers) = peers("drive") else { return };
    let client = Client::default();

    // ipmi_sim: suite 3 only, and boot flags that lose all bits but the device.
    let sim: SocketAddr = "127.0.1.1:623".parse().unwrap();
    let bmc = client.bmc(sim, admin());
    assert_eq!(bmc.power_state().await.unwrap(), PowerState::Off);
    assert_eq!(client.remembered_suite(sim), Some(CipherSuite::S3));
    let boot = BootOverride::next(BootDevice::Pxe)
        .uefi(true)
        .verify(BootVerify::Device);
    assert_eq!(bmc.set_boot(boot).await.unwrap().device, BootDevice::Pxe);
    assert_eq!(
        bmc.ensure_power(PowerState::On, WAIT).await.unwrap(),
        PowerChange::TurnedOn
    );
    assert_eq!(
        bmc.ensure_power(PowerState::On, WAIT).await.unwrap(),
        PowerChange::Unchanged
    );
    bmc.restart(WAIT).await.unwrap();
    assert_eq!(
        bmc.ensure_power(PowerState::Off, WAIT).await.unwrap(),
        PowerChange::TurnedOff
    );
    assert_eq!(bmc.device_id().await.unwrap().product, 0xf00);
    assert_eq!(
        bmc.guid().await.unwrap().to_string(),
        "00000000-0000-0000-0000-00000000a000"
    );
    for suite in [
        CipherSuite::S1,
        CipherSuite::S2,
        CipherSuite::S3,
        CipherSuite::S6,
    ] {
        let client = Client::builder().suites([suite]).build();
        client.bmc(sim, admin()).power_state().await.unwrap();
        client.close().await;
    }
    let error = client
        .bmc(sim, Credentials::new("nobody", "x".into()))
        .power_state()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::UnknownUser, "{error}");
    let error = client
        .bmc(sim, Credentials::new("admin", "wrong".into()))
        .power_state()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::BadPassword, "{error}");

    // pyghmi with suites 17 and 3.
    let fake: SocketAddr = "127.0.2.1:623".parse().unwrap();
    for suite in [CipherSuite::S17, CipherSuite::S3] {
        let client = Client::builder().suites([suite]).build();
        let bmc = client.bmc(fake, admin());
        bmc.ensure_power(PowerState::On, WAIT).await.unwrap();
        let boot = BootOverride::next(BootDevice::Pxe).verify(BootVerify::Device);
        assert!(matches!(
            bmc.set_boot(boot).await.unwrap(),
            BootFlags {
                device: BootDevice::Pxe,
                ..
            }
        ));
        bmc.ensure_power(PowerState::Off, WAIT).await.unwrap();
        client.close().await;
    }
    let error = client
        .bmc(fake, Credentials::new("admin", "wrong".into()))
        .power_state()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::BadPassword, "{error}");

    // pyghmi as it is, which VirtualBMC is made of: suite 3 whatever was asked for, and silence for a user that it does not know.
    let stock: SocketAddr = "127.0.3.1:623".parse().unwrap();
    let bmc = client.bmc(stock, admin());
    assert_eq!(
        bmc.ensure_power(PowerState::On, WAIT).await.unwrap(),
        PowerChange::TurnedOn
    );
    assert_eq!(client.remembered_suite(stock), Some(CipherSuite::S3));
    let boot = BootOverride::next(BootDevice::Disk).verify(BootVerify::Device);
    assert_eq!(bmc.set_boot(boot).await.unwrap().device, BootDevice::Disk);
    bmc.ensure_power(PowerState::Off, WAIT).await.unwrap();
    bmc.close().await;
    let other = Client::default();
    let error = other
        .bmc(stock, Credentials::new("admin", "wrong".into()))
        .power_state()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::BadPassword, "{error}");
    let error = other
        .bmc(stock, Credentials::new("nobody", "secret".into()))
        .power_state()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("until RAKP 1"), "{error}");

    // ipmi_sim by IPMI v1.5, with each of its authentication types.
    for auth in [AuthType::Md5, AuthType::Password, AuthType::None] {
        let old = Client::builder()
            .protocol(Protocol::V15)
            .auth_types([auth])
            .build();
        let bmc = old.bmc(sim, admin());
        let on = bmc.ensure_power(PowerState::On, WAIT).await;
        assert_eq!(
            on.unwrap_or_else(|e| panic!("v1.5, {auth}: {e}")),
            PowerChange::TurnedOn
        );
        bmc.ensure_power(PowerState::Off, WAIT).await.unwrap();
        assert_eq!(bmc.device_id().await.unwrap().product, 0xf00);
        old.close().await;
        if auth == AuthType::Md5 {
            let error = old
                .bmc(sim, Credentials::new("nobody", "secret".into()))
                .power_state()
                .await
                .unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::UnknownUser, "{error}");
            let error = old
                .bmc(sim, Credentials::new("admin", "wrong".into()))
                .power_state()
                .await
                .unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::BadPassword, "{error}");
        }
    }

    // Presence: ipmi_sim answers the ping, pyghmi does not, and an empty address does not.
    assert!(ping(sim, Duration::from_secs(2)).await.unwrap().pong.ipmi);
    let addrs = (1..=8).map(|n| SocketAddr::from(([127, 0, 1, n], 623)));
    let found: Vec<_> = futures_util::StreamExt::collect::<Vec<_>>(discover(addrs, 4)).await;
    assert_eq!(found.len(), 4, "{found:?}");

    // The full one: LAN configuration, sensors, event log, FRU, users.
    let full = client.bmc("127.0.0.1:9002".parse().unwrap(), admin());
    let lan = full.lan_config().await.unwrap();
    assert!(lan.mac.is_some() || lan.address.is_some(), "{lan:?}");
    let sensors = full.sensors().await.unwrap();
    let temp = sensors.iter().find(|s| s.record.name == "Temp 1").unwrap();
    assert_eq!(temp.record.unit.to_string(), "degrees C");
    assert!(temp.reading.is_some(), "{temp:?}");
    let log = full.sel_list().await.unwrap();
    assert!(!log.is_empty(), "{log:?}");
    full.clear_sel().await.unwrap();
    assert!(full.sel_list().await.unwrap().len() < log.len() + 1);
    let fru = full.fru(0).await.unwrap();
    assert_eq!(
        (fru.board[0].as_str(), fru.serial()),
        ("ACME", Some("SN001")),
        "{fru:?}"
    );
    let users = full.users().await.unwrap();
    assert!(
        users
            .iter()
            .any(|u| u.name == "oper" && u.access.privilege == Some(Privilege::Operator)),
        "{users:?}"
    );
    full.set_user(4, "fresh", "fresh-secret".into(), Privilege::Operator)
        .await
        .unwrap();
    let fresh = Credentials::new("fresh", "fresh-secret".into()).privilege(Privilege::Operator);
    client.bmc(full.addr(), fresh).power_state().await.unwrap();
    // Serial over LAN: ipmi_sim joins it to a TCP connection that it opens to the machine's serial port.
    let mut line = full.sol(true).await.unwrap();
    if let Ok(machine) = machine {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut serial, _) = tokio::time::timeout(WAIT, machine.accept())
            .await
            .unwrap()
            .unwrap();
        serial.write_all(b"login: ").await.unwrap();
        let mut prompt = [0; 7];
        tokio::time::timeout(WAIT, line.read_exact(&mut prompt))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&prompt, b"login: ");
        line.write_all(b"root\n").await.unwrap();
        let mut typed = [0; 5];
        tokio::time::timeout(WAIT, serial.read_exact(&mut typed))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&typed, b"root\n");
        println!("serial over LAN carried both ways by ipmi_sim");
    } else {
        println!("skipped: serial over LAN; port 9102 of loopback is taken");
    }
    drop(line);
    client.close().await;
}
