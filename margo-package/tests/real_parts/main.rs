//! Our client against real programs: a registry, Skopeo, Helm.
//!
//! A program that is missing makes its tests *visibly ignored, with the reason*; with `CI=true` it makes them
//! fail. `.ci/install` installs them all. Everything happens on loopback and in temporary folders.

mod process;
#[cfg(feature = "cli")]
mod readme;
mod registry;
mod tools;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = registry::trials();
    trials.extend(tools::trials());
    #[cfg(feature = "cli")]
    trials.extend(readme::trials());
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
    let is_missing = !missing.is_empty();
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let kind = if is_missing {
        reason.clone()
    } else {
        String::new()
    };
    let trial = Trial::test(name, move || {
        if is_missing {
            return Err(Failed::from(reason));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(test());
        Ok(())
    });
    trial
        .with_kind(kind)
        .with_ignored_flag(is_missing && !in_ci)
}
