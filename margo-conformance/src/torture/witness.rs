//! What was seen on both sides, and what must never be seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use margo_client::state::{Accepted, State};
use margo_server_traits::store::{Head, Publication};
use margo_types::Digest;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId};
use margo_types::manifest::ManifestVersion;
use margo_types::status::DeploymentStatus;

use super::progress::Progress;
use crate::server::lock;

/// Sees everything that agents and fleet manager do, from outside, and judges it.
#[derive(Debug)]
pub(super) struct Witness {
    /// What it lets others see.
    pub(super) progress: Progress,
    begun: Instant,
    is_loud: bool,
    is_violated: AtomicBool,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    trace: VecDeque<String>,
    violations: Vec<String>,
    clients: BTreeMap<ClientId, Client>,
}

/// What is known of one client.
#[derive(Debug, Default)]
struct Client {
    /// Every manifest that the fleet manager tried to put into its store, by version: a kill or a race leaves several.
    published: BTreeMap<ManifestVersion, BTreeSet<Digest>>,
    /// The one that was acknowledged.
    acknowledged: BTreeMap<ManifestVersion, Digest>,
    /// Every deployment in them, by what it says.
    documents: BTreeSet<Digest>,
    reports: BTreeMap<DeploymentId, Reports>,
}

/// The reports on one deployment.
#[derive(Debug, Default)]
struct Reports {
    /// Those that were made, from the one that was delivered last on.
    made: VecDeque<DeploymentStatus>,
}

impl Witness {
    pub(super) fn new(is_loud: bool, progress: Progress) -> Arc<Self> {
        Arc::new(Self {
            progress,
            begun: Instant::now(),
            is_loud,
            is_violated: AtomicBool::new(false),
            books: Mutex::default(),
        })
    }

    /// Notes an action or observation.
    pub(super) fn note(&self, what: impl fmt::Display) {
        self.write(&mut lock(&self.books), &what);
    }

    /// Notes that an invariant does not hold.
    pub(super) fn violation(&self, what: impl fmt::Display) {
        self.accuse(&mut lock(&self.books), &what);
    }

    pub(super) fn is_violated(&self) -> bool {
        self.is_violated.load(Ordering::Relaxed)
    }

    /// The violations, and the last of what came before.
    pub(super) fn testimony(&self) -> (Vec<String>, Vec<String>) {
        let books = lock(&self.books);
        let trace = books.trace.iter().cloned().collect();
        (books.violations.clone(), trace)
    }

    /// The fleet manager is about to store this. It counts from now on: a kill may hide whether it was done.
    pub(super) fn publishes(&self, client: &ClientId, publication: &Publication) {
        let mut books = lock(&self.books);
        let own = books.clients.entry(client.clone()).or_default();
        let digests = own.published.entry(publication.version).or_default();
        digests.insert(publication.digest);
        for (_, _, bytes) in &publication.deployments {
            if let Ok(document) = margo_types::read::<ApplicationDeployment>(bytes) {
                own.documents.insert(fingerprint(document.value()));
            }
        }
    }

    /// The fleet manager has stored this.
    pub(super) fn has_published(&self, client: &ClientId, head: Head) {
        let mut books = lock(&self.books);
        let own = books.clients.entry(client.clone()).or_default();
        let before = own.acknowledged.insert(head.version, head.digest);
        if let Some(before) = before.filter(|before| *before != head.digest) {
            let text =
                format!("{client}: {head:?} was published although the version had {before}");
            self.accuse(&mut books, &text);
        }
    }

    /// The fleet manager was set back to a backup: its versions since then may come again, with other content.
    pub(super) fn forgets_publications(&self) {
        for client in lock(&self.books).clients.values_mut() {
            client.acknowledged.clear();
        }
    }

