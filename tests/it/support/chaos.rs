//! A TCP proxy that writes down what passes, and breaks it at one place when told to: the network on a bad day.
//! It knows nothing of HTTP; a place is where certain bytes pass.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What was sent shortly before a reset is to arrive: the kernel drops what it has not sent yet.
const BEFORE_RESET: Duration = Duration::from_millis(30);

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Both sides get a reset.
    Reset,
    /// Both sides see the connection end in order.
    Close,
    /// This direction ends in order and what comes in it is thrown away; the other goes on.
    Truncate,
    /// Nothing more is read in this direction. The other goes on.
    Stall,
    /// So many bytes a second from here on.
    Slow(usize),
    /// So many of the next bytes are others.
    Corrupt(usize),
}

/// Where it happens, on each connection that begins with `POST`.
#[derive(Debug, Clone)]
pub enum Place {
    /// As soon as there is a connection, whatever it begins with.
    Accepted,
    /// When these bytes have passed in that direction.
    After(Direction, &'static [u8]),
    /// When these bytes are about to pass in that direction.
    Before(Direction, &'static [u8]),
}

/// One thing that goes wrong.
#[derive(Debug, Clone)]
pub struct Fault {
    pub kind: Kind,
    pub place: Place,
}

/// What passed on one connection, as it went on: after the fault, if there was one.
#[derive(Debug, Clone, Default)]
pub struct Passed {
    pub up: Vec<u8>,
    pub down: Vec<u8>,
}

/// A proxy in front of one address. Dropped, it is gone with all its connections.
pub struct Chaos {
    address: SocketAddr,
    passed: Arc<Mutex<Vec<Arc<Mutex<Passed>>>>>,
    // Held for its drop.
    _tasks: JoinSet<()>,
}

impl Chaos {
    /// Passes everything as it is.
    pub async fn calm(upstream: SocketAddr) -> Chaos {
        Chaos::start(upstream, None).await
    }

    /// Breaks every connection that gets to the fault's place.
    pub async fn with(upstream: SocketAddr, fault: Fault) -> Chaos {
        Chaos::start(upstream, Some(fault)).await
    }

    async fn start(upstream: SocketAddr, fault: Option<Fault>) -> Chaos {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let passed: Arc<Mutex<Vec<Arc<Mutex<Passed>>>>> = Arc::default();
        let (mut tasks, all) = (JoinSet::new(), passed.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                let one: Arc<Mutex<Passed>> = Arc::default();
                all.lock().unwrap().push(one.clone());
                connections.spawn(carry(client, upstream, fault.clone(), one));
                while connections.try_join_next().is_some() {}
            }
        });
        Chaos { address, passed, _tasks: tasks }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every connection so far, in the order in which they came.
    pub fn passed(&self) -> Vec<Passed> {
        self.passed.lock().unwrap().iter().map(|one| one.lock().unwrap().clone()).collect()
    }
}

/// An address that refuses connections.
pub fn refusing() -> SocketAddr {
    ([127, 0, 0, 1], super::process::free_port()).into()
}

/// A socket that listens and accepts nobody: its queue is full. What connects to it waits.
pub struct Deaf {
    pub address: SocketAddr,
    // Held: closed, the next connection would be refused.
    _sockets: (TcpListener, Vec<TcpStream>),
}

impl Deaf {
    pub async fn new() -> Deaf {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let patience = Duration::from_millis(200);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
            assert!(waiting.len() < 64, "its queue is short");
        }
        Deaf { address, _sockets: (listener, waiting) }
    }
}

/// How a connection ends here.
enum Ending {
    /// In order.
    Closed,
    /// With a reset to both.
    Reset,
}

/// Whether a connection is one that the fault is meant for: told by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meant {
    Unknown,
    Yes,
    No,
}

async fn carry(
    mut client: TcpStream,
    upstream: SocketAddr,
    fault: Option<Fault>,
    passed: Arc<Mutex<Passed>>,
) {
    if let Some(Fault { kind, place: Place::Accepted }) = &fault {
        match kind {
            Kind::Reset => client.set_zero_linger().unwrap(),
            Kind::Stall => until_closed(&client).await,
            _ => {}
        }
        return;
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        client.set_zero_linger().ok();
        return;
    };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let meant = Mutex::new(Meant::Unknown);
    let ending = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let way = |direction| Way { direction, fault: fault.as_ref(), passed: &passed, meant: &meant };
        let mut up = std::pin::pin!(pump(from_client, to_server, way(Direction::Up)));
        let mut down = std::pin::pin!(pump(from_server, to_client, way(Direction::Down)));
        // An end of one direction alone leaves the other as it is.
        tokio::select! {
            ending = &mut up => match ending { Some(ending) => ending, None => down.await.unwrap_or(Ending::Closed) },
            ending = &mut down => match ending { Some(ending) => ending, None => up.await.unwrap_or(Ending::Closed) },
        }
    };
    if matches!(ending, Ending::Reset) {
        client.set_zero_linger().ok();
        server.set_zero_linger().ok();
    }
}

