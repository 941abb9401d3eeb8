//! Many simulated devices of rc.3 in one process, against any fleet manager (rc3.md sections 3 to 5 and 7). Devices of the
//! signed generation poll, and do nothing else.
//!
//! Every device has an SVID of its own, and a connection of its own over mutual TLS: kept alive, or a new one for every
//! request. It polls for its state manifest with the entity tag of the last one; when asked, it reports its capabilities
//! and how new deployments fare.
//!
//! The generator measures itself as well as its target. A [`Report`] says what the generator cost and how late it was, and
//! that it says nothing about the target when the generator was the bottleneck.

mod connection;
pub(crate) mod cost;
mod demands;
mod device;
mod drive;
mod fault;
mod report;
mod settings;
mod signed;
mod tally;

use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::watch;

use self::drive::Course;
use self::report::Outcome;
use self::tally::Tally;

pub use self::cost::raise_open_files;
pub use self::device::{DeviceError, SimulatedDevice};
pub use self::report::{Errors, GeneratorCost, Latency, OperationReport, Report};
pub use self::settings::{Connections, InvalidTarget, Pace, Settings, Target};

/// A run: these devices against this fleet manager.
#[derive(Debug)]
pub struct Load {
    target: Target,
    devices: Vec<SimulatedDevice>,
    settings: Settings,
}

impl Load {
    /// A run of these devices.
    pub const fn new(target: Target, devices: Vec<SimulatedDevice>, settings: Settings) -> Self {
        Self {
            target,
            devices,
            settings,
        }
    }

    /// Runs on threads of its own, and returns when all of it is over.
    ///
    /// `watch` is told ten times a second how the run goes, more often at first, and at its turning points; it ends the run early by
    /// breaking.
    ///
    /// # Errors
    /// [`LoadError`] when the run cannot begin.
    pub fn run(
        &self,
        mut watch: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Report, LoadError> {
        self.check()?;
        let crew = Crew::muster(self)?;
        let report = self.measure(&crew, &mut watch);
        crew.dismiss();
        Ok(report)
    }

    fn threads(&self) -> usize {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let most = processors.min(self.devices.len()).max(1);
        self.settings.threads.clamp(1, most)
    }

    fn check(&self) -> Result<(), LoadError> {
        if self.devices.is_empty() {
            return Err(LoadError::NoDevices);
        }
        // Besides its connections a process has some files of its own.
        let needed = u64::try_from(self.devices.len()).unwrap_or(u64::MAX) + 64;
        match cost::open_files() {
            Some(limit) if limit < needed => Err(LoadError::OpenFiles { limit, needed }),
            _ => Ok(()),
        }
    }

    fn measure(&self, crew: &Crew, watch: &mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Report {
        let mut arrivals = Arrivals::new(self);
        let mut stay = |phase, since: Instant, duration: Duration| {
            let mut tick = FIRST_TICK;
            loop {
                let progress = crew.progress(phase, since.elapsed());
                watch(&progress)?;
                let rest = duration.saturating_sub(since.elapsed());
                let is_early = phase == Phase::WarmUp && arrivals.go_on(progress.connected);
                match rest {
                    Duration::ZERO if is_early => thread::sleep(tick),
                    Duration::ZERO => return ControlFlow::Continue(()),
                    _ => thread::sleep(rest.min(tick)),
                }
                tick = TICK.min(2 * tick);
            }
        };
        let settings = &self.settings;
        let mut begin = settings.counts_all().then(Begin::now);
        let mut pass = || {
            stay(Phase::WarmUp, Instant::now(), settings.warm_up)?;
            if !settings.settling.is_zero() {
                stay(Phase::Settling, Instant::now(), settings.settling)?;
            }
            let since = begin.get_or_insert_with(Begin::now).time;
            crew.is_measuring.store(true, Ordering::Relaxed);
            stay(Phase::Begin, since, Duration::ZERO)?;
            stay(Phase::Measuring, since, settings.duration)
        };
        let is_interrupted = pass().is_break();
        crew.is_measuring.store(false, Ordering::Relaxed);
        let (elapsed, cpu) = begin.as_ref().map(Begin::elapsed).unwrap_or_default();
        let _ = watch(&crew.progress(Phase::End, elapsed));
        let mut tally = crew.tally();
        tally.give_up(begin.is_some());
        let outcome = Outcome {
            is_interrupted,
            elapsed,
            cpu,
        };
        report::make(self, &tally, &outcome)
    }
}

/// When it began to count, and the processor time by then.
struct Begin {
    time: Instant,
    cpu: Duration,
}

impl Begin {
    fn now() -> Self {
        Self {
            time: Instant::now(),
            cpu: cost::cpu_time(),
        }
    }

    fn elapsed(&self) -> (Duration, Duration) {
        let cpu = cost::cpu_time().saturating_sub(self.cpu);
        (self.time.elapsed(), cpu)
    }
}

/// Those who connect later than they should, on a machine that is busy. As long as they come, nothing counts.
struct Arrivals {
    /// How many there will be.
    expected: u64,
    connected: u64,
    /// When the last of them came.
    since: Instant,
    patience: Duration,
}

impl Arrivals {
    fn new(load: &Load) -> Self {
        let expected = match load.settings.connections {
            Connections::KeptAlive => load.devices.len(),
            Connections::PerRequest => 0,
        };
        Self {
            expected: u64::try_from(expected).unwrap_or(u64::MAX),
            connected: 0,
            since: Instant::now(),
            patience: load.settings.timeout,
        }
    }

    fn go_on(&mut self, connected: u64) -> bool {
        if connected > self.connected {
            (self.connected, self.since) = (connected, Instant::now());
        }
        let is_hopeless = connected == 0 || self.since.elapsed() > self.patience;
        connected < self.expected && !is_hopeless
    }
}

/// How a run goes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// What the run is at.
    pub phase: Phase,
    /// How long it has been at that.
    pub elapsed: Duration,
    /// Devices that are connected now.
    pub connected: u64,
    /// Answers so far, of those that count; errors among them.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// The 99th percentile of the latency of polls so far; `None` before the first.
    pub p99: Option<Duration>,
    /// What went wrong first, also in the warm-up: its kind, and what was said.
    pub first_error: Option<String>,
}

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Devices connect, one after the other; nothing counts.
    WarmUp,
    /// All are connected; nothing counts yet.
    Settling,
    /// From now on it counts; told once.
    Begin,
    /// It counts.
    Measuring,
    /// It does not count any more; told once.
    End,
}

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is nobody to simulate.
    #[error("there are no devices; give at least one")]
    NoDevices,
    /// Every device has a connection.
    #[error(
        "{needed} files have to be open at a time, and {limit} may be; raise the limit (ulimit -n), or take fewer devices"
    )]
    OpenFiles {
        /// How many may be.
        limit: u64,
        /// How many have to be.
        needed: u64,
    },
    /// The operating system gives no thread.
    #[error("a thread of the generator cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The threads of a run.
