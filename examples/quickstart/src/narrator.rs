//! Telling what happens, as a story or as one JSON object.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;

use crate::Failure;

/// Tells what happens and keeps it for the end.
pub(crate) struct Narrator {
    aloud: bool,
    begun: Instant,
    story: Story,
    /// What was last seen of each thing, so that only news are told.
    seen: BTreeMap<String, String>,
}

/// Everything that happened: what `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Story {
    /// Whether everything went as it should.
    ok: bool,
    /// What ran the workloads of the panel.
    engine: String,
    /// What happened, in order.
    steps: Vec<Step>,
    /// Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How long all of it took.
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Step {
    name: String,
    seconds: f64,
    /// The changes that were seen meanwhile, such as `panel: greeter installed`.
    seen: Vec<String>,
}

impl Narrator {
    /// A narrator; `aloud` tells the story line by line.
    pub(crate) fn new(aloud: bool) -> Self {
        Self {
            aloud,
            begun: Instant::now(),
            story: Story::default(),
            seen: BTreeMap::new(),
        }
    }

    /// Says what runs the workloads.
    pub(crate) fn engine(&mut self, engine: String) {
        self.say(&format!("  containers: {engine}"));
        self.story.engine = engine;
    }

    /// Does something and tells how long it took.
    ///
    /// # Errors
    /// What `work` fails with, saying in which step.
    pub(crate) async fn step<T>(
        &mut self,
        name: &str,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        self.say(&format!("\n{name}"));
        self.story.steps.push(Step {
            name: name.to_owned(),
            seconds: 0.0,
            seen: Vec::new(),
        });
        let outcome = work(self).await;
        let seconds = begun.elapsed().as_secs_f64();
        if let Some(step) = self.story.steps.last_mut() {
            step.seconds = seconds;
        }
        let outcome = outcome.map_err(|error| format!("{name}: {}", with_causes(&*error)))?;
        self.say(&format!("  done in {seconds:.1} s"));
        Ok(outcome)
    }

    /// Tells how something fares, if that is news.
    pub(crate) fn see(&mut self, what: &str, state: &str) {
        let before = self.seen.insert(what.to_owned(), state.to_owned());
        if before.as_deref() == Some(state) {
            return;
        }
        let time = self.begun.elapsed().as_secs_f64();
        self.say(&format!("  {time:5.1} s  {what:<26} {state}"));
        if let Some(step) = self.story.steps.last_mut() {
            step.seen.push(format!("{what}: {state}"));
        }
    }

    /// Ends the story; the exit code tells whether it went well.
    pub(crate) fn end(mut self, outcome: Result<(), Failure>) -> ExitCode {
        self.story.ok = outcome.is_ok();
        self.story.seconds = self.begun.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => self.say(&format!(
                "\nEverything went as it should, in {:.1} s.",
                self.story.seconds
            )),
            Err(error) => {
                if self.aloud {
                    eprintln!("\nerror: {error}");
                }
                self.story.error = Some(error.to_string());
            }
        }
        if !self.aloud {
            // Texts and numbers always fit JSON.
            println!(
                "{}",
                serde_json::to_string_pretty(&self.story).unwrap_or_default()
            );
        }
        if self.story.ok {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn say(&self, line: &str) {
        if self.aloud {
            println!("{line}");
        }
    }
}

/// The text of an error with those of its causes.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
