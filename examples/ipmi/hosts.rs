//! Which BMCs a word of the command line means.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::Failure;

/// The addresses that a word stands for. A name stands for the first that it resolves to.
pub(crate) async fn expand(word: &str) -> Result<Vec<SocketAddr>, Failure> {
    let (host, port) = word.rsplit_once(':').unwrap_or((word, "623"));
    if !host.contains([':', '/']) && host.contains(|c: char| c.is_ascii_alphabetic()) {
        let port: u16 = port
            .parse()
            .map_err(|_| format!("{word}: `{port}` is not a port"))?;
        let mut found = tokio::net::lookup_host((host, port))
            .await
            .map_err(|e| format!("{word}: the name is not known: {e}"))?;
        return Ok(found.next().into_iter().collect());
    }
    numbers(word)
}

fn numbers(word: &str) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(addr) = word.parse::<SocketAddr>() {
        return Ok(vec![addr]);
    }
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Ok(vec![(ip, 623).into()]);
    }
    let (hosts, port) = match word.rsplit_once(':') {
        Some((hosts, port)) => {
            let port = port
                .parse()
                .map_err(|_| format!("{word}: `{port}` is not a port"))?;
            (hosts, port)
        }
        None => (word, 623),
    };
    let of = |first: u32, last: u32| {
        (first..=last)
            .map(|n| (Ipv4Addr::from(n), port).into())
            .collect()
    };
    if hosts.contains(':') {
        return Err(format!(
            "{word}: an IPv6 address with a port is written [address]:port; ranges are of IPv4"
        )
        .into());
    }
    if let Some((net, bits)) = hosts.split_once('/') {
        let (net, bits) = (u32::from(net.parse::<Ipv4Addr>()?), bits.parse::<u32>()?);
        if !(16..=30).contains(&bits) {
            return Err(format!("{word}: a network is /16 to /30").into());
        }
        let size = 1u32 << (32 - bits);
        let base = net & !(size - 1);
        return Ok(of(base + 1, base + size - 2));
    }
    if let Some((first, last)) = hosts.split_once('-') {
        let first = first.parse::<Ipv4Addr>()?;
        let last = match last.parse::<u8>() {
            Ok(last) => {
                let [a, b, c, _] = first.octets();
                Ipv4Addr::from([a, b, c, last])
            }
            Err(_) => last.parse()?,
        };
        return Ok(of(first.into(), last.into()));
    }
    Err(format!(
        "{word}: neither an address nor a name nor a range (10.42.1.10-29) nor a network (10.42.1.0/24)"
    )
    .into())
}
