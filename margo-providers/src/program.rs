//! Running the programs of engines: container engines and Helm.
//!
//! A program is run with an argument vector and a cleared environment, never through a shell. Its two outputs are kept
//! apart, both bounded. It is the leader of a process group of its own, which is killed when its time is over or the future
//! is dropped: a `docker compose` takes the plugin that does the work with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
#[cfg(any(feature = "compose", test))]
use std::path::Path;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// A program with its arguments, environment and limits.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    words: Vec<String>,
    environment: BTreeMap<String, String>,
    directory: Option<PathBuf>,
    input: Option<Arc<File>>,
    time: Duration,
}

impl Invocation {
    /// A program, the first of the words, that may take a minute.
    pub(crate) fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            directory: None,
            input: None,
            time: Duration::from_mins(1),
        }
    }

    /// The same, and these arguments.
    pub(crate) fn arguments<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// The same, and these environment variables.
    pub(crate) fn environment<'a>(
        mut self,
        variables: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        let variables = variables.into_iter();
        self.environment
            .extend(variables.map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    /// The same, run in this directory.
    #[cfg(any(feature = "compose", test))]
    pub(crate) fn directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// The same, with this file as its standard input; it is held open as long as the program runs, whatever becomes of us.
    #[cfg(feature = "helm")]
    pub(crate) fn input(mut self, file: Arc<File>) -> Self {
        self.input = Some(file);
        self
    }

    /// The same, but it may take this long.
    pub(crate) fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Runs it to its end, whatever its exit status.
    pub(crate) async fn run(&self) -> Result<Output, RunError> {
        let failed = |problem| RunError {
            program: self.shown(),
            problem,
        };
        let Some((program, arguments)) = self.words.split_first() else {
            let nothing = io::Error::new(io::ErrorKind::InvalidInput, "there is no program");
            return Err(failed(Problem::Start(nothing)));
        };
        let input = match &self.input {
            Some(file) => file.try_clone().map(Stdio::from),
            None => Ok(Stdio::null()),
        };
        let input = input.map_err(|error| failed(Problem::Start(error)))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let mut child = command
            .spawn()
            .map_err(|error| failed(Problem::Start(error)))?;
        let mut group = Group::of(&child);
        let finished = tokio::time::timeout(self.time, finish(&mut child)).await;
        let outcome = match finished {
            Ok(Ok((status, stdout, stderr))) => {
                // Only now is nobody left in the group that could be killed by mistake.
                group.release();
                Ok(Output {
                    status,
                    stdout,
                    stderr: String::from_utf8_lossy(&stderr).into_owned(),
                })
            }
            Ok(Err(error)) => Err(Problem::Output(error)),
            Err(_) => Err(Problem::Slow(self.time)),
        };
        outcome.map_err(failed)
    }

    /// The program and the command for messages, without arguments that may be long or secret.
    fn shown(&self) -> String {
        let words = self.words.iter().map(String::as_str);
        let words: Vec<&str> = words.take_while(|word| !word.starts_with('-')).collect();
        words.get(..words.len().min(3)).unwrap_or(&words).join(" ")
    }
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    status: ExitStatus,
    /// Its standard output.
    pub(crate) stdout: Vec<u8>,
    /// The end of its standard error.
    pub(crate) stderr: String,
}

impl Output {
    /// Whether it ended well.
    pub(crate) fn is_success(&self) -> bool {
        self.status.success()
    }

    /// Its standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The lines of its standard output that are not empty.
    #[cfg(feature = "compose")]
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Why it failed, in its own last words.
    pub(crate) fn complaint(&self) -> String {
        let lines = last_lines(&self.stderr, COMPLAINT_LINES);
        if lines.is_empty() {
            format!("it ended with {}", self.status)
        } else {
            lines.join("\n")
        }
    }
}

/// Why a program was not run to its end.
#[derive(Debug, thiserror::Error)]
#[error("{program} {problem}")]
pub(crate) struct RunError {
    program: String,
    pub(crate) problem: Problem,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("cannot be started: {0}")]
    Start(io::Error),
    #[error("cannot be read from: {0}")]
    Output(io::Error),
    #[error("did not end within {0:?}")]
    Slow(Duration),
}

/// The last lines of a text that hold anything, without control characters, each of bounded length.
pub(crate) fn last_lines(text: &str, count: usize) -> Vec<String> {
    let clean = |line: &str| -> String {
        let shown = line.chars().filter(|c| !c.is_control() || *c == '\t');
        shown.take(LINE_CHARACTERS).collect()
    };
    let lines = text.lines().map(clean);
    let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
    let first = lines.len().saturating_sub(count);
    lines.into_iter().skip(first).collect()
}

