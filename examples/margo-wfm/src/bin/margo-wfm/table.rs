//! Results as tables for people.

use std::fmt::Write as _;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use margo_types::status::{DeploymentState, StatusError};
use margo_wfm::operations::{
    Client, DeploymentOverview, Device, EnrolledCertificate, Entry, Package, Report,
};

/// The packages.
pub(crate) fn packages(packages: &[Package]) -> String {
    let rows = packages.iter().map(|package| {
        vec![
            package.application.to_string(),
            package.version.clone(),
            package.name.clone(),
            package.profiles.join(", "),
            time(package.imported_at),
            package.source.clone(),
        ]
    });
    let header = [
        "APPLICATION",
        "VERSION",
        "NAME",
        "PROFILES",
        "IMPORTED",
        "FROM",
    ];
    table(
        &header,
        rows,
        "no packages; import one with `margo-wfm package import`",
    )
}

/// The clients.
pub(crate) fn clients(clients: &[Client]) -> String {
    let rows = clients.iter().map(|client| {
        let state = match (client.accepted, client.waiting) {
            (true, _) => "accepted",
            (false, true) => "waiting",
            (false, false) => "refused",
        };
        vec![
            client.client.to_string(),
            state.to_owned(),
            client.generation.to_string(),
            client.devices.to_string(),
            client.note.clone(),
        ]
    });
    let header = ["CLIENT", "STATE", "SPEAKS", "DEVICES", "NOTE"];
    table(
        &header,
        rows,
        "no clients; accept one with `margo-wfm client accept`",
    )
}

/// The certificates of clients that sign.
pub(crate) fn enrolments(enrolments: &[EnrolledCertificate]) -> String {
    let rows = enrolments.iter().map(|certificate| {
        let client = match (&certificate.client, &certificate.resembles) {
            (Some(client), _) => client.to_string(),
            (None, Some(client)) => format!("named like {client}"),
            (None, None) => String::new(),
        };
        let until = certificate.not_after.map(time);
        vec![
            short(&certificate.fingerprint).to_owned(),
            certificate.state.clone(),
            client,
            certificate.subject.clone().unwrap_or_default(),
            until.unwrap_or_else(|| "has not asked yet".to_owned()),
            time(certificate.asked_at),
            certificate.note.clone(),
        ]
    });
    let header = [
        "CERTIFICATE",
        "STATE",
        "CLIENT",
        "SUBJECT",
        "VALID UNTIL",
        "SINCE",
        "NOTE",
    ];
    table(
        &header,
        rows,
        "no certificates; they come when clients of the signed generation ask, or are registered",
    )
}

/// As much of a fingerprint as people compare.
pub(crate) fn short(fingerprint: &str) -> &str {
    fingerprint.get(..16).unwrap_or(fingerprint)
}

/// The devices.
pub(crate) fn devices(devices: &[Device]) -> String {
    let rows = devices.iter().map(|device| {
        let types = match device.deployment_types.as_slice() {
            [] => "nothing; it is a gateway".to_owned(),
            types => types.join(", "),
        };
        vec![
            format!("{}/{}", device.client, device.device),
            format!("{} {}", device.vendor, device.model),
            types,
            time(device.reported_at),
        ]
    });
    let header = ["DEVICE", "MODEL", "HOSTS", "REPORTED"];
    let mut text = table(
        &header,
        rows,
        "no devices; accept a client and start its agent",
    );
    for device in devices {
        for finding in &device.findings {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{}/{}: {finding}", device.client, device.device);
        }
    }
    text
}

/// How deployments fare; what went wrong in full below the table.
pub(crate) fn status(overviews: &[DeploymentOverview]) -> String {
    let rows = overviews.iter().flat_map(|overview| {
        let wanted = if overview.removed {
            "removed".to_owned()
        } else {
            format!("{} {}", overview.application, overview.version)
        };
        let at = format!("{}/{}", overview.client, overview.target);
        let row = move |version: &str, state: String, at_last: String, place: &str| {
            vec![
                overview.name.clone(),
                place.to_owned(),
                overview.generation.to_string(),
                wanted.clone(),
                version.to_owned(),
                state,
                at_last,
            ]
        };
        match overview.reports.as_slice() {
            [] => vec![row("", "not reported yet".to_owned(), String::new(), &at)],
            reports => reports
                .iter()
                .map(|report| {
                    let place = match &report.device {
                        Some(device) => format!("{}/{device}", overview.client),
                        None => at.clone(),
                    };
                    let version = report.version.as_deref().unwrap_or("unknown");
                    row(
                        version,
                        state(overview, report),
                        time(report.reported_at),
                        &place,
                    )
                })
                .collect(),
        }
    });
    let header = [
        "DEPLOYMENT",
        "DEVICE",
        "SPEAKS",
        "WANTED",
        "REPORTED",
        "STATE",
        "SINCE",
    ];
    let mut text = table(&header, rows, "nothing is deployed");
    for overview in overviews {
        for report in &overview.reports {
            let problems = problems(report);
            if !problems.is_empty() {
                let version = report.version.as_deref().unwrap_or("unknown version");
                let _ = write!(text, "\n{} {version}:\n{problems}", overview.name);
            }
        }
    }
    text
}

/// What happened to a deployment.
pub(crate) fn history(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let at = time(entry.at());
        let _ = match entry {
            Entry::Decided(change) => writeln!(
                text,
                "{at}  {} {} (profile {}, manifest {})",
                change.action.as_str(),
                change.version,
                change.profile,
                change.manifest
            ),
            Entry::Reported(report) => {
                let device = report.device.as_ref();
                let device = device.map_or(String::new(), |device| format!(" by {device}"));
                let version = report.version.as_deref().unwrap_or("unknown version");
                write!(
                    text,
                    "{at}    reported{device}: {version} {}\n{}",
                    report.state,
                    problems(report)
                )
            }
            _ => Ok(()),
        };
    }
    text
}

fn state(overview: &DeploymentOverview, report: &Report) -> String {
    // What is gone follows no manifest any more.
    if overview.waiting && report.state != DeploymentState::Removed {
        format!(
            "{}, not yet on manifest {}",
            report.state, overview.manifest
        )
    } else {
        report.state.to_string()
    }
}

/// What went wrong, a line each.
fn problems(report: &Report) -> String {
    let mut text = String::new();
    let mut add = |what: &str, error: &StatusError| {
        let source = match error.source.as_str() {
            "" => String::new(),
            source => format!(" from {source}"),
        };
        let _ = writeln!(
            text,
            "    {what}: {} (code {}{source})",
            error.message, error.code
        );
    };
    if let Some(error) = &report.error {
        add("deployment", error);
    }
    for component in &report.components {
        if let Some(error) = &component.error {
            add(
                &format!("component {} {}", component.name, component.state),
                error,
            );
        }
    }
    for finding in &report.findings {
        let _ = writeln!(text, "    the report itself: {finding}");
    }
    text
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>, empty: &str) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    table.add_rows(rows);
    if table.is_empty() {
        return empty.to_owned();
    }
    let text = table.to_string();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
