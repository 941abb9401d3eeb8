//! Rules of problems: errors of the management interface (rc3.md section 6, requirements W8 to W11).

use url::Url;

use super::place::Place;
use super::rule::rule_table;
use super::{Validate, members};
use crate::problem::{BackoffStrategy, Problem, ProblemType, phrase};
use crate::text::shorten;

impl Validate for Problem {
    fn check(&self, at: &Place<'_>) {
        problem_type(at, self);
        title(&at.key("title"), self);
        if !(100..=599).contains(&self.status) {
            at.key("status").report(
                &STATUS,
                format!("{} is no HTTP status code", self.status),
                "write the status code of the response",
            );
        }
        if self.problem_type == ProblemType::SemanticError && self.errors.is_empty() {
            at.key("errors").report(
                &ERRORS,
                "nothing says which field is wrong",
                "write `errors`, with a field and a message each",
            );
        }
        retry(at, self);
        for (key, _) in self.extra.unknown() {
            vendor_member(&at.key(key), key);
        }
    }
}

fn problem_type(at: &Place<'_>, problem: &Problem) {
    let problem_type = &problem.problem_type;
    let text = problem_type.as_str();
    if Url::parse(text).is_err() {
        at.key("type").report(
            &TYPE,
            format!("{:?} is no URI", shorten(text)),
            "write the URI of a registered type, or about:blank",
        );
    }
    if !at.switches().problem_registry {
        return;
    }
    if !problem_type.is_known() && text.starts_with(NAMESPACE) {
        at.key("type").report(
            &UNREGISTERED,
            format!("{:?} is not registered", shorten(text)),
            "write a registered type, about:blank, or a URI in a domain of yours",
        );
    }
    if let Some(status) = problem_type.registered_status()
        && status != problem.status
    {
        at.key("status").report(
            &REGISTERED_STATUS,
            format!(
                "the type goes with the status {status}, not {}",
                problem.status
            ),
            format!("write {status}, or another type"),
        );
    }
}

fn title(at: &Place<'_>, problem: &Problem) {
    members::text(at, &problem.title);
    if problem.problem_type == ProblemType::AboutBlank && problem.title != phrase(problem.status) {
        at.report(
            &TITLE,
            "the title of about:blank is the phrase of the status code",
            format!("write {}", phrase(problem.status)),
        );
    }
}

fn retry(at: &Place<'_>, problem: &Problem) {
    let backoff = problem.backoff_strategy.as_ref();
    if backoff.is_some_and(|backoff| !backoff.is_known()) {
        at.key("backoffStrategy").report(
            &BACKOFF,
            "the strategy is unknown",
            "write none, fixed or exponential",
        );
    }
    // Other codes are not retried by the text, but one of its examples is (rc3.md ambiguity 17).
    if matches!(problem.status, 429 | 500 | 503) && at.switches().problem_registry {
        transient(at, problem);
        return;
    }
    let waits = backoff.is_some_and(|backoff| *backoff != BackoffStrategy::None)
        || problem.retry_after_seconds.is_some();
    let contradicts = match problem.retryable {
        Some(true) => backoff == Some(&BackoffStrategy::None),
        Some(false) | None => waits,
    };
    if contradicts {
        at.key("retryable").report(
            &RETRY,
            "`retryable` and the other members about retrying contradict each other",
            "write retryable true with a time and a strategy, or false with none",
        );
    }
}

fn transient(at: &Place<'_>, problem: &Problem) {
    let status = problem.status;
    let exponential = Some(&BackoffStrategy::Exponential);
    let is = [
        ("retryable", problem.retryable, "true"),
        (
            "backoffStrategy",
            problem
                .backoff_strategy
                .as_ref()
                .map(|it| Some(it) == exponential),
            "exponential",
        ),
    ];
    for (key, as_demanded, expected) in is {
        match as_demanded {
            Some(true) => {}
            Some(false) => at.key(key).report(
                &TRANSIENT,
                format!("`{key}` of a problem with status {status} is {expected}"),
                format!("write {expected}"),
            ),
            None => at.key(key).report(
                &TRANSIENT_MEMBERS,
                format!("`{key}` is missing in a problem with status {status}"),
                format!("write {expected}"),
            ),
        }
    }
}

fn vendor_member(at: &Place<'_>, key: &str) {
    let starts_with_letter = key.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !(starts_with_letter && is_plain && key.len() >= 3) {
        at.report(
            &VENDOR_MEMBER,
            format!("{:?} is hardly the name of a member", shorten(key)),
            "write a letter, then letters, digits and underscores, three characters or more",
        );
    }
}

const NAMESPACE: &str = "https://docs.margo.org/specification/problem-types";

rule_table! {
    TYPE: Error, "problem.type", "rc3.md 6; RFC 9457",
        "the type is a URI";
    UNREGISTERED: Error, "problem.unregistered-type", "rc3.md 6, W8, W11",
        "a type in the namespace of Margo is registered";
    STATUS: Error in schema, "problem.status", "rc3.md 6; RFC 9457",
        "the status is an HTTP status code";
    REGISTERED_STATUS: Error, "problem.registered-status", "rc3.md 6",
        "a registered type goes with its registered status";
    TITLE: Warning, "problem.title", "rc3.md 6, W8",
        "the title of about:blank is the phrase of the status code";
    ERRORS: Warning, "problem.errors", "rc3.md 6, W10",
        "a semantic error says which fields are wrong";
    BACKOFF: Error in schema, "problem.backoff", "rc3.md 6",
        "the strategy of retrying is none, fixed or exponential";
    RETRY: Warning, "problem.retry", "rc3.md 6, W9, ambiguity 17",
        "the members about retrying agree with each other";
    TRANSIENT: Error, "problem.transient", "rc3.md 6, W9",
        "a problem with status 429, 500 or 503 is retryable with exponential back-off";
    TRANSIENT_MEMBERS: Warning, "problem.transient-members", "rc3.md 6, W9",
        "a problem with status 429, 500 or 503 says how to retry";
    VENDOR_MEMBER: Warning, "problem.vendor-member", "rc3.md 6; RFC 9457",
        "the name of another member starts with a letter and has three characters or more";
}
