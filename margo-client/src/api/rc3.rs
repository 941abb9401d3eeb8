//! The management interface of rc.2 and rc.3: HTTP/1.1 over mutual TLS (rc3.md sections 3, 4, 5 and 7.6).

mod connections;

use margo_types::capabilities::DeviceCapabilities;
use margo_types::endpoint::{Endpoint, PathCaller, PathError, Route};
use margo_types::status::DeploymentStatus;
use margo_types::svid::Identity;
use margo_types::{SpecVersion, write};
use url::Url;

use self::connections::Connections;
use super::ApiOptions;
use super::interface::{Generation, Interface, fleet_api, unsupported};
use crate::error::Error;
use crate::exchange::{Answer, Call};
use crate::location::Location;

/// A fleet manager of rc.3, spoken to as the WFM client that an [`Identity`] is.
///
/// Who the fleet manager must be follows from that identity; the URL says only where it is. Connections are kept and
/// used again until the identity changes or [`ApiOptions::connection_age`] is over. Proxies of the environment are
/// not used and redirects are not followed.
#[derive(Debug)]
pub struct Rc3Api(Interface<MutualTls>);

impl Rc3Api {
    /// The fleet manager below this URL, such as `https://wfm.example/prefix`.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`](crate::ErrorKind::Setup) when the URL is not plain `https`, or the identity is not that of a
    /// WFM client.
    pub fn new(base: Url, identity: Identity) -> Result<Self, Error> {
        Self::with_options(base, identity, ApiOptions::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_options(base: Url, identity: Identity, options: ApiOptions) -> Result<Self, Error> {
        Ok(Self(Interface::new(MutualTls {
            location: Location::new(base)?,
            connections: Connections::new(identity, &options)?,
            options,
        })))
    }
}

fleet_api!(Rc3Api, MutualTls);

#[derive(Debug)]
struct MutualTls {
    location: Location,
    connections: Connections,
    options: ApiOptions,
}

impl Generation for MutualTls {
    const VERSION: SpecVersion = SpecVersion::Rc3;

    /// No request says who asks.
    type Caller = ();

    fn location(&self) -> &Location {
        &self.location
    }

    fn options(&self) -> &ApiOptions {
        &self.options
    }

    async fn caller(&self) -> Result<(), Error> {
        Ok(())
    }

    fn place(&self, (): &(), route: &Route) -> Result<(&'static Endpoint, String), PathError> {
        let endpoint = route.endpoint(Self::VERSION)?;
        let path = route.path(Self::VERSION, &PathCaller::Unnamed)?;
        Ok((endpoint, path))
    }

    fn may_lead_to(&self, (): &(), _: &Url) -> bool {
        true
    }

    fn capabilities(
        &self,
        (): &(),
        capabilities: &DeviceCapabilities,
    ) -> Result<(Route, Vec<u8>), Error> {
        let route = Route::ReportCapabilities {
            device_id: Some(capabilities.properties.id.clone()),
        };
        let body = write(capabilities, Self::VERSION)
            .map_err(|error| unsupported("the capabilities").because(error))?;
        Ok((route, body))
    }

    fn status(&self, (): &(), status: &DeploymentStatus) -> Result<(Route, Vec<u8>), Error> {
        let route = Route::ReportStatus {
            deployment_id: status.deployment_id,
        };
        let body = write(status, Self::VERSION)
            .map_err(|error| unsupported("the status").because(error))?;
        Ok((route, body))
    }

    async fn exchange(&self, (): &(), call: &Call<'_>) -> Result<Answer, Error> {
        let request = call.request(&self.connections.current()?)?;
        let answer = call.send(request, self.location.peer()).await;
        answer.map_err(|error| self.connections.explain(error))
    }

    fn refusal(&self, (): &(), answer: &Answer, asked: &str) -> Error {
        answer.refusal(self.location.peer(), asked)
    }
}
