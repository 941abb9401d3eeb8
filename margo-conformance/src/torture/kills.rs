//! Kills at numbered steps: every step of a run in turn, over and over.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::action::{CHILDREN, Change};
use super::device::Device;
use super::manager::Manager;
use super::random::Random;
use super::wishes::Wishes;
use super::witness::Witness;
use super::world::World;
use super::{Counts, Failure, Options, is_over};

/// Kills agents so often, all devices side by side, while the fleet manager lives.
pub(super) async fn agents(
    world: &mut World,
    options: &Options,
    kills: u64,
) -> Result<(), Failure> {
    world.counts.expect("agent killed", &AGENT_POINTS);
    let devices = world.devices.len() as u64;
    let mut done = 0;
    while done < kills && !is_over(world, options) {
        let each = (kills - done).div_ceil(devices).min(KILLS_BETWEEN_REST);
        let (manager, witness) = (&world.manager, &*world.witness);
        let counts = RefCell::new(&mut world.counts);
        let chains = world.devices.iter_mut().zip(&mut world.wishes);
        let chains = chains.zip(0..).map(|((device, wishes), number)| Chain {
            first: done / devices,
            random: Random::new(options.seed ^ (number << 32) ^ done),
            device,
            wishes,
            manager,
            witness,
            counts: &counts,
        });
        for result in join_all(chains.map(|chain| chain.run(each))).await {
            result?;
        }
        done += each * devices;
        world.settle().await?;
    }
    Ok(())
}

/// Kills of one device's agent.
struct Chain<'a> {
    /// How many kills of it went before.
    first: u64,
    random: Random,
    device: &'a mut Device,
    wishes: &'a mut Wishes,
    manager: &'a Manager,
    witness: &'a Witness,
    /// Of all chains: what is counted so far is told also when they are ended early.
    counts: &'a RefCell<&'a mut Counts>,
}

impl Chain<'_> {
    async fn run(mut self, kills: u64) -> Result<(), Failure> {
        for number in self.first..self.first + kills {
            if self.witness.is_violated() {
                break;
            }
            self.kill_at(1 + number % MOST_POINTS).await?;
        }
        Ok(())
    }

    /// Has the agent work until it comes to this step.
    async fn kill_at(&mut self, point: u64) -> Result<(), Failure> {
        let Some(life) = &self.device.life else {
            return Ok(());
        };
        let power = std::sync::Arc::clone(&life.power);
        power.arm(point);
        let begun = Instant::now();
        while timeout(BETWEEN_CHANGES, power.wait_until_cut())
            .await
            .is_err()
            && begun.elapsed() < LONGEST
        {
            self.wishes.change(Change::draw(&mut self.random));
            let wanted = self.wishes.deployments()?;
            self.manager.publish(&self.device.client, &wanted).await?;
            self.wishes.is_new = false;
            self.count("changes of desired states");
            self.witness.progress.stepped();
            stir(self.device, &mut self.random)?;
        }
        drop(power);
        let place = self.device.kill().await.unwrap_or_default();
        self.count("kills of agents");
        self.count(&format!("agent killed {place}"));
        self.witness.note(format_args!(
            "killed the agent of {} {place}, step {point}",
            self.device.client
        ));
        self.device.start().await
    }

    fn count(&self, what: &str) {
        self.counts.borrow_mut().add(what);
    }
}

/// Kills fleet managers so often, while all devices live.
pub(super) async fn managers(
    world: &mut World,
    options: &Options,
    kills: u64,
) -> Result<(), Failure> {
    world.counts.expect("fleet manager killed", &MANAGER_POINTS);
    let mut random = Random::new(!options.seed);
    for number in 0..kills {
        if is_over(world, options) {
            break;
        }
        if let Some(life) = &world.manager.life {
            let power = std::sync::Arc::clone(&life.power);
            power.arm(1 + number % MOST_POINTS);
            let begun = Instant::now();
            while !power.is_cut() && begun.elapsed() < LONGEST {
                let index = usize::try_from(random.below(world.devices.len() as u64))?;
                world.counts.add("changes of desired states");
                world.witness.progress.stepped();
                world.change(index, Change::draw(&mut random)).await?;
                stir(&mut world.devices[index], &mut random)?;
                let _ = timeout(BETWEEN_CHANGES, power.wait_until_cut()).await;
            }
        }
        world.restart_manager().await?;
        for device in &world.devices {
            device.poll_now();
        }
        if number % KILLS_BETWEEN_REST == KILLS_BETWEEN_REST - 1 {
            world.settle().await?;
        }
    }
    world.settle().await
}

/// Has a device ask now, and a gateway gain or lose a child now and then.
fn stir(device: &mut Device, random: &mut Random) -> Result<(), Failure> {
    if random.below(4) == 0 {
        let child = usize::try_from(random.below(CHILDREN as u64))?;
        device.connect(child, random.below(3) > 0)?;
    }
    device.poll_now();
    Ok(())
}

/// Every step of an agent that is counted: those that were never hit are told as such.
const AGENT_POINTS: [&str; 28] = [
    "before poll",
    "after poll",
    "before document",
    "after document",
    "before bundle",
    "after bundle",
    "before accept",
    "after accept",
    "before apply",
    "after apply",
    "before remove",
    "after remove",
    "before observe",
    "after observe",
    "before current",
    "after current",
    "before forget",
    "after forget",
    "before other commit",
    "after other commit",
    "before report",
    "after report",
    "before settle",
    "after settle",
    "before capabilities",
    "after capabilities",
    "before removal",
    "after removal",
];
const MANAGER_POINTS: [&str; 15] = [
    "admission",
    "head",
    "manifest",
    "content",
    "assigned",
    "document of a report",
    "before publish",
    "after publish",
    "before report",
    "after report",
    "before capabilities",
    "after capabilities",
    "before removal",
    "after removal",
    "version of a manifest",
];
/// More than an agent needs from its start to the end of a change of several deployments, so all steps are hit.
const MOST_POINTS: u64 = 60;
const KILLS_BETWEEN_REST: u64 = 50;
/// Nobody waits for a regular time: whoever is to notice a change is told to look.
const BETWEEN_CHANGES: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(5);
