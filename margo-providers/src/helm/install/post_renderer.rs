//! What every container is given besides, put in while `helm` renders: a post-renderer that is this very process.
//!
//! Helm 3 hands what a chart renders to, but for hooks, to a program, and installs what that answers. The program is a shell, which
//! passes it on through pipes of this process. It opens them by their names below `/proc`: were this process killed, they are gone or
//! at their end, the shell fails, and `helm` gives up before it has changed anything. Nothing is left that hangs.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use margo_package::chart::read_rendered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender, pipe};

use super::objects::unreadable;
use super::{Installer, REFUSED};
use crate::ProviderError;
use crate::files::{blocking, create_private, device_trouble};
use crate::helm::names::Release;
use crate::helm::options::Options;
use crate::helm::prepare::Prepared;
use crate::helm::program::{Helm, too_long};
use crate::helm::telemetry::Injection;
use crate::helm::values::json_for_helm;
use crate::helm::wanted::Wanted;
use crate::program::{Invocation, STDOUT_BYTES};

impl Installer {
    /// Runs a command that renders and installs, with what every container is given besides.
    pub(super) async fn post_render(
        &self,
        command: Invocation,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
    ) -> Result<(), ProviderError> {
        let answer = prepared.work.join("injected.yaml");
        let mut renderer = PostRenderer::new(answer).map_err(device_trouble)?;
        let [program, arguments @ ..] = renderer.words();
        let arguments = arguments
            .iter()
            .flat_map(|argument| ["--post-renderer-args", argument]);
        let command = command
            .arguments(["--post-renderer", &program])
            .arguments(arguments);
        let (injection, release) = (self.injection.clone(), wanted.release.clone());
        let mut helm = std::pin::pin!(self.helm.succeed(&command, REFUSED));
        tokio::select! {
            biased;
            // Dropping `helm` ends it. It has rendered, and done nothing else yet.
            passed = renderer.pass(move |rendered| inject(&injection, &release, &rendered)) => passed?,
            ended = &mut helm => return ended.map(drop),
        }
        helm.await.map(drop)
    }
}

/// Whether this way is open: with Helm 3, a shell, and pipes that it can open. It is tried.
pub(super) async fn is_possible(options: &Options, helm: &Helm) -> bool {
    if helm.is_4() {
        return false;
    }
    match try_out(&options.state, helm).await {
        Ok(true) => true,
        outcome => {
            tracing::info!(
                ?outcome,
                "no post-renderer can be used; charts are rendered by a run of helm of its own"
            );
            false
        }
    }
}

async fn try_out(state: &Path, helm: &Helm) -> io::Result<bool> {
    create_private(state)?;
    let folder = tempfile::tempdir_in(state)?;
    let mut renderer = PostRenderer::new(folder.path().join("answer"))?;
    let shell = Invocation::new(renderer.words())
        .environment(helm.environment())
        .time(PATIENCE);
    let mut run = std::pin::pin!(shell.run());
    tokio::select! {
        biased;
        passed = renderer.pass(|rendered| Ok([rendered, TRIAL.to_vec()].concat())) => {
            passed.map_err(io::Error::other)?;
        }
        _ = &mut run => return Ok(false),
    }
    Ok(run
        .await
        .is_ok_and(|output| output.is_success() && output.stdout == TRIAL))
}

/// A program for Helm, and this end of it.
struct PostRenderer {
    /// What Helm rendered comes through this pipe, and a NUL after it. Both ends are held: its name lives as long as they do.
    rendered: (Sender, Receiver),
    /// A line in this pipe says that the answer is there.
    ready: (Sender, Receiver),
    /// The file with the answer.
    answer: PathBuf,
}

impl PostRenderer {
    fn new(answer: PathBuf) -> io::Result<Self> {
        Ok(Self {
            rendered: pipe()?,
            ready: pipe()?,
            answer,
        })
    }

    /// The program and its arguments.
    fn words(&self) -> [String; 7] {
        let name = |pipe: &(Sender, Receiver)| {
            let end = std::os::fd::AsRawFd::as_raw_fd(&pipe.1);
            format!("/proc/{}/fd/{end}", std::process::id())
        };
        [
            "/bin/sh".to_owned(),
            "-c".to_owned(),
            SCRIPT.to_owned(),
            "post-renderer".to_owned(),
            name(&self.rendered),
            name(&self.ready),
            self.answer.display().to_string(),
        ]
    }

    /// Waits for what Helm renders, and answers it with this change made to it.
    async fn pass(
        &mut self,
        change: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, ProviderError> + Send + 'static,
    ) -> Result<(), ProviderError> {
        let rendered = self.receive().await?;
        let answer = self.answer.clone();
        blocking(move || std::fs::write(answer, change(rendered)?).map_err(device_trouble)).await?;
        let said = self.ready.0.write_all(b"\n").await;
        said.map_err(device_trouble)
    }

