//! What is seen of a run, on standard error.

use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::time::Duration;

use margo_conformance::load::{Latency, Phase, Progress, Report};

use crate::line::Line;

pub(crate) struct View {
    line: Line,
    /// When the last line was, and how many requests there were by then.
    last: Option<(Phase, Duration, u64)>,
    has_told_error: bool,
}

impl View {
    pub(crate) fn new() -> Self {
        Self {
            line: Line::new(),
            last: None,
            has_told_error: false,
        }
    }

    pub(crate) fn show(&mut self, progress: &Progress) {
        self.tell_first_error(progress);
        let (since, requests) = match self.last {
            Some((phase, since, requests)) if phase == progress.phase => (since, requests),
            _ => (Duration::ZERO, progress.requests),
        };
        let elapsed = progress.elapsed.saturating_sub(since);
        let is_new = self.last.is_none_or(|(phase, ..)| phase != progress.phase);
        if !is_new && elapsed < self.line.pause(progress.elapsed) {
            return;
        }
        self.last = Some((progress.phase, progress.elapsed, progress.requests));
        let line = match progress.phase {
            Phase::WarmUp => format!(
                "warm-up {:>4.0} s  {} connected",
                progress.elapsed.as_secs_f64(),
                progress.connected
            ),
            Phase::Settling => format!(
                "settling {:>3.0} s  {} connected",
                progress.elapsed.as_secs_f64(),
                progress.connected
            ),
            Phase::Measuring => {
                measured(progress, per_second(progress.requests - requests, elapsed))
            }
            _ => return,
        };
        self.line.show(&line);
    }

    /// At once, so that nobody waits for the end of a run that cannot succeed.
    fn tell_first_error(&mut self, progress: &Progress) {
        let Some(error) = progress
            .first_error
            .as_ref()
            .filter(|_| !self.has_told_error)
        else {
            return;
        };
        self.has_told_error = true;
        self.line.wipe();
        _ = writeln!(stderr(), "the first error: {}", plain(error));
    }

    /// Says what came of it.
    pub(crate) fn sum_up(&self, report: &Report) {
        self.line.wipe();
        let mut text = String::new();
        // Writing to a string does not fail.
        _ = writeln!(
            text,
            "{} devices, {} requests in {:.1} s, {:.1} a second, {} of them unchanged polls",
            report.devices,
            report.requests,
            report.seconds,
            report.requests_per_second,
            report.unchanged
        );
        if report.interrupted {
            _ = writeln!(
                text,
                "  interrupted: it was to count for {:.1} s",
                report.duration_seconds
            );
        }
        for (operation, measured) in &report.operations {
            _ = writeln!(
                text,
                "  {operation:<12} {:>9}  {}",
                measured.count,
                latency(&measured.latency)
            );
        }
        for (kind, errors) in &report.errors {
            _ = writeln!(
                text,
                "  error: {kind}: {} times; the first: {}",
                errors.count,
                plain(&errors.first)
            );
        }
        for (kind, errors) in &report.errors_before {
            _ = writeln!(
                text,
                "  error before it counted: {kind}: {} times; the first: {}",
                errors.count,
                plain(&errors.first)
            );
        }
        if report.reconnections > 0 {
            _ = writeln!(
                text,
                "  {} requests were sent again, for their idle connection had been closed",
                report.reconnections
            );
        }
        if report.overdue > 0 {
            _ = writeln!(
                text,
                "  {} polls were due before the one before them was answered",
                report.overdue
            );
        }
        let generator = &report.generator;
        _ = writeln!(
            text,
            "  generator    {:.1} s of processor time, {:.0} % busy, late by {}",
            generator.cpu_seconds,
            generator.busy * 100.0,
            latency(&generator.lag)
        );
        for doubt in &report.invalid_because {
            _ = writeln!(text, "  invalid: {doubt}");
        }
        _ = stderr().write_all(text.as_bytes());
    }
}

fn measured(progress: &Progress, rate: f64) -> String {
    let p99 = progress.p99.map_or_else(
        || "-".to_owned(),
        |p99| format!("{:.1} ms", p99.as_secs_f64() * 1000.0),
    );
    format!(
        "{:>6.0} s  {} connected  {} requests  {rate:.0} a second  p99 {p99}  {} errors",
        progress.elapsed.as_secs_f64(),
        progress.connected,
        progress.requests,
        progress.errors
    )
}

fn latency(latency: &Latency) -> String {
    let ms = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1000.0;
    format!(
        "p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}  max {:.2} ms",
        ms(latency.p50_us),
        ms(latency.p90_us),
        ms(latency.p99_us),
        ms(latency.p999_us),
        ms(latency.max_us)
    )
}

/// What a server says does not command the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    if elapsed.is_zero() {
        0.0
    } else {
        f64::from(count) / elapsed.as_secs_f64()
    }
}
