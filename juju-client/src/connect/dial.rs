//! TCP (perhaps through a proxy), TLS pinned to the controller's CA, and the websocket's handshake.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::Url;

use super::{Endpoint, Options};
use crate::error::{Error, ErrorKind, Result};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Later addresses start a little after earlier ones, so that the first that works wins without a storm.
const STAGGER: Duration = Duration::from_millis(250);

/// Races the addresses and opens the websocket on the first that answers.
pub(crate) async fn dial(endpoint: &Endpoint, options: &Options) -> Result<Socket> {
    let operation = format!(
        "connect to the Juju controller at {}",
        endpoint.addresses.join(", ")
    );
    if endpoint.addresses.is_empty() {
        return Err(Error::invalid(
            "connect to a Juju controller",
            "no address is given",
        ));
    }
    let tls = tls_config(endpoint)?;
    let attempts: FuturesUnordered<_> = endpoint
        .addresses
        .iter()
        .enumerate()
        .map(|(i, address)| {
            let tls = tls.clone();
            async move {
                tokio::time::sleep(STAGGER * u32::try_from(i).unwrap_or(u32::MAX).min(40)).await;
                open(address, endpoint, options, tls, &endpoint.path(), None)
                    .await
                    .map_err(|e| (address.as_str(), e))
            }
        })
        .collect();
    let race = async {
        let mut attempts = attempts;
        let mut failures = Vec::new();
        let mut refused = None;
        while let Some(r) = attempts.next().await {
            match r {
                Ok(s) => return Ok(s),
                Err((address, e)) => {
                    failures.push(format!("{address}: {}", e.message()));
                    if e.kind() != ErrorKind::Connect || e.has_hint() {
                        refused = Some(e);
                    }
                }
            }
        }
        Err(match refused {
            Some(e) if failures.len() == 1 => e.with_operation(operation.clone()),
            _ => Error::new(ErrorKind::Connect, operation.clone(), failures.join("; "))
                .hint("check that the controller runs and that its API port is reachable"),
        })
    };
    match tokio::time::timeout(options.connect_timeout, race).await {
        Ok(r) => r,
        Err(_) => Err(Error::new(
            ErrorKind::Connect,
            operation,
            format!("no answer within {:?}", options.connect_timeout),
        )
        .hint("check that the controller runs and that its API port is reachable")),
    }
}

/// TCP and TLS, the server verified by its name.
pub(super) async fn connect_tls(
    address: &str,
    endpoint: &Endpoint,
    tls: Arc<rustls::ClientConfig>,
) -> std::result::Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let tcp = connect_tcp(address, endpoint.proxy.as_ref()).await?;
    let _ = tcp.set_nodelay(true);
    let name = ServerName::try_from(server_name(endpoint).to_owned())
        .map_err(|e| format!("server name {:?}: {e}", server_name(endpoint)))?;
    tokio_rustls::TlsConnector::from(tls)
        .connect(name, tcp)
        .await
        .map_err(|e| e.to_string())
}

/// The name that the certificate must carry.
fn server_name(endpoint: &Endpoint) -> &str {
    endpoint
        .public_hostname
        .as_deref()
        .unwrap_or("juju-apiserver")
}

/// One websocket beside the RPC's own, on the first address that answers: the logs'.
pub(crate) async fn side_socket(
    operation: &str,
    endpoint: &Endpoint,
    options: &Options,
    path: &str,
    authorization: &str,
) -> Result<Socket> {
    let tls = tls_config(endpoint)?;
    let mut last = Error::invalid(operation, "no address is given");
    for address in &endpoint.addresses {
        let opening = open(
            address,
            endpoint,
            options,
            tls.clone(),
            path,
            Some(authorization),
        );
        match tokio::time::timeout(options.connect_timeout, opening).await {
            Ok(Ok(s)) => return Ok(s),
            Ok(Err(e)) => last = e.with_operation(operation),
            Err(_) => {
                last = Error::new(
                    ErrorKind::Connect,
                    operation,
                    format!("no answer within {:?}", options.connect_timeout),
                )
            }
        }
    }
    Err(last)
}

