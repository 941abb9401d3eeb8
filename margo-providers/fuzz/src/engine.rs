//! What Docker and Compose print.

use std::fs;
use std::sync::{LazyLock, Mutex, PoisonError};

use margo_conformance::corpus::input::{line, parts};
use margo_providers::compose::{ComposeProvider, Options};

use super::deployment::{COMPOSE, ID, REPOSITORY, deployment};
use super::device::Device;
use super::outcome::{call, check_engine, check_error};

/// The first line says what is asked of the provider: `detect`, `engine`, `list`, `observe`, `apply`, `remove`, one after the
/// other. Each part after it is what a program prints, below what it is asked:
///
/// ```text
/// version        the engine's version         projects      the names of projects
/// compose        Compose's version            ps            ids of containers; also network, volume
/// config         what Compose makes of files  container     what is known of containers
/// up, pull, rm   the progress                 image         the platform of an image
/// ```
///
/// With `fails` after it, the program does so. Whatever they print, every call ends, with a value or a readable error.
pub fn engine(bytes: &[u8]) {
    let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let device = &machine.device;
    device.reset();
    let parts = parts(bytes);
    let (wishes, answers) = parts.split_first().expect("at least one part");
    for answer in answers.iter().take(MOST_ANSWERS) {
        let (question, text) = line(answer);
        device.answer(&format!("docker {question}"), text);
    }
    let wishes = String::from_utf8_lossy(wishes);
    for wish in wishes.split_whitespace().take(MOST_WISHES) {
        if wish == "apply" {
            remember(device);
        }
        let outcome = device.run(async {
            if wish == "detect" {
                let provider = ComposeProvider::detect(options(device)).await?;
                check_engine(provider.found());
                return Ok(());
            }
            call(&machine.provider, &deployment("compose"), wish).await
        });
        assert!(!device.was_given_option(), "{wish} makes it an option");
        if let Err(error) = outcome {
            check_error(&error, &device.state());
        }
    }
}

/// A device with a provider that found its engine.
struct Machine {
    device: Device,
    provider: ComposeProvider,
}

static MACHINE: LazyLock<Mutex<Machine>> = LazyLock::new(|| {
    let device = Device::new();
    let provider = device.run(ComposeProvider::detect(options(&device)));
    let provider = provider.expect("an engine");
    Mutex::new(Machine { device, provider })
});

pub(super) fn options(device: &Device) -> Options {
    let mut options = Options::new(device.state(), Device::registry());
    let programs = device.programs().display().to_string();
    options.environment.insert("PATH".to_owned(), programs);
    options
}

/// Has the archive there already, so that no registry is needed.
fn remember(device: &Device) {
    let archive = &*COMPOSE;
    let place = device.state().join(ID).join("web");
    fs::create_dir_all(&place).expect("a folder");
    let name = format!("archive-{}", archive.digest.to_hex());
    fs::write(place.join(name), &archive.bytes).expect("a file");
    let record = format!(
        r#"{{"keep": false, "components": {{"web": {{"repository": "{REPOSITORY}", "revision": "1.0.0", "archive": "{}",
        "members": [], "keep": false, "complete": null}}}}}}"#,
        archive.digest
    );
    fs::write(device.state().join(ID).join("record.json"), record).expect("a file");
}

const MOST_ANSWERS: usize = 16;
const MOST_WISHES: usize = 4;
