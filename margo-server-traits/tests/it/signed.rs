//! The signed generation: clients that sign their requests.

pub(crate) mod device;
pub(crate) mod fake_enrolment;
mod onboarding;
mod refusals;
mod requests;
mod side_by_side;
mod targets;

use std::sync::Arc;

use http::Request;
use http_body_util::Full;
use margo_server_traits::proxy::ForwardedOrigin;
use margo_server_traits::signed::SignedOptions;
use margo_server_traits::{Fleet, FleetService, ServiceOptions};
use tower_service::Service;

use self::device::{Device, Sent};
use self::fake_enrolment::FakeEnrolment;
use crate::exchange::{Answer, fill};
use crate::fake_fleet::FakeFleet;

/// A fleet manager of clients that sign: `press-1` and `press-2` are enrolled.
struct Plant {
    fleet: Arc<FakeFleet>,
    enrolment: Arc<FakeEnrolment>,
    service: FleetService,
    press_1: Device,
    press_2: Device,
}

impl Plant {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(choose: impl FnOnce(&mut SignedOptions)) -> Self {
        let (fleet, enrolment) = (Arc::<FakeFleet>::default(), Arc::<FakeEnrolment>::default());
        fill(&mut fleet.state());
        let (press_1, press_2) = (Device::new(), Device::new());
        enrolment.enrol_as("press-1", &press_1);
        enrolment.enrol_as("press-2", &press_2);
        let mut options = SignedOptions::default();
        choose(&mut options);
        let service = FleetService::signed(
            enrolment.clone(),
            Fleet::of(fleet.clone()),
            ServiceOptions::default(),
            options,
        );
        Self {
            fleet,
            enrolment,
            service,
            press_1,
            press_2,
        }
    }

    /// Sends a request as it is.
    async fn send(&self, sent: Sent) -> Answer {
        self.send_from(sent, |_| {}).await
    }

    /// Sends a request over a connection of which the server knows something.
    async fn send_from(&self, sent: Sent, know: impl FnOnce(&mut http::Extensions)) -> Answer {
        let service = self.service.clone();
        let service = ForwardedOrigin::new(service, |known| known.get::<Proxy>().is_some());
        self.send_to(service, sent, know).await
    }

    async fn send_to<S>(
        &self,
        mut service: S,
        sent: Sent,
        know: impl FnOnce(&mut http::Extensions),
    ) -> Answer
    where
        S: Service<
                Request<Full<bytes::Bytes>>,
                Response = http::Response<Full<bytes::Bytes>>,
                Error: std::fmt::Debug,
            >,
    {
        let mut request = sent.into_request();
        know(request.extensions_mut());
        Answer::of(service.call(request).await.unwrap()).await
    }

    /// Sends a request that `press-1` signs.
    async fn ask(&self, sent: Sent) -> Answer {
        self.send(sent.signed(&self.press_1)).await
    }

    /// Whether the fleet manager was asked anything beyond who may call.
    fn was_asked(&self) -> bool {
        !std::mem::take(&mut self.fleet.state().calls).is_empty()
    }
}

/// The mark of a connection that a trusted proxy has made.
#[derive(Clone, Copy)]
struct Proxy;

/// The path of the manifest of `press-1`.
const MANIFEST_OF_1: &str = "/api/v1/clients/press-1/deployments";
