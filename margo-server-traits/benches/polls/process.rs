//! What the operating system says about a process and its children.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// The processor time of a process and its children so far, on all their threads.
pub(crate) fn cpu_time(process: u32) -> Duration {
    family(process).into_iter().map(own_cpu_time).sum()
}

/// The value of a field in kibibytes, such as `VmRSS`, of a process and its children, in bytes.
pub(crate) fn memory(process: u32, field: &str) -> u64 {
    let own = |process| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kibibytes = line.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
        kibibytes.unwrap_or(0) * 1024
    };
    family(process).into_iter().map(own).sum()
}

fn family(process: u32) -> Vec<u32> {
    let children = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(children).unwrap_or_default();
    let children = children
        .split_whitespace()
        .filter_map(|child| child.parse().ok());
    std::iter::once(process).chain(children).collect()
}

/// In nanoseconds, thread by thread; what `/proc/<process>/stat` has is in hundredths of a second.
fn own_cpu_time(process: u32) -> Duration {
    let Ok(threads) = fs::read_dir(Path::new("/proc").join(process.to_string()).join("task"))
    else {
        return Duration::ZERO;
    };
    let time = |thread: std::io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.filter_map(time).sum())
}
