//! What a fleet manager answers, from the status line on.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use margo_client::api::{ApiOptions, Rc3Api};
use margo_client::outbox::Verdict;
use margo_client::retry::{Attempts, NextAttempt, RetryPolicy};
use margo_client::{Error, ErrorKind, FleetApi as _, Poll};
use margo_conformance::authority::{Authority, Lifetime};
use margo_conformance::corpus::input::line;
use margo_types::Digest;
use margo_types::capabilities::{DeviceCapabilities, DeviceProperties};
use margo_types::etag::EntityTag;
use margo_types::id::{ClientId, DeviceId, SpiffeId, TrustDomain};
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion};
use margo_types::status::DeploymentStatus;
use margo_types::svid::Identity;
use tokio::runtime::Runtime;

use super::server::Server;

/// The first line says what is asked for; the rest is what the fleet manager sends, before it closes the connection.
///
/// `manifest`, `manifest <tag that is held>`, `deployment <url>`, `bundle <url>`, `capabilities`, `status`, `removal`.
///
/// Whatever comes, the client gives something within its bounds or an error that blames its peer, in one line, with a wait
/// that ends.
pub fn answers(bytes: &[u8]) {
    let (asked, answer) = line(bytes);
    let (what, more) = asked.split_once(' ').unwrap_or((asked, ""));
    let device = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
    device.server.answer(vec![("", answer.to_vec())]);
    let outcome = device.runtime.block_on(device.ask(what, more));
    if let Err(error) = outcome {
        check(&error);
    }
    let asked = device.server.asked();
    assert!(asked.len() <= 1, "one exchange is one request: {asked:?}");
    for request in asked {
        let path = request.split(' ').nth(1).unwrap_or_default();
        assert!(path.starts_with("/v1/margo/"), "{request} left the prefix");
    }
}

/// The error of a peer that did wrong.
pub(super) fn check(error: &Error) {
    let blamed = error.kind();
    assert!(
        !matches!(blamed, ErrorKind::Setup | ErrorKind::State),
        "{error:?} blames the device"
    );
    let text = error.to_string();
    assert!(
        !text.chars().any(char::is_control),
        "{text:?} is not one line"
    );
    assert!(text.len() < 1 << 17, "{} bytes of text", text.len());
    let _ = Verdict::of(error);

    let (policy, now) = (RetryPolicy::default(), Timestamp::now());
    let next = Attempts::new().failed(&policy, error, now, u64::MAX);
    if let NextAttempt::At(time) = next {
        let wait = time.duration_since(now);
        assert!(wait >= SignedDuration::ZERO);
        let longest = policy.longest_asked + policy.longest_wait;
        assert!(wait.unsigned_abs() <= longest, "silent for {wait}");
    }
}

struct Device {
    runtime: Runtime,
    server: Server,
    api: Rc3Api,
}

impl Device {
    async fn ask(&self, what: &str, more: &str) -> Result<(), Error> {
        let api = &self.api;
        match what {
            "deployment" => {
                let id = "3f0c2b0e-57a1-4a5c-9a6f-0d8a1c2b7e11"
                    .parse()
                    .expect("an id");
                let reference = DeploymentReference::new(id, Digest::of(b"a"), 5, more);
                let bytes = api.deployment(&reference).await?;
                assert!(bytes.len() <= LIMIT);
            }
            "bundle" => {
                let reference = BundleReference::new(Digest::of(b"a"), 5, more);
                let bytes = api.bundle(&reference).await?;
                assert!(bytes.len() <= LIMIT);
            }
            "capabilities" => {
                let id = DeviceId::parse("edge-1").expect("an id");
                let properties = DeviceProperties::new(id, "V", "M", "1");
                api.report_capabilities(&DeviceCapabilities::new(properties))
                    .await?;
            }
            "status" => {
                let id = "3f0c2b0e-57a1-4a5c-9a6f-0d8a1c2b7e11"
                    .parse()
                    .expect("an id");
                let status = DeploymentStatus::new(id, ManifestVersion::FIRST, vec![]);
                api.report_status(&status).await?;
            }
            "removal" => {
                let id = DeviceId::parse("edge-1").expect("an id");
                api.remove_device(&id).await?;
            }
            _ => {
                let held = EntityTag::parse(more).ok();
                match api.manifest(held.as_ref()).await? {
                    Poll::Unchanged => assert!(held.is_some(), "unchanged since never"),
                    Poll::Changed { manifest, tag, .. } => {
                        assert!(manifest.bytes().len() <= LIMIT);
                        assert_eq!(manifest.digest(), Digest::of(manifest.bytes()));
                        // It is kept as text, and has to be sent back.
                        if let Some(tag) = tag {
                            assert_eq!(EntityTag::parse(&tag.to_string()).as_ref(), Ok(&tag));
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        Ok(())
    }
}

static DEVICE: LazyLock<Mutex<Device>> = LazyLock::new(|| {
    let runtime = runtime();
    let domain = TrustDomain::parse("factory.example").expect("a domain");
    let authority = Authority::new(&domain);
    let identity = |id: &SpiffeId| {
        let year = Lifetime::lasting(Duration::from_hours(365 * 24));
        let svid = authority.issue(id, year).svid();
        Identity::new(svid, &authority.bundle()).expect("an identity")
    };
    let wfm = identity(&SpiffeId::wfm(&domain, "wfm-1").expect("an id"));
    let client = ClientId::parse("line-4").expect("an id");
    let client = SpiffeId::wfm_client(&domain, "wfm-1", &client).expect("an id");
    let tls = wfm.server_config().expect("a fleet manager");
    let server = runtime.block_on(Server::start(tls));
    let base = format!("https://{}/v1/margo", server.address);
    let mut options = ApiOptions::default();
    options.max_manifest = LIMIT;
    options.max_deployment = LIMIT;
    options.max_bundle = LIMIT;
    // Every answer is the last one on its connection.
    options.connection_age = Duration::ZERO;
    let base = base.parse().expect("a URL");
    let api = Rc3Api::with_options(base, identity(&client), options).expect("an API");
    Mutex::new(Device {
        runtime,
        server,
        api,
    })
});

pub(super) fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// So low that inputs of a few hundred bytes go beyond it.
const LIMIT: usize = 4096;
