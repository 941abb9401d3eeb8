//! Torture of the whole line: many devices, their fleet manager, and everything that may go wrong between them.
//!
//! Devices are real agents (`margo_client::Agent` with `Rc3Api` and a `FileStore`) with simulated workloads that outlive
//! them; the fleet manager is the real service over SQLite; between them is mutual TLS over TCP. What happens to
//! them is drawn from a seed: desired states change; both sides are killed; lines break and crawl; liars and impostors take
//! the place of the fleet manager, intruders that of devices; SVIDs and roots are replaced or expire; clocks jump; disks fill
//! up; engines fail, hang and lose workloads; state files are cut; children of gateways come, go and get what another had; the
//! store of the fleet manager is set back to a backup. Every third device is a gateway.
//!
//! # What must hold
//!
//! After every step:
//! - what was written before a kill is there after it, on both sides, and nothing else;
//! - a device accepts only manifests that its fleet manager published for it, under strictly rising versions;
//! - a provider is told only about deployments that were published for that client;
//! - the fleet manager gets the reports on a deployment in the order in which they were made, and refuses none;
//! - every lie is refused, counted and logged with its reason; an impostor gets no request; an intruder gets no answer but a
//!   refusal, and that is logged with its reason;
//! - nothing panics, no task outlives its process, memory is bounded.
//!
//! At quiet points the faults stop. Then every device must come to run exactly what it should, and the fleet manager must
//! know that it does, in good time and by itself.
//!
//! # What a seed repeats
//!
//! The same seed gives the same actions in the same order, with the same waits between them. What the scheduler, the disk and
//! the network make of them varies, so a violation may need several runs to come again.

mod action;
mod api;
mod device;
mod intruder;
mod kills;
mod liar;
mod log;
mod machine;
mod manager;
mod power;
mod process;
mod progress;
mod provider;
mod quiet;
mod random;
mod state;
mod stop;
mod store;
mod wishes;
mod witness;
mod world;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use self::action::Action;
use self::log::Log;
use self::random::Random;
use self::world::World;
use crate::server::lock;

pub use self::machine::TortureError;
pub use self::process::{Role, play};
pub use self::progress::Progress;
pub use self::stop::Stop;

type Failure = Box<dyn Error + Send + Sync>;

/// What is tortured, and for how long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What the actions are drawn from.
    pub seed: u64,
    /// How many devices there are, at most 200; 8 by default.
    pub devices: usize,
    /// For how long actions go on; a minute by default.
    pub duration: Duration,
    /// How many actions there are at least, however long they take; none by default.
    pub actions: u64,
    /// How much memory the process may have at most, in bytes; 1 GiB by default. Looked at on Linux only.
    pub memory: u64,
    /// How long the fleet may take to become as desired once the faults have stopped; five minutes by default, far beyond
    /// what any wait in it adds up to.
    pub patience: Duration,
    /// Whether every action and observation is printed as it happens.
    pub loud: bool,
    /// Where to see how the run goes; keep a clone.
    pub progress: Progress,
    /// How to end the run early; keep a clone.
    pub stop: Stop,
    /// What is broken on purpose, to see that it is noticed.
    pub sabotage: Option<Sabotage>,
}

impl Options {
    /// A minute with eight devices.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            devices: 8,
            duration: Duration::from_mins(1),
            actions: 0,
            memory: 1 << 30,
            patience: Duration::from_mins(5),
            loud: false,
            progress: Progress::default(),
            stop: Stop::default(),
            sabotage: None,
        }
    }
}

/// A defect, built in to see that the runner notices it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sabotage {
    /// Providers are told to apply something else than what was verified.
    AppliesUnverified,
    /// Providers do not remove what is to go, and say that they did.
    KeepsRemoved,
    /// The state store acknowledges commits that it does not make.
    ForgetsCommits,
    /// Agents drop reports and take them for delivered.
    AgentDropsReports,
    /// The fleet manager acknowledges reports and drops them.
    ManagerDropsReports,
}

/// What came of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// How often what happened.
    pub counts: Counts,
    /// The invariants that did not hold; none when all is well.
    pub violations: Vec<String>,
    /// The last actions and observations.
    pub trace: Vec<String>,
    /// Whether it was ended early: then only the beginning held.
    pub is_interrupted: bool,
}

impl Outcome {
    /// Whether everything held that was looked at.
    pub const fn is_good(&self) -> bool {
        self.violations.is_empty()
    }

    /// That of a run which was ended before it had begun.
    fn of_nothing() -> Self {
        Self {
            counts: Counts::default(),
            violations: Vec::new(),
            trace: Vec::new(),
            is_interrupted: true,
        }
    }
}

/// How often what happened.
#[derive(Clone, Debug, Default)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// How often this happened.
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// Has these show, also where they never happen.
    fn expect(&mut self, what: &str, cases: &[&str]) {
        for case in cases {
            self.0.entry(format!("{what} {case}")).or_default();
        }
    }

    fn add(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(what, count)| writeln!(formatter, "{count:>9} {what}"))
    }
}

