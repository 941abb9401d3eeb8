//! What the Kubernetes API answers, and what `helm` prints.

use std::fs;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use margo_conformance::corpus::input::{line, parts, replaced};
use margo_providers::Telemetry;
use margo_providers::helm::{HelmProvider, Mode, Options, TemplateOptions};
use margo_types::Digest;

use super::deployment::{CHART, ID, REPOSITORY, deployment};
use super::device::Device;
use super::outcome::{call, check_engine, check_error};
use super::server::{Answer, Server};

/// The first line is the mode, `install` or `template`, and what is asked of the provider: `detect`, `engine`, `list`, `observe`,
/// `apply`, `remove`, one after the other; with `begun` before it, the deployment was never complete. The parts after it are
///
/// ```text
/// 200 secrets?          the answer to requests with this text in their first line, with its status
/// helm template         what helm prints for this; `helm trial` is a trial of an upgrade
/// helm upgrade fails    the same, on its standard error, and it fails
/// pack release          a text that is packed as Helm packs releases
/// pack inventory        a text that is packed as we pack inventories
/// ```
///
/// with `{release}`, `{inventory}`, `{bomb}` (a release of more than anybody wrote), `{id}` and `{mark}` in the answers.
///
/// Whatever they say, every call ends, with a value or a readable error.
pub fn cluster(bytes: &[u8]) {
    let world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let device = &world.device;
    device.reset();
    let parts = parts(bytes);
    let (wishes, answers) = parts.split_first().expect("at least one part");
    world.answer(answers);
    let wishes = String::from_utf8_lossy(wishes);
    let mut wishes = wishes.split_whitespace().peekable();
    let is_template = wishes.next_if_eq(&"template").is_some();
    let _ = wishes.next_if_eq(&"install");
    let is_complete = wishes.next_if_eq(&"begun").is_none();
    let provider = if is_template {
        &world.template
    } else {
        &world.install
    };
    remember(device, is_template, is_complete);
    for wish in wishes.take(MOST_WISHES) {
        let outcome = device.run(async {
            if wish == "detect" {
                let found = HelmProvider::detect(options(device, is_template)).await?;
                check_engine(found.found());
                return Ok(());
            }
            call(provider, &deployment("helm"), wish).await
        });
        assert!(world.server.is_left_alone(), "{wish} asks without end");
        assert!(!device.was_given_option(), "{wish} makes it an option");
        if let Err(error) = outcome {
            check_error(&error, &device.state());
        }
    }
}

/// A device with a provider of each mode for its cluster.
pub(super) struct World {
    pub(super) device: Device,
    server: Server,
    pub(super) install: HelmProvider,
    pub(super) template: HelmProvider,
}

impl World {
    pub(super) fn new() -> Self {
        let device = Device::new();
        let server = device.run(Server::start());
        let kubeconfig = KUBECONFIG.replace("ADDRESS", &server.address);
        device.write("kubeconfig", kubeconfig.as_bytes());
        let detect = |is_template: bool| {
            // Helm 4 has no post-renderer: what it renders is read, and goes into another chart.
            let version: &[u8] = if is_template { b"v3.17.3" } else { b"v4.0.1" };
            device.answer("helm version", version);
            let provider = device.run(HelmProvider::detect(options(&device, is_template)));
            provider.expect("helm")
        };
        Self {
            install: detect(false),
            template: detect(true),
            device,
            server,
        }
    }

    /// Has the programs and the server say what the parts of an input do.
    pub(super) fn answer(&self, parts: &[&[u8]]) {
        let (mut packed, mut answers) = (Vec::new(), Vec::new());
        for part in parts.iter().take(MOST_ANSWERS) {
            let (what, text) = line(part);
            match what.split_once(' ').unwrap_or((what, "")) {
                ("pack", "release") => {
                    let inner = base64(pack(text));
                    packed.push(("{release}", base64(inner.into_bytes())));
                }
                ("pack", _) => packed.push(("{inventory}", base64(pack(text)))),
                ("helm", _) => self.device.answer(what, text),
                (status, request) => answers.push(Answer {
                    request: request.to_owned(),
                    status: status
                        .parse()
                        .ok()
                        .filter(|status| (200..600).contains(status))
                        .unwrap_or(200),
                    body: text.to_vec(),
                }),
            }
        }
        for answer in &mut answers {
            let usual = [
                ("{bomb}", BOMB.as_str()),
                ("{id}", ID),
                ("{mark}", &MARK[..40]),
            ];
            let own = packed.iter().map(|(name, text)| (*name, text.as_str()));
            for (name, text) in own.chain(usual) {
                answer.body = replaced(&answer.body, name, text.as_bytes());
            }
        }
        self.server.answer(answers);
    }
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new()));

fn options(device: &Device, is_template: bool) -> Options {
    let mut options = Options::new(device.state(), Device::registry());
    options.program = Some(device.programs().join("helm"));
    options.kubeconfig = Some(device.programs().with_file_name("kubeconfig"));
    options.telemetry = Some(Telemetry::new("http://collector:4318"));
    // As long as the component may take.
    options.default_timeout = std::time::Duration::from_secs(5);
    if is_template {
        options.mode = Mode::Template(TemplateOptions::new("1.32.0"));
    }
    options
}

/// Has the chart there already, so that no registry is needed, and a component that came to the cluster in this mode.
fn remember(device: &Device, is_template: bool, is_complete: bool) {
    let archive = &*CHART;
    let place = device.state().join(ID).join("web");
    fs::create_dir_all(&place).expect("a folder");
    let name = format!("archive-{}", archive.digest.to_hex());
    fs::write(place.join(name), &archive.bytes).expect("a file");
    let mode = if is_template { "template" } else { "install" };
    let complete = if is_complete {
        format!("\"sha256:{}\"", *MARK)
    } else {
        "null".to_owned()
    };
    let record = format!(
        r#"{{"keep": {is_complete}, "components": {{"web": {{
        "pin": {{"repository": "{REPOSITORY}", "revision": "1.0.0", "archive": "{}"}},
        "release": {{"name": "web-5d1e0c7a3f", "namespace": "shop"}}, "mode": "{mode}", "complete": {complete}}}}}}}"#,
        archive.digest
    );
    fs::write(device.state().join(ID).join("record.json"), record).expect("a file");
}

fn pack(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn base64(bytes: Vec<u8>) -> String {
    let text = serde_json::to_value(ByteString(bytes)).expect("base64");
    text.as_str().expect("a text").to_owned()
}

/// The hexadecimal digits of the digest of what was complete; labels have the first 40 of them.
static MARK: LazyLock<String> = LazyLock::new(|| Digest::of(b"inputs").to_hex());

/// A release of 64 MiB.
static BOMB: LazyLock<String> = LazyLock::new(|| {
    let mut text = br#"{"manifest": ""#.to_vec();
    text.resize(64 << 20, b' ');
    text.extend(br#""}"#);
    base64(base64(pack(&text)).into_bytes())
});

const KUBECONFIG: &str = "{apiVersion: v1, kind: Config, current-context: a, \
    clusters: [{name: a, cluster: {server: 'http://ADDRESS'}}], users: [{name: a, user: {}}], \
    contexts: [{name: a, context: {cluster: a, user: a}}]}";
const MOST_ANSWERS: usize = 16;
const MOST_WISHES: usize = 4;
