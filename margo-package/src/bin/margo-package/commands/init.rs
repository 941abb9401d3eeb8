//! `init`: a sample package.

use std::path::PathBuf;

use margo_types::id::ApplicationId;
use margo_types::scalar::Repository;
use serde_json::json;

use crate::failure::{Failure, Kind};
use crate::outcome::Outcome;
use crate::staging::StagedDirectory;

/// Files with their content.
macro_rules! sample {
    ($($name:literal,)*) => {
        [$(($name, include_bytes!(concat!("../sample/", $name)).as_slice())),*]
    };
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package init hello
  margo-package init hello --id com-acme-hello --repository oci://registry.example/acme";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The directory to make; it may exist when it is empty
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// The id of the application
    #[arg(long, default_value = "com-example-hello", value_parser = ApplicationId::parse)]
    id: ApplicationId,

    /// Where the components will be pushed: a registry and what their repositories start with
    #[arg(long, value_name = "oci://HOST/PREFIX", default_value = "oci://localhost:5000/hello", value_parser = Repository::parse)]
    repository: Repository,
}

#[expect(clippy::unused_async, reason = "all commands look the same")]
pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let Arguments {
        directory,
        id,
        repository,
    } = arguments;
    let repository = repository.as_str().trim_end_matches('/');
    // What the sample is to say must also be what a client understands.
    let prefix = format!("{repository}/hello-compose");
    if !repository.starts_with("oci://") || margo_package::oci::Reference::parse(&prefix).is_err() {
        let message = format!(
            "{repository:?} is not the start of a repository; write oci://HOST[:PORT]/PREFIX in lower case"
        );
        return Err(Failure::new(Kind::Usage, message));
    }
    let staged = StagedDirectory::new(&directory)?;
    for (name, content) in SAMPLE {
        if *name == margo_package::package::DESCRIPTION_FILE {
            let text = String::from_utf8_lossy(content)
                .replace("{{id}}", id.as_str())
                .replace("{{repository}}", repository);
            staged.write(name, text.as_bytes())?;
        } else {
            staged.write(name, content)?;
        }
    }
    staged.commit()?;

    let shown = directory.display();
    let text = format!(
        "wrote {} files to {shown}\n\
         next: edit {shown}/margo.yaml, then run `margo-package validate {shown}`\n",
        SAMPLE.len()
    );
    let files: Vec<_> = SAMPLE.iter().map(|(name, _)| *name).collect();
    let document = json!({
        "directory": directory.display().to_string(),
        "id": id.as_str(),
        "repository": repository,
        "files": files,
    });
    Ok(Outcome::good(text, document))
}

/// The files of the sample. In `margo.yaml`, `{{id}}` and `{{repository}}` are filled in.
const SAMPLE: &[(&str, &[u8])] = &sample![
    "margo.yaml",
    "resources/description.md",
    "resources/icon.png",
    "resources/license.txt",
    "resources/release-notes.md",
    "components/hello-compose/compose.yaml",
    "components/hello-helm/Chart.yaml",
    "components/hello-helm/values.yaml",
    "components/hello-helm/values.schema.json",
    "components/hello-helm/templates/deployment.yaml",
    "components/hello-helm/templates/service.yaml",
];
