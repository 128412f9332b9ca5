//! The lab's wire: an HTTP forward proxy that knows where the world's addresses are on loopback.
//!
//! A client whose `.proxy()` is [`Wire::url`] reaches `https://10.42.0.7:5000` and means a fake on 127.0.0.1. It takes CONNECT (https, wss)
//! and absolute-form requests (http). What it does not know it answers with 502 and a sentence; it never reaches out of the lab.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::serve::local_url;

/// The longest request head, in bytes.
const LONGEST_HEAD: usize = 64 << 10;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);

/// The proxy. It stops when dropped.
#[derive(Debug)]
pub struct Wire {
    addr: SocketAddr,
    table: Table,
    stop: CancellationToken,
    tasks: TaskTracker,
}

type Table = Arc<RwLock<BTreeMap<String, SocketAddr>>>;

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Wire {
    /// Starts on 127.0.0.1, on `port` (0: a free one), knowing no address.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let addr = listener.local_addr()?;
        let (table, stop, tasks) = (
            Table::default(),
            CancellationToken::new(),
            TaskTracker::new(),
        );
        tasks.spawn(accept(
            listener,
            Arc::clone(&table),
            stop.clone(),
            tasks.clone(),
        ));
        Ok(Self {
            addr,
            table,
            stop,
            tasks,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The proxy's URL, for the clients' `.proxy()`.
    pub fn url(&self) -> Url {
        local_url("http", self.addr)
    }

    /// From now on the world's `address` (`10.42.0.7:5000`; a host name is as good) is `to`.
    pub fn route(&self, address: &str, to: SocketAddr) {
        if let Ok(mut table) = self.table.write() {
            table.insert(address.to_ascii_lowercase(), to);
        }
    }

    /// From now on the world's `address` is nowhere.
    pub fn unroute(&self, address: &str) {
        if let Ok(mut table) = self.table.write() {
            table.remove(&address.to_ascii_lowercase());
        }
    }

    /// What it knows.
    pub fn routes(&self) -> BTreeMap<String, SocketAddr> {
        self.table.read().map(|t| t.clone()).unwrap_or_default()
    }

    /// Stops and waits until the port is free.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, table: Table, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        let socket = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        let (table, stop) = (Arc::clone(&table), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = carry(socket, &table) => {}
            }
        });
    }
}

/// Carries one connection: a tunnel for CONNECT, one request and its answer otherwise.
async fn carry(mut client: TcpStream, table: &Table) -> io::Result<()> {
    client.set_nodelay(true)?;
    let Ok(head) = tokio::time::timeout(PATIENCE, read_head(&mut client)).await else {
        return Ok(());
    };
    let (head, rest) = head?;
    let Some(want) = Want::parse(&head) else {
        let said =
            "this is a proxy: it takes CONNECT host:port and requests for http://host:port/path";
        return refuse(client, 400, "Bad Request", said).await;
    };
    let known = table
        .read()
        .ok()
        .and_then(|t| t.get(&want.address).copied());
    let Some(to) = known else {
        let said = format!(
            "no route to {}: there is nothing at this address in the lab",
            want.address
        );
        return refuse(client, 502, "Bad Gateway", &said).await;
    };
    let mut server = match TcpStream::connect(to).await {
        Ok(server) => server,
        Err(e) => {
            let said = format!("nothing answers at {}: {e}", want.address);
            return refuse(client, 502, "Bad Gateway", &said).await;
        }
    };
    server.set_nodelay(true)?;
    match want.forward {
        None => {
            client
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .await?
        }
        Some(head) => server.write_all(head.as_bytes()).await?,
    }
    server.write_all(&rest).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// The bytes up to the empty line, and those that came after it.
async fn read_head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if bytes.len() > LONGEST_HEAD || client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What a client wants of the proxy.
struct Want {
    /// `host:port`, in lower case.
    address: String,
    /// The head as the server is to see it; `None` for a tunnel.
    forward: Option<String>,
}

impl Want {
    fn parse(head: &str) -> Option<Self> {
        let (line, fields) = head.split_once("\r\n")?;
        let mut words = line.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if method == "CONNECT" {
            return Some(Self {
                address: target.to_ascii_lowercase(),
                forward: None,
            });
        }
        let url = Url::parse(target).ok().filter(|u| u.scheme() == "http")?;
        let address = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
        let path = url
            .query()
            .map_or_else(|| url.path().to_owned(), |q| format!("{}?{q}", url.path()));
        let mut forward = format!("{method} {path} {version}\r\n");
        let field = |line: &str, name: &str| {
            line.split_once(':')
                .is_some_and(|(n, _)| n.trim().eq_ignore_ascii_case(name))
        };
        let upgrades = fields.split("\r\n").any(|l| field(l, "upgrade"));
        for line in fields.split("\r\n").filter(|l| !l.is_empty()) {
            let between_hops =
                field(line, "proxy-connection") || field(line, "proxy-authorization");
            if !between_hops && (upgrades || !field(line, "connection")) {
                forward.push_str(line);
                forward.push_str("\r\n");
            }
        }
        // One request a connection: the next one may be for somebody else.
        if !upgrades {
            forward.push_str("connection: close\r\n");
        }
        forward.push_str("\r\n");
        Some(Self {
            address,
            forward: Some(forward),
        })
    }
}

async fn refuse(mut client: TcpStream, status: u16, name: &str, said: &str) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {status} {name}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
        said.len()
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}
