//! Arithmetic of addresses: where a range ends, and whether it fits.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

/// Addresses a block, the unit of the thesis's `size`.
pub(crate) const BLOCK: u32 = 256;

/// The last address of `blocks` blocks of 256 addresses that begin at `start`; None past 255.255.255.255 and for no
/// blocks. Carries into every octet, the first included.
pub(crate) fn range_end(start: Ipv4Addr, blocks: u32) -> Option<Ipv4Addr> {
    let last = blocks.checked_mul(BLOCK)?.checked_sub(1)?;
    u32::from(start).checked_add(last).map(Ipv4Addr::from)
}

/// Whether an address is one that a host of the subnet may have.
pub(crate) fn is_host(cidr: Ipv4Net, address: Ipv4Addr) -> bool {
    let reserved =
        cidr.prefix_len() < 31 && (address == cidr.network() || address == cidr.broadcast());
    cidr.contains(&address) && !reserved
}

/// What is wrong with a dynamic range in its subnet; the range is inclusive at both ends.
pub(crate) fn range_fault(
    cidr: Ipv4Net,
    gateway: Ipv4Addr,
    start: Ipv4Addr,
    end: Ipv4Addr,
) -> Option<String> {
    let inside = |address: Ipv4Addr| cidr.contains(&address);
    if start > end {
        return Some(format!("{end} comes before {start}"));
    }
    if !inside(start) || !inside(end) {
        return Some(format!("{start} - {end} leaves {cidr}"));
    }
    if start == cidr.network() {
        return Some(format!(
            "{start} - {end} holds the network's own address, {start}"
        ));
    }
    if end == cidr.broadcast() {
        return Some(format!(
            "{start} - {end} holds the broadcast address, {end}"
        ));
    }
    if (start..=end).contains(&gateway) {
        return Some(format!("{start} - {end} overlaps the gateway, {gateway}"));
    }
    None
}

/// The most blocks that may begin at `start` in `cidr`, for a hint.
pub(crate) fn most_blocks(cidr: Ipv4Net, gateway: Ipv4Addr, start: Ipv4Addr) -> Option<u32> {
    let mut last = u32::from(cidr.broadcast()).checked_sub(1)?;
    if gateway > start {
        last = last.min(u32::from(gateway) - 1);
    }
    let size = last.checked_sub(u32::from(start))?.checked_add(1)?;
    let blocks = size / BLOCK;
    let end = range_end(start, blocks)?;
    range_fault(cidr, gateway, start, end)
        .is_none()
        .then_some(blocks)
}

/// How many addresses from `from` to `to`, inclusive; None if they are not of one family or not in order.
pub(crate) fn span(from: IpAddr, to: IpAddr) -> Option<u128> {
    let count = |from: u128, to: u128| to.checked_sub(from)?.checked_add(1);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => count(u32::from(from).into(), u32::from(to).into()),
        (IpAddr::V6(from), IpAddr::V6(to)) => count(from.into(), to.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn ends_of_the_thesis_and_of_its_lost_carry() {
        assert_eq!(
            range_end(ip("10.42.191.255"), 64),
            Some(ip("10.42.255.254"))
        );
        assert_eq!(range_end(ip("10.255.255.0"), 2), Some(ip("11.0.0.255")));
        assert_eq!(range_end(ip("10.0.0.0"), 1), Some(ip("10.0.0.255")));
        assert_eq!(range_end(ip("10.0.0.1"), 1), Some(ip("10.0.1.0")));
        assert_eq!(
            range_end(ip("255.255.255.0"), 1),
            Some(ip("255.255.255.255"))
        );
        assert_eq!(range_end(ip("255.255.255.1"), 1), None);
        assert_eq!(range_end(ip("10.0.0.0"), 0), None);
        assert_eq!(
            range_end(ip("0.0.0.0"), 1 << 24),
            None,
            "the product does not fit in 32 bits"
        );
    }

    /// Counts one address after another, octet by octet, as a person would.
    fn walk(start: Ipv4Addr, steps: u32) -> Option<Ipv4Addr> {
        let mut octets = start.octets();
        for _ in 0..steps {
            let mut at = 3;
            while octets[at] == 255 {
                octets[at] = 0;
                at = at.checked_sub(1)?;
            }
            octets[at] += 1;
        }
        Some(octets.into())
    }

    /// Addresses near the places where octets carry.
    fn boundary() -> impl Strategy<Value = Ipv4Addr> {
        let octet = || {
            prop_oneof![
                Just(0u8),
                Just(1),
                Just(127),
                Just(254),
                Just(255),
                any::<u8>()
            ]
        };
        (octet(), octet(), octet(), octet()).prop_map(|(a, b, c, d)| Ipv4Addr::new(a, b, c, d))
    }

    proptest! {
        #[test]
        fn the_end_is_where_counting_ends(start in boundary(), blocks in 1u32..40) {
            prop_assert_eq!(range_end(start, blocks), walk(start, blocks * BLOCK - 1));
        }

        #[test]
        fn a_faultless_range_lies_between_network_and_broadcast(
            network in boundary(), prefix in 8u8..=30, gateway in any::<u16>(), start in any::<u16>(), blocks in 1u32..300,
        ) {
            let cidr = Ipv4Net::new(network, prefix).unwrap().trunc();
            let base = u32::from(cidr.network());
            let gateway = Ipv4Addr::from(base.saturating_add(gateway.into()));
            let start = Ipv4Addr::from(base.saturating_add(start.into()));
            if let Some(end) = range_end(start, blocks) {
                // The reference: each address of the range is a host of the subnet and not the gateway.
                let hosts = |at: u32| {
                    let at = Ipv4Addr::from(at);
                    cidr.contains(&at) && at != cidr.network() && at != cidr.broadcast() && at != gateway
                };
                let sound = (u32::from(start)..=u32::from(end)).all(hosts);
                prop_assert_eq!(range_fault(cidr, gateway, start, end).is_none(), sound);
                if let Some(most) = most_blocks(cidr, gateway, start).filter(|_| sound) {
                    prop_assert!(most >= blocks);
                    let next = range_end(start, most + 1);
                    prop_assert!(next.is_none_or(|end| range_fault(cidr, gateway, start, end).is_some()));
                }
            }
        }
    }
}
