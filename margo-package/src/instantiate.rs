//! From a description to a deployment: chosen profile, answers and target (rc3.md sections 1.3, 1.7, 2 and 9).
//!
//! What an application supplier aims at the device is passed on exactly as given: device constraints, and the
//! extensions of the profile and of each component. What is aimed at the fleet manager, the extensions at the
//! root of the description, is not.

use margo_types::application::{ApplicationDescription, Component, DeploymentProfile};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec,
};
use margo_types::id::{DeploymentId, DeviceTarget};
use margo_types::values::{Answers, InvalidAnswers};
use margo_types::{ExtensionName, Extra};
use serde_json::{Map, Value};

use crate::compose::yaml;
use crate::line::in_a_line;

/// Makes deployments of one profile of an application.
///
/// ```
/// # use margo_package::instantiate::Instantiation;
/// # fn example(
/// #     description: &margo_types::application::ApplicationDescription,
/// #     id: margo_types::id::DeploymentId,
/// #     target: margo_types::id::DeviceTarget,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let answers = margo_types::values::Answers::new(description).text("greeting", "Good morning");
/// let instantiation = Instantiation::new(description, "hello-compose")?;
/// let deployment = instantiation.install(id, "hello", "line-4", target, &answers)?;
///
/// let answers = margo_types::values::Answers::new(description).text("greeting", "Good night");
/// let updated = instantiation.update(&deployment, answers)?;
/// assert_eq!(updated.id, deployment.id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Instantiation<'a> {
    profile: &'a DeploymentProfile,
    description: &'a ApplicationDescription,
    device_extensions: Extra,
}

impl<'a> Instantiation<'a> {
    /// Chooses the profile with this id.
    ///
    /// # Errors
    /// [`InstantiateError::UnknownProfile`] naming the profiles there are.
    pub fn new(
        description: &'a ApplicationDescription,
        profile: &str,
    ) -> Result<Self, InstantiateError> {
        let chosen = description.profile(profile).ok_or_else(|| {
            let known: Vec<_> = description
                .deployment_profiles
                .iter()
                .map(|profile| profile.id.as_str())
                .collect();
            InstantiateError::UnknownProfile {
                profile: profile.to_owned(),
                known: known.join(", "),
            }
        })?;
        Ok(Self {
            profile: chosen,
            description,
            device_extensions: Extra::default(),
        })
    }

    /// Adds an extension of the fleet manager for the device; it goes into `spec` and nowhere else.
    #[must_use]
    pub fn device_extension(mut self, name: &ExtensionName, object: Map<String, Value>) -> Self {
        self.device_extensions.set_extension(name, object);
        self
    }

    /// A new deployment. `name` and `namespace` are Kubernetes names of the fleet manager's choice.
    ///
    /// # Errors
    /// [`InstantiateError::Answers`] when an answer is missing or breaks a rule.
    pub fn install(
        &self,
        id: DeploymentId,
        name: &str,
        namespace: &str,
        target: DeviceTarget,
        answers: &Answers<'_>,
    ) -> Result<ApplicationDeployment, InstantiateError> {
        let metadata = DeploymentMetadata::new(name, namespace, target);
        Ok(ApplicationDeployment::new(
            id,
            metadata,
            self.spec(answers)?,
        ))
    }

    /// The same deployment with the components of this description and other answers: an update when the
    /// description is of another version, a reconfiguration when it is the same.
    ///
    /// The id, name, namespace, target and labels stay. A parameter without answer keeps its deployed value.
    ///
    /// # Errors
    /// [`InstantiateError::OtherApplication`] when the deployment is of another application, and
    /// [`InstantiateError::Answers`] when an answer is missing, breaks a rule or changes an immutable setting.
    pub fn update(
        &self,
        deployed: &ApplicationDeployment,
        answers: Answers<'a>,
    ) -> Result<ApplicationDeployment, InstantiateError> {
        if let Some(other) = deployed
            .spec
            .application_id
            .as_ref()
            .filter(|id| **id != self.description.id)
        {
            return Err(InstantiateError::OtherApplication {
                deployed: other.to_string(),
                description: self.description.id.to_string(),
            });
        }
        let parameters = deployed.spec.parameters.clone();
        let spec = self.spec(&answers.updating(&parameters))?;
        Ok(ApplicationDeployment::new(
            deployed.id,
            deployed.metadata.clone(),
            spec,
        ))
    }

    fn spec(&self, answers: &Answers<'_>) -> Result<DeploymentSpec, InstantiateError> {
        let values = answers.resolve()?;
        let components = self.profile.components.iter().map(|component| {
            let extra = component.extra.extensions_only();
            let mut forwarded =
                Component::new(component.name.clone(), component.properties.clone());
            forwarded.extra = extra;
            forwarded
        });
        let mut profile =
            DeployedProfile::new(self.profile.deployment_type.clone(), components.collect());
        profile
            .device_constraints
            .clone_from(&self.profile.device_constraints);
        profile.extra = self.profile.extra.extensions_only();
        let mut spec = DeploymentSpec::new(self.description.id.clone(), profile);
        spec.parameters = values.for_profile(self.profile);
        spec.extra = self.device_extensions.clone();
        Ok(spec)
    }
}

/// Reads answers from YAML or JSON: a mapping from parameter to value, such as `greeting: Good morning`.
///
/// They are added to those that are there and replace them. A text is read as
/// [`Answers::text`] does, so that quoting a number does no harm.
///
/// # Errors
/// [`InvalidAnswersFile`] when the text is no mapping, has a name with control characters, or is longer than 1 MiB. Whether the
/// values obey the rules shows when they are resolved.
pub fn read_answers<'a>(
    text: &[u8],
    answers: Answers<'a>,
) -> Result<Answers<'a>, InvalidAnswersFile> {
    let value = yaml::parse(text).map_err(|error| InvalidAnswersFile(error.to_string()))?;
    match value {
        Value::Null => Ok(answers),
        Value::Object(members) => {
            // Of a parameter that the application does not have, the name is said again.
            if let Some(name) = members.keys().find(|name| name.contains(char::is_control)) {
                let name = in_a_line(name, 80);
                let why = format!("the name of the parameter {name:?} has control characters");
                return Err(InvalidAnswersFile(why));
            }
            Ok(members
                .into_iter()
                .fold(answers, |answers, member| match member {
                    (name, Value::String(text)) => answers.text(name, text),
                    (name, value) => answers.value(name, value),
                }))
        }
        _ => Err(InvalidAnswersFile("it is no mapping".to_owned())),
    }
}

/// A text that holds no answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answers cannot be read: {0}; write one `parameter: value` a line")]
pub struct InvalidAnswersFile(String);

/// Why a deployment cannot be made. The caller is to blame.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InstantiateError {
    /// The description has no such profile.
    #[error("there is no deployment profile {profile:?}; choose one of: {known}")]
    UnknownProfile {
        /// What was asked for.
        profile: String,
        /// The ids of the profiles there are.
        known: String,
    },
    /// The deployment to update is of another application.
    #[error(
        "the deployment is of {deployed}, the description of {description}; install it as a new deployment"
    )]
    OtherApplication {
        /// The application that is deployed.
        deployed: String,
        /// The application of the description.
        description: String,
    },
    /// Answers are missing or break rules.
    #[error("the answers are not valid:\n{0}")]
    Answers(InvalidAnswers),
}

impl From<InvalidAnswers> for InstantiateError {
    fn from(invalid: InvalidAnswers) -> Self {
        Self::Answers(invalid)
    }
}
