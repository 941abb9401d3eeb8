//! What is done to the fleet, drawn from a seed.

use std::time::Duration;

use super::intruder::Intrusion;
use super::liar::Falsehood;
use super::random::Random;

/// One thing that is done. Which one comes next depends on the seed alone, never on what the fleet makes of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The desired state of a device changes.
    Change(usize, Change),
    /// An agent dies at its so-many-th step from now, or a little later between two.
    KillAgent(usize, u64),
    /// The fleet manager does.
    KillManager(u64),
    /// A device loses its network for so long.
    Unplug(usize, Duration),
    /// The fleet manager does.
    UnplugManager(Duration),
    /// Every piece of data of a device takes so much longer, for so long.
    Slow(usize, Duration, Duration),
    /// Somebody takes the place of the fleet manager for so long, and until the device has noticed.
    Lie(usize, Falsehood, Duration),
    /// Somebody takes the place of a client for one request.
    Intrude(usize, Intrusion),
    /// A device gets a new SVID.
    Renew(usize),
    /// The fleet manager does.
    RenewManager,
    /// The SVID of a device is over for so long.
    Expire(usize, Duration),
    /// The trust domain gets a new root, and everybody new SVIDs; a device hears of it so much later.
    NewRoot(Option<usize>, Duration),
    /// The clock of a device is set ahead of the truth by so many seconds, or behind.
    SetClock(usize, i64),
    /// Certificates are judged by such a clock for so long, on a device or, without one, by the fleet manager.
    Skew(Option<usize>, i64, Duration),
    /// The disk of a device is full for so long.
    FillDisk(usize, Duration),
    /// That of the fleet manager is.
    FillManagersDisk(Duration),
    /// The engine of a device fails so often.
    EngineFails(usize, u64),
    /// It hangs for so long.
    EngineHangs(usize, Duration),
    /// It takes its time with the next components.
    EngineDelays(usize, Duration),
    /// A workload ends by itself.
    Break(usize, u8),
    /// The state file of a device is cut at this share of a thousand; of a copy, after a kill.
    CutState(usize, u64),
    /// A child of a gateway comes or goes.
    Child(usize, usize, bool),
    /// The store of the fleet manager is copied.
    BackUp,
    /// It is replaced by its last copy.
    Restore,
}

/// How a desired state changes. What is not there is deployed, whatever was to be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A deployment comes.
    Deploy(u8),
    /// It gets another revision of its application.
    Update(u8),
    /// It gets another parameter.
    Reconfigure(u8),
    /// It is for another device behind the same gateway.
    Move(u8),
    /// It goes.
    Remove(u8),
    /// All go.
    Clear,
}

/// How many deployments a device may have.
pub(super) const SLOTS: u64 = 12;

impl Action {
    /// The next action on a fleet of so many devices.
    pub(super) fn draw(random: &mut Random, devices: usize) -> Self {
        let device = usize::try_from(random.below(devices as u64)).unwrap_or_default();
        match random.below(116) {
            0..40 => Self::Change(device, Change::draw(random)),
            40..50 => Self::KillAgent(device, 1 + random.below(40)),
            50..54 => Self::KillManager(1 + random.below(60)),
            54..58 => Self::Unplug(device, random.millis(50, 2000)),
            58..60 => Self::UnplugManager(random.millis(50, 1000)),
            60..63 => Self::Slow(device, random.millis(1, 40), random.millis(200, 2000)),
            63..73 => Self::Lie(device, Falsehood::draw(random), random.millis(500, 3000)),
            73..77 => Self::Intrude(device, Intrusion::draw(random)),
            77..79 => Self::Renew(device),
            79..80 => Self::RenewManager,
            80..82 => Self::Expire(device, random.millis(200, 1500)),
            82..84 => {
                let late = (random.below(2) == 0).then_some(device);
                Self::NewRoot(late, random.millis(200, 1500))
            }
            84..87 => Self::SetClock(device, random.pick(JUMPS)),
            87..89 => {
                let whose = (random.below(4) > 0).then_some(device);
                Self::Skew(whose, random.pick(JUMPS), random.millis(200, 1500))
            }
            89..91 => Self::FillDisk(device, random.millis(100, 1500)),
            91..92 => Self::FillManagersDisk(random.millis(100, 1500)),
            92..95 => Self::EngineFails(device, 1 + random.below(4)),
            95..97 => Self::EngineHangs(device, random.millis(200, 4000)),
            97..99 => Self::EngineDelays(device, random.millis(10, 300)),
            99..102 => Self::Break(device, Change::slot(random)),
            102..104 => Self::CutState(device, random.below(1000)),
            104..111 => {
                let child = usize::try_from(random.below(CHILDREN as u64)).unwrap_or_default();
                Self::Child(device, child, random.below(3) > 0)
            }
            111..114 => Self::BackUp,
            _ => Self::Restore,
        }
    }
}

impl Change {
    pub(super) fn draw(random: &mut Random) -> Self {
        let slot = Self::slot(random);
        match random.below(22) {
            0..7 => Self::Deploy(slot),
            7..12 => Self::Update(slot),
            12..15 => Self::Reconfigure(slot),
            15..17 => Self::Move(slot),
            17..21 => Self::Remove(slot),
            _ => Self::Clear,
        }
    }

    fn slot(random: &mut Random) -> u8 {
        u8::try_from(random.below(SLOTS)).unwrap_or_default()
    }
}

/// How many children a gateway has at most.
pub(super) const CHILDREN: usize = 2;
const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;
/// Where clocks are set to; devices without a battery wake up decades ago.
const JUMPS: [i64; 8] = [0, 2, -2, HOUR, -HOUR, 10 * YEAR, -10 * YEAR, -50 * YEAR];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_actions() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            let actions: Vec<Action> = (0..500).map(|_| Action::draw(&mut random, 7)).collect();
            actions
        };
        assert_eq!(draw(4), draw(4));
        assert_ne!(draw(4), draw(5));
    }
}
