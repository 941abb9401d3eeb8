//! `deploy`: the application deployment of a package for a device.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use margo_package::instantiate::{Instantiation, read_answers};
use margo_types::application::ApplicationDescription;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{DeploymentId, DeviceTarget};
use margo_types::values::Answers;
use margo_types::{Exact, Format, SpecVersion};
use serde_json::{Value, json};

use crate::connection::{self, Connection};
use crate::failure::{Failure, Kind};
use crate::outcome::Outcome;
use crate::problems::Problems;
use crate::staging::{Access, Existing, write_file};
use crate::subject::Address;

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package deploy hello --profile com-example-hello-compose --device line-4
  margo-package deploy oci://registry.example/apps/hello:1.0.0 --profile com-example-hello-helm \\
      --device gateway-1/* --set greeting=Hi --set port=9090 -o deployment.yaml
  margo-package deploy hello-1.1.0 --profile com-example-hello-compose --update deployment.yaml

A file of answers is YAML or JSON, one `parameter: value` a line; --set counts more.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The package: a directory, an image layout or oci://HOST/REPO:TAG
    #[arg(value_name = "DIR|REF")]
    package: Address,

    /// The deployment profile; may be left out when the package has only one
    #[arg(long, value_name = "ID")]
    profile: Option<String>,

    /// The device, or GATEWAY/* to let a gateway choose one
    #[arg(long, value_name = "ID", value_parser = DeviceTarget::parse, required_unless_present = "update")]
    device: Option<DeviceTarget>,

    /// Answer a parameter; as often as needed
    #[arg(long = "set", value_name = "PARAMETER=VALUE", value_parser = assignment)]
    answers: Vec<(String, String)>,

    /// Take answers from this file
    #[arg(long = "answers", value_name = "FILE")]
    answers_file: Option<PathBuf>,

    /// Update this deployment: its id, name, namespace, device and answers stay
    #[arg(long, value_name = "DEPLOYMENT.yaml", conflicts_with_all = ["device", "name", "namespace", "id"])]
    update: Option<PathBuf>,

    /// The name of the deployment; by default the id of the application
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The namespace of the deployment
    #[arg(long, value_name = "NAME", default_value = "default")]
    namespace: String,

    /// The id of the deployment, a UUID; by default a random one
    #[arg(long, value_name = "UUID", value_parser = DeploymentId::parse)]
    id: Option<DeploymentId>,

    /// Write to this file instead of the standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let subject = arguments
        .package
        .clone()
        .open(&arguments.connection)
        .await?;
    let package = subject.into_package().await?.package;
    let description = package.description().value();
    let deployment = render(&arguments, description)?;

    let bytes = margo_types::write(&deployment, SpecVersion::NEWEST)
        .map_err(|error| Failure::of(Kind::Invalid, &error))?;
    let written: Exact<ApplicationDeployment> =
        margo_types::read(&bytes).map_err(|error| Failure::of(Kind::Invalid, &error))?;
    let mut problems = Problems::default();
    problems.report(DEPLOYMENT, &written.validate());
    if problems.errors() > 0 {
        problems.text(DEPLOYMENT, bytes);
        let text = format!(
            "{}the deployment is not valid: {}\n",
            problems.to_text(),
            problems.summary()
        );
        return Ok(Outcome::judged(
            false,
            text,
            json!({ "findings": problems.to_json() }),
        ));
    }
    let json_text = margo_types::write_as(&deployment, SpecVersion::NEWEST, Format::Json)
        .map_err(|error| Failure::of(Kind::Invalid, &error))?;
    let as_json: Value = serde_json::from_slice(&json_text)
        .map_err(|error| Failure::of(Kind::Environment, &error))?;
    let mut document = json!({
        "deployment": as_json,
        "digest": written.digest().to_string(),
        "findings": problems.to_json(),
    });
    let text = match &arguments.output {
        None => String::from_utf8_lossy(&bytes).into_owned(),
        Some(file) => {
            write_file(file, &bytes, Existing::Replaced, Access::Everybody)?;
            document["file"] = file.display().to_string().into();
            format!("wrote {} ({})\n", file.display(), written.digest())
        }
    };
    Ok(Outcome::good(text, document))
}

fn render(
    arguments: &Arguments,
    description: &ApplicationDescription,
) -> Result<ApplicationDeployment, Failure> {
    let instantiation = Instantiation::new(description, profile(arguments, description)?)?;
    let answers = answers(arguments, description)?;
    if let Some(file) = &arguments.update {
        let deployed = read_deployment(file)?;
        return Ok(instantiation.update(deployed.value(), answers)?);
    }
    // The parser made sure that there is one.
    let device = arguments
        .device
        .clone()
        .ok_or_else(|| Failure::new(Kind::Usage, "give --device"))?;
    let id = match arguments.id {
        Some(id) => id,
        None => random_id()?,
    };
    let name = arguments.name.as_deref().unwrap_or(description.id.as_str());
    Ok(instantiation.install(id, name, &arguments.namespace, device, &answers)?)
}

fn profile<'a>(
    arguments: &'a Arguments,
    description: &'a ApplicationDescription,
) -> Result<&'a str, Failure> {
    match (&arguments.profile, &description.deployment_profiles[..]) {
        (Some(profile), _) => Ok(profile),
        (None, [only]) => Ok(&only.id),
        (None, profiles) => {
            let ids: Vec<_> = profiles.iter().map(|profile| profile.id.as_str()).collect();
            let message = format!(
                "there are several deployment profiles; add --profile with one of: {}",
                ids.join(", ")
            );
            Err(Failure::new(Kind::Usage, message))
        }
    }
}

fn answers<'a>(
    arguments: &Arguments,
    description: &'a ApplicationDescription,
) -> Result<Answers<'a>, Failure> {
    let mut answers = Answers::new(description);
    if let Some(file) = &arguments.answers_file {
        answers = read_answers(&connection::read(file)?, answers)
            .map_err(|error| Failure::of(Kind::Usage, &error).about(file.display()))?;
    }
    let given = arguments.answers.iter();
    Ok(given.fold(answers, |answers, (name, text)| answers.text(name, text)))
}

fn read_deployment(file: &Path) -> Result<Exact<ApplicationDeployment>, Failure> {
    margo_types::read(&connection::read(file)?)
        .map_err(|error| Failure::of(Kind::Invalid, &error).about(file.display()))
}

/// A UUID of version 4 (RFC 9562 section 5.4).
fn random_id() -> Result<DeploymentId, Failure> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| {
        Failure::new(
            Kind::Environment,
            "the system gives no random numbers; give --id",
        )
    })?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(DeploymentId::from_uuid_bytes(bytes))
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("there is no parameter; write parameter=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What messages call the deployment that is rendered.
const DEPLOYMENT: &str = "deployment";
