//! The torture runner on a command line; see `margo_conformance::torture`.

#[path = "margo-conformance/line.rs"]
mod line;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use margo_conformance::load::raise_open_files;
use margo_conformance::torture::{self, Options, Outcome, Progress, Role, Stop, TortureError};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

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
/// Standard error shows how it goes. SIGINT and SIGTERM end a run early: its files are removed, and what was counted so far is
/// told; a second one ends it at once.
///
/// Exit status: 0 when everything held, 1 when it did not, 2 when there is no verdict: the machine lacks something (room in
/// TMPDIR, open files), or standard output cannot be written. 130 and 143 when it was interrupted by SIGINT and SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "torture", version)]
struct Arguments {
    /// What the actions are drawn from; the time of day when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// For how many minutes actions go on.
    #[arg(long, default_value = "1", value_parser = minutes)]
    minutes: Duration,
    /// How many devices there are.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(2..=200))]
    devices: u8,
    /// Instead, kill so many agents and so many fleet managers at numbered steps.
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..))]
    kills: Option<u64>,
    /// Instead, kill so many processes of each kind by SIGKILL.
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "kills"], value_parser = clap::value_parser!(u64).range(1..))]
    sigkill: Option<u64>,
    /// How much memory the process may have, in MiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=u64::MAX >> 20))]
    memory: u64,
    /// Print every action and observation, in place of how it goes.
    #[arg(long)]
    verbose: bool,
    /// Play a process that is killed.
    #[arg(long, hide = true, num_args = 1.., value_name = "ROLE")]
    play: Option<Vec<String>>,
}

fn main() -> ExitCode {
    run(Arguments::parse()).unwrap_or_else(|error| {
        let mut text = format!("torture: {error}\n");
        let mut source = error.source();
        while let Some(error) = source {
            text.extend(["  because: ", &error.to_string(), "\n"]);
            source = error.source();
        }
        // A closed standard error changes nothing.
        _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(NO_VERDICT)
    })
}

fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    if let Some(role) = arguments.play {
        let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(torture::play(Role::parse(&role)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    raise_open_files();
    torture::watch_panics();
    let seed = arguments.seed.unwrap_or_else(seed_of_the_day);
    let mut options = Options::new(seed);
    options.devices = arguments.devices.into();
    options.duration = arguments.minutes;
    // However short that is: of nothing it cannot be said that it held.
    options.actions = 1;
    options.memory = arguments.memory << 20;
    options.loud = arguments.verbose;
    let interrupted = interruption(&options.stop)?;
    say(&format!("seed {seed}, {} devices\n", options.devices))?;
    let begun = Instant::now();
    let program = std::env::current_exe()?;
    let work = || match (arguments.kills, arguments.sigkill) {
        (Some(kills), _) => torture::kill_points(&options, kills),
        (_, Some(kills)) => torture::sigkill(&options, &program, kills),
        _ => torture::torture(&options),
    };
    let outcome = if options.loud {
        work()?
    } else {
        let aim = match arguments.kills.or(arguments.sigkill) {
            Some(kills) => Aim::Kills(kills),
            None => Aim::Time(options.duration),
        };
        shown(&options, aim, work)?
    };
    let seconds = begun.elapsed().as_secs();
    let (status, end) = if !outcome.is_good() {
        let command = repetition(std::env::args(), arguments.seed.is_none().then_some(seed));
        (
            1,
            format!("failed after {seconds} s; repeat with: {command}"),
        )
    } else if outcome.is_interrupted {
        let end = format!("interrupted after {seconds} s; seed {seed}");
        (interrupted.load(Ordering::Relaxed), end)
    } else {
        (0, format!("everything held for {seconds} s; seed {seed}"))
    };
    say(&format!("{}{end}\n", told(&outcome)))?;
    Ok(ExitCode::from(status))
}

/// Works, and says meanwhile how it goes: also while nothing happens any more.
fn shown(options: &Options, aim: Aim, work: impl FnOnce() -> Verdict) -> Verdict {
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

/// What happened how often, and on a failure what led to it.
fn told(outcome: &Outcome) -> String {
    if outcome.is_good() {
        return outcome.counts.to_string();
    }
    let mut text = "the last of what happened:\n".to_owned();
    for line in &outcome.trace {
        text.extend([line.as_str(), "\n"]);
    }
    text += &outcome.counts.to_string();
    for violation in &outcome.violations {
        text.extend(["VIOLATION: ", violation.as_str(), "\n"]);
    }
    text
}

fn say(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| format!("standard output cannot be written: {error}"))
}

/// What to paste into a shell for the same again: the command as it was given, and the seed if that was drawn.
fn repetition(words: impl Iterator<Item = String>, drawn: Option<u64>) -> String {
    let drawn = drawn.map(|seed| format!("--seed={seed}"));
    let words = words.chain(drawn).map(|word| {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./".contains(letter);
        if !word.is_empty() && word.chars().all(is_plain) {
            return word;
        }
        format!("'{}'", word.replace('\'', r"'\''"))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Ends the run when a signal asks for that, and becomes the exit status that tells which. A second signal ends the process.
fn interruption(stop: &Stop) -> io::Result<Arc<AtomicU8>> {
    let status = Arc::new(AtomicU8::new(0));
    let (own, stop) = (Arc::clone(&status), stop.clone());
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let context = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(context);
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let asked = tokio::select! {
                    _ = interrupt.recv() => INTERRUPTED,
                    _ = terminate.recv() => TERMINATED,
                };
                if own.swap(asked, Ordering::Relaxed) > 0 {
                    std::process::exit(asked.into());
                }
                stop.request();
            }
        });
    });
    Ok(status)
}

/// More than nothing: nothing would hold whatever is broken.
fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text
        .parse()
        .map_err(|_| "write a number, as in 0.5".to_owned())?;
    match Duration::try_from_secs_f64(minutes * 60.0) {
        Ok(time) if time.is_zero() => Err("write more than 0".to_owned()),
        time => time.map_err(|error| error.to_string()),
    }
}

fn seed_of_the_day() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

type Verdict = Result<Outcome, TortureError>;

const NO_VERDICT: u8 = 2;
/// By SIGINT, as shells tell it.
const INTERRUPTED: u8 = 128 + 2;
/// By SIGTERM.
const TERMINATED: u8 = 128 + 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_can_be_pasted() {
        let given = |words: &[&str], drawn| {
            let words = words.iter().map(|word| (*word).to_owned());
            repetition(words, drawn)
        };
        let words = ["it's/torture", "--sigkill", "20", "--devices=3"];
        let command = r"'it'\''s/torture' --sigkill 20 --devices=3";
        assert_eq!(given(&words, None), command);
        assert_eq!(given(&words, Some(7)), format!("{command} --seed=7"));
    }

    #[test]
    fn nothing_is_no_run() {
        for refused in ["0", "-1", "1e-30", "NaN", "inf", "x"] {
            assert!(minutes(refused).is_err(), "{refused}");
        }
        assert_eq!(minutes("0.5"), Ok(Duration::from_secs(30)));
    }

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
