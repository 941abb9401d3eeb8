//! An API server on a loopback port that answers what an input says.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The server; it lives as long as the runtime it was started in.
pub(super) struct Server {
    pub(super) address: String,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    answers: Vec<Answer>,
    /// How many requests came.
    asked: usize,
}

/// What is answered to requests whose first line has this text in it.
pub(super) struct Answer {
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let script = Arc::default();
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&shared)));
            }
        });
        Self { address, script }
    }

    /// From now on, the first answer that fits counts; without one there is nothing of what is asked for.
    pub(super) fn answer(&self, answers: Vec<Answer>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Script { answers, asked: 0 };
    }

    /// Whether there is an end to what it is asked.
    pub(super) fn is_left_alone(&self) -> bool {
        self.script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .asked
            < MOST_REQUESTS
    }
}

async fn serve(mut connection: TcpStream, script: Arc<Mutex<Script>>) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let line = read_request(&mut connection, &mut bytes).await?;
        let answer = {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            script.asked += 1;
            if script.asked > MOST_REQUESTS {
                return None;
            }
            let mut answers = script.answers.iter();
            let answer = answers.find(|it| line.contains(&it.request));
            answer.map_or_else(
                || whole(404, NOTHING.as_bytes()),
                |it| whole(it.status, &it.body),
            )
        };
        connection.write_all(&answer).await.ok()?;
    }
}

fn whole(status: u16, body: &[u8]) -> Vec<u8> {
    let (kind, length) = ("application/json", body.len());
    let head =
        format!("HTTP/1.1 {status} S\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Takes a request of our client off the bytes, and gives its first line.
async fn read_request(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<String> {
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        read_some(connection, bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let length = lines.find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let end = end + length.unwrap_or(0);
    while bytes.len() < end {
        read_some(connection, bytes).await?;
    }
    bytes.drain(..end);
    Some(line)
}

async fn read_some(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4096];
    let count = connection.read(&mut chunk).await.ok()?;
    bytes.extend_from_slice(&chunk[..count]);
    (count > 0).then_some(())
}

const MOST_REQUESTS: usize = 20_000;
const NOTHING: &str = r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": "not found", "code": 404}"#;
