//! The shortest tour of what the Margo crates do today.
//!
//! ```sh
//! cargo run -q -p quickstart
//! ```

use margo_types::application::ApplicationDescription;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::{ReadError, Report, read};

/// What an application supplier publishes.
const APPLICATION: &[u8] = include_bytes!("../sample/margo.yaml");

/// What three devices report of themselves; somebody wrote the last one by hand.
const DEVICES: [(&str, &[u8]); 3] = [
    ("cluster.json", include_bytes!("../sample/cluster.json")),
    ("panel.json", include_bytes!("../sample/panel.json")),
    ("sloppy.json", include_bytes!("../sample/sloppy.json")),
];

fn main() -> Result<(), ReadError> {
    // Reading finds the generation by the shape and keeps the exact bytes, with their digest.
    let application = read::<ApplicationDescription>(APPLICATION)?;
    let description = application.value();
    println!(
        "{} {}",
        description.metadata.name, description.metadata.version
    );
    println!(
        "  written for {} as {}",
        application.generation(),
        application.format()
    );
    println!("  {}", application.digest());
    for profile in &description.deployment_profiles {
        println!(
            "  can be deployed with {}, as {}",
            profile.deployment_type, profile.id
        );
    }
    print_findings(&application.validate());

    for (file, bytes) in DEVICES {
        println!("\n{file}");
        match read::<DeviceCapabilities>(bytes) {
            Ok(capabilities) => {
                let properties = &capabilities.value().properties;
                println!("  {} by {}", properties.id, properties.vendor);
                if let Some(memory) = &properties.memory {
                    println!("  offers {memory}, which is {} bytes", memory.bytes());
                }
                print_findings(&capabilities.validate());
            }
            // What cannot be understood is told all at once, with the place in the file.
            Err(error) => {
                for fault in error.faults() {
                    println!("  {fault}");
                }
            }
        }
    }
    Ok(())
}

/// What strict validation has to say about the rules of the specification.
fn print_findings(report: &Report) {
    if report.findings().is_empty() {
        println!("  obeys every rule that was checked");
    }
    for finding in report.findings() {
        println!("  {finding}");
    }
}
