//! A cable that can be pulled out and put back.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use crate::server::Port;

/// Forwards TCP connections to another server of loopback, until it is closed.
#[derive(Debug)]
pub struct Gate {
    port: Port,
}

impl Gate {
    /// An open gate to the server at `host:port`.
    pub async fn to(target: &str) -> Self {
        let target: Arc<str> = target.into();
        let forward = move |stream| forward(stream, Arc::clone(&target));
        Self {
            port: Port::listen(forward).await,
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
}

async fn forward(mut inward: TcpStream, target: Arc<str>) {
    // When either side is gone, so is the other.
    if let Ok(mut outward) = TcpStream::connect(&*target).await {
        let _ = copy_bidirectional(&mut inward, &mut outward).await;
    }
}
