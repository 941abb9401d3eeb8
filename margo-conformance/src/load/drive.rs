//! The life of one simulated device.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use margo_types::deployment::ApplicationDeployment;
use margo_types::endpoint::{PathCaller, Route};
use margo_types::id::DeviceId;
use margo_types::manifest::StateManifest;
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus};
use margo_types::{SpecVersion, media_type, write};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{Answer, Connection};
use super::demands::{check, read};
use super::fault::{Fault, FaultKind};
use super::tally::{Asking, Operation, Tally};
use super::{Connections, Pace, Settings, SimulatedDevice, Target, signed};
use crate::host::capabilities;

/// What the devices of one thread have in common.
pub(super) struct Course {
    pub(super) target: Target,
    pub(super) settings: Settings,
    pub(super) tally: Arc<Mutex<Tally>>,
    pub(super) is_measuring: Arc<AtomicBool>,
}

impl Course {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes something down, unless it does not count now.
    fn note(&self, note: impl FnOnce(&mut Tally)) {
        if self.is_measuring.load(Ordering::Relaxed) {
            note(&mut self.tally());
        }
    }

    /// Writes an error down, apart from those that count if it does not count now.
    fn failed(&self, fault: &Fault) {
        let mut tally = self.tally();
        if self.is_measuring.load(Ordering::Relaxed) {
            tally.errors.add(fault);
        } else {
            tally.errors_before.add(fault);
        }
        let first = &mut tally.first_error;
        first.get_or_insert_with(|| format!("{}: {}", fault.kind, fault.text));
    }
}

/// Notices how late the thread is: what is due now is done so much later.
pub(super) async fn heartbeat(course: Arc<Course>) {
    loop {
        let due = Instant::now() + BEAT;
        sleep_until(due).await;
        course.note(|tally| tally.late(due.elapsed()));
    }
}

/// Lives until the runtime ends.
pub(super) async fn live(device: SimulatedDevice, course: Arc<Course>) {
    let mut random = Random::new(course.settings.seed, device.client.as_str());
    sleep(course.settings.warm_up.mul_f64(0.9 * random.fraction())).await;
    let mut living = Living::new(device, course);
    if living.course.settings.capabilities && living.device.signs_as.is_none() {
        // What went wrong is written down, and the device carries on.
        _ = living.report_capabilities().await;
    }
    let mut due = Instant::now();
    let mut is_first = true;
    loop {
        let polled = living.poll().await;
        match living.course.settings.pace {
            Pace::Unpaced if polled.is_err() => sleep(PAUSE).await,
            Pace::Unpaced => {}
            Pace::Every { period, jitter } => {
                // The second poll is anywhere in a period, so that a fast warm-up is not heard as an echo.
                due += if is_first {
                    period.mul_f64(random.fraction())
                } else {
                    let shift = jitter.clamp(0.0, 1.0) * (2.0 * random.fraction() - 1.0);
                    period.mul_f64(1.0 + shift)
                };
                let now = Instant::now();
                if due < now {
                    living.course.note(|tally| tally.overdue += 1);
                    due = now;
                }
                sleep_until(due).await;
            }
        }
        is_first = false;
    }
}

struct Living {
    device: SimulatedDevice,
    course: Arc<Course>,
    connection: Option<Connection>,
    asking: Asking,
    /// The next poll, as bytes, unless it is signed: then each is another.
    poll: Vec<u8>,
    /// The entity tag of what it has.
    tag: Option<String>,
}

impl Living {
    fn new(device: SimulatedDevice, course: Arc<Course>) -> Self {
        let poll = poll_request(&course, None);
        let asking = Asking::default();
        course.tally().asking.push(asking.clone());
        Self {
            device,
            course,
            connection: None,
            asking,
            poll,
            tag: None,
        }
    }