async fn open(
    address: &str,
    endpoint: &Endpoint,
    options: &Options,
    tls: Arc<rustls::ClientConfig>,
    path: &str,
    authorization: Option<&str>,
) -> Result<Socket> {
    let failed = |m: String| Error::new(ErrorKind::Connect, "connect to the Juju controller", m);
    let tcp = connect_tcp(address, endpoint.proxy.as_ref())
        .await
        .map_err(failed)?;
    let _ = tcp.set_nodelay(true);
    let name = server_name(endpoint);
    ServerName::try_from(name.to_owned())
        .map_err(|e| failed(format!("server name {name:?}: {e}")))?;
    // The URI's host is the SNI name; `Host` is what the server sees besides, and it does not look at it.
    let mut request = format!("wss://{name}{path}")
        .into_client_request()
        .map_err(|e| failed(e.to_string()))?;
    if let Some(a) = authorization {
        let value = http::HeaderValue::from_str(a)
            .map_err(|_| failed("the credentials cannot be put into a header".into()))?;
        request
            .headers_mut()
            .insert(http::header::AUTHORIZATION, value);
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(options.max_frame))
        .max_frame_size(Some(options.max_frame));
    let (socket, _) =
        client_async_tls_with_config(request, tcp, Some(config), Some(Connector::Rustls(tls)))
            .await
            .map_err(|e| explain(e, path))?;
    Ok(socket)
}

fn explain(e: tokio_tungstenite::tungstenite::Error, path: &str) -> Error {
    use tokio_tungstenite::tungstenite::Error as Ws;
    match e {
        Ws::Http(response) => {
            let body = response
                .body()
                .as_deref()
                .map(String::from_utf8_lossy)
                .unwrap_or_default()
                .trim()
                .to_owned();
            Error::new(
                ErrorKind::Server,
                "open the websocket",
                format!(
                    "the server refused {} with HTTP {}: {body}",
                    path,
                    response.status().as_u16()
                ),
            )
        }
        other => {
            let text = other.to_string();
            let e = Error::new(ErrorKind::Connect, "open the websocket", text.clone());
            if text.contains("peer certificate") || text.contains("UnknownIssuer") {
                e.hint("the certificate does not come from this controller's CA: is it the right controller, and has it been bootstrapped anew?")
            } else {
                e
            }
        }
    }
}

pub(super) fn tls_config(endpoint: &Endpoint) -> Result<Arc<rustls::ClientConfig>> {
    let operation = "prepare TLS to the Juju controller";
    let mut roots = rustls::RootCertStore::empty();
    if let Some(pem) = &endpoint.ca_cert {
        let mut n = 0;
        for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let cert = cert.map_err(|e| {
                Error::invalid(operation, format!("the CA certificate is not PEM: {e}"))
            })?;
            roots.add(cert).map_err(|e| {
                Error::invalid(operation, format!("the CA certificate is refused: {e}"))
            })?;
            n += 1;
        }
        if n == 0 {
            return Err(Error::invalid(
                operation,
                "the CA certificate holds no PEM block",
            ));
        }
    }
    if endpoint.public_hostname.is_some() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    } else if endpoint.ca_cert.is_none() {
        return Err(Error::invalid(
            operation,
            "neither the controller's CA nor a public name is given",
        )
        .hint("take ca-cert from controllers.yaml"));
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(|e| Error::invalid(operation, e.to_string()))?
    .with_root_certificates(roots)
    .with_no_client_auth();
    Ok(Arc::new(config))
}

pub(super) async fn connect_tcp(
    address: &str,
    proxy: Option<&Url>,
) -> std::result::Result<TcpStream, String> {
    let from_env;
    let proxy = match proxy {
        Some(p) => Some(p),
        None => {
            from_env = env_proxy(address);
            from_env.as_ref()
        }
    };
    match proxy {
        None => TcpStream::connect(address).await.map_err(|e| e.to_string()),
        Some(proxy) => through(address, proxy).await,
    }
}

