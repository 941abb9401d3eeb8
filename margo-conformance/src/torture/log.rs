//! What both sides log, heard.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::runtime::{Builder, Runtime};
use tracing::dispatcher::{DefaultGuard, set_default};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::machine::exhausted;
use crate::log::heard_by;
use crate::server::lock;

/// What was logged in one run.
#[derive(Debug, Default)]
pub(super) struct Log {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// How often the fleet manager has refused somebody or something, by reason.
    refusals: BTreeMap<Reason, u64>,
    /// What agents have logged as errors or warnings, the newest last.
    complaints: VecDeque<String>,
    security_events: u64,
    panics: Vec<String>,
    /// What the machine had no more of.
    exhausted: Option<&'static str>,
}

/// Why somebody or something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    OtherDomain,
    OtherManager,
    SeveralNames,
    Authority,
    Expired,
    UnknownIssuer,
    NoCertificate,
    NotThere,
    Other,
}

impl Reason {
    /// The reason that a text gives.
    pub(super) fn of(text: &str) -> Self {
        let named = MARKS.iter().find(|(mark, _)| text.contains(mark));
        named.map_or(Self::Other, |(_, reason)| *reason)
    }
}

impl Log {
    /// A runtime of several threads whose log is heard here, with that of this thread as long as the guard lives.
    pub(super) fn runtime(self: &Arc<Self>) -> io::Result<(Runtime, DefaultGuard)> {
        let dispatch = heard_by(Listener(Arc::clone(self)));
        let everywhere = dispatch.clone();
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .on_thread_start(move || {
                let guard = set_default(&everywhere);
                LISTENING.with(|slot| slot.replace(Some(guard)));
            })
            .on_thread_stop(|| {
                LISTENING.with(RefCell::take);
            })
            .build()?;
        Ok((runtime, set_default(&dispatch)))
    }

    /// How often the fleet manager has logged a refusal for this reason.
    pub(super) fn refusals(&self, reason: Reason) -> u64 {
        let books = lock(&self.books);
        books.refusals.get(&reason).copied().unwrap_or_default()
    }

    /// All of them.
    pub(super) fn all_refusals(&self) -> BTreeMap<Reason, u64> {
        lock(&self.books).refusals.clone()
    }

    /// Whether an agent has logged this.
    pub(super) fn has_complaint(&self, text: &str) -> bool {
        let books = lock(&self.books);
        books.complaints.iter().rev().any(|it| it == text)
    }

    pub(super) fn security_events(&self) -> u64 {
        lock(&self.books).security_events
    }

    /// What was logged of handlers and providers that panicked, since the last call.
    pub(super) fn take_panics(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.books).panics)
    }

    /// What the machine had no more of, as either side has logged it.
    pub(super) fn exhausted(&self) -> Option<&'static str> {
        lock(&self.books).exhausted
    }

    fn hear(&self, is_agent: bool, said: Said) {
        let mut books = lock(&self.books);
        let texts = [
            Some(&said.message),
            said.error.as_ref(),
            said.reason.as_ref(),
        ];
        let exhausted = texts.into_iter().flatten().find_map(|text| exhausted(text));
        books.exhausted = exhausted.or(books.exhausted);
        if said.message.contains("panicked") {
            books.panics.push(said.message);
            return;
        }
        if is_agent {
            books.security_events += u64::from(said.is_security_event);
            if let Some(error) = said.error {
                if books.complaints.len() == COMPLAINTS {
                    books.complaints.pop_front();
                }
                books.complaints.push_back(error);
            }
            return;
        }
        let reason = match said.message.as_str() {
            "refused the SVID of a client" | "refused a request" => {
                said.reason.map(|why| Reason::of(&why))
            }
            // Lines that break are no refusals.
            "a TLS handshake failed" => said
                .error
                .map(|why| Reason::of(&why))
                .filter(|reason| *reason != Reason::Other),
            _ => None,
        };
        if let Some(reason) = reason {
            *books.refusals.entry(reason).or_default() += 1;
        }
    }
}

/// Hands on what is logged.
struct Listener(Arc<Log>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let level = *metadata.level();
        metadata.is_event()
            && (target.starts_with(AGENT) && level <= tracing::Level::WARN
                || target.starts_with(MANAGER) && level <= tracing::Level::INFO)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        let is_agent = event.metadata().target().starts_with(AGENT);
        self.0.hear(is_agent, said);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// One event.
#[derive(Debug, Default)]
struct Said {
    message: String,
    error: Option<String>,
    reason: Option<String>,
    is_security_event: bool,
}

impl Visit for Said {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.is_security_event |= field.name() == "security_event" && value;
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "error" => self.error = Some(value.to_owned()),
            "reason" => self.reason = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

thread_local! {
    static LISTENING: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

const AGENT: &str = "margo_client";
const MANAGER: &str = "margo_server_traits";
/// How much of what agents say is remembered.
const COMPLAINTS: usize = 10_000;

/// What a text has in it that gives this reason.
const MARKS: [(&str, Reason); 9] = [
    ("is not of the trust domain", Reason::OtherDomain),
    ("is not a client of", Reason::OtherManager),
    ("not the fleet manager", Reason::OtherManager),
    ("URIs among its subject", Reason::SeveralNames),
    ("is that of an authority", Reason::Authority),
    (" expired at ", Reason::Expired),
    ("leads to no trust anchor", Reason::UnknownIssuer),
    ("no certificate", Reason::NoCertificate),
    ("no such document for this client", Reason::NotThere),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_thread_of_a_run_logs_is_heard_and_nothing_else() {
        let (log, other) = (Arc::new(Log::default()), Arc::new(Log::default()));
        let refuse = || {
            let reason = "spiffe://a/b is not a client of spiffe://a/c; check";
            tracing::warn!(target: "margo_server_traits::server", reason, "refused the SVID of a client");
            tracing::error!(target: "margo_client", security_event = true, error = "why", "refused");
        };
        let (runtime, guard) = log.runtime().unwrap();
        runtime.block_on(async { tokio::spawn(async move { refuse() }).await.unwrap() });
        runtime.block_on(async { tokio::task::spawn_blocking(refuse).await.unwrap() });
        refuse();
        drop(guard);
        refuse();
        assert_eq!(log.refusals(Reason::OtherManager), 3);
        assert_eq!(log.security_events(), 3);
        assert!(log.has_complaint("why") && !log.has_complaint("wh"));
        assert_eq!(other.security_events(), 0);
    }
}
