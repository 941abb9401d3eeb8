//! What the agent needs, and how fast it is: the release binary against a fleet manager on loopback.
//!
//! `cargo bench -p margo-agent` runs all of it, `-- change` one part: `size`, `start`, `idle`, `change` or `first`. Workloads
//! are simulated, the fleet manager is that of margo-server-traits with its store in memory, and a poller of hyper and
//! rustls alone is the peer for what a process costs that does nothing but ask.

mod fleet;
mod place;
mod poller;
mod process;

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode};

use self::fleet::{Exchange, FleetManager};
use self::place::{Agent, Place, deployment, deployments};

type Failure = Box<dyn std::error::Error>;
type Part = fn(&Scale) -> Result<(), Failure>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments
        .peek()
        .is_some_and(|first| first == poller::COMMAND)
    {
        return poller::main(arguments.skip(1));
    }
    let arguments: Vec<_> = arguments.collect();
    // `cargo test --benches` wants to know that it runs, not how fast.
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let scale = if is_bench { FULL } else { SMOKE };
    let only = arguments.iter().find(|argument| !argument.starts_with('-'));
    let parts: [(&str, Part); 5] = [
        ("size", size),
        ("start", start),
        ("idle", idle),
        ("change", change),
        ("first", first),
    ];
    for (name, part) in parts {
        if only.is_none_or(|only| only == name) {
            part(&scale)?;
        }
    }
    Ok(())
}

/// How much is done.
struct Scale {
    starts: usize,
    /// How long the idle agent is watched.
    idle: Duration,
    /// The deployments of a device with many.
    many: u16,
    changes: usize,
}

const FULL: Scale = Scale {
    starts: 15,
    idle: Duration::from_mins(1),
    many: 1000,
    changes: 25,
};

const SMOKE: Scale = Scale {
    starts: 1,
    idle: Duration::from_secs(1),
    many: 20,
    changes: 1,
};

/// The binary without symbols and debugging information.
fn size(_: &Scale) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let stripped = directory.path().join("margo-agent");
    let done = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(place::AGENT)
        .status();
    let file = match done {
        Ok(status) if status.success() => stripped.as_path(),
        _ => Path::new(place::AGENT),
    };
    let bytes = file.metadata()?.len();
    println!(
        "size: {:.2} MB stripped (goal at most 12)",
        megabytes(bytes)
    );
    Ok(())
}

/// From the start of the process to its first poll.
fn start(scale: &Scale) -> Result<(), Failure> {
    let fleet = FleetManager::start()?;
    let place = Place::of(&fleet, "1m")?;
    fleet.publish(&deployments(FEW))?;
    let agent = place.start()?;
    agent.wait("installed", |it| place::installed(it) == usize::from(FEW))?;
    drop(agent);

    let mut times = [const { Vec::new() }; 3];
    for _ in 0..scale.starts {
        // One that has never had a manifest.
        let new = Place::of(&fleet, "1m")?;
        let starts: [&dyn Fn() -> Result<Agent, Failure>; 3] =
            [&|| place.start(), &|| place.start_poller(&fleet), &|| {
                new.start()
            }];
        for (start, times) in starts.iter().zip(&mut times) {
            fleet.forget();
            let begun = SystemTime::now();
            let _running = start()?;
            let poll = fleet.wait_for("the first poll", is_poll)?;
            times.push(since(begun, poll.arrived));
        }
    }
    let [agent, bare, new] = times.map(Spread::of);
    println!("start: {agent:.1} ms to the first poll with {FEW} deployments (goal at most 100)");
    println!("start: {new:.1} ms of a new device, which reports its capabilities first");
    println!(
        "start: {bare:.1} ms of a bare poller; ratio {:.2}",
        agent.median() / bare.median()
    );
    Ok(())
}

/// Memory and processor time while nothing is asked and nothing changes.
fn idle(scale: &Scale) -> Result<(), Failure> {
    for count in [0, FEW, scale.many] {
        let fleet = FleetManager::start()?;
        let place = Place::of(&fleet, "10m")?;
        fleet.publish(&deployments(count))?;
        let agent = place.start()?;
        let all = usize::from(count);
        agent.wait("installed", |it| {
            place::installed(it) == all && it["manifest"].is_number() && it["outbox"] == 0
        })?;
        thread::sleep(SETTLING);
        let before = agent.process().usage();
        thread::sleep(scale.idle);
        let after = agent.process().usage();
        let goal = if count > FEW { "none" } else { "at most 10" };
        println!(
            "idle: {:.2} MB PSS with {count} deployments (goal {goal}), {:.2} MB of it private and dirty",
            megabytes(after.proportional),
            megabytes(after.dirty),
        );
        println!(
            "idle: {} ticks of processor time in {:?}, {:.2} ms exactly, {} wakes",
            after.ticks - before.ticks,
            scale.idle,
            milliseconds(after.cpu.saturating_sub(before.cpu)),
            after.switches - before.switches,
        );
        drop(agent);
        if count == FEW {
            fleet.forget();
            let bare = place.start_poller(&fleet)?;
            fleet.wait_for("a poll", is_poll)?;
            thread::sleep(SETTLING);
            let bare = bare.process().usage();
            println!(
                "idle: {:.2} MB PSS of a bare poller, {:.2} MB of it private and dirty; ratio {:.2}",
                megabytes(bare.proportional),
                megabytes(bare.dirty),
                megabytes(after.proportional) / megabytes(bare.proportional),
            );
        }
    }
    Ok(())
}

