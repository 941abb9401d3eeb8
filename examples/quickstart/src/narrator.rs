//! Telling what happens, as a story or as one JSON object.

mod layout;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;

use self::layout::indented;
use crate::Failure;
use crate::cluster::ClusterChoice;
use crate::interruption::Interrupted;

/// Tells what happens and keeps it for the end.
#[derive(Debug)]
pub(crate) struct Narrator {
    aloud: bool,
    begun: Instant,
    /// When the step that goes on now began.
    step_begun: Option<Instant>,
    story: Story,
    /// What was last seen of each thing, so that only news are told.
    seen: BTreeMap<String, String>,
}

/// Everything that happened: what `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Story {
    /// Whether everything went as it should.
    ok: bool,
    /// What ran the workloads of the panel: a container engine with its version, or `simulated`.
    engine: String,
    /// Why they were simulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated_because: Option<String>,
    /// What brings charts into the cluster of the rack, with `--helm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    helm: Option<HelmStory>,
    /// The generation of the specification that each client speaks: `rc.3`, or `rc.1` for those that sign their requests.
    generations: BTreeMap<String, String>,
    /// What happened, in order.
    steps: Vec<Step>,
    /// Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How long all of it took.
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct HelmStory {
    /// The program with its version.
    engine: String,
    /// `simulated`, or the kubeconfig of the cluster.
    cluster: String,
}

#[derive(Debug, Serialize)]
struct Step {
    name: String,
    /// Whether it went as it should.
    ok: bool,
    seconds: f64,
    /// The changes that were seen meanwhile, such as `panel: greeter 1.0.0 installed (manifest 2)`.
    seen: Vec<String>,
}

impl Narrator {
    /// A narrator; `aloud` tells the story line by line.
    pub(crate) fn new(aloud: bool) -> Self {
        Self {
            aloud,
            begun: Instant::now(),
            step_begun: None,
            story: Story::default(),
            seen: BTreeMap::new(),
        }
    }

    /// Tells what the whole is about.
    pub(crate) fn introduce(&mut self, text: &str) {
        self.say(&indented("", text));
    }

    /// Tells that a container engine runs the workloads of the panel.
    pub(crate) fn engine(&mut self, engine: String) {
        self.tell("containers", &format!("of the panel: {engine}"));
        self.tell("", "of all others: simulated");
        self.story.engine = engine;
    }

    /// Tells that nothing runs containers, and why.
    pub(crate) fn simulated(&mut self, because: String) {
        self.tell("containers", &format!("simulated: {because}"));
        "simulated".clone_into(&mut self.story.engine);
        self.story.simulated_because = Some(because);
    }

    /// Tells what brings charts into which cluster of the rack.
    pub(crate) fn cluster(&mut self, engine: String, choice: &ClusterChoice) {
        let cluster = choice.description();
        let told = match choice {
            ClusterChoice::Simulated => {
                format!(
                    "of the rack: {engine}; the cluster is simulated: a Kubernetes API without nodes"
                )
            }
            ClusterChoice::Kubeconfig(_) => {
                format!("of the rack: {engine}, and the cluster of {cluster}")
            }
        };
        self.tell("charts", &told);
        self.story.helm = Some(HelmStory { engine, cluster });
    }

    /// Tells which generation of the specification a client speaks.
    pub(crate) fn generation(&mut self, client: &str, generation: &str) {
        self.tell(client, &format!("speaks {generation}"));
        let (client, generation) = (client.to_owned(), generation.to_owned());
        self.story.generations.insert(client, generation);
    }

    /// Does something and tells what it is for and how long it took.
    ///
    /// # Errors
    /// What `work` fails with, saying in which step.
    pub(crate) async fn step<T>(
        &mut self,
        name: &str,
        about: &str,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.end_step(false); // of a step that was interrupted
        self.step_begun = Some(Instant::now());
        self.story.steps.push(Step {
            name: name.to_owned(),
            ok: false,
            seconds: 0.0,
            seen: Vec::new(),
        });
        self.say(&format!("\n{}. {name}", self.story.steps.len()));
        self.say(&indented("   ", about));
        let outcome = work(self).await;
        self.end_step(outcome.is_ok());
        outcome.map_err(|error| format!("{name}: {}", with_causes(&*error)).into())
    }

    /// Tells how something fares, if that is news.
    pub(crate) fn see(&mut self, what: &str, state: &str) {
        let before = self.seen.insert(what.to_owned(), state.to_owned());
        if before.as_deref() != Some(state) {
            self.tell(what, state);
        }
    }

    /// Tells what happens to something.
    pub(crate) fn tell(&mut self, what: &str, event: &str) {
        let time = self.begun.elapsed().as_secs_f64();
        self.say(&indented(&format!("   {time:5.1} s  {what:<22} "), event));
        if let Some(step) = self.story.steps.last_mut() {
            step.seen.push(format!("{what}: {event}"));
        }
    }

    /// Ends the story; the exit code tells whether it went well.
    pub(crate) fn end(mut self, outcome: Result<(), Failure>) -> ExitCode {
        self.end_step(false);
        self.story.ok = outcome.is_ok();
        self.story.seconds = self.begun.elapsed().as_secs_f64();
        let mut code = ExitCode::SUCCESS;
        match outcome {
            Ok(()) => self.say(&format!(
                "\nEverything went as it should, in {:.1} s.",
                self.story.seconds
            )),
            Err(error) => {
                code = error
                    .downcast_ref::<Interrupted>()
                    .map_or(ExitCode::FAILURE, Interrupted::exit_code);
                if self.aloud {
                    eprintln!("\n{}", indented("error: ", &error.to_string()));
                }
                self.story.error = Some(error.to_string());
            }
        }
        if self.aloud {
            return code;
        }
        match self.print() {
            Ok(()) => code,
            Err(error) => {
                eprintln!("error: the outcome cannot be printed: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &self.story)?;
        writeln!(out)?;
        out.flush()
    }

    fn end_step(&mut self, ok: bool) {
        let Some(begun) = self.step_begun.take() else {
            return;
        };
        let seconds = begun.elapsed().as_secs_f64();
        if let Some(step) = self.story.steps.last_mut() {
            step.ok = ok;
            step.seconds = seconds;
        }
        let how = if ok { "done in" } else { "not done, after" };
        self.say(&format!("   {how} {seconds:.1} s"));
    }

    fn say(&self, line: &str) {
        if self.aloud {
            // Nobody may be listening any more, as in `quickstart | head`; the work goes on all the same.
            let _ = writeln!(std::io::stdout(), "{line}");
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
