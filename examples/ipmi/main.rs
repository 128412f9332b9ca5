//! BMCs over the network, in the manner of ipmitool, many at once.
//!
//! ```text
//! IPMI_PASSWORD=secret cargo run --example ipmi -- -H 10.42.1.10-29 -U admin power status
//! cargo run --example ipmi -- --simulate 20 sensors
//! ```
//!
//! The password comes from the environment (`IPMI_PASSWORD`) or a file, never from the command line. Exit codes: 0 all done, 1 some failed, 2 usage.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use futures_util::StreamExt;
use ipmi_lan::command::boot::{BootDevice, BootOverride};
use ipmi_lan::command::chassis::{ChassisControl, ChassisIdentify};
use ipmi_lan::command::sel::SelRecord;
use ipmi_lan::command::{Raw, sensor};
use ipmi_lan::testing::{BmcSpec, Simulator};
use ipmi_lan::{
    AuthType, Bmc, CipherSuite, Client, Credentials, FleetResult, PowerState, Privilege, Protocol,
};
use serde_json::{Value, json};

mod hosts;
mod show;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(
    about = "IPMI over LAN, many BMCs at once",
    subcommand_precedence_over_arg = true
)]
struct Options {
    /// Addresses, names, ranges (10.42.1.10-29) and networks (10.42.1.0/24), with a port where it is not 623
    #[arg(short = 'H', long = "host", num_args = 1.., value_delimiter = ',')]
    hosts: Vec<String>,
    /// Simulate that many BMCs instead
    #[arg(long)]
    simulate: Option<usize>,
    #[arg(short = 'U', long, default_value = "admin")]
    user: String,
    /// A file that holds the password; IPMI_PASSWORD is used without it
    #[arg(short = 'f', long)]
    password_file: Option<PathBuf>,
    /// A file that holds the BMC key K_G
    #[arg(long)]
    kg_file: Option<PathBuf>,
    #[arg(short = 'L', long, value_enum, default_value = "administrator")]
    privilege: Level,
    /// Cipher suites to offer, the best first
    #[arg(short = 'C', long, value_delimiter = ',', default_value = "17,3")]
    suites: Vec<u8>,
    /// Speak IPMI 1.5
    #[arg(long)]
    v15: bool,
    /// Authentication types of IPMI 1.5 that may be used, the best first
    #[arg(
        short = 'A',
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "md5"
    )]
    auth: Vec<Auth>,
    /// How many BMCs at a time
    #[arg(long, default_value_t = 1024)]
    limit: usize,
    /// Seconds that each BMC may take
    #[arg(long, default_value_t = 30.0)]
    deadline: f64,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, ValueEnum)]
