//! Both ends of a tap, byte for byte: a server that does what a test says, a client that sees what comes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use opsagent::fleet::Live;
use opsagent::jobs::Jobs;
use opsagent::tap::{self, Limits, Plan, SharedPlan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;

/// A request without a body.
pub const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A short answer.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Nothing here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// A tap that runs.
pub struct Tapped {
    pub address: SocketAddr,
    pub plan: SharedPlan,
    pub live: Arc<Live>,
    pub jobs: Jobs,
    pub stop: CancellationToken,
}

impl Tapped {
    /// On a thread of its own, in front of the server.
    pub fn before(server: &Server) -> Tapped {
        Tapped::with(&server.url(), |_| ())
    }

    /// On a thread of its own, with another plan than the usual one.
    pub fn with(url: &str, change: impl FnOnce(&mut Plan)) -> Tapped {
        let jobs = Jobs::new(Arc::new(|job| eprintln!("{job} panicked"))).on_thread("tap").unwrap();
        Tapped::run_by(jobs, url, change)
    }

    /// Run by these jobs.
    pub fn run_by(jobs: Jobs, url: &str, change: impl FnOnce(&mut Plan)) -> Tapped {
        let live: Arc<Live> = Arc::default();
        let mut plan = Plan {
            target: "box".into(),
            upstream: Url::parse(url).unwrap(),
            ca_pem: None,
            allow_hosts: Vec::new(),
            limits: Limits::default(),
            clients: Vec::new(),
            live: Arc::clone(&live),
        };
        change(&mut plan);
        let plan = Arc::new(ArcSwap::from_pointee(plan));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = jobs.stopping().child_token();
        jobs.serve(tap::serve(listener, Arc::clone(&plan), jobs.clone(), stop.clone()));
        Tapped { address, plan, live, jobs, stop }
    }

    /// A client's connection.
    pub async fn connect(&self) -> Wire {
        Wire::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// Waits until that holds.
    pub async fn until(&self, holds: impl Fn(&Live) -> bool) {
        let waiting = async {
            while !holds(&self.live) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(LIMIT, waiting).await.expect("it comes to that");
    }

    /// The plan, changed.
    pub fn reload(&self, change: impl FnOnce(&mut Plan)) {
        let mut plan = Plan::clone(&self.plan.load());
        change(&mut plan);
        self.plan.store(Arc::new(plan));
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A server that answers nothing by itself.
pub struct Server(TcpListener);

impl Server {
    pub async fn bind() -> Server {
        Server(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address())
    }

    /// The next connection to it.
    pub async fn accept(&self) -> Wire {
        let (stream, _) = timeout(LIMIT, self.0.accept()).await.expect("a connection comes").unwrap();
        Wire::new(stream)
    }

    /// Whether no connection comes for a while.
    pub async fn is_left_alone(&self) -> bool {
        timeout(Duration::from_millis(150), self.0.accept()).await.is_err()
    }
}

/// One end of a connection.
pub struct Wire(pub TcpStream);

impl Wire {
    pub fn new(stream: TcpStream) -> Wire {
        stream.set_nodelay(true).unwrap();
        Wire(stream)
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// In two parts, with a moment between them.
    pub async fn send_in_two(&mut self, bytes: &[u8], at: usize) {
        self.send(&bytes[..at]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.send(&bytes[at..]).await;
    }

    /// In pieces, cut there, with a moment between them.
    pub async fn send_in_pieces(&mut self, bytes: &[u8], cuts: &[proptest::sample::Index]) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        for pair in at.windows(2) {
            self.send(&bytes[pair[0]..pair[1]]).await;
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    }

    /// Sends as much as is taken; how much that was.
    pub async fn send_until_stuck(&mut self) -> usize {
        let (mut taken, bytes) = (0, vec![b'x'; 64 << 10]);
        while let Ok(written) = timeout(Duration::from_millis(500), self.0.write(&bytes)).await {
            taken += written.unwrap();
            assert!(taken < 1 << 30, "it takes without end");
        }
        taken
    }

    /// The next head, with the empty line.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout(LIMIT, self.0.read_u8()).await.expect("a head comes");
            match byte {
                Ok(byte) => head.push(byte),
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&head)),
            }
        }
        String::from_utf8(head).unwrap()
    }

    /// So many bytes.
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        timeout(LIMIT, self.0.read_exact(&mut bytes)).await.expect("they come").unwrap();
        bytes
    }

    /// These bytes come next.
    pub async fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let found = self.exactly(bytes.as_ref().len()).await;
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(bytes.as_ref()));
    }

    /// All that comes until the end, and how it ended.
    pub async fn rest(&mut self) -> (String, io::Result<()>) {
        let mut bytes = Vec::new();
        let end = timeout(LIMIT, self.0.read_to_end(&mut bytes)).await.expect("it ends");
        (String::from_utf8_lossy(&bytes).into_owned(), end.map(drop))
    }

    /// All that comes until the end, however long that takes: for a clock that stands.
    pub async fn untimed_rest(&mut self) -> String {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Nothing more comes, and the other side has closed.
    pub async fn expect_end(&mut self) {
        let (rest, end) = self.rest().await;
        assert!(rest.is_empty() && end.is_ok(), "{rest:?} {end:?}");
    }

    /// The other side has reset the connection.
    pub async fn expect_reset(&mut self) {
        let (rest, end) = self.rest().await;
        let kind = end.expect_err("it is reset").kind();
        assert_eq!((rest.as_str(), kind), ("", io::ErrorKind::ConnectionReset));
    }

    /// Whether nothing comes, and no end, for a while.
    pub async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(150), self.0.read_u8()).await.is_err()
    }

    /// Breaks it, as a process that is killed with bytes unread does.
    pub fn reset(self) {
        self.0.set_zero_linger().unwrap();
    }
}
