//! The file with what the device is and offers.

use std::fs;
use std::io::Write as _;

use margo_types::application::DeploymentType;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::{Digest, SpecVersion, read, validate};

use crate::config::Config;
use crate::detect::Machine;
use crate::failure::{Failure, Kind};

/// Prints the capabilities, from the file or drafted, and writes a draft to the file.
pub(crate) fn show(config: &Config, draft: bool, write: bool) -> Result<(), Failure> {
    if !draft {
        let file = CapabilitiesFile::read(config)?;
        println!("{}", pretty(&file.capabilities)?);
        return Ok(());
    }
    let machine = Machine::this(&config.path(&config.state_directory));
    let capabilities = machine.capabilities(
        config.device.id.clone(),
        vec![DeploymentType::Compose],
        config.telemetry.is_some(),
    );
    let text = pretty(&capabilities)?;
    println!("{text}");
    for finding in validate(&capabilities, SpecVersion::NEWEST).errors() {
        eprintln!("note: to be corrected by hand: {finding}");
    }
    if !write {
        return Ok(());
    }
    let path = config.path(&config.device.capabilities);
    let unusable = |error: std::io::Error| {
        let doing = format!(
            "{} was not written; an existing file is never replaced",
            path.display()
        );
        Failure::of(Kind::Unavailable, &error).while_doing(doing)
    };
    let mut file = fs::File::create_new(&path).map_err(unusable)?;
    writeln!(file, "{text}").map_err(unusable)?;
    eprintln!(
        "note: wrote {}; correct what is delegated to Margo, and keep it",
        path.display()
    );
    Ok(())
}

/// The file as it is now.
pub(crate) struct CapabilitiesFile {
    /// What it says.
    pub capabilities: DeviceCapabilities,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl CapabilitiesFile {
    /// Reads and checks the file that the configuration names.
    pub(crate) fn read(config: &Config) -> Result<Self, Failure> {
        let path = config.path(&config.device.capabilities);
        let unusable = |error: &dyn std::error::Error| {
            let doing = format!(
                "the capabilities {} cannot be used; draft them with `margo-agent capabilities --write`",
                path.display()
            );
            Failure::of(Kind::Configuration, error).while_doing(doing)
        };
        let bytes = fs::read(&path).map_err(|error| unusable(&error))?;
        let document = read::<DeviceCapabilities>(&bytes).map_err(|error| unusable(&error))?;
        let digest = document.digest();
        let capabilities = document.into_value();
        let found = &capabilities.properties.id;
        if *found != config.device.id {
            let message = format!(
                "the capabilities {} are those of {found}, and the configuration is for {}; make them one",
                path.display(),
                config.device.id
            );
            return Err(Failure::new(Kind::Configuration, message));
        }
        Ok(Self {
            capabilities,
            digest,
        })
    }
}

fn pretty(capabilities: &DeviceCapabilities) -> Result<String, Failure> {
    serde_json::to_string_pretty(capabilities)
        .map_err(|error| Failure::of(Kind::Configuration, &error))
}
