//! The sample application, packaged and published in two versions.

use std::fs;
use std::path::Path;

use margo_package::oci::{Client, Reference, Registries, RegistryAccess};
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::{ComponentInfo, push_chart, push_compose, push_package};
use margo_package::{chart, compose};
use margo_types::id::ComponentName;

use crate::Failure;

/// Publishes one version of the sample, which runs this image, to this registry and says where it is.
///
/// # Errors
/// When the sample is not valid or the registry refuses it.
pub(crate) async fn publish(
    registry: &str,
    version: &str,
    image: &str,
    folder: &Path,
) -> Result<String, Failure> {
    let folder = folder.join(version);
    let component = folder.join("greeter");
    fs::create_dir_all(&component)?;
    let fill_in = |text: &str| {
        text.replace("REGISTRY", registry)
            .replace("VERSION", version)
            .replace("IMAGE", image)
    };
    fs::write(folder.join("margo.yaml"), fill_in(DESCRIPTION))?;
    fs::write(component.join("compose.yaml"), fill_in(COMPOSE))?;
    let chart_folder = folder.join("greeter-helm");
    fs::create_dir_all(chart_folder.join("templates"))?;
    for (name, text) in CHART {
        fs::write(chart_folder.join(name), fill_in(text))?;
    }

    let client = client(registry)?;
    let package = ApplicationPackage::open(&folder, &PackageLimits::default())?;
    let name = ComponentName::parse("greeter")?;
    let mut archive = Vec::new();
    compose::pack(&component, &name, &mut archive)?;
    let place: Reference = format!("{registry}/compose/greeter:{version}").parse()?;
    push_compose(&client, &place, archive, &ComponentInfo::from(name)).await?;

    let mut archive = Vec::new();
    chart::pack(&chart_folder, &mut archive)?;
    let place: Reference = format!("{registry}/charts/greeter-helm:{version}").parse()?;
    push_chart(&client, &place, archive).await?;

    let place: Reference = format!("{registry}/packages/greeter:{version}").parse()?;
    push_package(&client, &place, &package).await?;
    Ok(format!("oci://{place}"))
}

/// A client for the embedded registry, which speaks plain HTTP.
///
/// # Errors
/// When this machine cannot do TLS at all.
pub(crate) fn client(registry: &str) -> Result<Client, Failure> {
    let registries = Registries::default().with(registry, RegistryAccess::plain_http());
    Ok(registries.client(Path::new(""))?)
}

const DESCRIPTION: &str = include_str!("../sample/greeter/margo.yaml");
const COMPOSE: &str = include_str!("../sample/greeter/compose.yaml");
const CHART: [(&str, &str); 3] = [
    (
        "Chart.yaml",
        include_str!("../sample/greeter/chart/Chart.yaml"),
    ),
    (
        "values.yaml",
        include_str!("../sample/greeter/chart/values.yaml"),
    ),
    (
        "templates/greeter.yaml",
        include_str!("../sample/greeter/chart/templates/greeter.yaml"),
    ),
];
