//! Before anything is changed: whether each BMC takes the login, and lets it power the machine.

use futures_util::StreamExt as _;

use super::Site;
use super::power::{Racked, answering, configured, in_ranges, racked};
use super::preflight::{AT_ONCE, Line, PATIENCE};
use crate::config::Privilege;
use crate::host::preflight::Level;

impl Site {
    /// Whether each BMC takes the login, and lets it power the machine.
    pub(super) async fn check_bmcs(&self) -> Vec<Line> {
        let mut machines = configured(&self.config);
        if machines.is_empty() {
            let check = || "BMCs".to_owned();
            let candidates = in_ranges(&self.config.ipmi);
            if candidates.is_empty() {
                let found =
                    "none is named: they are looked for among the leases of the machines' network"
                        .to_owned();
                return vec![(check(), Level::Doubtful, found, Some("name them under `machines`, or in ipmi.ranges, and their login is tried here".to_owned()))];
            }
            let found = answering(&self.config, candidates).await;
            let wanted = self.config.maas.nodes_amount;
            if found.len() != wanted {
                let text = format!(
                    "{} answer in ipmi.ranges, and maas.nodes_amount is {wanted}",
                    found.len()
                );
                return vec![(
                    check(),
                    Level::Missing,
                    text,
                    Some(
                        "look at their cables and addresses, or name the machines under `machines`"
                            .to_owned(),
                    ),
                )];
            }
            machines = match racked(&self.config, &found) {
                Ok(machines) => machines,
                Err(error) => {
                    return vec![(
                        check(),
                        Level::Missing,
                        error.to_string(),
                        Some("set ipmi.user and ipmi.password".to_owned()),
                    )];
                }
            };
        }
        futures_util::stream::iter(machines)
            .map(async |machine| self.check_bmc(&machine).await)
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn check_bmc(&self, machine: &Racked) -> Line {
        let check = format!("BMC {}", machine.name);
        let at = machine.address();
        if machine.bmc.privilege == Privilege::User {
            let found = format!("{at}: the privilege `user` may not power a machine");
            return (
                check,
                Level::Missing,
                found,
                Some("set the BMC's privilege to operator or administrator".to_owned()),
            );
        }
        // The session is opened with the privilege that powering needs: a BMC refuses it to a user who has less.
        let client = machine.client();
        let bmc = machine.bmc(&client, self);
        let asked = tokio::time::timeout(PATIENCE, bmc.power_state()).await;
        bmc.close().await;
        let privilege = format!("{:?}", machine.bmc.privilege).to_lowercase();
        match asked {
            Ok(Ok(state)) => (
                check,
                Level::Fine,
                format!(
                    "{at}: {} logs in as {privilege}; power is {state:?}",
                    machine.bmc.user
                ),
                None,
            ),
            Ok(Err(error)) => {
                let advice = if error.is_credentials() {
                    format!(
                        "correct the BMC's user and password, and give that user the privilege {privilege} on its LAN channel"
                    )
                } else {
                    "look whether IPMI over LAN is switched on, and UDP port 623 reaches it"
                        .to_owned()
                };
                (
                    check,
                    Level::Missing,
                    format!("{at}: {error}"),
                    Some(advice),
                )
            }
            Err(_) => (
                check,
                Level::Missing,
                format!("{at}: no answer within {} s", PATIENCE.as_secs()),
                Some("look at its cable and address".to_owned()),
            ),
        }
    }
}
