//! `margo-conformance load`

mod interruption;
mod report_file;
mod view;

use std::error::Error;
use std::fs;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{ArgGroup, Args};
use margo_conformance::authority::Authority;
use margo_conformance::load::{
    Connections, Load, Pace, Settings, SimulatedDevice, Target, raise_open_files,
};
use margo_types::id::TrustDomain;
use url::Url;

use self::interruption::interruption;
use self::report_file::ReportFile;
use self::view::View;

/// Simulate many devices of 1.0.0-rc.3 against a fleet manager, and measure it.
///
/// Every device has an SVID and a connection of its own and polls for its state manifest. SVIDs are read from a directory
/// (--svids), or issued by an authority that the fleet manager trusts (--ca, --ca-key, --trust-domain, --wfm-id); the fleet
/// manager has to accept clients of these ids.
///
/// SIGINT (Ctrl-C), SIGTERM and SIGHUP end a run early, with a report of what there is.
///
/// Exit status: 0 when the numbers are those of the fleet manager and it made no error, also in the warm-up; 1 when it did or the
/// generator was the bottleneck; 2 when there was no run, or its report could not be written.
#[derive(Args)]
#[command(group(ArgGroup::new("devices").required(true).args(["svids", "ca"])))]
pub(crate) struct Arguments {
    /// The root URL of the fleet manager: https://host:port
    #[arg(long)]
    url: Url,
    /// A directory with a folder for each device: svid.pem, svid-key.pem and bundle.json
    #[arg(long, value_name = "DIRECTORY")]
    svids: Option<PathBuf>,
    /// The certificate of an authority that issues the SVIDs of the devices, and is the anchor of the fleet manager's
    #[arg(long, value_name = "FILE", requires_all = ["ca_key", "trust_domain", "wfm_id"])]
    ca: Option<PathBuf>,
    /// The private key of the authority
    #[arg(long, value_name = "FILE")]
    ca_key: Option<PathBuf>,
    /// The trust domain of the authority
    #[arg(long, value_name = "NAME")]
    trust_domain: Option<String>,
    /// The id of the fleet manager, as in its SPIFFE ID
    #[arg(long, value_name = "ID")]
    wfm_id: Option<String>,
    /// How the ids of devices begin that get an SVID issued
    #[arg(long, default_value = "load")]
    prefix: String,
    /// How many devices: by default one, or all that are in the directory
    #[arg(long, value_name = "N")]
    clients: Option<usize>,
    /// How often each device polls, in seconds (60s, 500ms); 0 for as often as it can
    #[arg(long, value_parser = duration, default_value = "60s")]
    period: Duration,
    /// By which part of the period two polls may be nearer or farther
    #[arg(long, value_parser = jitter, default_value_t = 0.1)]
    jitter: f64,
    /// A new connection with a full handshake for every request
    #[arg(long)]
    handshakes: bool,
    /// Each device reports its capabilities first, in the warm-up: with --warm-up 0 that counts, too
    #[arg(long)]
    capabilities: bool,
    /// Each device reports the deployments of a new manifest as installed, having fetched their documents
    #[arg(long)]
    statuses: bool,
    /// How long it takes until all devices are connected; nothing counts before
    #[arg(long, value_parser = duration, default_value = "20s")]
    warm_up: Duration,
    /// How long nothing counts after the warm-up either; two periods for polls that find nothing new
    #[arg(long, value_parser = duration, default_value = "0s")]
    settling: Duration,
    /// How long it counts
    #[arg(long, value_parser = duration, default_value = "120s")]
    duration: Duration,
    /// How long a device waits for a connection, and for an answer
    #[arg(long, value_parser = duration, default_value = "30s")]
    timeout: Duration,
    /// The threads of the generator, at most one for each processor
    #[arg(long, default_value_t = NonZero::<usize>::MIN)]
    threads: NonZero<usize>,
    /// The same seed gives the same times
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to write the report as JSON, when the run is over; - for standard output
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    raise_open_files();
    let target = Target::resolve(&arguments.url)?;
    let devices = arguments.devices()?;
    let load = Load::new(target, devices, arguments.settings());
    let is_interrupted = interruption()?;
    let file = arguments.report.as_deref().map(ReportFile::open);
    let file = file.transpose()?;
    let mut view = View::new();
    let report = load.run(|progress| {
        view.show(progress);
        if is_interrupted.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    view.sum_up(&report);
    if let Some(file) = file {
        let json = serde_json::to_string_pretty(&report)? + "\n";
        file.write(json.as_bytes())?;
    }
    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Arguments {
    fn devices(&self) -> Result<Vec<SimulatedDevice>, Box<dyn Error>> {
        if let Some(directory) = &self.svids {
            let mut devices = SimulatedDevice::read_directory(directory)?;
            let count = self.clients.unwrap_or(devices.len());
            if devices.len() < count {
                let there = devices.len();
                return Err(format!(
                    "{} has the SVIDs of {there} devices, not of {count}",
                    directory.display()
                )
                .into());
            }
            devices.truncate(count);
            return Ok(devices);
        }
        // The command line was refused if one of these is missing.
        let (Some(ca), Some(key), Some(domain), Some(wfm)) =
            (&self.ca, &self.ca_key, &self.trust_domain, &self.wfm_id)
        else {
            return Err("give --svids, or --ca with --ca-key, --trust-domain and --wfm-id".into());
        };
        let read = |path: &PathBuf| {
            fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        let domain = TrustDomain::parse(domain)?;
        let authority = Authority::from_pem(&domain, &read(ca)?, &read(key)?)?;
        let count = self.clients.unwrap_or(1);
        Ok(SimulatedDevice::issue(
            &authority,
            wfm,
            &self.prefix,
            count,
        )?)
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.pace = if self.period.is_zero() {
            Pace::Unpaced
        } else {
            Pace::Every {
                period: self.period,
                jitter: self.jitter,
            }
        };
        if self.handshakes {
            settings.connections = Connections::PerRequest;
        }
        settings.capabilities = self.capabilities;
        settings.statuses = self.statuses;
        settings.warm_up = self.warm_up;
        settings.settling = self.settling;
        settings.duration = self.duration;
        settings.timeout = self.timeout;
        settings.threads = self.threads.get();
        settings.seed = self.seed;
        settings
    }
}

/// `60s`, `1.5s`, `500ms`, `2m`, or seconds without a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..).unwrap_or_default() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("{unit} is no unit; write ms, s, m or h")),
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| "write a number and a unit, as in 60s".to_owned())?;
    Duration::try_from_secs_f64(number * factor).map_err(|error| error.to_string())
}

fn jitter(text: &str) -> Result<f64, String> {
    let jitter: f64 = text
        .parse()
        .map_err(|_| "write a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&jitter) {
        Ok(jitter)
    } else {
        Err("write a number from 0 to 1".to_owned())
    }
}
