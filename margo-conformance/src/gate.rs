//! A cable that can be pulled out and put back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{Port, lock};

/// Forwards TCP connections to another server of loopback, until it is closed.
#[derive(Debug)]
pub struct Gate {
    port: Port,
    cable: Arc<Mutex<Cable>>,
}

#[derive(Clone, Debug)]
struct Cable {
    target: Arc<str>,
    delay: Duration,
}

impl Gate {
    /// An open gate to the server at `host:port`.
    pub async fn to(target: &str) -> Self {
        let cable = Arc::new(Mutex::new(Cable {
            target: target.into(),
            delay: Duration::ZERO,
        }));
        let shared = Arc::clone(&cable);
        let forward = move |stream| forward(stream, Arc::clone(&shared));
        Self {
            port: Port::listen(forward).await,
            cable,
        }
    }

    /// Where to connect instead: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.port.host()
    }

    /// Cuts all connections in the middle of whatever they carry. New ones are reset at once.
    pub async fn close(&self) {
        self.port.close().await;
    }

    /// Lets new connections through again.
    pub fn open(&self) {
        self.port.open();
    }

    /// Leads new connections to another server.
    pub fn lead_to(&self, target: &str) {
        lock(&self.cable).target = target.into();
    }

    /// Holds back every piece of data for so long, in both directions; not at all when zero.
    pub fn slow_down(&self, delay: Duration) {
        lock(&self.cable).delay = delay;
    }
}

async fn forward(inward: TcpStream, cable: Arc<Mutex<Cable>>) {
    let target = Arc::clone(&lock(&cable).target);
    // When either side is gone, so is the other.
    if let Ok(outward) = TcpStream::connect(&*target).await {
        let _ = (inward.set_nodelay(true), outward.set_nodelay(true));
        let (from_inside, to_inside) = inward.into_split();
        let (from_outside, to_outside) = outward.into_split();
        tokio::join!(
            carry(from_inside, to_outside, &cable),
            carry(from_outside, to_inside, &cable),
        );
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    cable: &Mutex<Cable>,
) {
    let mut piece = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let delay = lock(cable).delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let Some(read) = piece.get(..count) else {
            break;
        };
        if to.write_all(read).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