/// The first word that looks like a version, without a leading `v` and without what no version has.
pub(crate) fn find_version(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    let mut versions = words.map(|word| word.strip_prefix('v').unwrap_or(word));
    let is_version = |word: &&str| {
        let mut parts = word.split('.');
        let is_number = |part: Option<&str>| {
            part.is_some_and(|part| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        is_number(parts.next()) && is_number(parts.next())
    };
    let version = versions.find(is_version)?.chars();
    let letters = version.take_while(|c| c.is_ascii_alphanumeric() || ".+-~_".contains(*c));
    Some(letters.take(VERSION_CHARACTERS).collect())
}

async fn finish(child: &mut Child) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr, status) = tokio::join!(all(stdout), tail(stderr), child.wait());
    Ok((status?, stdout?, stderr?))
}

/// Everything, or an error when it is more than anybody would read.
async fn all(source: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        source
            .take(STDOUT_BYTES + 1)
            .read_to_end(&mut bytes)
            .await?;
    }
    if bytes.len() as u64 > STDOUT_BYTES {
        let why = "it prints without end";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// The end of it: the reason of a failure comes last.
async fn tail(source: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut source) = source else {
        return Ok(kept);
    };
    let mut chunk = [0; 4096];
    loop {
        let count = source.read(&mut chunk).await?;
        if count == 0 {
            return Ok(kept);
        }
        kept.extend(chunk.iter().take(count));
        let excess = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..excess);
    }
}

/// The process group of a running program, killed on drop unless released.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            leader: id.and_then(rustix::process::Pid::from_raw),
        }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }

    fn release(&mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader {
            // An error means that nobody is left.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// The longest output; more is an error of the kind [`io::ErrorKind::FileTooLarge`].
pub(crate) const STDOUT_BYTES: u64 = 16 << 20;
const STDERR_BYTES: usize = 64 << 10;
const COMPLAINT_LINES: usize = 8;
const LINE_CHARACTERS: usize = 300;
const VERSION_CHARACTERS: usize = 64;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new(["/bin/sh", "-c", script])
    }

    #[tokio::test]
    async fn the_outputs_are_apart_and_the_environment_is_ours() {
        let variables = BTreeMap::from([("MARGO_TEST".to_owned(), "a b\n$c".to_owned())]);
        let script = "echo warning >&2; printf '%s' \"$MARGO_TEST$HOME\"; exit 3";
        let output = shell(script).environment(&variables).run().await.unwrap();
        assert_eq!(output.text(), "a b\n$c");
        assert_eq!(output.stderr, "warning\n");
        assert!(!output.is_success());
    }

    #[tokio::test]
    async fn endless_output_is_bounded() {
        let endless = shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
        let error = endless.run().await.unwrap_err();
        assert!(matches!(error.problem, Problem::Output(_)), "{error}");
        let script =
            "i=0; while [ $i -lt 9000 ]; do echo 'a line of an error' >&2; i=$((i+1)); done";
        let output = shell(script).run().await.unwrap();
        assert_eq!(output.stderr.len(), STDERR_BYTES);
    }

    #[tokio::test]
    async fn time_ends_the_program_and_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let alive = folder.path().join("alive");
        let script = "(while :; do sleep 0.01; echo x >> alive; done) & wait";
        let path = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        // On a busy machine it takes its time to begin.
        let mut time = Duration::from_millis(300);
        while !alive.exists() {
            let slow = shell(script)
                .directory(folder.path())
                .environment(&path)
                .time(time);
            let error = slow.run().await.unwrap_err();
            assert!(matches!(error.problem, Problem::Slow(_)), "{error}");
            assert!(time < Duration::from_mins(1), "it never ran");
            time *= 2;
        }
        // The writers are dead at once, but for a write that they may be in the middle of.
        let is_gone = async {
            while alive.exists() {
                std::fs::remove_file(&alive).unwrap();
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), is_gone)
            .await
            .expect("what it started goes on");
    }

    #[test]
    fn last_lines_are_short_and_printable() {
        let text = format!("one\n\n\x1b[31mtwo\x07\n   \n{}\n", "x".repeat(900));
        let lines = last_lines(&text, 2);
        assert_eq!(lines, ["[31mtwo".to_owned(), "x".repeat(300)]);
    }

    #[test]
    fn versions_are_found_in_what_the_commands_print() {
        for (text, version) in [
            ("1.29.2\n", Some("1.29.2")),
            ("v2.29.7\n", Some("2.29.7")),
            ("2.27.0+ds1-0ubuntu1\n", Some("2.27.0+ds1-0ubuntu1")),
            (
                "podman-composer version  1.0.3\npodman --version \npodman version 4.3.1\n",
                Some("1.0.3"),
            ),
            (
                "Docker Compose version v2.29.7-desktop.1",
                Some("2.29.7-desktop.1"),
            ),
            (
                "docker-compose version 1.29.2, build unknown",
                Some("1.29.2"),
            ),
            ("v2.29.7\x1b[0m", Some("2.29.7")),
            ("no version here", None),
        ] {
            assert_eq!(find_version(text).as_deref(), version, "{text}");
        }
    }
}
