//! What the operating system says about a process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A process.
pub(crate) struct Process(pub(crate) u32);

/// What it has used so far, and uses now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Its proportional set size (PSS) in bytes.
    pub(crate) proportional: u64,
    /// Of that, what it has written to, and nobody shares.
    pub(crate) dirty: u64,
    /// The most that was ever resident, in bytes.
    pub(crate) peak: u64,
    /// User and system time in hundredths of a second, as the system counts them.
    pub(crate) ticks: u64,
    /// Processor time of all threads.
    pub(crate) cpu: Duration,
    /// How often its threads gave up the processor, which is how often they woke.
    pub(crate) switches: u64,
}

impl Process {
    pub(crate) fn usage(&self) -> Usage {
        let memory = self.read("smaps_rollup");
        let status = self.read("status");
        let threads = fs::read_dir(self.path("task")).into_iter().flatten();
        let threads: Vec<PathBuf> = threads.flatten().map(|thread| thread.path()).collect();
        let sum = |of: &dyn Fn(&PathBuf) -> Option<u64>| threads.iter().filter_map(of).sum::<u64>();
        let nanoseconds = sum(&|thread| {
            let text = fs::read_to_string(thread.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse().ok()
        });
        let switches = sum(&|thread| {
            let text = fs::read_to_string(thread.join("status")).ok()?;
            field(&text, "voluntary_ctxt_switches:")
        });
        Usage {
            proportional: kibibytes(&memory, "Pss:"),
            dirty: kibibytes(&memory, "Private_Dirty:"),
            peak: kibibytes(&status, "VmHWM:"),
            ticks: self.ticks(),
            cpu: Duration::from_nanos(nanoseconds),
            switches,
        }
    }

    fn ticks(&self) -> u64 {
        let text = self.read("stat");
        // The name, in parentheses, may have blanks.
        let fields = text.rsplit(')').next().unwrap_or_default();
        let times = fields.split_whitespace().skip(11).take(2);
        times.filter_map(|time| time.parse::<u64>().ok()).sum()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }
}

fn kibibytes(text: &str, name: &str) -> u64 {
    field(text, name).unwrap_or_default() * 1024
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
