//! What somebody may ask of the admin API.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;

use margo_conformance::corpus::input::line;
use margo_wfm::admin::AdminClient;
use margo_wfm::operations::{ImportPackage, ListClients};
use margo_wfm::{Failure, Wfm};
use tempfile::TempDir;

use super::place::{RUNTIME, config, package, refused};

/// Method, path and content type in the first line; from the second on the body.
///
/// What is not done is answered with a failure, and the next one is answered as always.
pub fn requests(bytes: &[u8]) {
    let (head, body) = line(bytes);
    let words: Vec<_> = head.split(' ').collect();
    let [method, path, content_type] = words[..] else {
        return;
    };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    // These two reach other places than the state directory.
    let goes_out = ["import-package", "backup"]
        .iter()
        .any(|it| path.contains(it));
    if goes_out || !words.iter().all(|word| is_word(word)) {
        return;
    }
    let mut stream = UnixStream::connect(FLEET.socket()).expect("it answers");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: fuzz\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = Vec::new();
    let asked = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body));
    // Whoever is refused early cannot write to the end.
    let answered = asked.and_then(|()| stream.read_to_end(&mut answer));
    if answered.is_ok() {
        check(&answer);
    }
    let admin = AdminClient::new(FLEET.socket(), "margo-wfm run");
    RUNTIME
        .block_on(admin.run(ListClients {}))
        .expect("it still answers");
}

fn check(answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    assert!(text.starts_with("HTTP/1."), "{text}");
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        panic!("half an answer: {text}");
    };
    let status = head.split(' ').nth(1).unwrap_or_default();
    // What is no HTTP does not get as far as an operation, and HEAD has no body.
    if status != "200" && !body.is_empty() {
        let failure: Failure = serde_json::from_str(body).expect("a failure");
        refused(&failure);
        assert!(!failure.message.contains("broke off"), "{failure}");
    }
}

struct Fleet {
    folder: TempDir,
}

impl Fleet {
    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("admin.sock")
    }
}

static FLEET: LazyLock<Fleet> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let lamp = package("com-example-lamp");
    let wfm = RUNTIME.block_on(async {
        let wfm = Wfm::open(&config(folder.path())).await.expect("it starts");
        let import = ImportPackage::new(lamp.path().display().to_string());
        wfm.manager().run(import).await.expect("imported");
        wfm
    });
    RUNTIME.spawn(wfm.serve(std::future::pending()));
    Fleet { folder }
});
