//! The network segment that an interface is on: who serves DHCP there.
//!
//! Facts: a server answers a DHCPDISCOVER whose broadcast flag is set at 255.255.255.255:68 (RFC 2131, 4.1); a limited broadcast leaves by
//! the interface that holds the sender's address (Linux, `ip_route_output_key_hash_rcu`).

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::error::{Error, Kind, Result};

/// What can be asked of a segment.
#[async_trait]
pub trait Segment: Send + Sync + fmt::Debug {
    /// The servers that offer an address to somebody new on the segment of the interface that holds `from`. Takes `within`, and
    /// changes nothing: no offer is taken.
    async fn dhcp_servers(
        &self,
        from: Ipv4Addr,
        mac: &str,
        within: Duration,
    ) -> Result<BTreeSet<Ipv4Addr>>;
}

/// The segments that this machine is on. Needs root: a client's port is below 1024.
#[derive(Debug, Clone, Default)]
pub struct LocalSegment;

/// RFC 2131, 3: the server's and the client's port.
const SERVER: u16 = 67;
const CLIENT: u16 = 68;
/// RFC 2132, 3: what options begin with.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const MESSAGE_TYPE: u8 = 53;
const SERVER_ID: u8 = 54;
const END: u8 = 255;
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;

#[async_trait]
impl Segment for LocalSegment {
    async fn dhcp_servers(
        &self,
        from: Ipv4Addr,
        mac: &str,
        within: Duration,
    ) -> Result<BTreeSet<Ipv4Addr>> {
        let operation = format!("look for DHCP servers on the segment of {from}");
        let mac = parse_mac(mac).ok_or_else(|| {
            Error::new(
                Kind::Malformed,
                operation.clone(),
                format!("{mac:?} is no hardware address"),
            )
        })?;
        let id: u32 = rand::random();
        let work = move || ask(from, mac, id, within);
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(servers)) => Ok(servers),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::AddrInUse => Err(Error::new(
                Kind::Busy,
                operation,
                "a DHCP client of this host holds port 68",
            )
            .hint("give the interface a fixed address, or make sure yourself that nobody else serves DHCP there")),
            Ok(Err(error)) => Err(Error::io(operation, error)),
            Err(error) => Err(Error::new(Kind::Failed, operation, error.to_string())),
        }
    }
}

fn ask(
    from: Ipv4Addr,
    mac: [u8; 6],
    id: u32,
    within: Duration,
) -> std::io::Result<BTreeSet<Ipv4Addr>> {
    let ear = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT))?;
    ear.set_broadcast(true)?;
    let mouth = UdpSocket::bind((from, 0))?;
    mouth.set_broadcast(true)?;
    let until = Instant::now() + within;
    let mut servers = BTreeSet::new();
    let mut packet = [0; 1500];
    let mut again = Instant::now();
    loop {
        let now = Instant::now();
        if now >= until {
            return Ok(servers);
        }
        if now >= again {
            mouth.send_to(&discover(mac, id), (Ipv4Addr::BROADCAST, SERVER))?;
            again = now + within / 3;
        }
        let patience = until.min(again).saturating_duration_since(now);
        ear.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        match ear.recv_from(&mut packet) {
            Ok((length, SocketAddr::V4(sender))) => {
                if let Some(server) = offered_by(&packet[..length], id) {
                    servers.insert(server.unwrap_or(*sender.ip()));
                }
            }
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock
                        | std::io::ErrorKind::TimedOut
                        | std::io::ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
    }
}

/// RFC 2131, figure 1.
fn discover(mac: [u8; 6], id: u32) -> Vec<u8> {
    let mut packet = vec![1, 1, 6, 0]; // BOOTREQUEST, Ethernet, six bytes of address, no hop
    packet.extend(id.to_be_bytes());
    packet.extend([0, 0, 0x80, 0]); // seconds; "answer by broadcast"
    packet.extend([0; 16]); // nobody has an address yet
    packet.extend(mac);
    packet.extend([0; 10 + 64 + 128]);
    packet.extend(COOKIE);
    packet.extend([MESSAGE_TYPE, 1, DISCOVER, END]);
    packet.resize(300, 0); // BOOTP's least length (RFC 1542, 2.1)
    packet
}

/// Whether a packet is an offer to us, and the server that it names.
fn offered_by(packet: &[u8], id: u32) -> Option<Option<Ipv4Addr>> {
    let ours = packet.first() == Some(&2) && packet.get(4..8)? == id.to_be_bytes();
    if !ours || packet.get(236..240)? != COOKIE {
        return None;
    }
    let (mut at, mut offer, mut server) = (240, false, None);
    while let Some(&code) = packet.get(at) {
        match code {
            END => break,
            0 => at += 1,
            _ => {
                let length = usize::from(*packet.get(at + 1)?);
                let value = packet.get(at + 2..at + 2 + length)?;
                match (code, value) {
                    (MESSAGE_TYPE, [kind]) => offer = *kind == OFFER,
                    (SERVER_ID, [a, b, c, d]) => server = Some(Ipv4Addr::new(*a, *b, *c, *d)),
                    _ => {}
                }
                at += 2 + length;
            }
        }
    }
    offer.then_some(server)
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16).ok())
        .collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_offer_is_told_from_the_rest() {
        let mac = parse_mac("02:00:00:00:00:01").unwrap();
        let mut packet = discover(mac, 7);
        assert_eq!((packet.len(), &packet[28..34]), (300, &mac[..]));
        assert_eq!(offered_by(&packet, 7), None, "our own question");
        packet[0] = 2;
        assert_eq!(offered_by(&packet, 7), None, "no offer");
        packet[240..].fill(0);
        packet[240..250].copy_from_slice(&[53, 1, 2, 0, 54, 4, 10, 0, 0, 9]);
        packet[250] = END;
        assert_eq!(
            offered_by(&packet, 7),
            Some(Some(Ipv4Addr::new(10, 0, 0, 9)))
        );
        assert_eq!(offered_by(&packet, 8), None, "an offer to somebody else");
        packet.truncate(248);
        assert_eq!(offered_by(&packet, 7), None, "cut");
        assert_eq!(parse_mac("nonsense"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_a_network_sends_panics(packet in proptest::collection::vec(any::<u8>(), 0..400), id in any::<u32>()) {
            let _ = offered_by(&packet, id);
        }
    }
}
