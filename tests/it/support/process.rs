//! A server that runs as a process of its own: started on a free port, waited for, and killed when dropped.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Ten times what the slowest of them needs on an idle machine; the machine of a test run is not idle.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is started. Its environment holds what stands here and nothing of ours, its home is its own
/// folder.
pub struct Recipe {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub port: u16,
    /// Answers 2xx once the server is ready.
    pub ready: &'static str,
}

/// A running server with its folder, which holds its log and goes when it goes.
pub struct Process {
    recipe: Recipe,
    child: Child,
    /// One for each start. Dropped before `folder`, which the processes may still write to.
    guards: Vec<Guard>,
    folder: tempfile::TempDir,
}

impl Process {
    /// Returns when the server is ready; panics with the end of its log when it exits or takes too long.
    pub fn start(folder: tempfile::TempDir, recipe: Recipe) -> Self {
        let child = spawn(&recipe, folder.path());
        let guards = vec![Guard::of_group(child.id())];
        let mut process = Self { recipe, child, guards, folder };
        process.wait_until_ready();
        process
    }

    /// The same once more, on the same port, after [`stop`](Self::stop) or [`kill`](Self::kill).
    pub fn start_again(&mut self) {
        self.child = spawn(&self.recipe, self.folder.path());
        self.guards.push(Guard::of_group(self.child.id()));
        self.wait_until_ready();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.recipe.port).into()
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Everything it wrote, of all its starts.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap_or_default())
            .into_owned()
    }

    /// SIGTERM, and waits until it is gone. Panics if it stays.
    pub fn stop(&mut self) {
        signal("TERM", self.pid());
        let deadline = now() + PATIENCE;
        while self.child.try_wait().expect("our own child").is_none() {
            assert!(now() < deadline, "{} does not stop; its log ends:\n{}", self.name(), self.end_of_log());
            sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL. What it has started lives on until this value is dropped.
    pub fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// SIGSTOP: accepts connections, answers nothing.
    pub fn pause(&self) {
        signal("STOP", self.pid());
    }

    /// SIGCONT.
    pub fn resume(&self) {
        signal("CONT", self.pid());
    }

    /// SIGHUP: read the config anew.
    pub fn hang_up(&self) {
        signal("HUP", self.pid());
    }

    /// The pids of the processes it has started.
    pub fn children(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|&pid| stat(pid).is_some_and(|(_, parent)| parent == self.pid())).collect()
    }

    /// The body of a 2xx answer. Panics on any other.
    pub fn get(&self, path: &str) -> String {
        self.call("GET", path, "")
    }

    /// The JSON of a 2xx answer to a JSON body. Panics on any other.
    pub fn post(&self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let answer = self.call("POST", path, &body.to_string());
        serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("{} {path}: {error}: {answer}", self.name()))
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another command of the same program with the same environment, in its folder.
    pub fn command(&self) -> Command {
        command(&self.recipe, self.folder.path())
    }

    fn call(&self, method: &str, path: &str, body: &str) -> String {
        match request(self.address(), method, path, body) {
            Ok((200..=299, answer)) => answer,
            other => {
                panic!("{} {method} {path}: {other:?}; its log ends:\n{}", self.name(), self.end_of_log())
            }
        }
    }

    fn wait_until_ready(&mut self) {
        let deadline = now() + PATIENCE;
        while !matches!(request(self.address(), "GET", self.recipe.ready, ""), Ok((200..=299, _))) {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                let how = status.signal().map_or(status.to_string(), |signal| format!("signal {signal}"));
                panic!("{} ended at its start ({how}); its log ends:\n{}", self.name(), self.end_of_log());
            }
            assert!(now() < deadline, "{} is not ready; its log ends:\n{}", self.name(), self.end_of_log());
            sleep(Duration::from_millis(20));
        }
    }

    fn name(&self) -> String {
        format!("{} on port {}", self.recipe.program.display(), self.recipe.port)
    }

    fn end_of_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.guards.clear();
        let _it_may_be_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn command(recipe: &Recipe, folder: &Path) -> Command {
    let mut command = Command::new(&recipe.program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
    command.envs(recipe.env.iter().map(|(key, value)| (key, value))).current_dir(folder).stdin(Stdio::null());
    command
}

fn spawn(recipe: &Recipe, folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("the folder is ours");
    let mut command = command(recipe, folder);
    command.args(&recipe.args).stdout(log.try_clone().expect("a file")).stderr(log).process_group(0);
    command.spawn().unwrap_or_else(|error| panic!("{}: {error}", recipe.program.display()))
}

/// Kills a process group, orphans and all, when dropped; and when this very process dies, in whatever way,
/// because then the shell's pipe closes too.
struct Guard(Child);

impl Guard {
    fn of_group(group: u32) -> Self {
        let script = ["-c", r#"read -r _; kill -KILL "-$1""#, "guard", &group.to_string()];
        let mut shell = Command::new("sh");
        shell.args(script).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self(shell.spawn().expect("sh"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _reaped = self.0.wait();
    }
}

/// The real time: a process does not keep that of a paused test.
#[expect(clippy::disallowed_methods, reason = "see above")]
fn now() -> Instant {
    Instant::now()
}

fn signal(name: &str, pid: u32) {
    let shell =
        Command::new("sh").args(["-c", r#"kill -"$1" "$2""#, "signal", name, &pid.to_string()]).status();
    assert!(shell.is_ok_and(|status| status.success()), "kill -{name} {pid}");
}

/// Whether the process runs, or is stopped; not so a zombie.
pub fn alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// The command line of a process, program first; empty when it is gone.
pub fn arguments(pid: u32) -> Vec<String> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split_terminator('\0').map(str::to_owned).collect()
}

/// State and parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace(); // a name may hold blanks and brackets
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// A port of loopback that nobody listens on, below those that the kernel gives to callers and to port 0; never
/// the same twice in one run.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 600) as u16 * 20; // other test runs begin elsewhere
    loop {
        let port = 20_000 + (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// One request by HTTP/1.0, so that an answer ends with its connection. Status and body.
fn request(to: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {to}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status =
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    // llama-server's router answers in chunks even so.
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if chunked { unchunked(body) } else { body.to_owned() }))
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap_or(0);
        let (chunk, rest) = rest.split_at_checked(length).unwrap_or_default();
        whole.push_str(chunk);
        body = rest.strip_prefix("\r\n").unwrap_or_default();
    }
    whole
}
