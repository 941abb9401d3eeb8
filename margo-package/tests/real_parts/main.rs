//! This crate against real programs (a registry, Skopeo, Helm) and a disk that is really full.
//!
//! What is missing makes its tests *visibly ignored, with the reason*; with `CI=true` it makes them
//! fail. `.ci/install` installs all programs. Everything happens on loopback and in temporary folders.

#[cfg(feature = "cli")]
mod command_line;
mod full_disk;
mod process;
mod publish;
mod registry;
mod tools;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = registry::trials();
    trials.extend(tools::trials());
    trials.extend(publish::trials());
    trials.push(full_disk::trial());
    #[cfg(feature = "cli")]
    trials.extend(command_line::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that needs these programs.
fn trial<F>(name: &str, programs: &[&str], test: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    let missing: Vec<_> = programs
        .iter()
        .copied()
        .filter(|program| process::find(program).is_none())
        .collect();
    let reason = format!("{} is missing; .ci/install installs it", missing.join(", "));
    let obstacle = Some(reason).filter(|_| !missing.is_empty());
    trial_unless(name, obstacle, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(test());
    })
}

/// A test that cannot run if there is an obstacle: ignored with this reason, or failed in CI.
fn trial_unless(
    name: &str,
    obstacle: Option<String>,
    test: impl FnOnce() + Send + 'static,
) -> Trial {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let is_ignored = obstacle.is_some() && !in_ci;
    let kind = obstacle.clone().unwrap_or_default();
    let trial = Trial::test(name, move || {
        if let Some(reason) = obstacle {
            return Err(Failed::from(reason));
        }
        test();
        Ok(())
    });
    trial.with_kind(kind).with_ignored_flag(is_ignored)
}
