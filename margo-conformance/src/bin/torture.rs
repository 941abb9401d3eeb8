//! The torture runner on a command line; see `margo_conformance::torture`.

#[path = "margo-conformance/line.rs"]
mod line;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use margo_conformance::torture::{self, Options, Outcome, Progress, Role};

use self::line::Line;

/// Tortures a fleet of real devices and their fleet manager, and checks that nothing is lost and nothing false believed.
///
/// Kills, partitions, slow and lying peers, expired and replaced certificates, clock jumps, full disks and failing engines
/// are drawn from the seed. The same seed gives the same actions; what the scheduler makes of them varies, so a violation may
/// need several runs to come again.
///
/// There are two kinds of kills. Those of a common run and of --kills are within the process, at numbered steps: at the
/// step nothing has any effect any more and all memory is dropped, but the operating system keeps what it was given, and
/// every write that was begun is finished. They are many and hit every step. Those of --sigkill are SIGKILLs of real
/// processes wherever they are, also within a write; they are fewer and hit what they hit. Neither is a loss of power: what
/// was written and not synchronised survives both.
///
/// Standard error shows how it goes. The exit status is 0 when everything held, 1 when it did not, 2 when there was no run.
#[derive(Debug, Parser)]
#[command(name = "torture", version)]
struct Arguments {
    /// What the actions are drawn from; the time of day when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// For how many minutes actions go on.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// How many devices there are.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(2..=200))]
    devices: u8,
    /// Instead, kill so many agents and so many fleet managers at numbered steps.
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    kills: Option<u64>,
    /// Instead, kill so many processes of each kind by SIGKILL.
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "kills"])]
    sigkill: Option<u64>,
    /// How much memory the process may have, in MiB.
    #[arg(long, default_value_t = 1024)]
    memory: u64,
    /// Print every action and observation, in place of how it goes.
    #[arg(long)]
    verbose: bool,
    /// Play a process that is killed.
    #[arg(long, hide = true, num_args = 1.., value_name = "ROLE")]
    play: Option<Vec<String>>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> Result<bool, Box<dyn Error + Send + Sync>> {
    if let Some(role) = arguments.play {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(torture::play(Role::parse(&role)?))?;
        return Ok(true);
    }
    torture::watch_panics();
    let minutes = Duration::try_from_secs_f64(arguments.minutes * 60.0)?;
    let seed = arguments.seed.unwrap_or_else(seed_of_the_day);
    let mut options = Options::new(seed);
    options.devices = arguments.devices.into();
    options.duration = minutes;
    options.memory = arguments.memory << 20;
    options.loud = arguments.verbose;
    println!("seed {seed}, {} devices", options.devices);
    let begun = Instant::now();
    let program = std::env::current_exe()?;
    let work = || match (arguments.kills, arguments.sigkill) {
        (Some(kills), _) => torture::kill_points(&options, kills),
        (_, Some(kills)) => torture::sigkill(&options, &program, kills),
        _ => torture::torture(&options),
    };
    let outcome = if options.loud {
        work()
    } else {
        let aim = match arguments.kills.or(arguments.sigkill) {
            Some(kills) => Aim::Kills(kills),
            None => Aim::Time(options.duration),
        };
        shown(&options, aim, work)
    };
    tell(&outcome, seed, begun.elapsed())?;
    Ok(outcome.is_good())
}

/// Works, and says meanwhile how it goes: also while nothing happens any more.
fn shown(options: &Options, aim: Aim, work: impl FnOnce() -> Outcome) -> Outcome {
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let (line, begun) = (Line::new(), Instant::now());
            loop {
                let elapsed = begun.elapsed();
                line.show(&state(&options.progress, options.seed, aim, elapsed));
                let heard = is_over.recv_timeout(line.pause(elapsed));
                if heard != Err(RecvTimeoutError::Timeout) {
                    return line.wipe();
                }
            }
        });
        let outcome = work();
        drop(over);
        outcome
    })
}

/// When a run is over.
#[derive(Clone, Copy)]
enum Aim {
    /// After so long.
    Time(Duration),
    /// After so many kills of each side.
    Kills(u64),
}

fn state(progress: &Progress, seed: u64, aim: Aim, elapsed: Duration) -> String {
    let (time, kills) = match aim {
        Aim::Time(time) => (format!(" of {}", time.as_secs()), String::new()),
        Aim::Kills(kills) => (String::new(), format!(" of {kills}")),
    };
    let (agents, managers) = (progress.agents_killed(), progress.managers_killed());
    format!(
        "{:>5}{time} s  {} steps  {agents}{kills} agents killed  {managers}{kills} fleet managers killed  seed {seed}",
        elapsed.as_secs(),
        progress.steps(),
    )
}

fn tell(outcome: &Outcome, seed: u64, took: Duration) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if !outcome.is_good() {
        writeln!(out, "the last of what happened:")?;
        for line in &outcome.trace {
            writeln!(out, "{line}")?;
        }
    }
    write!(out, "{}", outcome.counts)?;
    let seconds = took.as_secs();
    if outcome.is_good() {
        return writeln!(out, "everything held for {seconds} s; seed {seed}");
    }
    for violation in &outcome.violations {
        writeln!(out, "VIOLATION: {violation}")?;
    }
    writeln!(out, "failed after {seconds} s; repeat with --seed {seed}")
}

fn seed_of_the_day() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_it_aims_at() {
        let progress = Progress::default();
        let line = |aim| state(&progress, 7, aim, Duration::from_millis(61_900));
        let kills =
            "   61 s  0 steps  0 of 10000 agents killed  0 of 10000 fleet managers killed  seed 7";
        assert_eq!(line(Aim::Kills(10_000)), kills);
        let time = "   61 of 300 s  0 steps  0 agents killed  0 fleet managers killed  seed 7";
        assert_eq!(line(Aim::Time(Duration::from_mins(5))), time);
    }
}
