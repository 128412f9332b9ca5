//! Tunnels through an HTTP proxy, for what reqwest does not carry: websockets.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::{Error, ErrorKind, Result};

/// The proxy that the environment names for an https address, if any.
pub(crate) fn from_environment(to: &Url) -> Option<Url> {
    let var = |names: [&str; 2]| {
        names
            .iter()
            .find_map(|n| std::env::var(n).ok())
            .filter(|v| !v.is_empty())
    };
    let host = to.host_str()?.trim_matches(['[', ']']);
    if let Some(list) = var(["no_proxy", "NO_PROXY"])
        && excluded(host, &list)
    {
        return None;
    }
    let named = var(["https_proxy", "HTTPS_PROXY"]).or_else(|| var(["all_proxy", "ALL_PROXY"]))?;
    let url = if named.contains("://") {
        named
    } else {
        format!("http://{named}")
    };
    Url::parse(&url).ok().filter(|u| u.scheme() == "http")
}

fn excluded(host: &str, list: &str) -> bool {
    let address: Option<std::net::IpAddr> = host.parse().ok();
    list.split(',')
        .map(str::trim)
        .filter(|e| !e.is_empty())
        .any(|entry| {
            if entry == "*" {
                return true;
            }
            if let (Some(address), Some((net, bits))) = (address, entry.split_once('/')) {
                return match (net.parse(), bits.parse()) {
                    (Ok(net), Ok(bits)) => within(address, net, bits),
                    _ => false,
                };
            }
            let name = entry.trim_start_matches('.');
            host.eq_ignore_ascii_case(name)
                || host
                    .to_ascii_lowercase()
                    .ends_with(&format!(".{}", name.to_ascii_lowercase()))
        })
}

fn within(address: std::net::IpAddr, net: std::net::IpAddr, bits: u32) -> bool {
    use std::net::IpAddr::{V4, V6};
    match (address, net) {
        (V4(a), V4(n)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        (V6(a), V6(n)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        _ => false,
    }
}

/// A TCP connection to a host, straight or by CONNECT.
pub(crate) async fn connect(
    attempted: &str,
    to: &Url,
    proxy: Option<&Url>,
    limit: Duration,
) -> Result<TcpStream> {
    let late = || {
        Error::new(
            ErrorKind::Timeout,
            attempted,
            format!("no connection within {limit:?}"),
        )
    };
    tokio::time::timeout(limit, open(attempted, to, proxy))
        .await
        .map_err(|_| late())?
}

async fn open(attempted: &str, to: &Url, proxy: Option<&Url>) -> Result<TcpStream> {
    let failed = |what: String| Error::new(ErrorKind::Connection, attempted, what);
    let address = |url: &Url| {
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        (host, port)
    };
    let (host, port) = address(to);
    let (first_host, first_port) = proxy.map_or_else(|| (host.clone(), port), address);
    let mut stream = TcpStream::connect((first_host.trim_matches(['[', ']']), first_port))
        .await
        .map_err(|e| failed(format!("connecting to {first_host}:{first_port}: {e}")))?;
    let _ = stream.set_nodelay(true);
    let Some(proxy) = proxy else {
        return Ok(stream);
    };
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if !proxy.username().is_empty() {
        let pair = format!("{}:{}", proxy.username(), proxy.password().unwrap_or(""));
        request.push_str(&format!(
            "Proxy-Authorization: Basic {}\r\n",
            STANDARD.encode(pair)
        ));
    }
    request.push_str("\r\n");
    let through = |e: std::io::Error| failed(format!("through the proxy: {e}"));
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(through)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 16 * 1024 {
            return Err(failed("the proxy's answer has no end".into()));
        }
        head.push(stream.read_u8().await.map_err(through)?);
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default();
    match line.split_whitespace().nth(1) {
        Some("200") => Ok(stream),
        _ => Err(failed(format!("the proxy refused the tunnel: {line}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::excluded;

    #[test]
    fn no_proxy_lists() {
        assert!(excluded("10.42.0.7", "localhost,10.42.0.0/16"));
        assert!(!excluded("10.43.0.7", "localhost,10.42.0.0/16"));
        assert!(excluded("lxd.example.org", ".example.org"));
        assert!(!excluded("notexample.org", "example.org"));
        assert!(excluded("anything", "*"));
        assert!(!excluded("10.0.0.1", "10.0.0.0/99"));
    }
}
