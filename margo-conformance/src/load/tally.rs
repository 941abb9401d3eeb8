//! What is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::fault::{Fault, FaultKind};

/// Counts of one thread, or of all together.
pub(super) struct Tally {
    pub(super) operations: BTreeMap<Operation, Histogram<u64>>,
    /// How late the thread was.
    pub(super) lag: Histogram<u64>,
    pub(super) errors: ErrorCounts,
    /// What went wrong before anything counted.
    pub(super) errors_before: ErrorCounts,
    pub(super) unchanged: u64,
    pub(super) reconnections: u64,
    pub(super) overdue: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// What went wrong first, counted or not.
    pub(super) first_error: Option<String>,
    /// Connections that are open now, counted or not.
    pub(super) connected: u64,
    /// What all devices of the thread wait for.
    pub(super) asking: Vec<Asking>,
}

/// Since when a device waits for an answer, if it does.
#[derive(Clone, Default)]
pub(super) struct Asking(Arc<Mutex<Option<Instant>>>);

impl Asking {
    pub(super) fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn waited(&self) -> Option<Duration> {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed())
    }
}

/// Errors by kind, with the text of the first.
#[derive(Default)]
pub(super) struct ErrorCounts(pub(super) BTreeMap<String, (u64, String)>);

impl ErrorCounts {
    pub(super) fn add(&mut self, fault: &Fault) {
        let errors = self.0.entry(fault.kind.to_string());
        let (count, _) = errors.or_insert_with(|| (0, fault.text.clone()));
        *count += 1;
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    fn add_all(&mut self, other: &Self) {
        for (kind, (count, text)) in &other.0 {
            let errors = self.0.entry(kind.clone());
            let (sum, _) = errors.or_insert_with(|| (0, text.clone()));
            *sum += count;
        }
    }
}

/// What a device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    /// TCP and TLS.
    Handshake,
    Poll,
    Capabilities,
    Document,
    Status,
}

impl Operation {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Poll => "poll",
            Self::Capabilities => "capabilities",
            Self::Document => "document",
            Self::Status => "status",
        }
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            operations: BTreeMap::new(),
            lag: histogram(),
            errors: ErrorCounts::default(),
            errors_before: ErrorCounts::default(),
            unchanged: 0,
            reconnections: 0,
            overdue: 0,
            sent: 0,
            received: 0,
            first_error: None,
            connected: 0,
            asking: Vec::new(),
        }
    }

    /// In one step, so that a run that ends meanwhile counts both or neither.
    pub(super) fn answered(&mut self, operation: Operation, latency: Duration, is_unchanged: bool) {
        let latencies = self.operations.entry(operation).or_insert_with(histogram);
        latencies.saturating_record(micros(latency));
        self.unchanged += u64::from(is_unchanged);
    }

    pub(super) fn late(&mut self, lag: Duration) {
        self.lag.saturating_record(micros(lag));
    }

    /// Has those fail that are still waited for, for longer than for any answer: a fleet manager that has stopped answering
    /// would otherwise look like one that is asked less. Whether any of it `counts` is another matter.
    pub(super) fn give_up(&mut self, counts: bool) {
        let longest = self.operations.values().map(Histogram::max).max();
        let usual = Duration::from_micros(longest.unwrap_or(0)).max(PATIENCE);
        let waited = self.asking.iter().filter_map(Asking::waited);
        let mut waited: Vec<_> = waited.filter(|waited| *waited > usual).collect();
        let errors = if counts {
            &mut self.errors
        } else {
            &mut self.errors_before
        };
        waited.sort();
        for waited in waited.iter().rev() {
            let text = format!("nothing within {waited:.1?}, when the run was over");
            errors.add(&Fault::new(FaultKind::Unanswered, &text));
        }
    }

    /// Requests that had an answer or failed.
    pub(super) fn requests(&self) -> u64 {
        let answered = |(operation, latencies): (&Operation, &Histogram<u64>)| {
            if *operation == Operation::Handshake {
                0
            } else {
                latencies.len()
            }
        };
        self.operations.iter().map(answered).sum::<u64>() + self.errors.sum()
    }

    pub(super) fn poll_p99(&self) -> Option<Duration> {
        let polls = self.operations.get(&Operation::Poll)?;
        Some(Duration::from_micros(polls.value_at_quantile(0.99)))
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (operation, latencies) in &other.operations {
            let sum = self.operations.entry(*operation).or_insert_with(histogram);
            sum.add(latencies)
                .expect("all histograms have the same bounds");
        }
        self.lag
            .add(&other.lag)
            .expect("all histograms have the same bounds");
        self.errors.add_all(&other.errors);
        self.errors_before.add_all(&other.errors_before);
        self.unchanged += other.unchanged;
        self.reconnections += other.reconnections;
        self.overdue += other.overdue;
        self.sent += other.sent;
        self.received += other.received;
        self.connected += other.connected;
        self.asking.extend_from_slice(&other.asking);
    }
}

/// Microseconds up to ten minutes, to three digits. More counts as ten minutes.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are those of a histogram")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What may be under way when a run ends without being worth a word.
const PATIENCE: Duration = Duration::from_secs(1);
