//! Minimum capacity (rc3.md section 1.5, W42 and W43): all of it must be there.

use super::verdict::{Outcome, Reason};
use crate::application::{Architecture, CapacityRequirements};
use crate::capabilities::{Cpu, DeviceProperties};
use crate::path::DocumentPath;
use crate::scalar::Quantity;
use crate::text::shorten;

/// Whether the device offers every stated minimum. Allocates nothing.
pub(super) fn is_met(required: &CapacityRequirements, device: &DeviceProperties) -> bool {
    has_cpu(required, device)
        && has_amount(required.memory.as_ref(), device.memory.as_ref())
        && has_amount(required.storage.as_ref(), device.storage.as_ref())
}

/// The stated minima, and what the device offers.
pub(super) fn explain(
    required: &CapacityRequirements,
    device: &DeviceProperties,
    path: &DocumentPath,
    reasons: &mut Vec<Reason>,
) {
    if let Some(cpu) = &required.cpu {
        let mut expression = format!("a cpu with cores >= {}", cpu.cores);
        if let Some(architectures) = listed(cpu.architectures.as_deref()) {
            let names: Vec<&str> = architectures.iter().map(Architecture::as_str).collect();
            expression = format!("{expression} of {}", shorten(&names.join(" or ")));
        }
        let found = match device.cpus.as_deref() {
            None | Some([]) => "the device has no cpus".to_owned(),
            Some(cpus) => {
                let cpus: Vec<String> = cpus.iter().map(in_words).collect();
                format!("the device has {}", shorten(&cpus.join(", ")))
            }
        };
        reasons.push(Reason {
            path: path.key("cpu"),
            expression,
            found,
            outcome: Outcome::of(has_cpu(required, device)),
        });
    }
    let amounts = [
        ("memory", &required.memory, &device.memory),
        ("storage", &required.storage, &device.storage),
    ];
    for (name, required, offered) in amounts {
        let Some(amount) = required else { continue };
        reasons.push(Reason {
            path: path.key(name),
            expression: format!("{name} >= {amount}"),
            found: match offered {
                Some(offered) => format!("the device has {offered}"),
                None => format!("the device does not say its {name}"),
            },
            outcome: Outcome::of(has_amount(required.as_ref(), offered.as_ref())),
        });
    }
}

/// One entry must have the cores and the architecture; entries are never added up.
fn has_cpu(required: &CapacityRequirements, device: &DeviceProperties) -> bool {
    let Some(required) = &required.cpu else {
        return true;
    };
    let architectures = listed(required.architectures.as_deref());
    device.cpus.iter().flatten().any(|cpu| {
        cpu.cores >= required.cores
            && architectures.is_none_or(|architectures| {
                let architecture = cpu.architecture.as_ref();
                architecture.is_some_and(|architecture| architectures.contains(architecture))
            })
    })
}

fn has_amount(required: Option<&Quantity>, offered: Option<&Quantity>) -> bool {
    required.is_none_or(|required| offered.is_some_and(|offered| offered >= required))
}

/// An empty list lists no architecture and so asks for none, like an empty list of rules.
fn listed(architectures: Option<&[Architecture]>) -> Option<&[Architecture]> {
    architectures.filter(|architectures| !architectures.is_empty())
}

fn in_words(cpu: &Cpu) -> String {
    match &cpu.architecture {
        Some(architecture) => format!("{} cores of {architecture}", cpu.cores),
        None => format!("{} cores of unknown architecture", cpu.cores),
    }
}
