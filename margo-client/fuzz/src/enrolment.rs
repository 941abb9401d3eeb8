//! What a fleet manager of the signed generation answers to a device that wants to be its client, and the file that keeps it.

use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use margo_client::identity::{SigningFiles, SigningIdentity};
use margo_client::onboarding::{Enrolment, EnrolmentSettings, Standing, fetch_root};
use margo_client::trust::ServerTrust;
use margo_client::{Error, ErrorKind};
use margo_conformance::authority::Authority;
use margo_conformance::corpus::input::{parts, replaced};
use margo_types::id::TrustDomain;
use margo_types::trust::Anchor;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::Url;

use super::answers::{check, runtime};
use super::server::Server;

/// The record that is found, and the answer, from the status line on, to whatever is asked.
///
/// `{record}` is the record of the client `line-4`, `{root}` the certificate of the authority.
///
/// A record that is not taken is left as it is, and named. An id that is answered is there after a restart; a root that is
/// taken is the right one.
pub fn enrolment(bytes: &[u8]) {
    let device = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = replaced(bytes, "{record}", &device.record);
    let bytes = replaced(&bytes, "{root}", device.root.as_bytes());
    let parts = parts(&bytes);
    let (record, answer) = match *parts {
        [record, answer, ..] => (record, answer),
        [record] => (record, &[][..]),
        [] => return,
    };
    device.server.answer(vec![("", answer.to_vec())]);
    fs::write(device.file(), record).expect("written");
    match device.runtime.block_on(device.open()) {
        Ok(enrolment) => match device.runtime.block_on(enrolment.client_id()) {
            Ok(id) => {
                let again = device.runtime.block_on(device.open());
                let standing = again.expect("it was written").standing();
                let is_kept =
                    matches!(&standing, Standing::Enrolled { client_id, .. } if *client_id == id);
                assert!(is_kept, "{standing:?} instead of {id}");
            }
            Err(error) => check(&error),
        },
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::State);
            let text = error.to_string();
            assert!(
                text.contains(&device.file().display().to_string()),
                "{text}"
            );
            assert!(
                !text.chars().any(char::is_control),
                "{text:?} is not one line"
            );
            assert!(
                fs::read(device.file()).expect("it is there") == record,
                "it was changed"
            );
        }
    }
    let fetching = fetch_root(device.url.clone(), &device.trust);
    match device.runtime.block_on(fetching) {
        Ok(root) => assert!(device.anchors.contains(&root)),
        Err(error) => check(&error),
    }
}

struct Device {
    runtime: Runtime,
    server: Server,
    url: Url,
    identity: SigningIdentity,
    trust: ServerTrust,
    folder: TempDir,
    anchors: Vec<Anchor>,
    record: Vec<u8>,
    root: String,
}

impl Device {
    fn file(&self) -> PathBuf {
        self.folder.path().join("enrolment.json")
    }

    async fn open(&self) -> Result<Enrolment, Error> {
        let settings = EnrolmentSettings::new(self.url.clone(), self.file());
        Enrolment::open(settings, self.identity.clone()).await
    }
}

static DEVICE: LazyLock<Mutex<Device>> = LazyLock::new(|| {
    let runtime = runtime();
    let domain = TrustDomain::parse("factory.example").expect("a domain");
    let authority = Authority::new(&domain);
    let server = runtime.block_on(Server::start_public(&authority));
    let folder = tempfile::tempdir().expect("a folder");
    let root = authority.to_pem().0;
    let issued = authority.issue_with(|_| ());
    let [key, certificate, anchors] =
        ["key.pem", "certificate.pem", "ca.pem"].map(|name| folder.path().join(name));
    fs::write(&key, &issued.key_pem).expect("written");
    fs::write(&certificate, &issued.chain_pem).expect("written");
    fs::write(&anchors, &root).expect("written");
    let mut files = SigningFiles::new(key, certificate);
    files.ca_certificates = Some(anchors);
    let url = format!("https://{}", server.address);
    let mut device = Device {
        url: url.parse().expect("a URL"),
        identity: files.load().expect("an identity"),
        trust: ServerTrust::anchors(root.as_bytes()).expect("anchors"),
        runtime,
        server,
        folder,
        anchors: authority.bundle().anchors().expect("anchors"),
        record: Vec::new(),
        root: root.replace('\n', "\\n"),
    };
    let answer = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{\"clientId\":\"line-4\"}";
    device.server.answer(vec![("", answer.to_vec())]);
    let enrolment = device
        .runtime
        .block_on(device.open())
        .expect("an enrolment");
    device
        .runtime
        .block_on(enrolment.client_id())
        .expect("an id");
    device.record = fs::read(device.file()).expect("it was written");
    Mutex::new(device)
});