    async fn poll(&mut self) -> Result<(), Fault> {
        if let Some(identity) = self.device.signs_as.clone() {
            return self.poll_signed(&identity).await;
        }
        let request = std::mem::take(&mut self.poll);
        let answer = self.ask(Operation::Poll, &request).await;
        self.poll = request;
        let answer = answer?;
        if answer.status == 304 {
            return Ok(());
        }
        self.tag = answer.tag;
        self.poll = poll_request(&self.course, self.tag.as_deref());
        if self.course.settings.statuses {
            self.report_statuses(&answer.body).await?;
        }
        Ok(())
    }

    async fn poll_signed(&mut self, identity: &signed::Identity) -> Result<(), Fault> {
        let Course {
            target, settings, ..
        } = &*self.course;
        let request = identity.poll(&self.device.client, target, settings, self.tag.as_deref())?;
        let answer = self.ask(Operation::Poll, &request).await?;
        if answer.status != 304 {
            self.tag = answer.tag;
        }
        Ok(())
    }

    async fn report_capabilities(&mut self) -> Result<(), Fault> {
        let device_id = self.device_id()?;
        let body = write(&capabilities(&device_id), GENERATION).map_err(unwritable)?;
        let route = Route::ReportCapabilities {
            device_id: Some(device_id),
        };
        let request = request(&self.course, "PUT", &path(&route)?, Some(&body));
        self.ask(Operation::Capabilities, &request).await?;
        Ok(())
    }

    /// Reports everything in a manifest as installed.
    async fn report_statuses(&mut self, manifest: &[u8]) -> Result<(), Fault> {
        let manifest = read::<StateManifest>(manifest)?;
        for reference in &manifest.deployments {
            let route = Route::Deployment {
                deployment_id: reference.deployment_id,
                digest: reference.digest,
            };
            let get = request(&self.course, "GET", &path(&route)?, None);
            let answer = self.ask(Operation::Document, &get).await?;
            let deployment = read::<ApplicationDeployment>(&answer.body)?;
            let components = deployment.spec.deployment_profile.components.iter();
            let components = components.map(|component| {
                ComponentStatus::new(component.name.clone(), DeploymentState::Installed)
            });
            let mut status = DeploymentStatus::new(
                reference.deployment_id,
                manifest.manifest_version,
                components.collect(),
            );
            status.device_id = Some(self.device_id()?);
            let body = write(&status, GENERATION).map_err(unwritable)?;
            let route = Route::ReportStatus {
                deployment_id: reference.deployment_id,
            };
            let post = request(&self.course, "POST", &path(&route)?, Some(&body));
            self.ask(Operation::Status, &post).await?;
        }
        Ok(())
    }

    /// Asks, connecting if need be. Everything is written down here.
    ///
    /// A server may close a connection that was idle just when it is used again; that is no error, and the request is sent
    /// once more over a new one. Whoever closes a new one without an answer has failed.
    async fn ask(&mut self, operation: Operation, request: &[u8]) -> Result<Answer, Fault> {
        let begin = Instant::now();
        self.asking.set(Some(begin));
        let result = match self.connection.take() {
            None => self.ask_anew(request).await,
            Some(used) => match self.ask_over(used, request).await {
                Err(fault) if fault.kind == FaultKind::Closed => {
                    self.course.note(|tally| tally.reconnections += 1);
                    self.ask_anew(request).await
                }
                result => result,
            },
        };
        self.asking.set(None);
        if let Ok(answer) = &result {
            self.course.note(|tally| {
                tally.sent += bytes(request.len());
                tally.received += bytes(answer.received);
            });
        }
        let checked = match &result {
            Ok(answer) => check(operation, self.tag.as_deref(), self.generation(), answer),
            Err(fault) => Err(fault.clone()),
        };
        match checked {
            Ok(()) => {
                let is_unchanged = result.as_ref().is_ok_and(|answer| answer.status == 304);
                self.course
                    .note(|tally| tally.answered(operation, begin.elapsed(), is_unchanged));
                result
            }
            Err(fault) => {
                self.course.failed(&fault);
                // As many devices would: what they ask then is what a fleet manager has to bear.
                let goes_on = fault.kind == FaultKind::EntityTag;
                if goes_on { result } else { Err(fault) }
            }
        }
    }

