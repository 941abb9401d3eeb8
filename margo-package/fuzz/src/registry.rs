//! What OCI registries answer.
//!
//! The first line says what the client wants: `manifest`, `pinned`, `blob`, `tags`, `referrers`, `push blob` or `push manifest`. What
//! the registry sends follows, from the status line on; several answers are separated by [`SEPARATOR`](margo_conformance::corpus::input::SEPARATOR), and the last one is given
//! to all further requests. The registry and whoever it refers to are one server on a loopback port.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use margo_conformance::corpus::input::{line, parts};
use margo_package::oci::{
    ArtifactStore as _, Client, Credentials, Manifest, OciError, Reference, RetryPolicy,
    StaticCredentials,
};
use margo_types::Digest;
use margo_types::oci::Descriptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Whatever a registry answers, the client gives what it was asked for or an error in one line, after a bounded number of requests.
pub fn registry(data: &[u8]) {
    let (wish, answers) = line(data);
    let world = lock(&WORLD);
    *lock(&world.script) = Script {
        answers: parts(answers).into_iter().map(<[u8]>::to_vec).collect(),
        asked: 0,
    };
    if let Err(error) = world.runtime.block_on(fulfil(wish, &world.client)) {
        let is_ours = matches!(error, OciError::Misused { .. });
        assert!(!is_ours, "{error} blames the caller");
        let text = error.to_string();
        let is_one_line = !text.chars().any(char::is_control);
        assert!(is_one_line && text.len() < 1 << 16, "{text:?}");
    }
    let asked = lock(&world.script).asked;
    assert!(asked <= MOST_REQUESTS, "{asked} requests");
}

async fn fulfil(wish: &str, client: &Client) -> Result<(), OciError> {
    let reference: Reference = format!("{HOST}/web:1").parse().expect("a reference");
    match wish {
        "blob" => {
            let blob = Descriptor::of("application/octet-stream", CONTENT);
            let mut sink = Vec::new();
            let pulled = client.pull_blob(&reference, &blob, &mut sink).await;
            assert!(sink.len() <= CONTENT.len(), "{} bytes", sink.len());
            pulled?;
            assert_eq!(sink, CONTENT);
        }
        "tags" => {
            let tags = client.tags(&reference).await?;
            assert!(tags.is_sorted_by(|one, next| one < next), "{tags:?}");
            for tag in tags {
                reference
                    .with_tag(&tag)
                    .expect("a tag that can be asked for");
            }
        }
        "referrers" => {
            client
                .referrers(&reference, Digest::of(CONTENT), None)
                .await?;
        }
        "push blob" => {
            let blob = Descriptor::of("application/octet-stream", CONTENT);
            let source = bytes::Bytes::from_static(CONTENT);
            client.push_blob(&reference, &blob, &source).await?;
        }
        "push manifest" => client.push_manifest(&reference, &manifest()).await?,
        "pinned" => {
            let digest = manifest().digest();
            let pulled = client.pull_manifest(&reference.with_digest(digest)).await?;
            assert_eq!(pulled.bytes(), manifest().bytes());
        }
        _ => {
            let pulled = client.pull_manifest(&reference).await?;
            assert_eq!(pulled.digest(), Digest::of(pulled.bytes()));
        }
    }
    Ok(())
}

/// The one that is pushed, and that is pinned.
pub(crate) fn manifest() -> Manifest {
    Manifest::read(MANIFEST.as_bytes(), None).expect("a manifest")
}

struct World {
    runtime: Runtime,
    client: Client,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    answers: Vec<Vec<u8>>,
    asked: usize,
}

impl Script {
    fn next(&mut self) -> Vec<u8> {
        let at = self.asked.min(self.answers.len().saturating_sub(1));
        self.asked += 1;
        self.answers.get(at).cloned().unwrap_or_default()
    }
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    let script = Arc::new(Mutex::new(Script::default()));
    let address = runtime.block_on(serve(Arc::clone(&script)));
    let operator = Credentials::password("operator", "swordfish");
    let client = Client::builder()
        .plain_http(HOST)
        // So that nobody else is ever asked, wherever an answer leads.
        .proxy(format!("http://{address}"), "")
        .credentials(StaticCredentials::new().with(HOST, operator))
        .retry(RetryPolicy::never())
        .build()
        .expect("a client");
    Mutex::new(World {
        runtime,
        client,
        script,
    })
});

/// Serves on a loopback port for as long as the runtime lives.
async fn serve(script: Arc<Mutex<Script>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(answer(connection, Arc::clone(&script)));
        }
    });
    address
}

/// Reads a request to its end, and answers it. The client hangs up when it has had enough.
async fn answer(mut connection: TcpStream, script: Arc<Mutex<Script>>) -> Option<()> {
    let mut request = Vec::new();
    let end = loop {
        let end = request.windows(4).position(|window| window == b"\r\n\r\n");
        match end {
            Some(end) => break end + 4,
            None => (connection.read_buf(&mut request).await.ok()? > 0).then_some(())?,
        }
    };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
    while request.len() < end + length {
        (connection.read_buf(&mut request).await.ok()? > 0).then_some(())?;
    }
    let answer = lock(&script).next();
    connection.write_all(&answer).await.ok()?;
    connection.shutdown().await.ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const HOST: &str = "registry.test";
pub(crate) const CONTENT: &[u8] = b"hello";
pub(crate) const MANIFEST: &str = concat!(
    r#"{"artifactType":"application/vnd.margo.app.v1+json","#,
    r#""config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.oci.empty.v1+json","size":2},"#,
    r#""layers":[{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","mediaType":"application/octet-stream","size":5}],"#,
    r#""mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}"#
);
/// Far more than any wish takes.
const MOST_REQUESTS: usize = 64;