/// From a manifest with one changed deployment to the call of the provider.
fn change(scale: &Scale) -> Result<(), Failure> {
    for count in [FEW, scale.many] {
        let fleet = FleetManager::start()?;
        let place = Place::of(&fleet, "500ms")?;
        let all = deployments(count);
        fleet.publish(&all)?;
        let agent = place.start()?;
        agent.wait("installed", |it| {
            place::installed(it) == all.len() && it["outbox"] == 0
        })?;
        let (mut times, mut cpu, mut reports) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=scale.changes {
            let number = u16::try_from(round * 37)? % count;
            let changed = deployment(number, u32::try_from(round)?);
            let called = place.watch(&changed)?;
            thread::sleep(PAUSE);
            fleet.forget();
            let used = agent.process().usage().cpu;
            fleet.replace(&changed)?;
            let called = called.recv_timeout(PATIENCE)?;
            let poll = fleet.wait_for("a new manifest", is_new_manifest)?;
            times.push(since(poll.answered, called));
            thread::sleep(PAUSE);
            let after = agent.process().usage().cpu;
            cpu.push(milliseconds(after.saturating_sub(used)));
            reports.push(count_of(&fleet.exchanges(), |it| it.method == Method::POST));
        }
        let times = Spread::of(times);
        println!(
            "change: {times:.1} ms from the manifest to the call of the provider, 1 of {count} (goal at most 50 of {})",
            FULL.many
        );
        println!(
            "change: {:.1} ms of processor time, {:.0} reports",
            Spread::of(cpu),
            Spread::of(reports)
        );
        if count == scale.many
            && let Some(compose) = compose_call()
        {
            println!(
                "change: {compose:.1} ms for a command of Compose that does nothing (docker compose version); ratio {:.2}",
                times.median() / compose.median()
            );
        }
    }
    Ok(())
}

/// The first manifest, with all deployments at once.
fn first(scale: &Scale) -> Result<(), Failure> {
    let fleet = FleetManager::start()?;
    let place = Place::of(&fleet, "10m")?;
    let all = deployments(scale.many);
    fleet.publish(&all)?;
    let agent = place.start()?;
    let manifest = fleet.wait_for("a manifest", is_new_manifest)?;
    agent.wait("installed", |it| place::installed(it) == all.len())?;
    let installed = since(manifest.answered, SystemTime::now());
    agent.wait("reported", |it| it["outbox"] == 0)?;
    let reported = since(manifest.answered, SystemTime::now());
    let usage = agent.process().usage();
    println!(
        "first: {} deployments installed after {:.2} s, all reported after {:.2} s, {:.2} s of processor time, \
         {} reports, at most {:.2} MB resident",
        all.len(),
        installed / 1e3,
        reported / 1e3,
        usage.cpu.as_secs_f64(),
        count_of(&fleet.exchanges(), |it| it.method == Method::POST),
        megabytes(usage.peak),
    );
    Ok(())
}

fn is_poll(it: &Exchange) -> bool {
    it.method == Method::GET && it.path == "/api/v1/deployments"
}

fn is_new_manifest(it: &Exchange) -> bool {
    is_poll(it) && it.status == StatusCode::OK
}

fn count_of(exchanges: &[Exchange], is_counted: impl Fn(&&Exchange) -> bool) -> f64 {
    let count = exchanges.iter().filter(is_counted).count();
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The time of the least that Compose can be asked for; `None` where it is not installed.
fn compose_call() -> Option<Spread> {
    let one = || {
        let begun = Instant::now();
        let output = Command::new("docker").args(["compose", "version"]).output();
        let is_done = output.is_ok_and(|output| output.status.success());
        is_done.then(|| milliseconds(begun.elapsed()))
    };
    let times: Option<Vec<f64>> = (0..10).map(|_| one()).collect();
    times.map(Spread::of)
}

/// Looks until there is something.
fn until<T>(what: &str, look: impl Fn() -> Result<Option<T>, Failure>) -> Result<T, Failure> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("never {what}").into());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// In milliseconds.
fn since(begin: SystemTime, end: SystemTime) -> f64 {
    milliseconds(end.duration_since(begin).unwrap_or_default())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(bytes: u64) -> f64 {
    Duration::from_micros(bytes).as_secs_f64()
}

/// The median with the lowest and the highest.
struct Spread(Vec<f64>);

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let digits = formatter.precision().unwrap_or(0);
        let (low, high) = (self.0[0], self.0[self.0.len() - 1]);
        write!(
            formatter,
            "{:.digits$} ({low:.digits$} to {high:.digits$})",
            self.median()
        )
    }
}

/// The deployments of an ordinary device.
const FEW: u16 = 10;
/// How long an agent takes to come to rest; threads that write its state end after ten seconds without work, and what they
/// used would be missed.
const SETTLING: Duration = Duration::from_secs(13);
/// Between a change and what is measured of it.
const PAUSE: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_mins(10);
