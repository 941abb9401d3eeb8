//! Who starts and kills the processes, and judges what they tell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use margo_types::SpecVersion;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::random::Random;
use super::super::witness::Witness;
use super::super::{Counts, TortureError, in_full};
use super::player::files;
use super::{Failure, Line, Options, Outcome, Role};
use crate::authority::{Authority, Lifetime};
use crate::gate::Gate;

/// Kills so many processes of each kind, with their files in this folder.
pub(in super::super) async fn sigkill(
    options: &Options,
    program: &Path,
    kills: u64,
    folder: &Path,
) -> Result<Outcome, TortureError> {
    let witness = Witness::new(options.loud, options.progress.clone());
    let parent = Parent::new(options, program, Arc::clone(&witness), folder).await;
    let mut parent = parent.map_err(TortureError::Start)?;
    let worked = match parent.start_all() {
        Ok(()) => options.stop.or(parent.run(kills)).await,
        Err(error) => {
            parent.end().await;
            return Err(TortureError::Start(error));
        }
    };
    parent.end().await;
    if let Some(Err(error)) = &worked {
        witness.violation(format_args!("it failed: {}", in_full(&**error)));
    }
    let (violations, trace) = witness.testimony();
    Ok(Outcome {
        counts: parent.counts,
        violations,
        trace,
        is_interrupted: worked.is_none(),
    })
}

/// How many files the parent has open at most; each player has fewer.
pub(in super::super) const fn open_files(options: &Options) -> u64 {
    OPEN_FILES + OPEN_FILES_PER_DEVICE * options.devices as u64
}

struct Parent {
    program: PathBuf,
    random: Random,
    patience: Duration,
    witness: Arc<Witness>,
    counts: Counts,
    front: Gate,
    /// The fleet manager, then the devices.
    roles: Vec<Role>,
    children: Vec<Option<(Child, JoinHandle<()>)>>,
    /// What the players tell, with their place.
    lines: mpsc::UnboundedReceiver<(usize, String)>,
    telling: mpsc::UnboundedSender<(usize, String)>,
    told: Told,
}

/// What was told so far.
#[derive(Debug, Default)]
struct Told {
    /// Manifests, by client and version.
    manifests: BTreeMap<(String, u64), String>,
    /// The newest version of each client.
    newest: BTreeMap<String, u64>,
    /// Manifests that devices accepted before the fleet manager told that it had published them: client, version, manifest.
    claims: Vec<(String, u64, String)>,
    /// The version that a device has accepted.
    accepted: BTreeMap<usize, u64>,
    /// What a device has written last, and what it was writing.
    states: BTreeMap<usize, [Option<String>; 2]>,
    /// The reports that the fleet manager has taken, by what they are about.
    reports: BTreeMap<String, Reports>,
    /// The reports that it has told to have kept since its start.
    kept: BTreeMap<String, String>,
    /// What a device runs: version and deployments.
    runs: BTreeMap<usize, (u64, String)>,
    /// What clients are to run, and are reported to.
    wants: BTreeMap<String, (u64, String)>,
}

/// The reports on one subject.
#[derive(Debug, Default)]
struct Reports {
    /// The last one: several while they are being stored, or when they were at the same time.
    last: Vec<String>,
    being_stored: usize,
    overlapped: bool,
    is_acknowledged: bool,
}

impl Parent {
    async fn new(
        options: &Options,
        program: &Path,
        witness: Arc<Witness>,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let domain = TrustDomain::parse("plant.example")?;
        let authority = Authority::new(&domain);
        let own = folder.join("manager");
        provision(&own, &authority, &SpiffeId::wfm(&domain, "wfm-1")?)?;
        let front = Gate::to("127.0.0.1:9").await;
        let mut roles = vec![Role::Manager {
            folder: own,
            seed: options.seed,
            devices: options.devices,
        }];
        for number in 0..options.devices {
            let client = ClientId::parse(&format!("device-{number}"))?;
            let own = folder.join(client.as_str());
            let id = SpiffeId::wfm_client(&domain, "wfm-1", &client)?;
            provision(&own, &authority, &id)?;
            roles.push(Role::Device {
                folder: own,
                url: format!("https://{}", front.host()).parse()?,
                client,
            });
        }
        let (telling, lines) = mpsc::unbounded_channel();
        Ok(Self {
            program: program.to_owned(),
            random: Random::new(options.seed),
            patience: options.patience,
            witness,
            counts: Counts::default(),
            front,
            children: roles.iter().map(|_| None).collect(),
            roles,
            lines,
            telling,
            told: Told::default(),
        })
    }

