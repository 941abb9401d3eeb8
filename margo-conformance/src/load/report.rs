//! What came of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use jiff::Timestamp;
use serde::Serialize;

use super::tally::{ErrorCounts, Operation, Tally};
use super::{Connections, Load, Pace};

/// What a run found out, as it is written to JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// Whether the numbers are those of the target. They are not when the generator was the bottleneck.
    pub valid: bool,
    /// Why they are not; empty when they are.
    pub invalid_because: Vec<String>,
    /// Whether the run was ended before it was over.
    pub interrupted: bool,
    /// The root URL of the fleet manager.
    pub target: String,
    /// Simulated devices.
    pub devices: usize,
    /// `kept-alive` or `per-request`.
    pub connections: &'static str,
    /// How often each device polled, in seconds; `None` for as often as it could.
    pub period_seconds: Option<f64>,
    /// How long devices were to come, [`Settings::warm_up`](super::Settings::warm_up).
    pub warm_up_seconds: f64,
    /// How long nothing was to count after that, [`Settings::settling`](super::Settings::settling).
    pub settling_seconds: f64,
    /// How long it was to count, [`Settings::duration`](super::Settings::duration).
    pub duration_seconds: f64,
    /// How long a device waited for a connection, and for an answer.
    pub timeout_seconds: f64,
    /// From what the random numbers were made.
    pub seed: u64,
    /// When the run was over.
    pub ended_at: Timestamp,
    /// How long it did count, without the warm-up.
    pub seconds: f64,
    /// Requests that were answered or failed.
    pub requests: u64,
    /// The same for each second.
    pub requests_per_second: f64,
    /// Polls that were answered by 304.
    pub unchanged: u64,
    /// How long answers took, by what was asked for: `poll`, `capabilities`, `document`, `status`; and `handshake`, which
    /// is part of the first request on a connection.
    pub operations: BTreeMap<&'static str, OperationReport>,
    /// Requests that failed, by kind: `connect`, `handshake`, `timeout`, `closed` (without an answer), `broken` (in the middle of
    /// one), `malformed`, `content type`, `entity tag` (of a manifest), `status 503` and so on; `unanswered` are those that were
    /// waited for when the run was over, for longer than for any answer, and a second or more.
    pub errors: BTreeMap<String, Errors>,
    /// Those of the warm-up, and of the time in which the fleet settled. They are in no other number.
    pub errors_before: BTreeMap<String, Errors>,
    /// Requests that were sent again, since the server had closed the connection, which was idle after others. No errors.
    pub reconnections: u64,
    /// Polls that were due before the one before them was answered.
    pub overdue: u64,
    /// Bytes of HTTP that were sent, before encryption.
    pub bytes_sent: u64,
    /// Bytes of HTTP that were received, after decryption.
    pub bytes_received: u64,
    /// What the generator itself cost.
    pub generator: GeneratorCost,
}

impl Report {
    /// Whether the figures are those of the target, and it made no error, before it counted or later.
    pub fn is_good(&self) -> bool {
        self.valid && self.errors.is_empty() && self.errors_before.is_empty()
    }
}

/// What came of one kind of request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OperationReport {
    /// Those that were answered as hoped for.
    pub count: u64,
    /// From the moment the device begins until it has the whole answer.
    pub latency: Latency,
}

/// Percentiles, in microseconds, exact to three digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub struct Latency {
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

/// Requests that failed in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Errors {
    /// How many.
    pub count: u64,
    /// What the first of them said.
    pub first: String,
}

/// What the generator cost, and how late it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GeneratorCost {
    /// Its threads.
    pub threads: usize,
    /// Processor time of the process.
    pub cpu_seconds: f64,
    /// The part of its threads' time that it worked, from 0 to 1.
    pub busy: f64,
    /// How much later than it was due its threads did what was due, every 10 ms. Part of that is the resolution of the
    /// clock, a millisecond.
    pub lag: Latency,
}

