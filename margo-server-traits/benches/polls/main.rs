//! Unchanged polls over mutual TLS: ours, nginx with a static file, and a bare responder of the same libraries.
//!
//! `cargo bench -p margo-server-traits --bench polls` runs all of it, `-- kept-alive` one part: `kept-alive`, `handshakes`,
//! `signed`, `growth` or `fleet`. Every server is a process of its own with two workers. All have the same certificates, TLS 1.3 and
//! the same devices, and are measured in turns. `NGINX` names the program when it is not in the path.
//!
//! The ratios recorded are those of requests for each second of the server's own processor time. The load is made on the
//! same machine, so that what gets through in a second is as much the load generator's doing.

mod peers;
mod process;
mod serve;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use margo_conformance::authority::{Authority, Lifetime};
use margo_conformance::load::{
    Connections, Load, Pace, Phase, Report, Settings, SimulatedDevice, raise_open_files,
};
use margo_types::id::{SpiffeId, TrustDomain};

use self::peers::Peer;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    raise_open_files();
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments
        .peek()
        .is_some_and(|first| first == serve::COMMAND)
    {
        return serve::main(arguments.skip(1));
    }
    let arguments: Vec<_> = arguments.collect();
    // `cargo test --benches` wants to know that it runs, not how fast.
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let only = arguments.iter().find(|argument| !argument.starts_with('-'));
    let is_wanted = |name| only.is_none_or(|only| only == name);
    let bench = Bench::prepare(is_bench)?;
    if is_wanted("kept-alive") {
        bench.compare(
            "kept-alive",
            Connections::KeptAlive,
            bench.scale.devices,
            [Some(1.2), Some(0.8)],
        )?;
    }
    if is_wanted("handshakes") {
        bench.compare(
            "handshakes",
            Connections::PerRequest,
            bench.scale.handshakes,
            [Some(1.25), None],
        )?;
    }
    if is_wanted("signed") {
        for (name, connections, devices) in [
            ("kept alive", Connections::KeptAlive, bench.scale.devices),
            (
                "a handshake each",
                Connections::PerRequest,
                bench.scale.handshakes,
            ),
        ] {
            bench.signed(name, connections, devices)?;
        }
    }
    if is_wanted("growth") {
        bench.growth()?;
    }
    if is_wanted("fleet") {
        bench.fleet()?;
    }
    Ok(())
}

/// How much is done.
struct Scale {
    rounds: usize,
    seconds: u64,
    /// Clients in the store.
    clients: usize,
    /// Devices that poll without pause over connections that stay open.
    devices: usize,
    /// Devices that poll without pause over a new connection each time.
    handshakes: usize,
    /// How long the fleet polls once a minute, in seconds.
    fleet: u64,
    /// How often all clients poll when growth is measured.
    periods: [Duration; 2],
    /// How long that is measured at a time, in seconds.
    stretch: u64,
}

const FULL: Scale = Scale {
    rounds: 5,
    seconds: 3,
    clients: 10_000,
    devices: 200,
    handshakes: 20,
    fleet: 75,
    periods: [Duration::from_mins(1), Duration::from_secs(10)],
    stretch: 10,
};

const SMOKE: Scale = Scale {
    rounds: 1,
    seconds: 1,
    clients: 100,
    devices: 10,
    handshakes: 2,
    fleet: 1,
    periods: [Duration::from_secs(1); 2],
    stretch: 1,
};

/// What all parts share: certificates, stores and devices.
struct Bench {
    place: tempfile::TempDir,
    devices: Vec<SimulatedDevice>,
    /// Those that sign.
    signers: Vec<SimulatedDevice>,
    scale: Scale,
}

