//! Stage 5: The first configuration: DNS, the image and its import, the SSH key, the machines' network.
//!
//! The thesis: `first_time_config()`, `ip_range()`, `maas_ssh_key()`, `set_gateway_ip()`.

mod dns;
mod images;
mod network;
mod ssh_key;

pub use dns::Dns;
pub use images::SelectImage;
pub use network::{MachineNetwork, Network};
pub use ssh_key::SshKey;