/// What there is to say of a run besides its tally.
pub(super) struct Outcome {
    pub(super) is_interrupted: bool,
    pub(super) elapsed: Duration,
    pub(super) cpu: Duration,
}

pub(super) fn make(load: &Load, tally: &Tally, outcome: &Outcome) -> Report {
    let Outcome { elapsed, cpu, .. } = *outcome;
    let settings = &load.settings;
    let threads = load.threads();
    let generator = GeneratorCost {
        threads,
        cpu_seconds: cpu.as_secs_f64(),
        busy: ratio(cpu.as_secs_f64(), elapsed.as_secs_f64() * number(threads)),
        lag: latency(&tally.lag),
    };
    let period = match settings.pace {
        Pace::Unpaced => None,
        Pace::Every { period, .. } => Some(period),
    };
    let invalid_because = doubts(&generator, period.is_some(), tally);
    let requests = tally.requests();
    Report {
        valid: invalid_because.is_empty(),
        invalid_because,
        interrupted: outcome.is_interrupted,
        target: load.target.url.to_string(),
        devices: load.devices.len(),
        connections: match settings.connections {
            Connections::KeptAlive => "kept-alive",
            Connections::PerRequest => "per-request",
        },
        period_seconds: period.map(|period| period.as_secs_f64()),
        warm_up_seconds: settings.warm_up.as_secs_f64(),
        settling_seconds: settings.settling.as_secs_f64(),
        duration_seconds: settings.duration.as_secs_f64(),
        timeout_seconds: settings.timeout.as_secs_f64(),
        seed: settings.seed,
        ended_at: Timestamp::now(),
        seconds: elapsed.as_secs_f64(),
        requests,
        requests_per_second: ratio(number(requests), elapsed.as_secs_f64()),
        unchanged: tally.unchanged,
        operations: tally.operations.iter().map(operation).collect(),
        errors: errors(&tally.errors),
        errors_before: errors(&tally.errors_before),
        reconnections: tally.reconnections,
        overdue: tally.overdue,
        bytes_sent: tally.sent,
        bytes_received: tally.received,
        generator,
    }
}

/// Why the numbers may be those of the generator instead of those of the target.
fn doubts(generator: &GeneratorCost, is_paced: bool, tally: &Tally) -> Vec<String> {
    let mut doubts = Vec::new();
    if generator.busy > MAX_BUSY {
        doubts.push(format!(
            "the generator worked {:.0} % of the time of its threads; give it more threads, or another machine",
            generator.busy * 100.0
        ));
    }
    // Without a pace, devices wait for each other, and that is no lag.
    if is_paced && generator.lag.p99_us > MAX_LAG_US {
        doubts.push(format!(
            "the generator was late by {} ms (99th percentile); give it a machine that is less busy",
            generator.lag.p99_us / 1000
        ));
    }
    if tally.requests() == 0 {
        doubts.push("nothing was asked; let it run longer".to_owned());
    }
    doubts
}

fn operation(
    (operation, latencies): (&Operation, &Histogram<u64>),
) -> (&'static str, OperationReport) {
    let report = OperationReport {
        count: latencies.len(),
        latency: latency(latencies),
    };
    (operation.name(), report)
}

fn errors(counts: &ErrorCounts) -> BTreeMap<String, Errors> {
    let errors = counts.0.iter().map(|(kind, (count, first))| {
        let errors = Errors {
            count: *count,
            first: first.clone(),
        };
        (kind.clone(), errors)
    });
    errors.collect()
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    Latency {
        p50_us: histogram.value_at_quantile(0.5),
        p90_us: histogram.value_at_quantile(0.9),
        p99_us: histogram.value_at_quantile(0.99),
        p999_us: histogram.value_at_quantile(0.999),
        max_us: histogram.max(),
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// A count, of which nobody wants to know 16 digits.
#[allow(clippy::cast_precision_loss, reason = "counts are below 2^52")]
fn number<T: TryInto<u64>>(count: T) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

/// A thread that works more than this has devices waiting for it.
const MAX_BUSY: f64 = 0.9;
const MAX_LAG_US: u64 = 10_000;
