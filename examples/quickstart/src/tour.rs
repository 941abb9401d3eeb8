//! What is shown, from beginning to end.

use std::pin::pin;

use margo_client::agent::Contact;
use margo_providers::Trouble;
use margo_providers::simulated::Fault;
use margo_types::status::DeploymentState;
use margo_wfm::operations::{
    Deploy, Deployed, DeploymentOverview, ImportPackage, Reconfigure, Remove, Settings, Update,
};

use crate::fleet::{Equipment, Fleet, PANEL, PRESS, RACK, failure, is_installed};
use crate::interruption::interruption;
use crate::narrator::Narrator;
use crate::{Failure, package};

/// Shows everything, until it is interrupted, and leaves nothing behind.
///
/// # Errors
/// When something did not go as it should, with all that went wrong; [`crate::interruption::Interrupted`] when it was.
pub(crate) async fn run(narrator: &mut Narrator, equipment: &Equipment) -> Result<(), Failure> {
    let mut interruption = pin!(interruption()?);
    narrator.introduce(INTRODUCTION);
    let (start, rack) = match equipment.cluster {
        Some(_) => (
            "Start a registry, a fleet manager and five devices",
            THE_RACK,
        ),
        None => ("Start a registry, a fleet manager and four devices", ""),
    };
    let about = format!("{THE_DEVICES}{rack}");
    let starting = narrator.step(start, &about, async |narrator| {
        Fleet::start(narrator, equipment).await
    });
    let mut fleet = tokio::select! {
        started = starting => started?,
        interrupted = &mut interruption => return Err(interrupted.into()),
    };
    let shown = tokio::select! {
        shown = show(narrator, &mut fleet) => shown,
        interrupted = &mut interruption => Err(interrupted.into()),
    };
    let is_shown = shown.is_ok();
    let ended = narrator
        .step(
            "Stop, and look what is left",
            "No container, network, volume, image or file may stay on this machine.",
            async |narrator| {
                let left = fleet.end().await?;
                if is_shown && !left.is_empty() {
                    return Err(format!("{} deployments were left on devices", left.len()).into());
                }
                if !left.is_empty() {
                    narrator.tell("left by then", &format!("{} removed", left.len()));
                }
                Ok(())
            },
        )
        .await;
    match (shown, ended) {
        (Err(shown), Err(ended)) => Err(format!("{shown}\n{ended}").into()),
        (shown, ended) => shown.and(ended),
    }
}

async fn show(narrator: &mut Narrator, fleet: &mut Fleet) -> Result<(), Failure> {
    let [first, second] = narrator
        .step(
            "Package the sample application, in two versions",
            "A package says what the application needs, which of its parameters an operator may \
             set, and where its Compose file and its Helm chart are. All of them are kept in a container \
             registry.",
            async |narrator| publish(narrator, fleet).await,
        )
        .await?;
    let deployed = narrator
        .step(
            "Deploy it to every device",
            "The fleet manager never calls a device. It publishes, for each, a numbered manifest of \
             what should run; devices fetch it, verify every byte, and report. For gateway/* the \
             gateway itself chooses the device behind it. The mill gets the same in the words of its \
             generation.",
            async |narrator| deploy(narrator, fleet, &first).await,
        )
        .await?;
    let on_panel = &deployed[PANEL];
    narrator
        .step(
            "Change a parameter of the panel",
            "Its container is made anew with the new greeting; the others are not touched.",
            async |narrator| {
                set(fleet, on_panel, "greeting", "Good evening").await?;
                fleet.until(narrator, is_installed).await
            },
        )
        .await?;
    narrator
        .step(
            "Update all of them",
            "Volumes outlive an update.",
            async |narrator| {
                fleet.manager.run(ImportPackage::new(&second)).await?;
                for deployment in &deployed {
                    let update = Update::new(&deployment.name).to(SECOND);
                    fleet.manager.run(update).await?;
                }
                fleet.until(narrator, is_installed).await?;
                tell_of_the_rack(narrator, fleet);
                Ok(())
            },
        )
        .await?;
    narrator
        .step(
            "Let the panel fail, and recover",
            "A parameter makes the program end at once. The device says so with the last words of the \
             program, and the operator takes the parameter back.",
            async |narrator| fail_and_recover(narrator, fleet, on_panel).await,
        )
        .await?;
    narrator
        .step(
            "Take the network away, restart the press, and bring the network back",
            "A device needs nobody to go on with what it was told last. Meanwhile the operator changes \
             a parameter, which the press gets later.",
            async |narrator| lose_the_network(narrator, fleet, &deployed[PRESS]).await,
        )
        .await?;
    narrator
        .step(
            "Remove everything",
            "The next manifest no longer has it, so the devices remove it and say so.",
            async |narrator| {
                for deployment in &deployed {
                    fleet.manager.run(Remove::new(&deployment.name)).await?;
                }
                fleet
                    .until(narrator, |overview| Ok(overview.is_gone()))
                    .await
            },
        )
        .await
}