struct Way<'a> {
    direction: Direction,
    fault: Option<&'a Fault>,
    passed: &'a Mutex<Passed>,
    meant: &'a Mutex<Meant>,
}

impl Way<'_> {
    /// The bytes that the fault of this direction waits for, and whether it comes before them.
    fn needle(&self) -> Option<(&'static [u8], bool)> {
        match self.fault?.place {
            Place::After(direction, needle) if direction == self.direction => Some((needle, false)),
            Place::Before(direction, needle) if direction == self.direction => Some((needle, true)),
            _ => None,
        }
    }

    fn note(&self, bytes: &[u8]) {
        let mut passed = self.passed.lock().unwrap();
        match self.direction {
            Direction::Up => passed.up.extend_from_slice(bytes),
            Direction::Down => passed.down.extend_from_slice(bytes),
        }
    }

    fn is_meant(&self, first: &[u8]) -> bool {
        let mut meant = self.meant.lock().unwrap();
        if *meant == Meant::Unknown && self.direction == Direction::Up {
            *meant = if first.starts_with(b"POST") { Meant::Yes } else { Meant::No };
        }
        *meant == Meant::Yes
    }
}

/// Carries one direction. `None`: it ended in order, and the other goes on.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, way: Way<'_>) -> Option<Ending> {
    let mut buffer = vec![0; 64 << 10];
    let (mut seen, mut forwarded, mut struck) = (Vec::new(), 0, None);
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) => {
                to.shutdown().await.ok();
                return None;
            }
            Ok(read) => read,
            Err(_) => return Some(Ending::Reset),
        };
        seen.extend_from_slice(&buffer[..read]);
        let is_meant = way.is_meant(&seen);
        if let (None, true, Some((needle, before))) = (struck, is_meant, way.needle())
            && let Some(at) = find(&seen, needle)
        {
            let cut = if before { at } else { at + needle.len() }.max(forwarded);
            if write(&mut to, &way, &seen[forwarded..cut]).await.is_err() {
                return Some(Ending::Reset);
            }
            forwarded = cut;
            let kind = way.fault.map(|fault| fault.kind);
            struck = kind;
            match kind {
                Some(Kind::Reset) => {
                    sleep(BEFORE_RESET).await;
                    return Some(Ending::Reset);
                }
                Some(Kind::Close) => return Some(Ending::Closed),
                Some(Kind::Truncate) => {
                    to.shutdown().await.ok();
                    while from.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                    return None;
                }
                Some(Kind::Stall) => {
                    until_closed(from.as_ref()).await;
                    return Some(Ending::Closed);
                }
                _ => {}
            }
        }
        let mut rest = seen[forwarded..].to_vec();
        forwarded = seen.len();
        let written = match &mut struck {
            Some(Kind::Slow(rate)) => slowly(&mut to, &way, &rest, *rate).await,
            Some(Kind::Corrupt(left)) => {
                for byte in rest.iter_mut().take(*left) {
                    *byte ^= 0x15;
                }
                *left = left.saturating_sub(rest.len());
                write(&mut to, &way, &rest).await
            }
            _ => write(&mut to, &way, &rest).await,
        };
        if written.is_err() {
            return Some(Ending::Reset);
        }
    }
}

async fn write(to: &mut WriteHalf<'_>, way: &Way<'_>, bytes: &[u8]) -> io::Result<()> {
    way.note(bytes);
    to.write_all(bytes).await
}

async fn slowly(to: &mut WriteHalf<'_>, way: &Way<'_>, bytes: &[u8], rate: usize) -> io::Result<()> {
    for some in bytes.chunks((rate / 50).max(1)) {
        write(to, way, some).await?;
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Waits until the other side closed, and reads nothing meanwhile.
async fn until_closed(stream: &TcpStream) {
    loop {
        match stream.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => sleep(Duration::from_millis(5)).await,
            _ => return,
        }
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
