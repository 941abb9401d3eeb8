//! From typed ids to paths.

use super::template::Parameter;
use super::{Endpoint, Form, Operation};
use crate::digest::Digest;
use crate::id::{ClientId, DeploymentId, DeviceId};
use crate::version::{CallerIdentity, SpecVersion};

/// What a request is about: an operation with the ids that its path carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// The root certificate of a fleet manager.
    RootCertificate,
    /// The enrolment of a client.
    Onboard,
    /// The capabilities of a device.
    ReportCapabilities {
        /// The device; `None` when the path names none but the caller, and the body says which it is.
        device_id: Option<DeviceId>,
    },
    /// A device that is gone.
    RemoveDevice {
        /// The device.
        device_id: DeviceId,
    },
    /// The state manifest of the caller.
    Manifest,
    /// A deployment.
    Deployment {
        /// Which deployment.
        deployment_id: DeploymentId,
        /// Which content.
        digest: Digest,
    },
    /// A bundle.
    Bundle {
        /// Which content.
        digest: Digest,
    },
    /// How a deployment fares.
    ReportStatus {
        /// Which deployment.
        deployment_id: DeploymentId,
    },
    /// Where the trust bundle is.
    Discovery,
    /// The trust bundle.
    TrustBundle,
}

/// The caller as the path names it. What a path says is a claim; authentication proves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathCaller {
    /// The path does not name the caller.
    Unnamed,
    /// The client, as in the signed generation.
    Client(ClientId),
    /// The device, as in the pre-draft.
    Device(DeviceId),
}

impl Route {
    /// The operation.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::RootCertificate => Operation::RootCertificate,
            Self::Onboard => Operation::Onboard,
            Self::ReportCapabilities { .. } => Operation::ReportCapabilities,
            Self::RemoveDevice { .. } => Operation::RemoveDevice,
            Self::Manifest => Operation::Manifest,
            Self::Deployment { .. } => Operation::Deployment,
            Self::Bundle { .. } => Operation::Bundle,
            Self::ReportStatus { .. } => Operation::ReportStatus,
            Self::Discovery => Operation::Discovery,
            Self::TrustBundle => Operation::TrustBundle,
        }
    }

    /// The endpoint that a client of a generation uses for this.
    ///
    /// The signed generation has two forms for capabilities: the one with a device id in the path is chosen
    /// when there is a device id here.
    ///
    /// # Errors
    /// [`PathError::NotInGeneration`]
    pub fn endpoint(&self, generation: SpecVersion) -> Result<&'static Endpoint, PathError> {
        let operation = self.operation();
        let names_device = self.device_id().is_some();
        let mut forms = Endpoint::of(generation)
            .filter(|endpoint| endpoint.operation == operation && endpoint.form == Form::Used);
        let first = forms.next().ok_or(PathError::NotInGeneration {
            operation,
            generation,
        })?;
        let has_device = |endpoint: &Endpoint| {
            endpoint
                .parameters()
                .any(|parameter| parameter == Parameter::DeviceId)
        };
        let fitting = std::iter::once(first)
            .chain(forms)
            .find(|endpoint| has_device(endpoint) == names_device);
        Ok(fitting.unwrap_or(first))
    }

    /// The path, to be appended to the fleet manager's root URL.
    ///
    /// A device id keeps its slashes (rc3.md ambiguity 33) and a digest its colon (rc1-and-pre-draft.md
    /// ambiguity 42); nothing in a path needs percent-encoding.
    ///
    /// # Errors
    /// When the generation has no such operation, or needs an id in the path that is not here.
    pub fn path(&self, generation: SpecVersion, caller: &PathCaller) -> Result<String, PathError> {
        self.fill(self.endpoint(generation)?, caller)
    }

    pub(super) fn fill(
        &self,
        endpoint: &'static Endpoint,
        caller: &PathCaller,
    ) -> Result<String, PathError> {
        let missing = |parameter| PathError::Missing {
            template: endpoint.template,
            parameter,
        };
        let mut path = String::with_capacity(endpoint.template.len() + 128);
        for segment in endpoint.template.split('/').skip(1) {
            path.push('/');
            match Parameter::of_segment(segment) {
                None => path.push_str(segment),
                Some(parameter) => {
                    let id = self.parameter(parameter, caller, endpoint.generation);
                    path.push_str(&id.ok_or_else(|| missing(parameter))?);
                }
            }
        }
        Ok(path)
    }

    fn parameter(
        &self,
        parameter: Parameter,
        caller: &PathCaller,
        generation: SpecVersion,
    ) -> Option<String> {
        let device_calls = generation.rules().caller == CallerIdentity::BearerToken;
        match (parameter, self, caller) {
            (Parameter::ClientId, _, PathCaller::Client(id)) => Some(id.to_string()),
            (Parameter::DeviceId, _, PathCaller::Device(id)) if device_calls => {
                Some(id.to_string())
            }
            (Parameter::DeviceId, ..) if !device_calls => self.device_id().map(ToString::to_string),
            (
                Parameter::DeploymentId,
                Self::Deployment { deployment_id, .. } | Self::ReportStatus { deployment_id },
                _,
            ) => Some(deployment_id.to_string()),
            (Parameter::Digest, Self::Deployment { digest, .. } | Self::Bundle { digest }, _) => {
                Some(digest.to_string())
            }
            _ => None,
        }
    }

    fn device_id(&self) -> Option<&DeviceId> {
        match self {
            Self::ReportCapabilities { device_id } => device_id.as_ref(),
            Self::RemoveDevice { device_id } => Some(device_id),
            _ => None,
        }
    }
}

/// Why there is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The generation does not have the operation.
    #[error("{generation} has no endpoint for {operation:?}")]
    NotInGeneration {
        /// The operation.
        operation: Operation,
        /// The generation.
        generation: SpecVersion,
    },
    /// The path needs an id that neither the route nor the caller has.
    #[error("the path {template} needs a {parameter}; give it with the route or the caller")]
    Missing {
        /// The path's template.
        template: &'static str,
        /// What is missing.
        parameter: Parameter,
    },
}