/// `CONNECT` as in RFC 9110, 9.3.6.
async fn through(address: &str, proxy: &Url) -> std::result::Result<TcpStream, String> {
    if proxy.scheme() != "http" {
        return Err(format!(
            "proxies of scheme {:?} are not supported, only http",
            proxy.scheme()
        ));
    }
    let host = proxy
        .host_str()
        .ok_or("the proxy's URL has no host")?
        .trim_matches(['[', ']']);
    let port = proxy.port_or_known_default().unwrap_or(3128);
    let mut tcp = TcpStream::connect((host, port))
        .await
        .map_err(|e| format!("the proxy {host}:{port}: {e}"))?;
    let mut request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n");
    if !proxy.username().is_empty() {
        let pair = format!("{}:{}", proxy.username(), proxy.password().unwrap_or(""));
        request.push_str(&format!(
            "Proxy-Authorization: Basic {}\r\n",
            base64::engine::general_purpose::STANDARD.encode(pair)
        ));
    }
    request.push_str("\r\n");
    tcp.write_all(request.as_bytes())
        .await
        .map_err(|e| format!("the proxy {host}:{port}: {e}"))?;
    // Byte by byte: what follows the head belongs to TLS.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 16 * 1024 {
            return Err(format!(
                "the proxy {host}:{port} answered CONNECT with too long a head"
            ));
        }
        let mut one = [0u8; 1];
        match tcp.read(&mut one).await {
            Ok(0) => {
                return Err(format!(
                    "the proxy {host}:{port} closed the connection during CONNECT {address}"
                ));
            }
            Ok(_) => head.push(one[0]),
            Err(e) => return Err(format!("the proxy {host}:{port}: {e}")),
        }
    }
    let line = String::from_utf8_lossy(&head)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    match line.split_whitespace().nth(1) {
        Some(s) if s.starts_with('2') => Ok(tcp),
        _ => Err(format!(
            "the proxy {host}:{port} refused CONNECT {address}: {line}"
        )),
    }
}

fn env_proxy(address: &str) -> Option<Url> {
    let var = |names: &[&str]| {
        names
            .iter()
            .find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()))
    };
    let host = address
        .rsplit_once(':')
        .map_or(address, |(h, _)| h)
        .trim_matches(['[', ']']);
    if host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
    {
        return None;
    }
    if var(&["no_proxy", "NO_PROXY"]).is_some_and(|list| excluded(&list, host)) {
        return None;
    }
    let raw = var(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?;
    Url::parse(&raw)
        .or_else(|_| Url::parse(&format!("http://{raw}")))
        .ok()
}

fn excluded(list: &str, host: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .filter(|e| !e.is_empty())
        .any(|e| {
            if e == "*" || e.eq_ignore_ascii_case(host) {
                return true;
            }
            if let (Some((net, bits)), Ok(std::net::IpAddr::V4(ip))) =
                (e.split_once('/'), host.parse())
                && let (Ok(net), Ok(bits)) =
                    (net.parse::<std::net::Ipv4Addr>(), bits.parse::<u32>())
            {
                let mask = if bits == 0 {
                    0
                } else {
                    u32::MAX << (32 - bits.min(32))
                };
                return u32::from(net) & mask == u32::from(ip) & mask;
            }
            let suffix = e.trim_start_matches("*.").trim_start_matches('.');
            host.len() > suffix.len()
                && host.ends_with(suffix)
                && host.as_bytes()[host.len() - suffix.len() - 1] == b'.'
        })
}

#[cfg(test)]
mod tests {
    use super::excluded;

    #[test]
    fn no_proxy_forms() {
        assert!(excluded("10.0.0.0/8", "10.42.0.7"));
        assert!(!excluded("10.0.0.0/16", "10.42.0.7"));
        assert!(excluded(".maas, x", "node.maas"));
        assert!(!excluded("aas", "node.maas"));
        assert!(excluded("*", "h"));
    }
}
