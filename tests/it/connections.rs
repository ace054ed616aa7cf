//! What a poll leaves behind at the server: nothing.

use std::time::Duration;

use opsagent::http::{Access, Clients};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

#[tokio::test]
async fn one_connection_serves_a_poll_and_is_closed_before_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let http = Clients::new().connect(&Access::plain(base, Duration::from_secs(5))).unwrap();
    let server = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        for _ in 0..2 {
            assert!(connection.read(&mut buffer).await.unwrap() > 0, "the second question comes on it, too");
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
        connection.read(&mut buffer).await.unwrap()
    };
    let client = async {
        for _ in 0..2 {
            assert_eq!(http.get("/").await.unwrap().text(), "ok");
        }
    };
    // The shortest beat is a second or so; a llama-server keeps a thread for each open connection.
    let both = async { tokio::join!(server, client).0 };
    let left = tokio::time::timeout(Duration::from_millis(1900), both).await;
    assert_eq!(left.expect("the connection is still open"), 0, "closed by the agent");
}