impl Bench {
    fn prepare(is_bench: bool) -> Result<Self, Failure> {
        let scale = if is_bench { FULL } else { SMOKE };
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let domain = TrustDomain::parse("factory.example")?;
        let authority = Authority::new(&domain);
        let wfm = authority.issue(&SpiffeId::wfm(&domain, WFM)?, Lifetime::default());
        let write = |name: &str, text: &[u8]| std::fs::write(place.path().join(name), text);
        write("wfm.pem", wfm.chain_pem.as_bytes())?;
        write("wfm-key.pem", wfm.key_pem.as_bytes())?;
        write("root.pem", authority.to_pem().0.as_bytes())?;
        let bundle = margo_types::write(&authority.bundle(), margo_types::SpecVersion::Rc3)?;
        write("bundle.json", &bundle)?;
        let tls = authority.issue_tls("127.0.0.1");
        write("tls.pem", tls.chain_pem.as_bytes())?;
        write("tls-key.pem", tls.key_pem.as_bytes())?;
        let devices = SimulatedDevice::issue(&authority, WFM, "device", scale.clients)?;
        let signers = SimulatedDevice::issue_signed(&authority, "signer", scale.devices)?;
        for (name, clients) in [(MANY, &devices[..]), (FEW, &devices[..scale.clients / 100])] {
            serve::fill(&place.path().join(name), clients)?;
        }
        serve::fill(&place.path().join(MANY), &signers)?;
        Ok(Self {
            place,
            devices,
            signers,
            scale,
        })
    }

    /// Ours against the others, polls without pause.
    fn compare(
        &self,
        name: &str,
        connections: Connections,
        devices: usize,
        [to_nginx, to_bare]: [Option<f64>; 2],
    ) -> Result<(), Failure> {
        let mut peers = vec![self.ours(MANY)?, Peer::bare(self.path())?];
        match Peer::nginx(self.path()) {
            Ok(nginx) => peers.push(nginx),
            Err(why) => println!("{name}: without nginx: {why}"),
        }
        let mut settings = settings_of(Pace::Unpaced, self.scale.seconds);
        settings.connections = connections;
        // The entity tags of nginx are not those of manifests: what it answers with 200 is an error before it counts.
        settings.settling = Duration::from_millis(500);
        let mut figures: Vec<Vec<Figure>> = peers.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.scale.rounds {
            for (peer, figures) in peers.iter().zip(&mut figures) {
                figures.push(measure(peer, &self.devices[..devices], &settings)?);
            }
        }
        for (peer, figures) in peers.iter().zip(&figures) {
            let cpu = Spread::of(figures.iter().map(|figure| figure.per_cpu_second));
            let wall = Spread::of(figures.iter().map(|figure| figure.per_second));
            println!(
                "{name}: {:<6} {cpu} a second of its processor time, {wall} a second",
                peer.name()
            );
        }
        for (other, goal) in [(1, to_bare), (2, to_nginx)] {
            let (Some(peer), Some(theirs)) = (peers.get(other), figures.get(other)) else {
                continue;
            };
            let goal = goal.map_or("no goal".to_owned(), |goal| format!("goal {goal}"));
            let ratio = |of: fn(&Figure) -> f64| {
                let rounds = figures[0].iter().zip(theirs);
                Spread::of(rounds.map(|(ours, theirs)| of(ours) / of(theirs)))
            };
            println!(
                "{name}: ours to {}: {:.2} of processor time ({goal}), {:.2} of throughput",
                peer.name(),
                ratio(|figure| figure.per_cpu_second),
                ratio(|figure| figure.per_second),
            );
        }
        Ok(())
    }

    /// Signed polls against those of the newest generation, of as many devices, on the same store.
    fn signed(&self, name: &str, connections: Connections, devices: usize) -> Result<(), Failure> {
        let both = Peer::both(self.path(), &self.path().join(MANY))?;
        let mut settings = settings_of(Pace::Unpaced, self.scale.seconds);
        settings.connections = connections;
        let (mut signed, mut newest) = (Vec::new(), Vec::new());
        for _ in 0..self.scale.rounds {
            signed.push(measure(&both, &self.signers[..devices], &settings)?);
            newest.push(measure(&both, &self.devices[..devices], &settings)?);
        }
        for (kind, figures) in [("signed", &signed), ("rc.3", &newest)] {
            let cpu = Spread::of(figures.iter().map(|figure| figure.per_cpu_second));
            let cost = Spread::of(figures.iter().map(|figure| 1e6 / figure.per_cpu_second));
            println!(
                "signed: {name}: {kind:<6} {cpu} a second of its processor time, {cost:.1} µs each"
            );
        }
        let rounds = signed.iter().zip(&newest);
        let ratio = rounds.map(|(ours, theirs)| ours.per_cpu_second / theirs.per_cpu_second);
        println!(
            "signed: {name}: signed to rc.3: {:.2} of processor time (goal 0.7)",
            Spread::of(ratio)
        );
        Ok(())
    }

