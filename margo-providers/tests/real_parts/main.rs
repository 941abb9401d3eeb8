//! The Compose provider against a real container engine.
//!
//! An engine that answers is used; without one, root starts a private `dockerd` that ends with the tests. What is missing makes
//! the tests *visibly ignored, with the reason*; with `CI=true` it makes them fail. `.ci/install` installs all parts. Registries
//! are on loopback, images are made of the local busybox, everything else is in temporary folders.

#[cfg(feature = "contract")]
mod contract;
mod engine;
mod failures;
mod installing;
mod removing;
mod updating;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use self::engine::TestEngine;
use self::world::World;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let engine = if arguments.list {
        Err("not started for a list".to_owned())
    } else {
        TestEngine::find_or_start().map(Arc::new)
    };
    let mut trials = Vec::new();
    installing::add(&engine, &mut trials);
    updating::add(&engine, &mut trials);
    failures::add(&engine, &mut trials);
    removing::add(&engine, &mut trials);
    #[cfg(feature = "contract")]
    contract::add(&engine, &mut trials);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The engine, or why there is none.
type Found = Result<Arc<TestEngine>, String>;

/// A test in a world of its own.
fn trial<F>(name: &str, engine: &Found, test: fn(World) -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    trial_of(name, engine, test)
}

/// The same, of a closure.
fn trial_of<F, T>(name: &str, engine: &Found, test: T) -> Trial
where
    F: Future<Output = ()>,
    T: FnOnce(World) -> F + Send + 'static,
{
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let is_ignored = engine.is_err() && !in_ci;
    let kind = engine.as_ref().err().cloned().unwrap_or_default();
    let engine = engine.clone();
    let trial = Trial::test(name, move || {
        let engine = engine.map_err(Failed::from)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move { test(World::new(engine).await).await });
        Ok(())
    });
    trial.with_kind(kind).with_ignored_flag(is_ignored)
}
