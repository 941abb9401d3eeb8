//! A client that speaks HTTP/1.1 by hand, so that a test sees what is sent.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use margo_types::svid::Identity;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;

pub(super) struct Device {
    stream: TlsStream<TcpStream>,
    /// What has come and is not read yet.
    said: String,
}

impl Device {
    pub(super) async fn connect(address: SocketAddr, identity: &Identity) -> io::Result<Self> {
        Self::connect_with(address, identity.client_config().unwrap()).await
    }

    pub(super) async fn connect_with(
        address: SocketAddr,
        config: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(config);
        let name = ServerName::try_from("wfm.example").unwrap();
        let stream = timeout(PATIENCE, connector.connect(name, stream)).await??;
        Ok(Self {
            stream,
            said: String::new(),
        })
    }

    /// Sends bytes as they are.
    pub(super) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Head and body of the response to a request, or why there is none.
    pub(super) async fn ask(&mut self) -> io::Result<(String, String)> {
        self.ask_with("GET / HTTP/1.1\r\nHost: wfm.example\r\n\r\n")
            .await
    }

    /// The same for a request of these bytes.
    pub(super) async fn ask_with(&mut self, request: &str) -> io::Result<(String, String)> {
        self.stream.write_all(request.as_bytes()).await?;
        self.response().await
    }

    pub(super) async fn response(&mut self) -> io::Result<(String, String)> {
        loop {
            if let Some((head, rest)) = self.said.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1);
                let length = length.and_then(|text| text.lines().next());
                let length: usize = length.map_or(0, |text| text.parse().unwrap());
                if let Some((body, _)) = rest.split_at_checked(length) {
                    let body = body.to_owned();
                    self.said.drain(..head.len() + 4 + length);
                    return Ok((head, body));
                }
            }
            let mut buffer = [0; 4096];
            match timeout(PATIENCE, self.stream.read(&mut buffer)).await?? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    let text = std::str::from_utf8(&buffer[..count]).unwrap();
                    self.said.push_str(text);
                }
            }
        }
    }

    /// Sends bytes as they are, as far as the server takes them, and reads what it says until it closes the connection.
    pub(super) async fn exchange(&mut self, bytes: &[u8]) -> String {
        _ = self.stream.write_all(bytes).await;
        _ = self.stream.flush().await;
        let mut said = Vec::new();
        let end = timeout(PATIENCE, self.stream.read_to_end(&mut said)).await;
        // A connection that was cut off is closed, too.
        _ = end.expect("the server keeps the connection open");
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Waits until the server has closed the connection, having said nothing more.
    pub(super) async fn closed(&mut self) {
        let mut rest = Vec::new();
        let end = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        // A connection that was cut off is closed, too.
        _ = end.expect("the server keeps the connection open");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}
