//! The file with what the device is and offers.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use margo_types::capabilities::DeviceCapabilities;
use margo_types::{Digest, SpecVersion, read, validate};

use crate::config::Config;
use crate::detect::Machine;
use crate::failure::{Failure, Kind};
use crate::files;
use crate::output;

/// The file as it is now.
pub(crate) struct CapabilitiesFile {
    /// What it says.
    pub capabilities: DeviceCapabilities,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl CapabilitiesFile {
    /// Whether the file still has what this digest is of. Cheap.
    pub(crate) fn is_still(config: &Config, digest: Digest) -> bool {
        let bytes = files::read(&config.path(&config.device.capabilities));
        bytes.is_ok_and(|bytes| Digest::of(&bytes) == digest)
    }

    /// Reads and checks the file that the configuration names.
    pub(crate) fn read(config: &Config) -> Result<Self, Failure> {
        let path = config.path(&config.device.capabilities);
        let file = path.display();
        let unusable = |advice: &str, error: &dyn std::error::Error| {
            let doing = format!("the capabilities {file} cannot be used; {advice}");
            Failure::of(Kind::Configuration, error).while_doing(doing)
        };
        let bytes = files::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                unusable("draft them with `margo-agent capabilities --write`", &error)
            }
            _ => unusable("check that it is a file that this user may read", &error),
        })?;
        let document = read::<DeviceCapabilities>(&bytes)
            .map_err(|error| unusable("correct what is written there", &error))?;
        let digest = document.digest();
        let capabilities = document.into_value();
        if let Some(finding) = validate(&capabilities, SpecVersion::NEWEST).errors().next() {
            let message = format!("the capabilities {file} are not valid: {finding}");
            return Err(Failure::new(Kind::Configuration, message));
        }
        let found = &capabilities.properties.id;
        if *found != config.device.id {
            let message = format!(
                "the capabilities {file} are those of {found}, and {} is for {}; write the same id in both",
                config.file.display(),
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

/// Prints the capabilities that are reported.
pub(crate) fn show(config: &Config) -> Result<(), Failure> {
    let file = CapabilitiesFile::read(config)?;
    output::print(&pretty(&file.capabilities)?)
}

/// Prints a draft.
pub(crate) fn show_draft(config: &Config) -> Result<(), Failure> {
    let draft = draft(config);
    output::print(&pretty(&draft)?)?;
    note_faults(&draft);
    Ok(())
}

/// Writes a draft to the file that the configuration names. A file that is there stays: somebody may have corrected it.
pub(crate) fn write_draft(config: &Config) -> Result<(), Failure> {
    let path = config.path(&config.device.capabilities);
    let draft = draft(config);
    write_new(&path, &pretty(&draft)?).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AlreadyExists => "it is there and may have been corrected: remove it first, or compare it with `margo-agent capabilities --detect`",
            _ => "check its folder, the disk and the permissions",
        };
        let doing = format!("the capabilities {} were not written; {advice}", path.display());
        Failure::of(Kind::Unavailable, &error).while_doing(doing)
    })?;
    output::print(&format!(
        "wrote {}; correct there how much of the machine is left to Margo",
        path.display()
    ))?;
    note_faults(&draft);
    Ok(())
}

fn draft(config: &Config) -> DeviceCapabilities {
    Machine::this(&config.path(&config.state_directory)).capabilities(
        config.device.id.clone(),
        vec![config.provider.kind.deployment_type()],
        config.telemetry.is_some(),
    )
}

fn note_faults(draft: &DeviceCapabilities) {
    for finding in validate(draft, SpecVersion::NEWEST).errors() {
        output::note(&format!("to be corrected before the agent runs: {finding}"));
    }
}

/// Writes a file that is not there yet, whole or not at all.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
    written.inspect_err(|_| {
        // What went wrong is told; half a file would be in the way of the next attempt.
        let _ = fs::remove_file(path);
    })
}

fn pretty(capabilities: &DeviceCapabilities) -> Result<String, Failure> {
    serde_json::to_string_pretty(capabilities)
        .map_err(|error| Failure::of(Kind::Configuration, &error))
}
