//! What a fleet manager sends to the load generator, from the status line on.

use std::ops::ControlFlow;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use margo_conformance::authority::{Authority, Lifetime};
use margo_conformance::corpus::input::{line, parts};
use margo_conformance::load::{Load, Pace, Report, Settings, SimulatedDevice, Target};
use margo_types::id::{SpiffeId, TrustDomain};
use margo_types::svid::Identity;
use tokio::runtime::{Builder, Runtime};

use super::server::{Manner, Script, Server};

/// The first line says in what manner the rest is sent; the parts of the rest are answers to one request each.
///
/// Words of the first line: numbers are the sizes of the pieces, over and over (all at once, if there are none); `close` for a
/// connection that is closed after every answer instead of the last, `open` for one that never is, and `endless` for a last
/// answer that is repeated until the device hangs up.
///
/// Whatever comes, the generator ends, with no more answers than requests and no more bytes than were sent.
pub fn answers(bytes: &[u8]) {
    let (words, rest) = line(bytes);
    let manner = Manner::parse(words);
    let answers: Vec<_> = parts(rest).iter().map(|part| part.to_vec()).collect();
    let plant = PLANT.lock().unwrap_or_else(PoisonError::into_inner);
    let most = u64::try_from(answers.len()).expect("a count");
    // An endless answer takes the time to be too long.
    let patience = if manner.stays_open { 50 } else { 5000 };
    let script = plant.server.play(Script::new(answers, manner));

    let begin = Instant::now();
    let report = plant.run(most, Duration::from_millis(patience));
    assert!(begin.elapsed() < LONGEST, "{:?}", begin.elapsed());
    let operations = report.operations.iter();
    let requests = operations.filter(|(name, _)| **name != "handshake");
    let answered: u64 = requests.map(|(_, operation)| operation.count).sum();
    assert!(report.requests > 0, "nothing came of it: {report:?}");
    assert!(
        answered <= script.asked(),
        "{report:?} of {}",
        script.asked()
    );
    assert!(
        report.bytes_received <= script.sent(),
        "{report:?} of {} bytes",
        script.sent()
    );
    for (kind, errors) in &report.errors {
        let is_its_fault = KINDS.contains(&kind.as_str()) || kind.starts_with("status ");
        assert!(is_its_fault, "{kind}: {errors:?}");
        assert!(errors.first.len() < 4096, "{errors:?}");
    }
}

struct Plant {
    server: Server,
    target: Target,
    device: SimulatedDevice,
    /// Of the server.
    _runtime: Runtime,
}

impl Plant {
    /// Runs until there were so many requests, or an error.
    fn run(&self, requests: u64, timeout: Duration) -> Report {
        let mut settings = Settings::default();
        settings.pace = Pace::Unpaced;
        settings.statuses = true;
        settings.warm_up = Duration::ZERO;
        settings.duration = LONGEST;
        settings.timeout = timeout;
        let load = Load::new(self.target.clone(), vec![self.device.clone()], settings);
        let report = load.run(|progress| {
            if progress.requests < requests && progress.first_error.is_none() {
                return ControlFlow::Continue(());
            }
            ControlFlow::Break(())
        });
        report.expect("it runs")
    }
}

static PLANT: LazyLock<Mutex<Plant>> = LazyLock::new(|| {
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let domain = TrustDomain::parse("factory.example").expect("a domain");
    let authority = Authority::new(&domain);
    let year = Lifetime::lasting(Duration::from_hours(365 * 24));
    let identity = |id: &SpiffeId| {
        let svid = authority.issue(id, year).svid();
        Identity::new(svid, &authority.bundle()).expect("an identity")
    };
    let wfm = identity(&SpiffeId::wfm(&domain, "wfm-1").expect("an id"));
    let client = "line-4".parse().expect("an id");
    let client = SpiffeId::wfm_client(&domain, "wfm-1", &client).expect("an id");
    let tls = wfm.server_config().expect("a fleet manager");
    let server = runtime.block_on(Server::start(tls));
    let url = format!("https://{}", server.address);
    let target = Target::resolve(&url.parse().expect("a URL")).expect("a target");
    Mutex::new(Plant {
        server,
        target,
        device: SimulatedDevice::new(&identity(&client)).expect("a client"),
        _runtime: runtime,
    })
});

/// What a server can be guilty of that has taken the connection.
const KINDS: [&str; 7] = [
    "broken",
    "closed",
    "content type",
    "entity tag",
    "malformed",
    "timeout",
    "unanswered",
];
/// More than any input takes on a machine that is busy.
const LONGEST: Duration = Duration::from_mins(1);
