//! A fleet manager that answers with given bytes, and hangs up.

use std::sync::Arc;

use margo_conformance::authority::{Authority, Lifetime};
use margo_types::id::SpiffeId;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Lives as long as the runtime it was started in.
pub(super) struct Peer {
    pub(super) url: String,
}

impl Peer {
    /// Sends these answers over every connection, each when it has been asked, and closes the connection after the last; if there
    /// are none, when it has been asked.
    pub(super) async fn start(authority: &Authority, answers: &[&[u8]]) -> Self {
        let id = SpiffeId::wfm(authority.domain(), "wfm-1").unwrap();
        let svid = authority.issue(&id, Lifetime::default());
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(svid.certificates(), svid.private_key())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let answers: Arc<[Vec<u8>]> = answers.iter().map(|answer| answer.to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await.ok()?;
                    if answers.is_empty() {
                        request(&mut stream).await?;
                    }
                    for answer in &*answers {
                        request(&mut stream).await?;
                        stream.write_all(answer).await.ok()?;
                    }
                    stream.shutdown().await.ok()
                });
            }
        });
        Self { url }
    }
}

/// Reads a request without a body; `None` when there is none.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<()> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(())
}
