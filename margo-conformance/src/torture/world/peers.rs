//! Peers that are not what they should be, and whether they are refused and that is logged.

use std::time::Duration;

use margo_types::Digest;
use margo_types::id::DeviceTarget;
use tokio::time::Instant;

use super::super::Failure;
use super::super::intruder::{self, Ending, Intrusion};
use super::super::liar::{Falsehood, Liar};
use super::super::log::Reason;
use super::super::wishes::{deployment, deployment_id};
use super::{Fault, World};

/// A liar, and how its victim was when it began.
#[derive(Debug)]
pub(super) struct Lying {
    liar: Liar,
    life: u64,
    roots: u64,
    security_events: u64,
    failures: u32,
}

impl World {
    pub(super) async fn lie(
        &mut self,
        index: usize,
        falsehood: Falsehood,
        time: Duration,
    ) -> Result<(), Failure> {
        self.end_lie(index).await;
        let device = &self.devices[index];
        let held = device.held();
        let needs_something = matches!(falsehood, Falsehood::SameVersion | Falsehood::LowerVersion);
        if needs_something && held.is_none() {
            return Ok(());
        }
        let target: DeviceTarget = device.client.as_str().parse()?;
        let forgery = deployment(&target, deployment_id(u8::MAX, 0), 666, 0)?;
        let liar = Liar::start(falsehood, &self.authority, &self.own, held, &forgery).await?;
        device.line.close().await;
        device.line.lead_to(&liar.wfm.host());
        if !self.is(Fault::Unplugged(index)) {
            device.line.open();
        }
        let snapshot = device.snapshot().unwrap_or_default();
        self.liars[index] = Some(Lying {
            liar,
            life: device.lives,
            roots: self.roots,
            security_events: snapshot.security_events,
            failures: snapshot.consecutive_failures,
        });
        self.counts.add("lies");
        self.begin(Fault::Lie(index), time);
        Ok(())
    }

    /// Sends a liar away, once its victim has noticed.
    pub(super) async fn end_lie(&mut self, index: usize) {
        let Some(lying) = self.liars[index].take() else {
            return;
        };
        self.judge(index, &lying).await;
        let line = &self.devices[index].line;
        line.close().await;
        line.lead_to(&self.manager.front.host());
        if !self.is(Fault::Unplugged(index)) {
            line.open();
        }
    }

    /// Waits until the device has refused what it is told and has logged why, if nothing else keeps it from that.
    async fn judge(&mut self, index: usize, lying: &Lying) {
        let falsehood = lying.liar.falsehood;
        let begun = Instant::now();
        loop {
            let (device, told) = (&self.devices[index], lying.liar.told());
            if falsehood.is_impostor() && told > 0 {
                self.witness.violation(format_args!(
                    "{} talked to an impostor: {falsehood:?}",
                    device.client
                ));
                return;
            }
            let is_same = device.lives == lying.life;
            let life = device.life.as_ref().filter(|_| is_same);
            let Some(life) = life.filter(|life| !life.power.is_cut()) else {
                return;
            };
            let snapshot = life.handle.snapshot();
            let reason = if falsehood.is_security_event() {
                let is_counted = snapshot.security_events > lying.security_events;
                snapshot.last_security_event.filter(|_| is_counted)
            } else if let Some(reason) = falsehood.reason() {
                let is_said = |text: &String| Reason::of(text) == reason;
                snapshot.last_error.filter(is_said)
            } else {
                let is_counted = told > 0 && snapshot.consecutive_failures != lying.failures;
                snapshot.last_error.filter(|_| is_counted)
            };
            if let Some(reason) = reason {
                self.counts.add("lies refused");
                self.counts.add(&format!("refused {falsehood:?}"));
                self.witness
                    .note(format_args!("{} refused: {reason}", device.client));
                if !self.log.has_complaint(&reason) {
                    self.witness.violation(format_args!(
                        "{} refused {falsehood:?} and did not log why: {reason}",
                        device.client
                    ));
                }
                return;
            }
            let is_hindered = HINDRANCES.iter().any(|fault| self.is(fault(index)));
            // The last manifest of the fleet manager may have come just before: one after a restored backup is far above the lie, which
            // is then refused as the older one.
            let is_too_old = device.held() > Some(lying.liar.version);
            if is_hindered || is_too_old || self.roots != lying.roots {
                return;
            }
            if begun.elapsed() > PATIENCE {
                let why = life.handle.snapshot().last_error;
                self.witness.violation(format_args!(
                    "{} was told {falsehood:?} {told} times and does not say that it refused it, but {why:?}",
                    device.client
                ));
                return;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    pub(super) async fn intrude(
        &mut self,
        index: usize,
        intrusion: Intrusion,
    ) -> Result<(), Failure> {
        let client = self.devices[index].client.clone();
        let another = (index + 1) % self.devices.len();
        let of_another = match &self.manager.life {
            Some(life) if another != index => {
                let other = &self.devices[another].client;
                let mut assigned = life.store.inner.assigned(other).await?;
                assigned.pop().map(|(id, bytes)| (id, Digest::of(&bytes)))
            }
            _ => None,
        };
        let reason = intrusion.reason();
        let before = self.log.refusals(reason);
        let front = self.manager.front.host();
        let ending = intruder::intrude(intrusion, &front, &self.authority, &client, of_another);
        let ending = ending.await?;
        self.witness
            .note(format_args!("{intrusion:?} ended with {ending:?}"));
        let Ending::Answered(answer) = ending else {
            return Ok(());
        };
        if answer.is_some_and(|line| line.starts_with("HTTP/1.1 2")) {
            self.witness.violation(format_args!(
                "the fleet manager served an intruder: {intrusion:?}"
            ));
            return Ok(());
        }
        // A fleet manager that is dead, not there, or lives in another time does not refuse, or for another reason.
        let is_judging = |world: &Self| {
            let life = world.manager.life.as_ref();
            let hindrances = [Fault::ManagerUnplugged, Fault::ManagerSkewed];
            life.is_some_and(|life| !life.power.is_cut())
                && !hindrances.iter().any(|fault| world.is(*fault))
        };
        let begun = Instant::now();
        while is_judging(self) {
            if self.log.refusals(reason) > before {
                self.counts.add("intruders turned away");
                self.counts.add(&format!("turned away {intrusion:?}"));
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let logged = self.log.all_refusals();
                self.witness.violation(format_args!(
                    "the fleet manager turned {intrusion:?} away and did not log why: {logged:?}"
                ));
                return Ok(());
            }
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }
}

/// What keeps a device from talking to whoever is in the place of the fleet manager, or from saying why it does not.
const HINDRANCES: [fn(usize) -> Fault; 6] = [
    Fault::Unplugged,
    Fault::Slow,
    Fault::Expired,
    Fault::Late,
    Fault::Skewed,
    Fault::FullDisk,
];
/// How long a peer may take to say why it refused something.
const PATIENCE: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(10);
