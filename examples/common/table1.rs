//! The thesis's Table 1: how long each part took there, and which of our steps do it here.
//!
//! Source: the thesis, chapter 5, Table 1. Its printed total is a second more than the sum of its rows.

use std::time::Duration;

/// The total that the thesis prints: 3 h 11 min 35 s.
pub(crate) const PRINTED_TOTAL: Duration = Duration::from_secs(3 * 3600 + 11 * 60 + 35);

/// A row of the table.
pub(crate) struct Row {
    /// Its name there.
    pub(crate) name: &'static str,
    /// How long it took there, in seconds.
    pub(crate) seconds: u64,
    /// What became of it.
    pub(crate) here: Here,
}

/// What became of a row.
pub(crate) enum Here {
    /// These steps do it, under their names.
    Steps(&'static [&'static str]),
    /// It has no time of its own any more, and why.
    Gone(&'static str),
}

use Here::{Gone, Steps};

const fn row(name: &'static str, seconds: u64, here: Here) -> Row {
    Row {
        name,
        seconds,
        here,
    }
}

/// The rows, in their order.
pub(crate) const ROWS: [Row; 25] = [
    row(
        "Installation",
        52,
        Steps(&["host.maas", "host.lxd", "host.postgresql"]),
    ),
    row("Database config", 1, Steps(&["maas.database"])),
    row("MaaS Initialization", 110, Steps(&["maas.init"])),
    row("Await Http Server", 14, Steps(&["maas.http"])),
    row(
        "MaaS initial config",
        42,
        Steps(&[
            "maas.admin",
            "maas.dns",
            "maas.ssh-key",
            "maas.images",
            "maas.network",
        ]),
    ),
    row("Await image import", 247, Steps(&["maas.image-ready"])),
    row("Fetch PXE file", 4, Steps(&["maas.pxe-loader"])),
    row("Await Nodes IPs", 4, Steps(&["metal.bmcs"])),
    row("Reset Nodes Power", 48, Steps(&["metal.power"])),
    row("Await nodes being visible", 214, Steps(&["metal.enlisted"])),
    row(
        "Await Node status New",
        32,
        Gone("in the row above: one wait for both"),
    ),
    row("Node Commissioning", 592, Steps(&["metal.commissioned"])),
    row("Create node's bridges", 35, Steps(&["metal.bridges"])),
    row("Create lxd's bridge", 0, Steps(&["host.bridge"])),
    row(
        "Await MaaS server restart",
        4,
        Gone("the network comes first: nothing is restarted"),
    ),
    row("Initialize lxd", 0, Steps(&["lxd.init"])),
    row("Create Lxd Host (Manual)", 130, Steps(&["maas.vm-host"])),
    row("Create Juju VM", 300, Steps(&["juju.machine"])),
    row("Juju Installation", 150, Steps(&["juju.client"])),
    row("Network Issues", 120, Steps(&["host.nat"])),
    row(
        "Juju Bootstrap",
        1210,
        Steps(&["juju.controller", "juju.model"]),
    ),
    row(
        "Juju Bundle Deploy",
        6300,
        Steps(&["cloud.bundle", "cloud.converged"]),
    ),
    row("Nova Compute deploy", 600, Gone("in the bundle")),
    row("Integrations", 15, Gone("in the bundle")),
    row(
        "Configure Vault",
        1270,
        Steps(&[
            "vault.initialised",
            "vault.unsealed",
            "vault.authorised",
            "vault.root-ca",
        ]),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_sum_to_a_second_less_than_the_thesis_prints() {
        let sum: u64 = ROWS.iter().map(|row| row.seconds).sum();
        assert_eq!(sum, 3 * 3600 + 11 * 60 + 34);
        assert_eq!(PRINTED_TOTAL.as_secs(), sum + 1);
    }

    #[test]
    fn no_step_is_in_two_rows() {
        let mut steps: Vec<_> = ROWS
            .iter()
            .flat_map(|row| match row.here {
                Steps(steps) => steps,
                Gone(_) => &[],
            })
            .collect();
        let all = steps.len();
        steps.sort();
        steps.dedup();
        assert_eq!(steps.len(), all);
    }
}
