//! Bytes over TLS, and archives.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use httparse::{EMPTY_HEADER, Status};
use margo_package::archive::{ArchiveReader, Policy};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::authority::Authority;

/// What came back for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawAnswer {
    /// The status code.
    pub status: u16,
    /// The status line and the headers as they came, each with its line end.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().skip(1);
        let mut headers = lines.filter_map(|line| line.split_once(": "));
        let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.to_owned())
    }

    /// The whole as text, without the header `Date`.
    pub fn to_text(&self) -> String {
        let is_date = |line: &&str| line.to_ascii_lowercase().starts_with("date:");
        let lines = self.head.lines().filter(|line| !is_date(line));
        let mut text: String = lines.flat_map(|line| [line, "\n"]).collect();
        text.push('\n');
        text + &String::from_utf8_lossy(&self.body)
    }
}

/// Trusts servers of the authority.
pub(super) fn config(authority: &Authority) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(authority.anchor().into_der()))
        .expect("the authority's root is an anchor");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Sends a request and reads one answer.
pub(super) async fn exchange(
    address: &str,
    tls: &Arc<ClientConfig>,
    request: &[u8],
) -> io::Result<RawAnswer> {
    let (host, _) = address.rsplit_once(':').expect("the URL has a port");
    let name = ServerName::try_from(host.to_owned()).expect("the URL has a host");
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::clone(tls));
    let mut stream = connector.connect(name, stream).await?;
    // A server may answer before it has everything, and hang up.
    let _ = stream.write_all(request).await;
    let _ = stream.flush().await;
    let mut bytes = Vec::new();
    loop {
        if let Some(answer) = parse(&bytes) {
            return Ok(answer);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// An answer with a length; `None` when more has to come.
fn parse(bytes: &[u8]) -> Option<RawAnswer> {
    let mut headers = [EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let Status::Complete(size) = response.parse(bytes).expect("the answer is HTTP") else {
        return None;
    };
    let status = response.code.unwrap_or_default();
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    let length = match status {
        204 | 304 => 0,
        _ => length.expect("the answer says how long it is"),
    };
    let body = bytes.get(size..size + length)?;
    let head = String::from_utf8_lossy(&bytes[..size - 2]);
    Some(RawAnswer {
        status,
        head: head.into_owned(),
        body: body.to_vec(),
    })
}

/// The files of a bundle.
pub(super) fn members(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut reader =
        ArchiveReader::new(archive, Policy::default()).expect("the bundle is an archive");
    let mut members = BTreeMap::new();
    while let Some(mut member) = reader.next_member().expect("the bundle is whole") {
        let name = member.path().to_string();
        let content = member.read_to_end().expect("the bundle is whole");
        members.insert(name, content);
    }
    members
}