    fn start_all(&mut self) -> Result<(), Failure> {
        (0..self.roles.len()).try_for_each(|index| self.start(index))
    }

    async fn run(&mut self, kills: u64) -> Result<(), Failure> {
        for _ in 0..kills {
            let devices = self.roles.len() as u64 - 1;
            let device = 1 + usize::try_from(self.random.below(devices))?;
            for (index, what) in [(device, "agents"), (0, "fleet managers")] {
                tokio::time::sleep(self.random.millis(20, 600)).await;
                self.listen();
                self.kill(index).await?;
                self.counts.add(&format!("kills of {what} by SIGKILL"));
                if index == 0 {
                    self.witness.progress.manager_was_killed();
                } else {
                    self.witness.progress.agent_was_killed();
                }
                self.start(index)?;
            }
            if self.witness.is_violated() {
                return Ok(());
            }
        }
        self.settle().await
    }

    /// Nobody is killed and nothing changes any more: everything must come to rest.
    async fn settle(&mut self) -> Result<(), Failure> {
        // Any line tells the fleet manager to rest.
        if let Some(input) = self.children[0]
            .as_mut()
            .and_then(|(it, _)| it.stdin.as_mut())
        {
            input.write_all(b"rest\n").await?;
        }
        let begun = Instant::now();
        loop {
            self.listen();
            let is_settled = |(index, role): (usize, &Role)| match role {
                Role::Manager { .. } => true,
                Role::Device { client, .. } => {
                    let runs = self.told.runs.get(&index);
                    runs.is_some() && runs == self.told.wants.get(client.as_str())
                }
            };
            if self.roles.iter().enumerate().all(is_settled) {
                self.counts.add("quiet points, everything as desired");
                if let Some(claim) = self.told.claims.first() {
                    self.witness.violation(format_args!(
                        "a device has accepted what was never published: {claim:?}"
                    ));
                }
                return Ok(());
            }
            if self.witness.is_violated() {
                return Ok(());
            }
            if begun.elapsed() > self.patience {
                let (told, patience) = (&self.told, self.patience);
                self.witness.violation(format_args!(
                    "the devices do not become as desired within {patience:?}: {told:?}"
                ));
                return Ok(());
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn start(&mut self, index: usize) -> Result<(), Failure> {
        let mut child = Command::new(&self.program)
            .arg("--play")
            .args(self.roles[index].arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            // Who interrupts this process at a terminal leaves it to this process to end the others.
            .process_group(0)
            .spawn()?;
        let (output, lines) = (child.stdout.take(), self.telling.clone());
        let hearing = tokio::spawn(async move {
            let Some(output) = output else { return };
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                let _ = lines.send((index, line));
            }
        });
        self.children[index] = Some((child, hearing));
        Ok(())
    }

    async fn kill(&mut self, index: usize) -> Result<(), Failure> {
        if let Some((child, hearing)) = &mut self.children[index] {
            if let Some(status) = child.try_wait()? {
                let role = &self.roles[index];
                self.witness
                    .violation(format_args!("{role:?} ended by itself: {status}"));
            }
            child.kill().await?;
            // The last words come before those of the next life.
            let _ = hearing.await;
            self.children[index] = None;
            self.listen();
        }
        if index == 0 {
            self.told.wants.clear();
            self.told.kept.clear();
        } else {
            self.told.runs.remove(&index);
        }
        Ok(())
    }

    /// Kills everybody, and waits until they are dead: then nobody writes files any more.
    async fn end(&mut self) {
        for (child, _) in self.children.iter_mut().flatten() {
            let _ = child.start_kill();
        }
        for (child, _) in self.children.iter_mut().flatten() {
            let _ = child.wait().await;
        }
    }

    /// Judges what was told.
    fn listen(&mut self) {
        while let Ok((index, text)) = self.lines.try_recv() {
            let Some(line) = Line::parse(&text) else {
                continue;
            };
            self.witness.note(format_args!("{index}: {line:?}"));
            self.hear(index, line);
        }
    }

    fn hear(&mut self, index: usize, line: Line) {
        let client = match &self.roles[index] {
            Role::Manager { .. } => String::new(),
            Role::Device { client, .. } => client.to_string(),
        };
        let (told, witness) = (&mut self.told, &self.witness);
        match line {
            Line::Address(address) => {
                self.front.lead_to(&address);
                for fault in told.compare_reports() {
                    witness.violation(fault);
                }
            }
            Line::Head(client, version, manifest) => {
                let acknowledged = told.newest.get(&client).copied().unwrap_or_default();
                if version < acknowledged {
                    witness.violation(format_args!(
                        "the fleet manager has version {version} for {client}, and published {acknowledged}"
                    ));
                }
                if let Some(fault) = told.is_published(&client, version, &manifest) {
                    witness.violation(fault);
                }
            }
            Line::Published(client, version, manifest) => {
                self.counts.add("changes of desired states");
                self.witness.progress.stepped();
                let before = told.newest.insert(client.clone(), version);
                if before.is_some_and(|before| version < before) {
                    witness.violation(format_args!(
                        "the fleet manager published {version} for {client} after {before:?}"
                    ));
                }
                if let Some(fault) = told.is_published(&client, version, &manifest) {
                    witness.violation(fault);
                }
            }
            Line::Taking(about, report) => told.reports.entry(about).or_default().taking(report),
            Line::Took(about, report) => {
                self.counts.add("reports taken");
                told.reports.entry(about).or_default().took(report);
            }
            Line::Kept(about, report) => {
                told.kept.insert(about, report);
            }
            Line::Wants(client, version, it) => {
                told.wants.insert(client, (version, it));
            }
            Line::Holds(version, manifest, state) => {
                let before = told.accepted.insert(index, version).unwrap_or_default();
                if version < before {
                    witness.violation(format_args!(
                        "device {index} holds {version} after a kill, and had accepted {before}"
                    ));
                }
                let known = told.states.insert(index, [Some(state.clone()), None]);
                if known.is_some_and(|known| !known.contains(&Some(state))) {
                    witness.violation(format_args!(
                        "device {index} remembers something else than it had written"
                    ));
                }
                if version > 0
                    && let Some(fault) = told.is_accepted(client, version, manifest)
                {
                    witness.violation(fault);
                }
            }
            Line::Writing(state) => told.states.entry(index).or_default()[1] = Some(state),
            Line::Wrote(state) => {
                self.counts.add("written states");
                told.states.insert(index, [Some(state), None]);
            }
            Line::Accepted(version, manifest) => {
                let before = told.accepted.insert(index, version).unwrap_or_default();
                if version > before {
                    self.counts.add("accepted manifests");
                }
                if version < before {
                    witness.violation(format_args!(
                        "device {index} accepted {version} after {before}"
                    ));
                }
                if let Some(fault) = told.is_accepted(client, version, manifest) {
                    witness.violation(fault);
                }
            }
            Line::Runs(version, it) => {
                told.runs.insert(index, (version, it));
            }
            Line::Failed(why) => {
                let role = &self.roles[index];
                witness.violation(format_args!("{role:?} cannot go on: {why}"));
            }
        }
    }
}

impl Told {
    /// The fleet manager says that it has published this; gives what is wrong with that.
    fn is_published(&mut self, client: &str, version: u64, manifest: &str) -> Option<String> {
        self.claims
            .retain(|(who, which, what)| (&**who, *which, &**what) != (client, version, manifest));
        let known = self
            .manifests
            .entry((client.to_owned(), version))
            .or_insert_with(|| manifest.to_owned());
        (known != manifest).then(|| {
            format!("version {version} of {client} was published as {known} and as {manifest}")
        })
    }

    /// A device says that it has accepted this; gives what is wrong with that.
    fn is_accepted(&mut self, client: String, version: u64, manifest: String) -> Option<String> {
        match self.manifests.get(&(client.clone(), version)) {
            Some(known) if *known == manifest => None,
            Some(known) => Some(format!(
                "{client} accepted version {version} as {manifest}, and it was published as {known}"
            )),
            // The fleet manager may have died before it could tell.
            None => {
                let claim = (client, version, manifest);
                if !self.claims.contains(&claim) {
                    self.claims.push(claim);
                }
                None
            }
        }
    }

    /// Compares the reports that the fleet manager has at its start with those that it had taken.
    fn compare_reports(&mut self) -> Vec<String> {
        let kept = std::mem::take(&mut self.kept);
        let lost = self.reports.iter().filter(|(about, reports)| {
            let kept = kept.get(*about);
            let is_known = kept.is_some_and(|kept| reports.last.contains(kept));
            reports.is_acknowledged && !is_known
        });
        let lost = lost.map(|(about, reports)| {
            format!("the fleet manager lost a report on {about} that it had taken: {reports:?}")
        });
        let lost = lost.collect();
        let reports = kept.into_iter().map(|(about, report)| {
            let reports = Reports {
                last: vec![report],
                is_acknowledged: true,
                ..Reports::default()
            };
            (about, reports)
        });
        self.reports = reports.collect();
        lost
    }
}

impl Reports {
    fn taking(&mut self, report: String) {
        self.overlapped |= self.being_stored > 0;
        self.being_stored += 1;
        self.last.push(report);
    }

    fn took(&mut self, report: String) {
        self.is_acknowledged = true;
        self.being_stored = self.being_stored.saturating_sub(1);
        if self.being_stored == 0 {
            if !self.overlapped {
                self.last = vec![report];
            }
            self.overlapped = false;
        }
    }
}

/// Writes the files of an identity.
fn provision(folder: &Path, authority: &Authority, id: &SpiffeId) -> Result<(), Failure> {
    std::fs::create_dir(folder)?;
    let svid = authority.issue(id, Lifetime::default());
    let bundle = margo_types::write(&authority.bundle(), SpecVersion::NEWEST)?;
    let [svid_file, key_file, bundle_file] = files(folder);
    std::fs::write(svid_file, svid.chain_pem)?;
    write_private(&key_file, svid.key_pem.as_bytes())?;
    Ok(std::fs::write(bundle_file, bundle)?)
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(path)?, bytes)
}

const GLANCE: Duration = Duration::from_millis(30);
const OPEN_FILES: u64 = 64;
/// Two pipes, the process, and connections that come before others have gone.
const OPEN_FILES_PER_DEVICE: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn manifests_have_to_be_what_was_published() {
        let mut told = Told::default();
        assert_eq!(told.is_published("a", 1, "one"), None);
        assert_eq!(told.is_accepted(own("a"), 1, own("one")), None);
        assert!(told.is_accepted(own("a"), 1, own("two")).is_some());
        assert!(told.is_published("a", 1, "two").is_some());

        assert_eq!(told.is_accepted(own("a"), 2, own("later")), None);
        assert_eq!(told.claims.len(), 1, "nobody has published it yet");
        assert_eq!(told.is_published("a", 2, "later"), None);
        assert!(told.claims.is_empty());
    }

    #[test]
    fn reports_that_were_taken_have_to_be_kept() {
        let mut told = Told::default();
        let begin = |told: &mut Told, report: &str| {
            let reports = told.reports.entry(own("x")).or_default();
            reports.taking(own(report));
        };
        let end = |told: &mut Told, report: &str| {
            let reports = told.reports.entry(own("x")).or_default();
            reports.took(own(report));
        };
        begin(&mut told, "one");
        assert!(told.compare_reports().is_empty(), "it was not taken");
        begin(&mut told, "one");
        end(&mut told, "one");
        begin(&mut told, "two");
        told.kept.insert(own("x"), own("two"));
        assert!(told.compare_reports().is_empty(), "it was being taken");
        told.kept.insert(own("x"), own("one"));
        assert_eq!(told.compare_reports().len(), 1, "it is that before");
        assert_eq!(told.compare_reports().len(), 1, "it is gone");
    }
}