/// Draws actions for as long as the options say, and judges what comes of them.
///
/// Runs on threads of its own, whose log it hears; so do the others.
///
/// # Errors
/// When there is no verdict: the machine lacks something at the start, or runs out of it.
pub fn torture(options: &Options) -> Result<Outcome, TortureError> {
    judged(options, async |world| {
        let mut random = Random::new(options.seed);
        let begun = Instant::now();
        let mut steps = 0_u64;
        while begun.elapsed() < options.duration || steps < options.actions {
            let action = Action::draw(&mut random, world.devices.len());
            let wait = random.millis(0, 60);
            world.perform(action).await?;
            world.tend().await?;
            tokio::time::sleep(wait).await;
            steps += 1;
            if steps.is_multiple_of(STEPS_BETWEEN_REST) {
                world.settle().await?;
            }
            if is_over(world, options) {
                return Ok(());
            }
        }
        world.settle().await
    })
}

/// Kills `kills` agents and then `kills` fleet managers, each at a numbered step, and judges what is left.
///
/// The kills are within the process: at the step nothing has any effect any more, and everything in memory is dropped. So
/// every step is hit, thousands of times in minutes; but what the operating system had of a write is always complete.
/// [`sigkill`] kills processes wherever they are.
///
/// # Errors
/// As with [`torture`].
pub fn kill_points(options: &Options, kills: u64) -> Result<Outcome, TortureError> {
    judged(options, async |world| {
        kills::agents(world, options, kills).await?;
        kills::managers(world, options, kills).await
    })
}

/// Kills `kills` processes of agents and as many of the fleet manager by SIGKILL, at moments drawn from the seed, and judges
/// what is left.
///
/// `program` is started again and again with the arguments of a [`Role`], which it must [`play`].
///
/// # Errors
/// As with [`torture`].
pub fn sigkill(options: &Options, program: &Path, kills: u64) -> Result<Outcome, TortureError> {
    let folder = machine::folder(process::open_files(options))?;
    let (runtime, _guard) = Arc::new(Log::default())
        .runtime()
        .map_err(|error| TortureError::Start(error.into()))?;
    let outcome = runtime.block_on(process::sigkill(options, program, kills, folder.path()))?;
    machine::judged(outcome, None, folder.path())
}

/// Has panics of the whole process count as violations, from now on.
pub fn watch_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        lock(&PANICS).push(panic.to_string());
        before(panic);
    }));
}

fn judged(
    options: &Options,
    work: impl AsyncFnOnce(&mut World) -> Result<(), Failure>,
) -> Result<Outcome, TortureError> {
    let folder = machine::folder(world::open_files(options))?;
    let log = Arc::new(Log::default());
    // It ends before the folder is removed: nobody writes there any more.
    let (runtime, _guard) = log
        .runtime()
        .map_err(|error| TortureError::Start(error.into()))?;
    let outcome = runtime.block_on(async {
        let world = World::new(options, Arc::clone(&log), folder.path());
        let Some(world) = options.stop.or(world).await else {
            return Ok(Outcome::of_nothing());
        };
        let mut world = world.map_err(TortureError::Start)?;
        let worked = AssertUnwindSafe(options.stop.or(work(&mut world)));
        let worked = worked.catch_unwind().await;
        match &worked {
            Ok(Some(Err(error))) => world
                .witness
                .violation(format_args!("it failed: {}", in_full(&**error))),
            Err(_) => world.witness.violation("a panic has ended it"),
            Ok(_) => {}
        }
        is_over(&world, options);
        let (violations, trace) = world.witness.testimony();
        let mut counts = std::mem::take(&mut world.counts);
        for (reason, count) in world.log.all_refusals() {
            let what = format!("refusals logged by fleet managers: {reason:?}");
            counts.0.insert(what, count);
        }
        let what = "security events logged by agents".to_owned();
        counts.0.insert(what, world.log.security_events());
        Ok(Outcome {
            counts,
            violations,
            trace,
            is_interrupted: matches!(worked, Ok(None)),
        })
    })?;
    machine::judged(outcome, log.exhausted(), folder.path())
}

/// Looks at the invariants; whether one of them does not hold.
fn is_over(world: &World, options: &Options) -> bool {
    let logged = world.log.take_panics();
    for panic in lock(&PANICS).drain(..).chain(logged) {
        world.witness.violation(format_args!("a panic: {panic}"));
    }
    if let Some(memory) = resident_memory().filter(|memory| *memory > options.memory) {
        world.witness.violation(format_args!(
            "the process has {memory} bytes of memory, more than {}",
            options.memory
        ));
    }
    let (shown, logged) = (world.security_events_shown(), world.log.security_events());
    if logged < shown {
        world.witness.violation(format_args!(
            "agents show {shown} security events, and have logged {logged}"
        ));
    }
    for device in &world.devices {
        if let Some(snapshot) = device.snapshot()
            && let Some(refused) = snapshot.last_refused_report
            // After a backup was restored there are reports on what it does not know.
            && (world.restored_at.is_none() || !refused.contains(UNKNOWN))
        {
            world.witness.violation(format_args!(
                "a report of {} was refused for good: {refused}",
                device.client
            ));
        }
    }
    world.witness.is_violated()
}

fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(beneath) = source {
        text.push_str(": ");
        text.push_str(&beneath.to_string());
        source = beneath.source();
    }
    text
}

/// In bytes; `None` where there is no `/proc`.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
const STEPS_BETWEEN_REST: u64 = 150;
/// What the fleet manager says of a report on what it never assigned to the client.
const UNKNOWN: &str = "no deployment of this client";
