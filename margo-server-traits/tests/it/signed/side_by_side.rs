//! Both generations on one fleet manager.

use margo_server_traits::signed::SignedOptions;
use margo_server_traits::{Fleet, FleetService};
use margo_types::id::SpiffeId;

use super::device::Sent;
use super::{MANIFEST_OF_1, Plant};
use crate::exchange::{MANIFEST, OTHERS_MANIFEST, WFM, client};

fn both(plant: &Plant) -> FleetService {
    let own = SpiffeId::parse(WFM).unwrap();
    let fleet = Fleet::of(plant.fleet.clone());
    FleetService::new(own, fleet).with_enrolment(plant.enrolment.clone(), SignedOptions::default())
}

#[tokio::test]
async fn each_is_recognised_by_its_own_proof() {
    let plant = Plant::new();
    let service = both(&plant);
    let signed = Sent::get(MANIFEST_OF_1).signed(&plant.press_1);
    let answer = plant.send_to(service.clone(), signed, |_| {}).await;
    assert_eq!(answer.is(200).body, MANIFEST);

    let newest = Sent::get("/api/v1/deployments");
    let answer = plant.send_to(service.clone(), newest, |known| {
        known.insert(client("press-2"));
    });
    assert_eq!(answer.await.is(200).body, OTHERS_MANIFEST);

    // An SVID is no signature, and a signature no SVID.
    let unsigned = Sent::get(MANIFEST_OF_1);
    let answer = plant.send_to(service.clone(), unsigned, |known| {
        known.insert(client("press-1"));
    });
    let answer = answer.await;
    answer.is_problem(401, "signature-verification-failed");
    let signed = Sent::get("/api/v1/deployments").signed(&plant.press_1);
    let answer = plant.send_to(service, signed, |_| {}).await;
    answer.is_problem(403, "not-authorized");
}

#[tokio::test]
async fn what_belongs_to_neither_is_told_to_clients_alone() {
    let plant = Plant::new();
    let service = both(&plant);
    for path in ["/nowhere", "/api/v1/clients/press-1/nowhere"] {
        let sent = || Sent::get(path);
        let answer = plant.send_to(service.clone(), sent(), |known| {
            known.insert(client("press-1"));
        });
        answer.await.is_problem(404, "about:blank");
        let answer = plant.send_to(service.clone(), sent(), |_| {}).await;
        answer.is_problem(401, "signature-verification-failed");
    }
    let signed = Sent::get("/api/v1/clients/press-1/nowhere").signed(&plant.press_1);
    let answer = plant.send_to(service, signed, |_| {}).await;
    answer.is_problem(404, "about:blank");
}

#[tokio::test]
async fn callers_are_known_with_their_generation() {
    let plant = Plant::new();
    plant.ask(Sent::get(MANIFEST_OF_1)).await.is(200);
    let callers = std::mem::take(&mut plant.fleet.state().callers);
    let caller = &callers[0];
    assert_eq!(caller.client_id.as_str(), "press-1");
    assert_eq!(caller.generation, margo_types::SpecVersion::Rc1);
    assert_eq!(caller.spiffe_id, None);
}
