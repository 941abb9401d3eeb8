//! What this process costs and may cost.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The processor time of this process so far, on all its threads.
pub(super) fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// How many files may be open at a time; `None` for any number.
pub(crate) fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Lets this process open as many files as the operating system lets it have. Every simulated device needs one.
pub fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where that is refused a run says what it needs.
    _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}