    /// A device that holds a manifest of this version is about to accept another one.
    pub(super) fn accepts(
        &self,
        client: &ClientId,
        before: Option<ManifestVersion>,
        accepted: &Accepted,
    ) {
        let mut books = lock(&self.books);
        let own = books.clients.entry(client.clone()).or_default();
        let version = accepted.version;
        let published = own.published.get(&version);
        let is_published = published.is_some_and(|digests| digests.contains(&accepted.digest));
        if before.is_some_and(|before| version <= before) {
            let text = format!("{client} accepts version {version} after {before:?}");
            self.accuse(&mut books, &text);
        }
        if !is_published {
            let text = format!("{client} accepts version {version}, which was never published so");
            self.accuse(&mut books, &text);
        }
    }

    /// A provider is told to apply or remove a deployment.
    pub(super) fn told(&self, client: &ClientId, what: &str, deployment: &ApplicationDeployment) {
        let mut books = lock(&self.books);
        let own = books.clients.entry(client.clone()).or_default();
        if !own.documents.contains(&fingerprint(deployment)) {
            let text = format!(
                "the provider of {client} is told to {what} {}, which was never published for it",
                deployment.id
            );
            self.accuse(&mut books, &text);
        }
    }

    /// A device is about to put a report into its outbox.
    pub(super) fn makes(&self, client: &ClientId, status: &DeploymentStatus) {
        let mut books = lock(&self.books);
        let own = books.clients.entry(client.clone()).or_default();
        let reports = own.reports.entry(status.deployment_id).or_default();
        reports.made.push_back(status.clone());
    }

    /// The fleet manager is about to store a report.
    pub(super) fn receives(&self, client: &ClientId, status: &DeploymentStatus) {
        let mut books = lock(&self.books);
        let own = books.clients.entry(client.clone()).or_default();
        let reports = own.reports.entry(status.deployment_id).or_default();
        // The same one may come again, after a kill between delivery and forgetting.
        if let Some(index) = reports.made.iter().position(|made| made == status) {
            reports.made.drain(..index);
            return;
        }
        let text = format!(
            "{client} reports {} of {} out of order, or never made that report",
            status.status.state, status.deployment_id
        );
        self.accuse(&mut books, &text);
    }

    /// A restarted agent remembers this; it must be what was written, or that and what was being written.
    pub(super) fn remembers(&self, client: &ClientId, found: &State, allowed: [Option<&State>; 2]) {
        if allowed.into_iter().flatten().any(|state| state == found) {
            return;
        }
        let expected = allowed[0].map(summary).unwrap_or_default();
        let found = summary(found);
        self.violation(format_args!(
            "{client} lost what it had written: {found} instead of {expected}"
        ));
    }

    /// A restarted fleet manager has this newest publication, where this one was acknowledged.
    pub(super) fn finds(
        &self,
        client: &ClientId,
        found: Option<Head>,
        acknowledged: Option<Head>,
        tried: Option<Head>,
    ) {
        if found != acknowledged && (found.is_none() || found != tried) {
            self.violation(format_args!(
                "the fleet manager lost a publication of {client}: {found:?} instead of {acknowledged:?}"
            ));
        }
    }

    fn accuse(&self, books: &mut Books, what: &dyn fmt::Display) {
        self.is_violated.store(true, Ordering::Relaxed);
        self.write(books, &format_args!("VIOLATION: {what}"));
        if books.violations.len() < MOST_VIOLATIONS {
            books.violations.push(what.to_string());
        }
    }

    fn write(&self, books: &mut Books, what: &dyn fmt::Display) {
        let line = format!("{:9.3} {what}", self.begun.elapsed().as_secs_f64());
        if self.is_loud {
            // Nobody has to read it.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        if books.trace.len() == TRACE_LINES {
            books.trace.pop_front();
        }
        books.trace.push_back(line);
    }
}

/// What a deployment says, however it is written.
fn fingerprint(deployment: &ApplicationDeployment) -> Digest {
    Digest::of(&serde_json::to_vec(deployment).unwrap_or_default())
}

fn summary(state: &State) -> String {
    let version = state
        .accepted
        .as_ref()
        .map_or(0, |accepted| accepted.version.get());
    format!(
        "version {version}, {} documents, {} current, {} reports",
        state.documents.len(),
        state.current.len(),
        state.outbox.len()
    )
}

const TRACE_LINES: usize = 80;
const MOST_VIOLATIONS: usize = 20;