    /// The processor time of a poll with a hundredth of the clients and with all of them, at the same rate. Of the bare responder,
    /// too, to which one client is as another: what it takes more for is the operating system and memory out of the caches.
    fn growth(&self) -> Result<(), Failure> {
        let ours = [self.ours(FEW)?, self.ours(MANY)?];
        let bare = [Peer::bare(self.path())?, Peer::bare(self.path())?];
        for period in self.scale.periods {
            for both in [&ours, &bare] {
                self.compare_growth(both, period)?;
            }
        }
        Ok(())
    }

    /// Both are asked at the same time, so that they have the same machine: the load generator leaves as little of the one in the
    /// processor's caches as of the other, and so does whoever else is there.
    fn compare_growth(&self, both: &[Peer; 2], period: Duration) -> Result<(), Failure> {
        let few = self.scale.clients / 100;
        // The first polls get a manifest, and the second ones are new to the connection.
        let settling = period * 9 / 4;
        let costs = |peer, devices, period| {
            let costs = self.costs(peer, devices, period, settling);
            costs.map_err(|failure| failure.to_string())
        };
        let (among_few, among_all) = thread::scope(|scope| {
            let few = scope.spawn(|| costs(&both[0], &self.devices[..few], period / 100));
            let all = costs(&both[1], &self.devices, period);
            (few.join(), all)
        });
        let among_few = among_few.map_err(|_| "the load generator panicked")??;
        let among_all = among_all?;
        let ratios = among_all.iter().zip(&among_few).map(|(all, few)| all / few);
        println!(
            "growth: {}, {:.0} polls a second each: a poll among {} clients to one among {few}: {:.2} of processor time (goal at most 1.2): {:.1} µs to {:.1} µs",
            both[0].name(),
            f64::from(u32::try_from(self.scale.clients)?) / period.as_secs_f64(),
            self.scale.clients,
            Spread::of(ratios),
            Spread::of(among_all.iter().copied()),
            Spread::of(among_few.iter().copied()),
        );
        Ok(())
    }

    /// The processor time of a poll in a fleet that has settled, in microseconds, in each of some stretches of time.
    fn costs(
        &self,
        peer: &Peer,
        devices: &[SimulatedDevice],
        period: Duration,
        settling: Duration,
    ) -> Result<Vec<f64>, Failure> {
        let pace = Pace::Every {
            period,
            jitter: 0.1,
        };
        let stretch = Duration::from_secs(self.scale.stretch);
        let mut settings = settings_of(pace, 0);
        settings.warm_up = warm_up(&self.devices)?;
        settings.settling = settling;
        settings.duration = stretch * u32::try_from(self.scale.rounds)?;
        let mut seen = Vec::new();
        let load = Load::new(peer.target(devices)?, devices.to_vec(), settings);
        let report = load.run(|progress| {
            let so_far = stretch * u32::try_from(seen.len()).unwrap_or(u32::MAX);
            if matches!(progress.phase, Phase::Begin | Phase::Measuring | Phase::End)
                && progress.elapsed >= so_far
            {
                seen.push((progress.requests, peer.cpu_time()));
            }
            ControlFlow::Continue(())
        })?;
        if let Some((kind, error)) = report.errors.first_key_value() {
            return Err(format!("{}: {kind}: {}", peer.name(), error.first).into());
        }
        for doubt in &report.invalid_because {
            println!("{}: {doubt}", peer.name());
        }
        let pairs = seen.iter().zip(seen.iter().skip(1));
        let cost = |(before, after): (&(u64, Duration), &(u64, Duration))| {
            let polls = f64::from(u32::try_from(after.0 - before.0).unwrap_or(u32::MAX));
            1e6 * after.1.saturating_sub(before.1).as_secs_f64() / polls
        };
        Ok(pairs.map(cost).collect())
    }

