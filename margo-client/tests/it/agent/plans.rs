//! Laws of the plan.

use std::collections::BTreeMap;

use margo_client::reconcile::{Action, Desired, Health, plan};
use margo_client::state::{Current, Phase};
use margo_types::Digest;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;

use super::rig::id;

fn digest() -> impl Strategy<Value = Digest> {
    (0..3_u8).prop_map(|it| Digest::of(&[it]))
}

fn device() -> impl Strategy<Value = Option<DeviceId>> {
    option::of((0..2_u8).prop_map(|it| format!("gw/{it}").parse().unwrap()))
}

fn desired() -> impl Strategy<Value = BTreeMap<DeploymentId, Desired>> {
    let one = (digest(), device()).prop_map(|(revision, host)| Desired::new(revision, host));
    btree_map((0..6_u8).prop_map(id), one, 0..6)
}

fn current() -> impl Strategy<Value = BTreeMap<DeploymentId, Current>> {
    let phases = [
        Phase::Applying,
        Phase::Installed,
        Phase::Refused,
        Phase::Rejected,
        Phase::Removing,
    ];
    let one = (
        digest(),
        option::of(digest()),
        device(),
        prop::sample::select(phases.to_vec()),
    );
    let one = one.prop_map(|(revision, applied, host, phase)| {
        Current::new(revision, ManifestVersion::FIRST, applied, host, phase)
    });
    btree_map((0..6_u8).prop_map(id), one, 0..6)
}

fn health() -> impl Strategy<Value = BTreeMap<DeploymentId, Health>> {
    let one = prop::sample::select(vec![Health::Good, Health::Drifted, Health::GivenUp]);
    btree_map((0..6_u8).prop_map(id), one, 0..6)
}

/// What is there after a step succeeded.
fn done(
    step: &margo_client::reconcile::Step,
    current: &mut BTreeMap<DeploymentId, Current>,
    health: &mut BTreeMap<DeploymentId, Health>,
) {
    let before = current.remove(&step.deployment);
    let phase = match step.action {
        Action::Remove => return,
        Action::Refuse => Phase::Refused,
        _ => Phase::Installed,
    };
    let (applied, host) = match phase {
        Phase::Refused => before.map_or((None, None), |it| (it.applied, it.host)),
        _ => (step.revision, step.host.clone()),
    };
    health.remove(&step.deployment);
    let revision = step.revision.unwrap();
    current.insert(
        step.deployment,
        Current::new(revision, ManifestVersion::FIRST, applied, host, phase),
    );
}

proptest! {
    #[test]
    fn it_ends_with_what_is_desired(desired in desired(), mut current in current(), mut health in health()) {
        for _ in 0..3 {
            for step in plan(&desired, &current, &health, |_| None).steps {
                done(&step, &mut current, &mut health);
            }
        }
        prop_assert_eq!(plan(&desired, &current, &health, |_| None).steps, vec![]);
        for (id, desired) in &desired {
            let current = &current[id];
            prop_assert_eq!(current.revision, desired.revision);
            if desired.host.is_some() && current.phase == Phase::Installed {
                prop_assert_eq!(&current.host, &desired.host);
                prop_assert_eq!(current.applied, Some(desired.revision));
            }
        }
        prop_assert!(current.keys().all(|id| desired.contains_key(id)), "something is left");
    }

    #[test]
    fn every_deployment_has_one_step_at_most_and_removals_come_first(
        desired in desired(), current in current(), health in health(),
    ) {
        let steps = plan(&desired, &current, &health, |_| None).steps;
        let ids: std::collections::BTreeSet<_> = steps.iter().map(|it| it.deployment).collect();
        prop_assert_eq!(ids.len(), steps.len());
        let removals: Vec<bool> = steps.iter().map(|it| it.action != Action::Remove).collect();
        prop_assert!(removals.is_sorted());
    }

    #[test]
    fn a_veto_holds_everything_but_refusals(desired in desired(), current in current(), health in health()) {
        let free = plan(&desired, &current, &health, |_| None);
        let held = plan(&desired, &current, &health, |_| Some("no".to_owned()));
        prop_assert!(held.steps.iter().all(|it| it.action == Action::Refuse));
        prop_assert_eq!(held.steps.len() + held.postponed.len(), free.steps.len());
    }

    #[test]
    fn what_no_device_takes_is_never_applied(desired in desired(), current in current(), health in health()) {
        for step in plan(&desired, &current, &health, |_| None).steps {
            if matches!(step.action, Action::Install | Action::Update | Action::Repair) {
                prop_assert!(step.host.is_some());
                prop_assert_eq!(&step.host, &desired[&step.deployment].host);
            }
        }
    }
}