enum Auth {
    Md5,
    Password,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum Level {
    User,
    Operator,
    Administrator,
}

#[derive(Clone, Subcommand)]
enum Action {
    /// Power: on and off act only if needed and wait until the state holds
    Power {
        #[arg(value_enum)]
        what: Power,
    },
    /// Next boot: shown without a device
    Boot {
        #[arg(value_enum)]
        device: Option<Device>,
        #[arg(long)]
        uefi: bool,
        #[arg(long)]
        persistent: bool,
    },
    /// What the BMC is
    Info,
    /// LAN configuration and MAC address
    Lan,
    /// Sensors with values and thresholds
    Sensors,
    /// The event log
    Sel {
        /// Clear it
        #[arg(long)]
        clear: bool,
    },
    /// The FRU
    Fru,
    /// The users
    Users,
    /// The identify light, for that many seconds
    Identify { seconds: u8 },
    /// Any command: network function, command, data, in hexadecimal
    Raw {
        #[arg(num_args = 2.., required = true, value_parser = byte)]
        bytes: Vec<u8>,
    },
    /// RMCP presence ping, without credentials
    Ping,
    /// The serial console of one machine: standard input and output until the input ends
    Sol {
        /// Take it over from another session
        #[arg(long)]
        take_over: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Power {
    Status,
    On,
    Off,
    Cycle,
    Reset,
    Soft,
    Diag,
    /// On if off, else power cycle
    Boot,
}

#[derive(Clone, Copy, ValueEnum)]
enum Device {
    None,
    Pxe,
    Disk,
    Cd,
    Bios,
}

fn byte(word: &str) -> Result<u8, String> {
    u8::from_str_radix(word.trim_start_matches("0x"), 16)
        .map_err(|_| format!("`{word}` is not a byte in hexadecimal (00 to ff)"))
}

async fn act(bmc: Bmc, action: Action, wait: Duration) -> ipmi_lan::Result<Value> {
    Ok(match action {
        Action::Power { what } => match what {
            Power::Status => json!({ "power": bmc.power_state().await? }),
            Power::On => json!({ "power": bmc.ensure_power(PowerState::On, wait).await? }),
            Power::Off => json!({ "power": bmc.ensure_power(PowerState::Off, wait).await? }),
            Power::Boot => json!({ "power": bmc.restart(wait).await? }),
            Power::Cycle => {
                json!({ "sent": bmc.chassis_control(ChassisControl::Cycle).await.map(|()| "cycle")? })
            }
            Power::Reset => {
                json!({ "sent": bmc.chassis_control(ChassisControl::Reset).await.map(|()| "reset")? })
            }
            Power::Diag => {
                json!({ "sent": bmc.chassis_control(ChassisControl::Diagnostic).await.map(|()| "diagnostic")? })
            }
            Power::Soft => json!({ "power": bmc.shut_down(wait / 2, wait / 2).await? }),
        },
        Action::Boot { device: None, .. } => json!({ "boot": bmc.boot_flags().await? }),
        Action::Boot {
            device: Some(device),
            uefi,
            persistent,
        } => {
            let device = match device {
                Device::None => BootDevice::None,
                Device::Pxe => BootDevice::Pxe,
                Device::Disk => BootDevice::Disk,
                Device::Cd => BootDevice::Cd,
                Device::Bios => BootDevice::Bios,
            };
            json!({ "boot": bmc.set_boot(BootOverride::next(device).uefi(uefi).persistent(persistent)).await? })
        }
        Action::Info => {
            json!({ "device": bmc.device_id().await?, "guid": bmc.guid().await?.smbios(), "self_test": bmc.self_test().await? })
        }
        Action::Lan => json!({ "lan": bmc.lan_config().await? }),
        Action::Sensors => {
            let shown = bmc.sensors().await?.into_iter().map(|s| {
                json!({
                    "name": s.record.name, "type": sensor::type_name(s.record.sensor_type), "value": s.value,
                    "unit": s.record.unit.to_string(), "states": s.reading.map(|r| r.states),
                    "lower_critical": s.thresholds.lower_critical, "upper_critical": s.thresholds.upper_critical,
                })
            });
            json!({ "sensors": shown.collect::<Vec<_>>() })
        }
        Action::Sel { clear: true } => json!({ "cleared": bmc.clear_sel().await.map(|()| true)? }),
        Action::Sel { clear: false } => {
            let shown = bmc.sel_list().await?.into_iter().map(|entry| match &entry.record {
                SelRecord::Event(event) => json!({
                    "id": entry.id, "time": jiff::Timestamp::from_second(event.time.into()).ok().map(|t| t.to_string()),
                    "sensor": event.sensor, "type": sensor::type_name(event.sensor_type),
                    "event": event.meaning(), "deasserted": event.deasserted,
                }),
                other => json!({ "id": entry.id, "record": other }),
            });
            json!({ "sel": shown.collect::<Vec<_>>() })
        }
        Action::Fru => json!({ "fru": bmc.fru(0).await? }),
        Action::Users => json!({ "users": bmc.users().await? }),
        Action::Identify { seconds } => {
            json!({ "identify": bmc.identify(ChassisIdentify::Seconds(seconds)).await.map(|()| seconds)? })
        }
        Action::Raw { bytes } => {
            let data = bytes.get(2..).unwrap_or_default();
            let answer = bmc.raw(&Raw::new(bytes[0], bytes[1], data)).await?;
            json!({ "raw": answer.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ") })
        }
        Action::Ping | Action::Sol { .. } => Value::Null,
    })
}

async fn ping(addrs: Vec<SocketAddr>, options: &Options) -> Result<bool, Failure> {
    let mut found = std::pin::pin!(ipmi_lan::discover(addrs, options.limit));
    let mut any = false;
    while let Some(bmc) = found.next().await {
        let bmc = bmc?;
        any = true;
        if options.json {
            println!(
                "{}",
                json!({ "addr": bmc.addr, "ipmi": bmc.pong.ipmi, "round_trip_ms": bmc.round_trip.as_secs_f64() * 1000.0 })
            );
        } else {
            println!(
                "{} answers within {:.1?}{}",
                bmc.addr,
                bmc.round_trip,
                if bmc.pong.ipmi { "" } else { ", without IPMI" }
            );
        }
    }
    Ok(any)
}

/// Joins standard input and output to a machine's serial console.
async fn console(bmc: Bmc, take_over: bool) -> Result<bool, Failure> {
    let (mut from, mut to) = tokio::io::split(bmc.sol(take_over).await?);
    let typing = async {
        tokio::io::copy(&mut tokio::io::stdin(), &mut to).await?;
        // What was typed last is still on its way back.
        tokio::time::sleep(Duration::from_secs(1)).await;
        tokio::io::AsyncWriteExt::shutdown(&mut to).await
    };
    let mut out = tokio::io::stdout();
    tokio::select! {
        ended = typing => ended?,
        ended = tokio::io::copy(&mut from, &mut out) => {
            ended?;
        }
    }
    tokio::io::AsyncWriteExt::flush(&mut out).await?;
    bmc.close().await;
    Ok(true)
}

async fn run(options: Options) -> Result<bool, Failure> {
    let mut addrs = Vec::new();
    for word in &options.hosts {
        addrs.extend(hosts::expand(word).await?);
    }
    let simulator = match options.simulate {
        Some(count) => Some(
            Simulator::builder()
                .bmcs((0..count).map(|n| BmcSpec::new(format!("node{n}"))))
                .start()
                .await?,
        ),
        None => None,
    };
    addrs.extend(simulator.iter().flat_map(Simulator::addrs));
    if addrs.is_empty() {
        return Err("no BMC was named: -H ADDRESS..., or --simulate COUNT to try it out".into());
    }
    if matches!(options.action, Action::Ping) {
        return ping(addrs, &options).await;
    }
    let password = match (
        &options.password_file,
        std::env::var("IPMI_PASSWORD"),
        &simulator,
    ) {
        (Some(file), ..) => std::fs::read_to_string(file)?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
        (None, Ok(password), _) => password,
        (None, Err(_), Some(_)) => "secret".to_owned(),
        (None, Err(_), None) => {
            return Err("no password: set IPMI_PASSWORD or give --password-file FILE".into());
        }
    };
    let mut credentials = Credentials::new(options.user.clone(), password.into()).privilege(
        match options.privilege {
            Level::User => Privilege::User,
            Level::Operator => Privilege::Operator,
            Level::Administrator => Privilege::Administrator,
        },
    );
    if let Some(file) = &options.kg_file {
        let mut kg = std::fs::read(file)?;
        // The end of the file's line is not the key's.
        kg.truncate(kg.trim_ascii_end().len());
        credentials = credentials.kg(kg.into());
    }
    let suites = options
        .suites
        .iter()
        .map(|n| CipherSuite::new(*n).ok_or(format!("cipher suite {n} is not known")));
    let deadline = Duration::from_secs_f64(options.deadline.clamp(0.1, 3600.0));
    let client = Client::builder()
        .suites(suites.collect::<Result<Vec<_>, _>>()?)
        .auth_types(options.auth.iter().map(|auth| match auth {
            Auth::Md5 => AuthType::Md5,
            Auth::Password => AuthType::Password,
            Auth::None => AuthType::None,
        }))
        .protocol(if options.v15 {
            Protocol::V15
        } else {
            Protocol::V2
        })
        .build();
    if let Action::Sol { take_over } = options.action {
        let [addr] = addrs[..] else {
            return Err("sol: name one BMC".into());
        };
        return console(client.bmc(addr, credentials), take_over).await;
    }
    let targets: Vec<_> = addrs
        .into_iter()
        .map(|addr| (addr, credentials.clone()))
        .collect();
    let fleet = client
        .fleet(targets)
        .limit(options.limit)
        .deadline(deadline);
    let action = options.action.clone();
    let mut results = std::pin::pin!(fleet.run(move |bmc| act(
        bmc.with_deadline(deadline.min(Duration::from_secs(5))),
        action.clone(),
        deadline
    )));
    let mut all: Vec<FleetResult<Value>> = Vec::new();
    while let Some(result) = results.next().await {
        if options.json {
            let mut line =
                json!({ "addr": result.addr, "ms": result.elapsed.as_secs_f64() * 1000.0 });
            match &result.result {
                Ok(value) => line["result"] = value.clone(),
                Err(error) => line["error"] = json!(error.to_string()),
            }
            println!("{line}");
        }
        all.push(result);
    }
    let failed = all.iter().filter(|r| r.result.is_err()).count();
    if !options.json {
        all.sort_by_key(|r| r.index);
        println!("{}", show::table(&options.action, &all));
        println!("{} BMCs, {failed} failed", all.len());
    }
    client.close().await;
    Ok(failed == 0)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