    /// All devices once a minute.
    fn fleet(&self) -> Result<(), Failure> {
        let ours = self.ours(MANY)?;
        // What is read into memory for the first of them is not counted as theirs.
        let first = &self.devices[..self.scale.handshakes];
        run(&ours, first, settings_of(Pace::Unpaced, 1))?;
        let before = ours.resident();
        let pace = Pace::Every {
            period: Duration::from_mins(1),
            jitter: 0.1,
        };
        let mut settings = settings_of(pace, self.scale.fleet);
        settings.warm_up = warm_up(&self.devices)?;
        let (report, cpu) = run(&ours, &self.devices, settings)?;
        let (resident, peak) = (ours.resident(), ours.peak());
        let devices = u64::try_from(self.devices.len())?;
        println!("fleet: {}", serde_json::to_string(&report)?);
        let latency = report.operations.get("poll").map(|polls| &polls.latency);
        if let Some(latency) = latency {
            println!(
                "fleet: {devices} devices every minute for {} s: p50 {} µs, p99 {} µs (goal below 50,000), {} errors (goal none), {:.1} s of processor time",
                self.scale.fleet,
                latency.p50_us,
                latency.p99_us,
                report
                    .errors
                    .values()
                    .map(|errors| errors.count)
                    .sum::<u64>(),
                cpu.as_secs_f64(),
            );
        }
        println!(
            "fleet: resident {} MB (goal below 200), at most {} MB; {} MB without devices, {} bytes more for each",
            resident / 1_000_000,
            peak / 1_000_000,
            before / 1_000_000,
            resident.saturating_sub(before) / devices,
        );
        Ok(())
    }

    fn ours(&self, store: &str) -> Result<Peer, Failure> {
        Peer::ours(self.path(), &self.path().join(store))
    }

    fn path(&self) -> &Path {
        self.place.path()
    }
}

fn settings_of(pace: Pace, seconds: u64) -> Settings {
    let mut settings = Settings::default();
    settings.pace = pace;
    settings.warm_up = Duration::from_secs(1);
    settings.duration = Duration::from_secs(seconds);
    settings
}

/// A handshake takes a millisecond of two processors; those who are late are waited for.
fn warm_up(devices: &[SimulatedDevice]) -> Result<Duration, Failure> {
    Ok(Duration::from_millis(u64::try_from(devices.len())? * 3 / 2))
}

/// What a server did in one round.
struct Figure {
    per_second: f64,
    per_cpu_second: f64,
}

/// A round. One with errors does not count, and is done again.
fn measure(
    peer: &Peer,
    devices: &[SimulatedDevice],
    settings: &Settings,
) -> Result<Figure, Failure> {
    for _ in 0..ATTEMPTS {
        let (report, cpu) = run(peer, devices, settings.clone())?;
        if report.errors.is_empty() {
            let requests = report.requests_per_second * report.seconds;
            return Ok(Figure {
                per_second: report.requests_per_second,
                per_cpu_second: requests / cpu.as_secs_f64(),
            });
        }
        println!("{}: once more, since: {:?}", peer.name(), report.errors);
    }
    Err(format!("{}: there are errors in every round", peer.name()).into())
}

/// The report of a run, and the processor time of the server while it counted.
fn run(
    peer: &Peer,
    devices: &[SimulatedDevice],
    settings: Settings,
) -> Result<(Report, Duration), Failure> {
    let mut cpu = [Duration::ZERO; 2];
    let load = Load::new(peer.target(devices)?, devices.to_vec(), settings);
    let report = load.run(|progress| {
        match progress.phase {
            Phase::Begin => cpu[0] = peer.cpu_time(),
            Phase::End => cpu[1] = peer.cpu_time(),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    for doubt in &report.invalid_because {
        println!("{}: {doubt}", peer.name());
    }
    Ok((report, cpu[1].saturating_sub(cpu[0])))
}

/// The median with the lowest and the highest.
struct Spread(Vec<f64>);

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        let digits = formatter.precision().unwrap_or(0);
        let (low, high) = (self.0[0], self.0[self.0.len() - 1]);
        let median = self.0[self.0.len() / 2];
        write!(
            formatter,
            "{median:.digits$} ({low:.digits$} to {high:.digits$})"
        )
    }
}

/// A file in the directory of the bench.
fn file(place: &Path, name: &str) -> PathBuf {
    place.join(name)
}

const WFM: &str = "wfm-1";
/// How often a round is tried.
const ATTEMPTS: usize = 3;
/// The store with all clients.
const MANY: &str = "many.db";
/// The store with a hundredth of them.
const FEW: &str = "few.db";