struct Crew {
    threads: Vec<thread::JoinHandle<()>>,
    tallies: Vec<Arc<Mutex<Tally>>>,
    is_measuring: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
}

impl Crew {
    /// Starts the threads. Each has every n-th device, and nothing that it shares is fought for.
    fn muster(load: &Load) -> Result<Self, LoadError> {
        let settings = &load.settings;
        let count = load.threads();
        let stop = watch::Sender::new(false);
        let mut crew = Self {
            threads: Vec::new(),
            tallies: Vec::new(),
            is_measuring: Arc::new(settings.counts_all().into()),
            stop,
        };
        for number in 0..count {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(LoadError::Thread)?;
            let tally = Arc::new(Mutex::new(Tally::new()));
            let course = Arc::new(Course {
                target: load.target.clone(),
                settings: load.settings.clone(),
                tally: Arc::clone(&tally),
                is_measuring: Arc::clone(&crew.is_measuring),
            });
            let devices: Vec<_> = load
                .devices
                .iter()
                .skip(number)
                .step_by(count)
                .cloned()
                .collect();
            let mut stop = crew.stop.subscribe();
            let work = move || {
                runtime.block_on(async {
                    tokio::spawn(drive::heartbeat(Arc::clone(&course)));
                    for device in devices {
                        tokio::spawn(drive::live(device, Arc::clone(&course)));
                    }
                    // An error means that the run is gone.
                    _ = stop.wait_for(|stop| *stop).await;
                });
            };
            let thread = thread::Builder::new()
                .name(format!("load-{number}"))
                .spawn(work);
            crew.threads.push(thread.map_err(LoadError::Thread)?);
            crew.tallies.push(tally);
        }
        Ok(crew)
    }

    fn tally(&self) -> Tally {
        let mut all = Tally::new();
        for tally in &self.tallies {
            all.add(&tally.lock().unwrap_or_else(PoisonError::into_inner));
        }
        all
    }

    fn progress(&self, phase: Phase, elapsed: Duration) -> Progress {
        let mut progress = Progress {
            phase,
            elapsed,
            connected: 0,
            requests: 0,
            errors: 0,
            p99: None,
            first_error: None,
        };
        for tally in &self.tallies {
            let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            progress.connected += tally.connected;
            progress.requests += tally.requests();
            progress.errors += tally.errors.sum();
            progress.p99 = progress.p99.max(tally.poll_p99());
            let first = &mut progress.first_error;
            *first = first.take().or_else(|| tally.first_error.clone());
        }
        progress
    }

    fn dismiss(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            // A panic of a thread was printed by it.
            _ = thread.join();
        }
    }
}

const TICK: Duration = Duration::from_millis(100);
/// From then on it takes twice as long each time: whoever waits for little does not wait long.
const FIRST_TICK: Duration = Duration::from_millis(1);
