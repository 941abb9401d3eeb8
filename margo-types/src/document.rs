//! The kinds of documents the specification knows, and what all of them have in common.

use std::fmt;

use crate::application::ApplicationDescription;
use crate::capabilities::DeviceCapabilities;
use crate::deployment::ApplicationDeployment;
use crate::exact::Exact;
use crate::manifest::StateManifest;
use crate::oci::{PackageManifest, TagList};
use crate::onboarding::{CaCertificate, OnboardingRequest, OnboardingResponse};
use crate::problem::Problem;
use crate::status::DeploymentStatus;
use crate::trust::{DiscoveryDocument, TrustBundle};
use crate::version::SpecVersion;
use crate::wire::Versioned;

/// A document of the specification. Implemented by the documents of this crate only.
#[expect(private_bounds, reason = "seals the trait")]
pub trait Document: Versioned {
    /// What kind of document this is.
    const KIND: Kind;
}

/// How a document is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// YAML 1.2.
    Yaml,
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(match self {
            Self::Json => "JSON",
            Self::Yaml => "YAML",
        })
    }
}

macro_rules! documents {
    ($( $(#[$doc:meta])* $kind:ident($type:ty) $article:literal $format:ident, )*) => {
        /// The kinds of documents.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $( $(#[$doc])* $kind, )*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The name of the kind, such as `ApplicationDescription`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)*
                }
            }

            /// The kind in words, such as "an application description".
            pub(crate) const fn in_words(self) -> &'static str {
                match self {
                    $(Self::$kind => $article,)*
                }
            }

            /// The format in which documents of this kind travel.
            pub const fn format(self) -> Format {
                match self {
                    $(Self::$kind => Format::$format,)*
                }
            }

            #[cfg(feature = "schema")]
            pub(crate) fn schema(self, generation: SpecVersion) -> Option<schemars::Schema> {
                match self {
                    $(Self::$kind => <$type>::schema(generation),)*
                }
            }
        }

        /// A document of any kind.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum AnyDocument {
            $( $(#[$doc])* $kind(Exact<$type>), )*
        }

        impl AnyDocument {
            /// The kind.
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)*
                }
            }

            /// The generation that the document's shape belongs to.
            pub const fn generation(&self) -> SpecVersion {
                match self {
                    $(Self::$kind(document) => document.generation(),)*
                }
            }

            /// Checks the document against every rule of its generation.
            pub fn validate(&self) -> crate::finding::Report {
                match self {
                    $(Self::$kind(document) => document.validate(),)*
                }
            }

            pub(crate) fn read(
                kind: Kind,
                tree: crate::read::Tree<'_>,
            ) -> Result<Self, crate::read::ReadError> {
                match kind {
                    $(Kind::$kind => tree.read_as().map(Self::$kind),)*
                }
            }
        }

        $(
            impl Document for $type {
                const KIND: Kind = Kind::$kind;
            }
        )*
    };
}

documents! {
    /// What an application supplier publishes.
    ApplicationDescription(ApplicationDescription) "an application description" Yaml,
    /// What a fleet manager wants on a device.
    ApplicationDeployment(ApplicationDeployment) "an application deployment" Yaml,
    /// Everything a client should run, by digest.
    StateManifest(StateManifest) "a state manifest" Json,
    /// What a device is and offers.
    DeviceCapabilities(DeviceCapabilities) "device capabilities" Json,
    /// How a deployment fares.
    DeploymentStatus(DeploymentStatus) "a deployment status" Json,
    /// An error of the management interface.
    Problem(Problem) "a problem" Json,
    /// Where a trust domain's bundle is.
    DiscoveryDocument(DiscoveryDocument) "a discovery document" Json,
    /// The anchors of a trust domain.
    TrustBundle(TrustBundle) "a trust bundle" Json,
    /// The OCI manifest of an application package or Compose component.
    PackageManifest(PackageManifest) "a package manifest" Json,
    /// The versions of an application in a registry.
    TagList(TagList) "a list of tags" Json,
    /// A client's request to be enrolled, in the signed generation.
    OnboardingRequest(OnboardingRequest) "an onboarding request" Json,
    /// The answer to it.
    OnboardingResponse(OnboardingResponse) "an onboarding response" Json,
    /// The root certificate of a fleet manager, in the signed generation.
    CaCertificate(CaCertificate) "a CA certificate" Json,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
