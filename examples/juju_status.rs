//! A model as a tree, and what keeps it from coming to rest: `cargo run --example juju_status -- --controller c --model openstack`.

#[path = "common/juju.rs"]
mod juju;

use clap::Parser as _;
use juju_client::api::status::Unit;
use juju_client::wait::{Converged, Judgement, explain};

#[derive(Debug, clap::Parser)]
struct Args {
    #[command(flatten)]
    at: juju::Where,
}

fn show(name: &str, u: &Unit, indent: usize) {
    let leader = if u.leader { "*" } else { "" };
    let (w, a) = (&u.workload_status, &u.agent_status);
    let name = format!("{:indent$}{name}{leader}", "");
    println!(
        "  {name:<34} {:<12} {:<11} {:<8} {:<16} {}",
        w.status, a.status, u.machine, u.public_address, w.info
    );
    for (n, s) in &u.subordinates {
        show(n, s, indent + 2);
    }
}

#[tokio::main]
async fn main() -> Result<(), juju::Failure> {
    let connected = Args::parse().at.connect(true).await?;
    let status = connected.model.status().await?;
    println!(
        "model {} on {} (Juju {})",
        status.model.name,
        status.model.cloud_tag.trim_start_matches("cloud-"),
        status.model.version
    );
    println!("\nmachines");
    let mut machines = status.all_machines();
    let numbers =
        |id: &str| -> Vec<u64> { id.split('/').map(|n| n.parse().unwrap_or(0)).collect() };
    machines.sort_by_key(|m| numbers(&m.id));
    for m in machines {
        // Containers stand under their machine.
        let indent = m.id.matches('/').count();
        let id = format!("{:indent$}{}", "", m.id);
        println!(
            "  {id:<10} {:<10} {:<20} {:<16} {}",
            m.agent_status.status, m.instance_id, m.dns_name, m.instance_status.info
        );
    }
    println!("\napplications");
    for (name, app) in &status.applications {
        let what: Vec<&str> = [&app.charm, &app.charm_channel, app.status.status.as_str()]
            .into_iter()
            .filter(|w| !w.is_empty())
            .collect();
        println!("{name} ({})", what.join(", "));
        for (n, u) in &app.units {
            show(n, u, 0);
        }
    }
    match Converged::judge(&status) {
        Judgement::Settled => println!("\nat rest"),
        Judgement::Pending { state, .. } => println!("\n{state}"),
        Judgement::Failed(f) => println!("\nfailed: {f}"),
        _ => {}
    }
    if let Some(b) = explain(&status) {
        println!("what blocks: {b}");
    }
    Ok(())
}
