//! What is shown, from beginning to end.

use margo_client::agent::Contact;
use margo_providers::Trouble;
use margo_providers::simulated::Fault;
use margo_types::status::DeploymentState;
use margo_wfm::operations::{
    Deploy, Deployed, DeploymentOverview, ImportPackage, Reconfigure, Remove, Settings, Update,
};

use crate::fleet::{Fleet, PANEL, PRESS, is_installed};
use crate::narrator::Narrator;
use crate::{Failure, package};

/// Shows everything.
///
/// # Errors
/// When something did not go as it should.
pub(crate) async fn run(narrator: &mut Narrator, simulated: bool) -> Result<(), Failure> {
    let mut fleet = narrator
        .step(
            "Start a registry, a fleet manager and three devices",
            async |narrator| Fleet::start(narrator, simulated).await,
        )
        .await?;
    let shown = show(narrator, &mut fleet).await;
    let ended = narrator
        .step("Stop, and look what is left", async |_| fleet.end().await)
        .await;
    shown.and(ended)
}

async fn show(narrator: &mut Narrator, fleet: &mut Fleet) -> Result<(), Failure> {
    let versions = narrator
        .step(
            "Package the sample application, in two versions",
            async |narrator| publish(narrator, fleet).await,
        )
        .await?;
    let [first, second] = versions;
    let deployed = narrator
        .step("Deploy it to every device", async |narrator| {
            deploy(narrator, fleet, &first).await
        })
        .await?;
    let on_panel = &deployed[PANEL];
    narrator
        .step("Change a parameter of the panel", async |narrator| {
            set(fleet, on_panel, "greeting", "Good evening").await?;
            fleet.until(narrator, is_installed).await
        })
        .await?;
    narrator
        .step("Update all of them", async |narrator| {
            fleet.manager.run(ImportPackage::new(&second)).await?;
            for deployment in &deployed {
                fleet
                    .manager
                    .run(Update::new(&deployment.name).to(SECOND))
                    .await?;
            }
            fleet.until(narrator, is_installed).await
        })
        .await?;
    narrator
        .step("Let the panel fail, and recover", async |narrator| {
            fail_and_recover(narrator, fleet, on_panel).await
        })
        .await?;
    narrator
        .step(
            "Take the network away, restart the press, and bring the network back",
            async |narrator| lose_the_network(narrator, fleet, &deployed[PRESS]).await,
        )
        .await?;
    narrator
        .step("Remove everything", async |narrator| {
            for deployment in &deployed {
                fleet.manager.run(Remove::new(&deployment.name)).await?;
            }
            fleet.until(narrator, DeploymentOverview::is_gone).await
        })
        .await
}

async fn publish(narrator: &mut Narrator, fleet: &Fleet) -> Result<[String; 2], Failure> {
    let registry = fleet.registry.host();
    let first = package::publish(&registry, FIRST, fleet.folder()).await?;
    let second = package::publish(&registry, SECOND, fleet.folder()).await?;
    for package in [&first, &second] {
        narrator.see("package", package);
    }
    Ok([first, second])
}

/// To the panel, the press, one child of the gateway, and whichever child the gateway chooses.
async fn deploy(
    narrator: &mut Narrator,
    fleet: &Fleet,
    package: &str,
) -> Result<Vec<Deployed>, Failure> {
    let imported = fleet.manager.run(ImportPackage::new(package)).await?;
    let mut deployed = Vec::new();
    for destination in [
        "panel/panel",
        "press/press",
        "gateway/gateway/north",
        "gateway/gateway/*",
    ] {
        let deploy = Deploy::new(imported.reference()).to(destination.parse()?);
        deployed.push(fleet.manager.run(deploy).await?);
    }
    fleet.until(narrator, is_installed).await?;
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
        let is_failed = |state: &DeploymentState| *state == DeploymentState::Failed;
        overview.deployment != on_panel.deployment
            || !overview.waiting
                && overview
                    .reports
                    .iter()
                    .any(|report| is_failed(&report.state))
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
    narrator.see("network", "away");
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
    narrator.see(
        "press",
        "restarted without the network, and its workload runs",
    );
    *running = Some(restarted);

    set(fleet, on_press, "greeting", "Welcome back").await?;
    fleet.network.open();
    narrator.see("network", "back");
    fleet.until(narrator, is_installed).await
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

const FIRST: &str = "1.0.0";
const SECOND: &str = "1.1.0";
