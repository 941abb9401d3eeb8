//! A device in a folder, whose programs print what an input says and whose clock leaps.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use margo_conformance::program;
use margo_package::oci::Client;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The device. What it has is removed when it is dropped.
pub(super) struct Device {
    runtime: Runtime,
    folder: TempDir,
}

impl Device {
    /// One with the programs `docker` and `helm`, both usable and with nothing to say.
    pub(super) fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build();
        // Files need not outlive anything, and are written durably all the time.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        let device = Self {
            runtime: runtime.expect("a runtime"),
            folder: folder.expect("a folder"),
        };
        for folder in [device.state(), device.outside(), device.programs()] {
            fs::create_dir(folder).expect("a folder");
        }
        let script = PROGRAM.replace("ANSWERS", &device.answers().display().to_string());
        for name in ["docker", "helm"] {
            program::write(&device.programs().join(name), &script);
        }
        device.reset();
        device
    }

    /// The state directory, and nothing else's.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A directory that is none of the provider's business.
    pub(super) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// The directory of the programs.
    pub(super) fn programs(&self) -> PathBuf {
        self.folder.path().join("programs")
    }

    /// Writes a file beside all that.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    /// Empties the state directory and the one outside, and forgets what the programs were to say.
    pub(super) fn reset(&self) {
        for folder in [self.state(), self.outside(), self.answers()] {
            // It is not there the first time.
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(folder).expect("a folder");
        }
        for (question, answer) in USUAL {
            self.answer(question, answer.as_bytes());
        }
    }

    /// Has a program print this when it is asked that, such as `docker ps`; with ` fails` after it, it does so on its standard
    /// error and ends with status 1.
    pub(super) fn answer(&self, question: &str, text: &[u8]) {
        let question = question.trim();
        let (name, other) = match question.strip_suffix(" fails") {
            Some(question) => (format!("{question}.failed"), question.to_owned()),
            None => (question.to_owned(), format!("{question}.failed")),
        };
        let is_name = |name: &str| {
            let mut letters = name.bytes();
            letters.all(|byte| byte.is_ascii_lowercase() || matches!(byte, b' ' | b'.'))
        };
        if is_name(&name) && name.len() < 64 {
            let path = |name: &str| self.answers().join(name.replace(' ', "-"));
            let _ = fs::remove_file(path(&other));
            fs::write(path(&name), text).expect("written");
        }
    }

    /// Does something to its end. What only time ends is over at once; while a program runs, the clock stands still.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            let mut work = std::pin::pin!(work);
            let begun = tokio::time::Instant::now();
            let mut ticks = 0;
            while begun.elapsed() < LONGEST {
                tokio::select! {
                    biased;
                    outcome = &mut work => return outcome,
                    // The clock leaps there when nothing else is to be done.
                    () = tokio::time::sleep(LEAP) => {}
                }
                while runs_program().unwrap_or(ticks < MOST_TICKS) {
                    ticks += 1;
                    // As long as this is under way, it does not leap.
                    let tick = tokio::task::spawn_blocking(|| std::thread::sleep(TICK));
                    tokio::select! {
                        biased;
                        outcome = &mut work => return outcome,
                        _ = tick => {}
                    }
                }
            }
            panic!("it does not end");
        })
    }

    /// Whether `helm` was given an option where it expects the name of a release, or `docker` one where it expects an image.
    pub(super) fn was_given_option(&self) -> bool {
        self.answers().join("option").exists()
    }

    /// A client of registries that reaches none.
    pub(super) fn registry() -> Client {
        let client = Client::builder().plain_http("127.0.0.1:1").no_proxy();
        client.build().expect("a client")
    }

    fn answers(&self) -> PathBuf {
        self.folder.path().join("answers")
    }
}

/// Whether this thread started a program that has not ended; `None` where nobody tells. One that was let go in the middle may stay
/// a zombie.
fn runs_program() -> Option<bool> {
    let children = fs::read_to_string("/proc/thread-self/children").ok()?;
    let is_running = |id: &str| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| !state.starts_with('Z'))
    };
    Some(children.split_whitespace().any(is_running))
}

/// What is in a directory: the bytes of its files, by their paths. Links are not followed.
pub(super) fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let kind = fs::symlink_metadata(&path).expect("an entry").file_type();
            let bytes = kind.is_file().then(|| fs::read(&path).expect("a file"));
            found.insert(path.clone(), bytes);
            if kind.is_dir() {
                pending.push(path);
            }
        }
    }
    found
}

/// Programs are asked in many words; a few of them tell what for.
const PROGRAM: &str = r#"#!/bin/sh
case "$*" in
"compose version"*) name=compose ;;
compose*" config") name=config ;;
compose*" up "*) name=up ;;
*"{{.Label "*) name=projects ;;
upgrade*" --dry-run="*) name=trial ;;
*) name=$1 ;;
esac
case "$*" in
"rollback -"*|"template -"*|"uninstall -"*|"upgrade -"*|"image inspect --format "*" -"*) : > ANSWERS/option ;;
esac
answer="ANSWERS/${0##*/}-$name"
if [ -f "$answer" ]; then exec /bin/cat "$answer"; fi
if [ -f "$answer.failed" ]; then /bin/cat "$answer.failed" >&2; exit 1; fi
"#;
const USUAL: [(&str, &str); 3] = [
    (
        "docker version",
        r#"{"Server": {"Os": "linux", "Arch": "amd64"}}"#,
    ),
    ("docker compose", "2.29.7"),
    ("helm version", "v3.17.3"),
];
const TICK: Duration = Duration::from_millis(1);
/// How often it is waited for programs that nobody tells of.
const MOST_TICKS: u32 = 2000;
const LEAP: Duration = Duration::from_millis(100);
/// Longer than all patience of the providers together.
const LONGEST: Duration = Duration::from_mins(30);