    async fn receive(&mut self) -> Result<Vec<u8>, ProviderError> {
        let mut rendered = Vec::new();
        while rendered.last() != Some(&END) {
            let read = self.rendered.1.read_buf(&mut rendered).await;
            read.map_err(device_trouble)?;
            if rendered.len() as u64 > STDOUT_BYTES {
                return Err(too_long());
            }
        }
        rendered.pop();
        Ok(rendered)
    }
}

/// What Helm rendered, as one document for each object, with what every container is given besides.
fn inject(
    injection: &Injection,
    release: &Release,
    rendered: &[u8],
) -> Result<Vec<u8>, ProviderError> {
    let rendered = read_rendered(rendered).map_err(|error| unreadable(&error))?;
    let objects = rendered.objects.into_iter().map(|one| one.object);
    let mut objects = objects.collect();
    injection.put_into(&mut objects, release);
    // Helm takes an empty answer for a failure.
    let mut answer = String::from("# with what the device gives every container\n");
    for object in &objects {
        answer.push_str("---\n");
        answer.push_str(&json_for_helm(object));
        answer.push('\n');
    }
    Ok(answer.into_bytes())
}

const SCRIPT: &str = r#"{ cat && printf '\000'; } > "$1" && read -r ready < "$2" && exec cat "$3""#;
/// No YAML has it.
const END: u8 = 0;
/// How long the trial may take, on a device that has much to do.
const PATIENCE: Duration = Duration::from_secs(10);
const TRIAL: &[u8] = b"it works\n";

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn shell(renderer: &PostRenderer) -> Invocation {
        let path = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        Invocation::new(renderer.words()).environment(&path)
    }

    #[tokio::test]
    async fn the_program_ends_with_us() {
        let folder = tempfile::tempdir().unwrap();
        let renderer = || PostRenderer::new(folder.path().join("answer")).unwrap();
        let gone = renderer();
        let program = shell(&gone);
        drop(gone);
        assert!(!program.run().await.unwrap().is_success());
        let mut going = renderer();
        let program = shell(&going);
        let running = tokio::spawn(async move { program.run().await.unwrap() });
        assert_eq!(going.receive().await.unwrap(), b"");
        std::fs::write(folder.path().join("answer"), "it must not be read").unwrap();
        drop(going);
        let ended = running.await.unwrap();
        assert!(!ended.is_success() && ended.stdout.is_empty());
    }

    #[tokio::test]
    async fn what_it_is_given_comes_back_changed() {
        let folder = tempfile::tempdir().unwrap();
        let mut renderer = PostRenderer::new(folder.path().join("answer")).unwrap();
        // More than a pipe holds.
        let long = "a line of an object\n".repeat(100_000);
        let given = folder.path().join("given");
        std::fs::write(&given, &long).unwrap();
        let given = std::sync::Arc::new(std::fs::File::open(given).unwrap());
        let program = shell(&renderer).input(given);
        let running = tokio::spawn(async move { program.run().await.unwrap() });
        let change = |rendered: Vec<u8>| Ok([b"changed\n".to_vec(), rendered].concat());
        renderer.pass(change).await.unwrap();
        let output = running.await.unwrap();
        assert!(output.is_success());
        assert_eq!(output.text(), format!("changed\n{long}"));
    }

    #[test]
    fn every_object_is_a_document_of_its_own() {
        let release = Release {
            name: "web-1".to_owned(),
            namespace: "apps".to_owned(),
        };
        let rendered = b"---\n# Source: web/templates/a.yaml\nkind: A\napiVersion: v1\nmetadata: {name: a}\n---\n\
            kind: B\napiVersion: v1\nmetadata: {name: b, annotations: {x: \"---\\n---\"}}\n";
        let injection = Injection::default();
        let answer = inject(&injection, &release, rendered).unwrap();
        let again = read_rendered(&answer).unwrap();
        let objects: Vec<_> = again.objects.iter().map(|one| &one.object).collect();
        let a = json!({"kind": "A", "apiVersion": "v1", "metadata": {"name": "a"}});
        let annotations = json!({"x": "---\n---"});
        let b = json!({"kind": "B", "apiVersion": "v1", "metadata": {"name": "b", "annotations": annotations}});
        assert_eq!(objects, [&a, &b]);
        let nothing = inject(&injection, &release, b"").unwrap();
        assert!(!nothing.trim_ascii().is_empty(), "Helm refuses it");
    }
}
