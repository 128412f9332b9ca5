//! A socket that one session has for itself: some IPMI v1.5 BMCs go deaf to a port from which Get Session Challenge came twice.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::registry::EndpointId;
use super::shard::Op;

/// A socket on a port of its own, whose datagrams are handed to the shard. Closed when dropped.
pub(super) struct OwnPort {
    socket: std::net::UdpSocket,
    task: JoinHandle<()>,
}

impl OwnPort {
    /// Binds a new port for a session to `addr`.
    pub(super) fn open(
        addr: SocketAddr,
        endpoint: EndpointId,
        orders: mpsc::WeakUnboundedSender<Op>,
    ) -> std::io::Result<Self> {
        let socket = bind(addr.is_ipv6())?;
        let receiver = UdpSocket::from_std(socket.try_clone()?)?;
        let task = tokio::spawn(async move {
            let mut buffer = vec![0u8; 2048];
            // Errors of a UDP socket belong to one datagram; yet one that never ends must not spin.
            let mut errors = 0;
            while errors < 100 {
                let Ok((len, from)) = receiver.recv_from(&mut buffer).await else {
                    errors += 1;
                    continue;
                };
                errors = 0;
                let (true, Some(orders)) = (from == addr, orders.upgrade()) else {
                    continue;
                };
                let datagram = buffer[..len].to_vec();
                if orders.send(Op::Datagram { endpoint, datagram }).is_err() {
                    return;
                }
            }
        });
        Ok(Self { socket, task })
    }

    /// Sends a datagram. Errors are those of a lost datagram: it is repeated.
    pub(super) fn send(&self, datagram: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(datagram, to);
    }
}

impl Drop for OwnPort {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A socket that does not block, on any free port.
pub(super) fn bind(v6: bool) -> std::io::Result<std::net::UdpSocket> {
    let any: SocketAddr = if v6 {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A socket for many sessions.
pub(super) fn shared(v6: bool) -> std::io::Result<Arc<UdpSocket>> {
    Ok(Arc::new(UdpSocket::from_std(bind(v6)?)?))
}