    async fn ask_anew(&mut self, request: &[u8]) -> Result<Answer, Fault> {
        let begin = Instant::now();
        let before = self.device.last_refusal();
        let opening = Connection::open(&self.course.target, &self.device.tls);
        let opened = self.in_time(opening).await;
        let connection = opened.map_err(|fault| match self.device.last_refusal() {
            Some(refusal) if !before.is_some_and(|it| Arc::ptr_eq(&it, &refusal)) => {
                Fault::new(FaultKind::Handshake, &refusal.reason)
            }
            _ => fault,
        })?;
        self.course
            .note(|tally| tally.answered(Operation::Handshake, begin.elapsed(), false));
        self.course.tally().connected += 1;
        self.ask_over(connection, request).await
    }

    async fn ask_over(
        &mut self,
        mut connection: Connection,
        request: &[u8],
    ) -> Result<Answer, Fault> {
        let answer = self.in_time(connection.exchange(request)).await;
        let is_kept = self.course.settings.connections == Connections::KeptAlive
            && answer.as_ref().is_ok_and(|answer| answer.keeps_alive);
        if is_kept {
            self.connection = Some(connection);
        } else {
            self.course.tally().connected -= 1;
        }
        answer
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let limit = self.course.settings.timeout;
        let late = || Fault::new(FaultKind::Timeout, &format!("nothing within {limit:?}"));
        timeout(limit, work).await.unwrap_or_else(|_| Err(late()))
    }

    fn generation(&self) -> SpecVersion {
        match self.device.signs_as {
            Some(_) => SpecVersion::Rc1,
            None => GENERATION,
        }
    }

    /// Each device is the only one of its client, under the same name.
    fn device_id(&self) -> Result<DeviceId, Fault> {
        let id = self.device.client.as_str().parse::<DeviceId>();
        id.map_err(|error| Fault::malformed(&error.to_string()))
    }
}

fn poll_request(course: &Course, tag: Option<&str>) -> Vec<u8> {
    let path = path(&Route::Manifest).unwrap_or_default();
    let mut head = head(&course.target, &course.settings, "GET", &path);
    head.push_str("Accept: ");
    head.push_str(media_type::MANIFEST);
    head.push_str("\r\n");
    if let Some(tag) = tag {
        head.push_str("If-None-Match: ");
        head.push_str(tag);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn request(course: &Course, method: &str, path: &str, body: Option<&[u8]>) -> Vec<u8> {
    let mut request = head(&course.target, &course.settings, method, path);
    if let Some(body) = body {
        request.push_str("Content-Type: ");
        request.push_str(media_type::JSON);
        request.push_str("\r\nContent-Length: ");
        request.push_str(&body.len().to_string());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut request = request.into_bytes();
    request.extend_from_slice(body.unwrap_or_default());
    request
}

pub(super) fn head(target: &Target, settings: &Settings, method: &str, path: &str) -> String {
    let Target { host, prefix, .. } = target;
    let connection = match settings.connections {
        Connections::KeptAlive => "",
        Connections::PerRequest => "Connection: close\r\n",
    };
    format!("{method} {prefix}{path} HTTP/1.1\r\nHost: {host}\r\n{connection}")
}

fn path(route: &Route) -> Result<String, Fault> {
    let path = route.path(GENERATION, &PathCaller::Unnamed);
    path.map_err(|error| Fault::malformed(&error.to_string()))
}

fn unwritable(error: impl std::fmt::Display) -> Fault {
    Fault::malformed(&error.to_string())
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Random numbers that are the same for the same seed and device (SplitMix64).
struct Random(u64);

impl Random {
    fn new(seed: u64, name: &str) -> Self {
        let mut random = Self(seed);
        for byte in name.bytes() {
            random.0 = random.next() ^ u64::from(byte);
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f64 {
        let upper = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(upper) / f64::from(u32::MAX)
    }
}

const GENERATION: SpecVersion = SpecVersion::Rc3;
const BEAT: Duration = Duration::from_millis(10);
/// What an unpaced device waits after an error.
const PAUSE: Duration = Duration::from_millis(100);