async fn publish(narrator: &mut Narrator, fleet: &Fleet) -> Result<[String; 2], Failure> {
    let registry = fleet.registry.host();
    let (image, folder) = (fleet.image(), fleet.folder());
    let first = package::publish(&registry, FIRST, &image, folder).await?;
    let second = package::publish(&registry, SECOND, &image, folder).await?;
    for package in [&first, &second] {
        narrator.tell("package", package);
    }
    Ok([first, second])
}

/// To the panel, the press, one device behind the gateway, whichever of them the gateway chooses, the mill, and the rack.
async fn deploy(
    narrator: &mut Narrator,
    fleet: &Fleet,
    package: &str,
) -> Result<Vec<Deployed>, Failure> {
    let imported = fleet.manager.run(ImportPackage::new(package)).await?;
    let mut deployed = Vec::new();
    let rack = fleet.rack.as_ref().map(|_| format!("{RACK}/{RACK}"));
    let destinations = [
        "panel/panel",
        "press/press",
        "gateway/gateway/south",
        "gateway/gateway/*",
        "mill/mill",
    ];
    for destination in destinations.into_iter().chain(rack.as_deref()) {
        let deploy = Deploy::new(imported.reference()).to(destination.parse()?);
        deployed.push(fleet.manager.run(deploy).await?);
    }
    fleet.until(narrator, is_installed).await?;
    tell_of_the_rack(narrator, fleet);
    Ok(deployed)
}

async fn fail_and_recover(
    narrator: &mut Narrator,
    fleet: &Fleet,
    on_panel: &Deployed,
) -> Result<(), Failure> {
    if let Some(script) = &fleet.panel_script {
        script.script(Fault::fail(
            Trouble::Workload,
            "it ended with status 3: the sensor does not answer",
        ));
    }
    set(fleet, on_panel, "program", "/fail").await?;
    let has_failed = |overview: &DeploymentOverview| {
        Ok(overview.deployment != on_panel.deployment || failure(overview).is_some())
    };
    fleet.until(narrator, has_failed).await?;

    if let Some(script) = &fleet.panel_script {
        script.recover();
    }
    set(fleet, on_panel, "program", "/wait").await?;
    fleet.until(narrator, is_installed).await
}

async fn lose_the_network(
    narrator: &mut Narrator,
    fleet: &mut Fleet,
    on_press: &Deployed,
) -> Result<(), Failure> {
    fleet.network.close().await;
    narrator.tell("network", "away");
    let (device, running) = &mut fleet.devices[PRESS];
    if let Some(running) = running.take() {
        running.switch_off().await;
    }
    let restarted = device.switch_on().await?;
    let id = on_press.deployment;
    restarted
        .until("its workload ran again", |press| {
            let workload = press.deployments.get(&id);
            press.converged
                && press.contact == Contact::Failing
                && workload.is_some_and(|it| it.state == DeploymentState::Installed)
        })
        .await?;
    narrator.tell("press", "restarted on its own, and greeter runs");
    *running = Some(restarted);

    set(fleet, on_press, "greeting", "Welcome back").await?;
    fleet.network.open();
    narrator.tell("network", "back");
    fleet.until(narrator, is_installed).await
}

fn tell_of_the_rack(narrator: &mut Narrator, fleet: &Fleet) {
    if let Some(rack) = &fleet.rack {
        rack.tell(narrator);
    }
}

/// Changes one parameter of a deployment.
async fn set(fleet: &Fleet, deployed: &Deployed, name: &str, value: &str) -> Result<(), Failure> {
    let settings = Settings::default().set(name, value);
    fleet
        .manager
        .run(Reconfigure::new(&deployed.name, settings))
        .await?;
    Ok(())
}

const INTRODUCTION: &str = "\
Margo is a standard by which one fleet manager runs applications on edge devices of many makers. \
This is such a fleet on one machine: real programs that talk over TLS, on ports of their own.";
const THE_DEVICES: &str = "\
The devices have never met their fleet manager. Each has a certificate that says who it is, polls, and \
reports what it is and can run. One of them is a gateway with two devices behind it. The mill is older than \
the others: it speaks rc.1, in which requests are signed, while the others speak rc.3, over mutual TLS.";
const THE_RACK: &str = " \
The rack has a Kubernetes cluster, and gets the application as a Helm chart.";
const FIRST: &str = "1.0.0";
const SECOND: &str = "1.1.0";
