//! Sockets that were bound before the agent started, as systemd passes them, and the units in `deploy/systemd`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::cli::running::{eventually, signal, wait};
use crate::support::fake::Fake;
use crate::support::process::free_port;

const PROGRAM: &str = env!("CARGO_BIN_EXE_opsagent");
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a config and the log.
struct Place(tempfile::TempDir);

impl Place {
    fn new(config: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("opsagent.toml"), config).unwrap();
        Place(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Starts the program with these two sockets as descriptors 3 and 4, by the shell: it becomes the program, and
    /// so its number is the one that the sockets are for.
    fn start(&self, three: TcpListener, four: TcpListener) -> Running {
        let script = r#"exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_FDS=2 LISTEN_PID=$$ exec "$0" "$@""#;
        let socket = |listener: TcpListener| Stdio::from(OwnedFd::from(listener));
        let mut command = Command::new("sh");
        command.args(["-c", script, PROGRAM, "run", "--config", &self.path("opsagent.toml")]);
        command.stdin(socket(three)).stdout(socket(four)).stderr(File::create(self.path("log")).unwrap());
        Running(command.spawn().unwrap())
    }
}

/// Killed if the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// What comes of a question on that connection.
fn ask(mut stream: TcpStream, path: &str) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn config(listen: SocketAddr, tap: SocketAddr, server: &impl std::fmt::Display) -> String {
    format!(
        "listen = \"{listen}\"\ndiscover = false\n[[target]]\nname = \"box\"\nkind = \"ollama\"\nurl = \"{server}\"\ntap = \"{tap}\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_were_passed_are_listened_on_and_who_came_early_is_served() {
    let server = Fake::ollama("0.34.0").await;
    let ((page, page_at), (tap, tap_at)) = (bound(), bound());
    let early = TcpStream::connect(tap_at).unwrap();
    let place = Place::new(&config(page_at, tap_at, &server.url()));
    let mut running = place.start(page, tap);
    let version = ask(early, "/api/version");
    assert!(version.starts_with("HTTP/1.1 200") && version.contains("0.34.0"), "{version}\n{}", place.log());
    let page = ask(TcpStream::connect(page_at).unwrap(), "/-/healthy");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(!place.log().contains("LISTEN_FDS"), "{}", place.log());
    signal(running.0.id(), "TERM");
    assert_eq!(wait(&mut running.0, PATIENCE), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_nothing_of_the_config_wants_is_told() {
    let ((page, page_at), (other, other_at)) = (bound(), bound());
    let tap = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let place = Place::new(&config(page_at, tap, &"http://127.0.0.1:9"));
    let running = place.start(page, other);
    let told = format!("a socket that was passed (LISTEN_FDS), {other_at}, is used by nothing");
    eventually(PATIENCE, || place.log().contains(&told));
    eventually(PATIENCE, || TcpStream::connect(tap).is_ok());
    assert_eq!(place.log().matches("LISTEN_FDS").count(), 1, "the other one is used: {}", place.log());
    drop(running);
}

#[test]
#[ignore = "real parts: run tests/run"]
fn systemd_starts_it_at_the_first_client_and_has_nothing_to_say_of_the_units() {
    let (tap, page) = (free_port(), free_port());
    let [tap, page] = [tap, page].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let place = Place::new(&config(page, tap, &"http://127.0.0.1:9"));
    let mut command = Command::new("systemd-socket-activate");
    command.args(["-l", &tap.to_string(), PROGRAM, "run", "--config", &place.path("opsagent.toml")]);
    command.stdout(Stdio::null()).stderr(File::create(place.path("log")).unwrap());
    let _running = Running(command.spawn().expect("systemd-socket-activate (package systemd)"));
    eventually(PATIENCE, || TcpStream::connect(tap).is_ok());
    let answer = ask(TcpStream::connect(tap).unwrap(), "/api/version");
    assert!(answer.starts_with("HTTP/1.1 502"), "the tap answers, its server does not: {answer}");

    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd");
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(units).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap().replace("/usr/local/bin/opsagent", PROGRAM);
        let copy = folder.path().join(file.file_name().unwrap());
        std::fs::write(&copy, text).unwrap();
        files.push(copy);
    }
    assert_eq!(files.len(), 2);
    let verified = Command::new("systemd-analyze").arg("verify").args(&files).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && said.is_empty(), "{said}");
}
