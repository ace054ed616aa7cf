//! Sockets to listen on: those that systemd bound and passed, else bound here.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

/// Clients that may wait to be accepted: all who come back at once after a restart. The kernel takes
/// `net.core.somaxconn` of it at most, which is as much by default.
const BACKLOG: i32 = 4096;

/// Sockets that were passed to this process, by the address that they are bound to. Cloned handles are the same
/// sockets.
///
/// They stay open to the end, also while nothing of the config has their address: whoever passed them holds them
/// too, so their address could not be bound anew.
#[derive(Debug, Clone, Default)]
pub struct Sockets(Arc<Vec<Passed>>);

#[derive(Debug)]
struct Passed {
    address: SocketAddr,
    listener: TcpListener,
    used: AtomicBool,
}

impl Sockets {
    /// Those of this process (`LISTEN_FDS`). To be called once, before there are threads: it takes the variables
    /// out of the environment, so that no child takes them for its own.
    pub fn passed() -> Sockets {
        let mut given = ListenFd::from_env();
        let mut passed = Vec::new();
        for nth in 0..given.len() {
            match given.take_tcp_listener(nth).and_then(|listener| Passed::new(listener.ok_or_else(gone)?)) {
                Ok(one) => passed.push(one),
                Err(error) => tracing::warn!(%error, "a socket that was passed (LISTEN_FDS) cannot be used"),
            }
        }
        Sockets(Arc::new(passed))
    }

    /// Listens on that address: with the socket that was passed for it, else with a new one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(super) fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let passed = self.0.iter().find(|passed| passed.address == address);
        let listener = if let Some(passed) = passed {
            passed.used.store(true, Ordering::Relaxed);
            passed.listener.try_clone()?
        } else {
            let listener = TcpListener::bind(address)?;
            // The standard library lets 128 wait; a second call changes it.
            rustix::net::listen(&listener, BACKLOG)?;
            listener
        };
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Says which of them nothing listens on.
    pub(super) fn tell_unused(&self) {
        for passed in self.0.iter().filter(|passed| !passed.used.load(Ordering::Relaxed)) {
            tracing::warn!(
                "a socket that was passed (LISTEN_FDS), {}, is used by nothing: no `listen` and no `tap` of the \
                 config has that address; clients that connect to it wait",
                passed.address
            );
        }
    }
}

impl Passed {
    fn new(listener: TcpListener) -> io::Result<Passed> {
        let address = listener.local_addr()?;
        if socket_acceptconn(&listener)? {
            return Ok(Passed { address, listener, used: AtomicBool::new(false) });
        }
        Err(io::Error::other(format!("{address} is a connection, not a listening socket: set Accept=no")))
    }
}

fn gone() -> io::Error {
    io::Error::other("it was taken already")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(listener: TcpListener) -> Sockets {
        Sockets(Arc::new(vec![Passed::new(listener).unwrap()]))
    }

    #[test]
    fn a_socket_that_was_passed_is_used_for_its_address_again_and_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(Sockets::default().listen(address).is_err(), "it is bound already");
        let sockets = of(listener);
        for _ in 0..2 {
            assert_eq!(sockets.listen(address).unwrap().local_addr().unwrap(), address);
        }
    }

    #[test]
    fn another_address_is_bound_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let other = of(listener).listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(other.local_addr().unwrap(), address);
    }

    #[test]
    fn many_clients_may_wait() {
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let many = most.trim().parse::<usize>().unwrap().min(300);
        let listener = Sockets::default().listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let patience = std::time::Duration::from_secs(5);
        let waiting: Vec<_> =
            (0..many).map(|_| std::net::TcpStream::connect_timeout(&address, patience).unwrap()).collect();
        assert_eq!(waiting.len(), many);
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connection = TcpListener::from(std::os::fd::OwnedFd::from(connection));
        assert!(Passed::new(connection).unwrap_err().to_string().contains("Accept=no"));
    }
}
