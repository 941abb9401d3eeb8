//! The providers against real parts: Compose with a container engine, Helm with `helm`.
//!
//! An engine that answers is used; without one, root starts a private `dockerd` that ends with the tests. The cluster of Helm is
//! that of `KUBECONFIG`, else an API server in this process. What is missing makes the tests *visibly ignored, with the reason*; with `CI=true` it makes them
//! fail. `.ci/install` installs all parts. Registries are on loopback, images are made of the local busybox, everything else is in
//! temporary folders.

#![cfg_attr(
    not(any(feature = "compose", feature = "helm")),
    allow(dead_code, unused, reason = "no provider here needs a real part")
)]

#[cfg(all(feature = "compose", feature = "contract"))]
mod contract;
#[cfg(feature = "compose")]
mod engine;
#[cfg(feature = "compose")]
mod failures;
#[cfg(feature = "helm")]
mod helm_attacks;
#[cfg(feature = "helm")]
mod helm_components;
#[cfg(all(feature = "helm", feature = "contract"))]
mod helm_contract;
#[cfg(feature = "helm")]
mod helm_install;
#[cfg(feature = "helm")]
mod helm_refusals;
#[cfg(feature = "helm")]
mod helm_stored;
#[cfg(feature = "helm")]
mod helm_template;
#[cfg(feature = "helm")]
mod helm_values;
#[cfg(feature = "helm")]
mod helm_world;
#[cfg(feature = "compose")]
mod installing;
#[cfg(feature = "compose")]
mod removing;
#[cfg(any(feature = "compose", feature = "helm"))]
mod told;
#[cfg(feature = "compose")]
mod updating;
#[cfg(feature = "compose")]
mod world;

use std::process::ExitCode;
#[cfg(feature = "compose")]
use std::sync::Arc;
#[cfg(feature = "helm")]
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};

#[cfg(feature = "compose")]
use self::engine::TestEngine;
#[cfg(feature = "compose")]
use self::world::World;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    #[cfg(feature = "compose")]
    {
        let engine = if arguments.list {
            Err("not started for a list".to_owned())
        } else {
            TestEngine::find_or_start().map(Arc::new)
        };
        installing::add(&engine, &mut trials);
        updating::add(&engine, &mut trials);
        failures::add(&engine, &mut trials);
        removing::add(&engine, &mut trials);
        #[cfg(feature = "contract")]
        contract::add(&engine, &mut trials);
    }
    #[cfg(feature = "helm")]
    {
        helm_install::add(&mut trials);
        helm_components::add(&mut trials);
        helm_attacks::add(&mut trials);
        helm_refusals::add(&mut trials);
        helm_values::add(&mut trials);
        helm_stored::add(&mut trials);
        helm_template::add(&mut trials);
        #[cfg(feature = "contract")]
        helm_contract::add(&mut trials);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The engine, or why there is none.
#[cfg(feature = "compose")]
type Found = Result<Arc<TestEngine>, String>;

/// A test in a world of its own.
#[cfg(feature = "compose")]
fn trial<F>(name: &str, engine: &Found, test: fn(World) -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    trial_of(name, engine, test)
}

/// The same, of a closure.
#[cfg(feature = "compose")]
fn trial_of<F, T>(name: &str, engine: &Found, test: T) -> Trial
where
    F: Future<Output = ()>,
    T: FnOnce(World) -> F + Send + 'static,
{
    with_part(name, engine.clone(), |engine| async move {
        test(World::new(engine).await).await;
    })
}

/// A test that needs the real `helm`.
#[cfg(feature = "helm")]
fn helm_trial<F, T>(name: &str, test: T) -> Trial
where
    F: Future<Output = ()>,
    T: FnOnce() -> F + Send + 'static,
{
    with_part(name, HELM.clone(), |()| test())
}

/// Nothing, or why there is no `helm`.
#[cfg(feature = "helm")]
static HELM: LazyLock<Result<(), String>> = LazyLock::new(|| {
    let found = std::process::Command::new("helm").arg("version").output();
    found.map(drop).map_err(|error| format!("helm: {error}"))
});

/// The same of a test for the cluster in this process only: with `KUBECONFIG` it is ignored, for this reason.
#[cfg(feature = "helm")]
fn helm_double_trial<F, T>(name: &str, reason: &str, test: T) -> Trial
where
    F: Future<Output = ()>,
    T: FnOnce() -> F + Send + 'static,
{
    let trial = helm_trial(name, test);
    if helm_world::is_real() {
        trial.with_kind(reason).with_ignored_flag(true)
    } else {
        trial
    }
}

/// A test that needs a part, or why that is not there.
fn with_part<P, F, T>(name: &str, part: Result<P, String>, test: T) -> Trial
where
    P: Send + 'static,
    F: Future<Output = ()>,
    T: FnOnce(P) -> F + Send + 'static,
{
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let is_ignored = part.is_err() && !in_ci;
    let kind = part.as_ref().err().cloned().unwrap_or_default();
    let trial = Trial::test(name, move || {
        let part = part.map_err(Failed::from)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(test(part));
        Ok(())
    });
    trial.with_kind(kind).with_ignored_flag(is_ignored)
}
