//! The shortest tour of what the Margo crates do today: from an application package to the documents that a
//! fleet manager serves to its devices.
//!
//! ```sh
//! cargo run -q -p quickstart
//! ```

use std::error::Error;

use margo_package::bundle;
use margo_package::instantiate::Instantiation;
use margo_types::application::ApplicationDescription;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::eligibility::choose_profile;
use margo_types::id::DeploymentId;
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};
use margo_types::values::Answers;
use margo_types::{Digest, Exact, Report, SpecVersion, read, write};

/// What an application supplier publishes.
const APPLICATION: &[u8] = include_bytes!("../sample/margo.yaml");

/// What three devices report of themselves; somebody wrote the last one by hand.
const DEVICES: [(&str, &[u8]); 3] = [
    ("cluster.json", include_bytes!("../sample/cluster.json")),
    ("panel.json", include_bytes!("../sample/panel.json")),
    ("sloppy.json", include_bytes!("../sample/sloppy.json")),
];

/// A deployment document, as it is served, and its id.
type Served = (DeploymentId, Vec<u8>);

fn main() -> Result<(), Box<dyn Error>> {
    let application = application()?;
    let mut deployments = Vec::new();
    for (file, bytes) in DEVICES {
        println!("\n{file}");
        match read::<DeviceCapabilities>(bytes) {
            Ok(device) => deployments.extend(deploy(application.value(), &device)?),
            // What cannot be understood is told all at once, with the place in the file.
            Err(error) => error
                .faults()
                .iter()
                .for_each(|fault| println!("  {fault}")),
        }
    }
    serve(&deployments)
}

/// Reading finds the generation by the shape and keeps the exact bytes, with their digest.
fn application() -> Result<Exact<ApplicationDescription>, Box<dyn Error>> {
    let application = read::<ApplicationDescription>(APPLICATION)?;
    let metadata = &application.value().metadata;
    println!("{} {}", metadata.name, metadata.version);
    println!(
        "  written for {} as {}",
        application.generation(),
        application.format()
    );
    println!("  {}", application.digest());
    for profile in &application.value().deployment_profiles {
        println!(
            "  can be deployed with {}, as {}",
            profile.deployment_type, profile.id
        );
    }
    print_findings(&application.validate());
    Ok(application)
}

/// Places the application on a device, if one of its profiles fits.
fn deploy(
    application: &ApplicationDescription,
    device: &Exact<DeviceCapabilities>,
) -> Result<Option<Served>, Box<dyn Error>> {
    print_findings(&device.validate());
    let device = device.value();
    let id = &device.properties.id;
    let profile = match choose_profile(application, device) {
        Ok(profile) => profile,
        Err(reasons) => {
            println!("  {}", reasons.to_string().replace('\n', "\n    "));
            return Ok(None);
        }
    };
    println!("  {id} gets the profile {}", profile.id);

    // A fleet manager keeps ids; this one derives them, so that every run prints the same.
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&Digest::of(id.as_str().as_bytes()).as_bytes()[..16]);
    let deployment_id = DeploymentId::from_uuid_bytes(uuid);
    let answers = Answers::new(application);
    let deployment = Instantiation::new(application, &profile.id)?.install(
        deployment_id,
        "quickstart",
        "default",
        id.clone().into(),
        &answers,
    )?;
    let document = write(&deployment, SpecVersion::NEWEST)?;
    println!(
        "  deployment {deployment_id}: {} bytes of YAML",
        document.len()
    );
    match write(&deployment, SpecVersion::Rc1) {
        Ok(older) => println!(
            "  for a device of rc.1 the same takes {} bytes",
            older.len()
        ),
        Err(error) => println!("  not for a device of rc.1: {error}"),
    }
    Ok(Some((deployment_id, document)))
}

/// Makes the bundle and the state manifest; the same deployments always give the same bytes.
fn serve(deployments: &[Served]) -> Result<(), Box<dyn Error>> {
    let members: Vec<_> = deployments
        .iter()
        .map(|(id, document)| (*id, document.as_slice()))
        .collect();
    let bundle = bundle::build(&members)?;
    let url = format!("/api/v1/bundles/{}", bundle.digest);
    let references = deployments.iter().map(|(id, document)| {
        let digest = Digest::of(document);
        let url = format!("/api/v1/deployments/{id}/{digest}");
        DeploymentReference::new(*id, digest, document.len() as u64, url)
    });
    let manifest = StateManifest::new(
        ManifestVersion::FIRST,
        Some(BundleReference::new(
            bundle.digest,
            bundle.bytes.len() as u64,
            url,
        )),
        references.collect(),
    );
    println!(
        "\nstate manifest {} of {} deployments",
        manifest.manifest_version,
        deployments.len()
    );
    println!("  bundle {}, {} bytes", bundle.digest, bundle.bytes.len());
    let manifest = read::<StateManifest>(&write(&manifest, SpecVersion::NEWEST)?)?;
    println!("  entity tag {}", manifest.digest().to_etag());
    print_findings(&manifest.validate());
    Ok(())
}

/// What strict validation has to say about the rules of the specification.
fn print_findings(report: &Report) {
    if report.findings().is_empty() {
        println!("  obeys every rule");
    }
    for finding in report.findings() {
        println!("  {finding}");
    }
}
