//! Devices ask, policies and operators decide, in whatever order.

use margo_types::Digest;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use super::*;
use crate::store::{MemoryStore, Store as _};
use crate::{AcceptedIssuers, Credential, Registrar, RegistrarError};

/// A device with a key, which makes certificates of it.
struct Device {
    key: KeyPair,
    subject: &'static str,
}

impl Device {
    fn new(subject: &'static str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { key, subject }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !self.subject.is_empty() {
            params
                .distinguished_name
                .push(DnType::CommonName, self.subject);
        }
        params
    }

    /// A new self-signed certificate: no two are the same.
    fn self_signed(&self) -> Applicant {
        applicant(&self.params().self_signed(&self.key).unwrap())
    }

    fn expired(&self) -> Applicant {
        let mut params = self.params();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        applicant(&params.self_signed(&self.key).unwrap())
    }

    fn issued_by(&self, factory: &Factory) -> Applicant {
        self.issued_with(factory, |_| {})
    }

    fn issued_with(
        &self,
        factory: &Factory,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Applicant {
        let mut params = self.params();
        change(&mut params);
        applicant(&params.signed_by(&self.key, &factory.issuer).unwrap())
    }
}

fn applicant(certificate: &rcgen::Certificate) -> Applicant {
    let certificate = Certificate::from_der(certificate.der()).unwrap();
    Applicant {
        read: ClientCertificate::read(&certificate).unwrap(),
        certificate,
    }
}

/// An authority that issues certificates to devices.
struct Factory {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Factory {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "factory");
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn policy(&self) -> AcceptedIssuers {
        AcceptedIssuers::from_pem(self.pem.as_bytes()).unwrap()
    }
}

struct Place {
    store: Arc<MemoryStore>,
    fleet: StoreFleet,
    registrar: Registrar,
}

fn place(configure: impl FnOnce(StoreFleet) -> StoreFleet) -> Place {
    let store = Arc::new(MemoryStore::new());
    Place {
        fleet: configure(StoreFleet::new(store.clone())),
        registrar: Registrar::new(store.clone()),
        store,
    }
}

impl Place {
    async fn ask(&self, applicant: &Applicant) -> Enrolled {
        self.fleet.enrol(applicant).await.unwrap()
    }

    async fn accepted(&self, applicant: &Applicant) -> ClientId {
        match self.ask(applicant).await {
            Enrolled::Accepted(client) => client,
            other => panic!("{other:?}"),
        }
    }

    async fn keys(&self, client: &ClientId) -> usize {
        self.fleet.credentials(client).await.unwrap().len()
    }

    async fn clients(&self) -> usize {
        self.store.clients().await.unwrap().len()
    }
}

fn fingerprint(applicant: &Applicant) -> Digest {
    Digest::of(&applicant.certificate.der().unwrap())
}

fn key(applicant: &Applicant) -> Digest {
    Digest::of(applicant.read.key().spki_der())
}

fn client(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

#[tokio::test]
async fn without_a_policy_the_operator_decides() {
    let place = place(|fleet| fleet);
    let asked = Device::new("press").self_signed();
    for _ in 0..3 {
        assert_eq!(place.ask(&asked).await, Enrolled::Pending);
    }
    let waiting = place.store.enrolments(None).await.unwrap();
    assert_eq!(waiting.len(), 1, "however often it asks");
    assert_eq!(place.clients().await, 0);

    let approved = place
        .registrar
        .approve(&fingerprint(&asked), None, "line 4")
        .await;
    let owner = approved.unwrap().client.unwrap();
    assert_eq!(
        uuid::Uuid::parse_str(owner.as_str())
            .unwrap()
            .get_version_num(),
        4
    );
    for _ in 0..3 {
        assert_eq!(place.ask(&asked).await, Enrolled::Already(owner.clone()));
    }
    assert_eq!((place.clients().await, place.keys(&owner).await), (1, 1));
    let record = place.store.client(&owner).await.unwrap().unwrap();
    assert_eq!(
        (record.accepted, record.generation),
        (true, SpecVersion::Rc1)
    );
}

#[tokio::test]
async fn a_rejected_key_does_not_come_back_under_another_certificate() {
    let place = place(|fleet| fleet);
    let device = Device::new("press");
    let asked = device.self_signed();
    place.ask(&asked).await;
    place
        .registrar
        .reject(&fingerprint(&asked), "not ours")
        .await
        .unwrap();
    for asked in [&asked, &device.self_signed()] {
        assert_eq!(
            place.ask(asked).await,
            Enrolled::Rejected("not ours".to_owned())
        );
    }
    place.registrar.forget(&fingerprint(&asked)).await.unwrap();
    assert_eq!(place.ask(&asked).await, Enrolled::Pending);
}

#[tokio::test]
async fn what_was_registered_is_accepted_at_once() {
    let place = place(|fleet| fleet.max_pending(0));
    let device = Device::new("press");
    let [by_itself, by_fingerprint] = [device.self_signed(), Device::new("press").self_signed()];
    let by_key = Device::new("press").self_signed();
    for (name, applicant, credential) in [
        (
            "press-1",
            &by_itself,
            Credential::Certificate(by_itself.certificate.clone()),
        ),
        (
            "press-2",
            &by_fingerprint,
            Credential::Fingerprint(fingerprint(&by_fingerprint)),
        ),
        ("press-3", &by_key, Credential::Fingerprint(key(&by_key))),
    ] {
        let owner = client(name);
        for _ in 0..2 {
            place
                .registrar
                .register(&credential, &owner, "hall 2")
                .await
                .unwrap();
        }
        let first = place.ask(applicant).await;
        assert!(
            matches!(&first, Enrolled::Accepted(id) | Enrolled::Already(id) if *id == owner),
            "{first:?}"
        );
        assert_eq!(place.ask(applicant).await, Enrolled::Already(owner.clone()));
        assert_eq!(place.keys(&owner).await, 1);
        let known = place.store.enrolments(Some(&owner)).await.unwrap();
        assert_eq!((known.len(), known[0].note.as_str()), (1, "hall 2"));
        let other = place
            .registrar
            .register(&credential, &client("other"), "")
            .await;
        assert!(matches!(other, Err(RegistrarError::Taken { client, .. }) if client == owner));
    }
    assert_eq!(place.clients().await, 3);
}

#[tokio::test]
async fn registering_what_waits_approves_it() {
    let place = place(|fleet| fleet);
    let applicants = [(); 3].map(|()| Device::new("press").self_signed());
    let credentials = [
        Credential::Certificate(applicants[0].certificate.clone()),
        Credential::Fingerprint(fingerprint(&applicants[1])),
        Credential::Fingerprint(key(&applicants[2])),
    ];
    for (applicant, credential) in applicants.iter().zip(&credentials) {
        assert_eq!(place.ask(applicant).await, Enrolled::Pending);
        let owner = client("press-1");
        place
            .registrar
            .register(credential, &owner, "")
            .await
            .unwrap();
        assert_eq!(place.ask(applicant).await, Enrolled::Already(owner));
    }
    assert_eq!(place.store.enrolments(None).await.unwrap().len(), 3);
}

#[tokio::test]
async fn accepted_issuers_vouch_for_new_clients() {
    let (factory, other) = (Factory::new(), Factory::new());
    let place = place(|fleet| fleet.enrolment_policy(factory.policy()));
    let first = Device::new("press-1").issued_by(&factory);
    let second = Device::new("press-2").issued_by(&factory);
    let owners = [place.accepted(&first).await, place.accepted(&second).await];
    assert_ne!(owners[0], owners[1]);
    assert_eq!(
        place.ask(&first).await,
        Enrolled::Already(owners[0].clone())
    );
    assert_eq!(place.clients().await, 2);
    for stranger in [
        Device::new("press-3").issued_by(&other),
        Device::new("press-3").self_signed(),
        Device::new("press-3").issued_with(&factory, |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        Device::new("press-3").issued_with(&factory, |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }),
    ] {
        assert_eq!(place.ask(&stranger).await, Enrolled::Pending);
    }
    assert_eq!(place.clients().await, 2);
}

#[tokio::test]
async fn a_renewed_key_is_the_same_client_if_the_operator_says_so() {
    let factory = Factory::new();
    let place = place(|fleet| fleet.enrolment_policy(factory.policy()));
    let before = Device::new("press").issued_by(&factory);
    let owner = place.accepted(&before).await;
    // The same subject is a claim, also when the issuer confirms it: it may give it to many.
    let after = Device::new("press").issued_by(&factory);
    assert_eq!(place.ask(&after).await, Enrolled::Pending);
    let waiting = place
        .store
        .enrolments_by(&[fingerprint(&after)])
        .await
        .unwrap();
    assert!(
        waiting[0].note.contains(owner.as_str()),
        "{}",
        waiting[0].note
    );
    assert_eq!(waiting[0].client, None);
    place
        .registrar
        .approve(&fingerprint(&after), Some(&owner), "")
        .await
        .unwrap();
    assert_eq!(place.ask(&after).await, Enrolled::Already(owner.clone()));
    assert_eq!((place.clients().await, place.keys(&owner).await), (1, 2));

    // Both sign until the old one is retired; then it is not accepted by itself again.
    place
        .registrar
        .retire(&fingerprint(&before), "renewed")
        .await
        .unwrap();
    assert_eq!(place.keys(&owner).await, 1);
    assert_eq!(
        place.ask(&before).await,
        Enrolled::Rejected("renewed".to_owned())
    );
}

#[tokio::test]
async fn a_renewed_key_is_the_same_client_where_subjects_are_unique() {
    let factory = Factory::new();
    let place = place(|fleet| fleet.enrolment_policy(factory.policy()).renew_by_subject());
    let owner = place
        .accepted(&Device::new("press").issued_by(&factory))
        .await;
    for _ in 1..MAX_CERTIFICATES {
        let renewed = Device::new("press").issued_by(&factory);
        assert_eq!(place.ask(&renewed).await, Enrolled::Already(owner.clone()));
    }
    assert_eq!(place.keys(&owner).await, MAX_CERTIFICATES);
    let one_more = Device::new("press").issued_by(&factory);
    assert_eq!(
        place.ask(&one_more).await,
        Enrolled::Pending,
        "enough is enough"
    );
    let forged = Device::new("press").self_signed();
    assert_eq!(place.ask(&forged).await, Enrolled::Pending);
    // No subject is nobody's.
    let nameless = [(); 2].map(|()| Device::new("").issued_by(&factory));
    let nameless = [
        place.accepted(&nameless[0]).await,
        place.accepted(&nameless[1]).await,
    ];
    assert_ne!(nameless[0], nameless[1]);
}

#[tokio::test]
async fn another_certificate_of_a_known_key_waits_and_the_client_keeps_its_id() {
    let place = place(|fleet| fleet);
    let device = Device::new("press");
    let first = device.self_signed();
    place
        .registrar
        .register(
            &Credential::Certificate(first.certificate.clone()),
            &client("press-1"),
            "",
        )
        .await
        .unwrap();
    for _ in 0..5 {
        assert_eq!(
            place.ask(&device.self_signed()).await,
            Enrolled::Already(client("press-1"))
        );
    }
    let all = place.store.enrolments(None).await.unwrap();
    let waiting: Vec<_> = all
        .iter()
        .filter(|it| it.state == EnrolmentState::Pending)
        .collect();
    assert_eq!(waiting.len(), 1, "only the newest waits");
    assert_eq!(waiting[0].client, Some(client("press-1")));
    assert_eq!(
        place.keys(&client("press-1")).await,
        1,
        "it cannot prolong its own certificate"
    );
    let approved = place
        .registrar
        .approve(&waiting[0].fingerprint, None, "")
        .await
        .unwrap();
    assert_eq!(approved.client, Some(client("press-1")));
    assert_eq!(place.keys(&client("press-1")).await, 2);
    let taken = place
        .registrar
        .register(
            &Credential::Certificate(device.self_signed().certificate),
            &client("press-2"),
            "",
        )
        .await;
    assert!(
        matches!(taken, Err(RegistrarError::Taken { .. })),
        "its key is another client's"
    );
}

#[tokio::test]
async fn an_ended_certificate_proves_nothing_but_makes_room() {
    let factory = Factory::new();
    let place = place(|fleet| fleet.enrolment_policy(factory.policy()));
    let device = Device::new("press");
    let ended = device.expired();
    let credential = Credential::Certificate(ended.certificate.clone());
    place
        .registrar
        .register(&credential, &client("press-1"), "")
        .await
        .unwrap();
    assert_eq!(place.ask(&device.self_signed()).await, Enrolled::Pending);
    let renewed = device.issued_by(&factory);
    assert_eq!(
        place.ask(&renewed).await,
        Enrolled::Already(client("press-1")),
        "the same key, and the issuer vouches"
    );
    let known = place
        .store
        .enrolments(Some(&client("press-1")))
        .await
        .unwrap();
    let fingerprints: Vec<_> = known.iter().map(|it| it.fingerprint).collect();
    assert_eq!(
        fingerprints,
        [fingerprint(&renewed)],
        "the ended one is forgotten"
    );
}

#[tokio::test]
async fn a_flood_of_certificates_does_not_fill_the_store() {
    let place = place(|fleet| fleet.max_pending(3));
    let first = Device::new("press").self_signed();
    place.ask(&first).await;
    let mut refused = 0;
    for _ in 0..20 {
        match place.fleet.enrol(&Device::new("flood").self_signed()).await {
            Ok(answer) => assert_eq!(answer, Enrolled::Pending),
            Err(FleetError::Unavailable { retry_after, .. }) => {
                assert!(retry_after >= 60, "{retry_after}");
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 18);
    assert_eq!(place.store.enrolments(None).await.unwrap().len(), 3);
    assert_eq!(
        place.ask(&first).await,
        Enrolled::Pending,
        "who waits already is told so"
    );
    // What the operator has decided about is not kept out.
    let known = Device::new("press").self_signed();
    let credential = Credential::Fingerprint(fingerprint(&known));
    place
        .registrar
        .register(&credential, &client("press-1"), "")
        .await
        .unwrap();
    assert_eq!(place.accepted(&known).await, client("press-1"));
}

#[tokio::test]
async fn what_waits_in_vain_makes_room() {
    let place = place(|fleet| fleet.max_pending(3));
    let now = Timestamp::now();
    let waiting = |applicant: &Applicant, hours| {
        let asked_at = now - SignedDuration::from_hours(hours);
        EnrolmentRecord::new(&applicant.certificate, asked_at).unwrap()
    };
    let [old, ended, recent, retired] = [
        waiting(&Device::new("old").self_signed(), 25),
        waiting(&Device::new("ended").expired(), 1),
        waiting(&Device::new("recent").self_signed(), 23),
        EnrolmentRecord {
            state: EnrolmentState::Rejected,
            ..waiting(&Device::new("retired").expired(), 1000)
        },
    ];
    for record in [&old, &ended, &recent, &retired] {
        let put = EnrolmentChange::new(None, Some(record.clone()));
        place.store.change_enrolment(&put).await.unwrap();
    }
    let asked = [(); 2].map(|()| Device::new("press").self_signed());
    for asked in &asked {
        assert_eq!(place.ask(asked).await, Enrolled::Pending);
    }
    let known = place.store.enrolments(None).await.unwrap();
    let mut known: Vec<_> = known.iter().map(|it| it.fingerprint).collect();
    let mut expected = vec![recent.fingerprint, retired.fingerprint];
    expected.extend(asked.iter().map(fingerprint));
    known.sort();
    expected.sort();
    assert_eq!(known, expected);
    let one_more = Device::new("press").self_signed();
    let refused = place.fleet.enrol(&one_more).await;
    assert!(matches!(refused, Err(FleetError::Unavailable { .. })));
}

#[tokio::test]
async fn all_that_wait_are_forgotten_and_nothing_else() {
    let place = place(|fleet| fleet);
    let asked = [(); 3].map(|()| Device::new("press").self_signed());
    for asked in &asked {
        place.ask(asked).await;
    }
    let [accepted, rejected, waiting] = asked.each_ref().map(fingerprint);
    place.registrar.approve(&accepted, None, "").await.unwrap();
    place.registrar.reject(&rejected, "no").await.unwrap();
    let forgotten = place.registrar.forget_pending().await.unwrap();
    let forgotten: Vec<_> = forgotten.iter().map(|it| it.fingerprint).collect();
    assert_eq!(forgotten, [waiting]);
    assert_eq!(place.store.enrolments(None).await.unwrap().len(), 2);
}

/// Retires a certificate at the moment in which it is asked about another one of its client.
#[derive(Debug)]
struct RetiringMeanwhile {
    registrar: Registrar,
    retired: Digest,
}

#[async_trait]
impl crate::EnrolmentPolicy for RetiringMeanwhile {
    async fn decide(&self, _: &Applicant) -> Result<EnrolmentDecision, FleetError> {
        let retired = self.registrar.retire(&self.retired, "stolen").await;
        retired.map_err(|why| FleetError::Internal(why.into()))?;
        Ok(EnrolmentDecision::Accept)
    }
}

#[tokio::test]
async fn a_key_that_is_retired_meanwhile_is_not_renewed() {
    let store = Arc::new(MemoryStore::new());
    let registrar = Registrar::new(store.clone());
    let device = Device::new("press");
    let (first, second) = (device.self_signed(), device.self_signed());
    let credential = Credential::Certificate(first.certificate.clone());
    let owner = client("press-1");
    registrar.register(&credential, &owner, "").await.unwrap();
    let fleet = StoreFleet::new(store.clone()).enrolment_policy(RetiringMeanwhile {
        registrar,
        retired: fingerprint(&first),
    });
    let answer = fleet.enrol(&second).await.unwrap();
    assert_eq!(answer, Enrolled::Rejected("stolen".to_owned()));
    assert_eq!(fleet.credentials(&owner).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_registered_for_one_client_with_the_key_of_another_waits() {
    let place = place(|fleet| fleet);
    let device = Device::new("press");
    let (first, second) = (device.self_signed(), device.self_signed());
    for (applicant, name) in [(&first, "press-1"), (&second, "press-2")] {
        // By its fingerprint nobody can see whose key it has.
        let credential = Credential::Fingerprint(fingerprint(applicant));
        let owner = client(name);
        let registered = place.registrar.register(&credential, &owner, "");
        registered.await.unwrap();
    }
    assert_eq!(place.accepted(&first).await, client("press-1"));
    assert_eq!(
        place.ask(&second).await,
        Enrolled::Already(client("press-1"))
    );
    assert_eq!(place.keys(&client("press-2")).await, 0);
    let waiting = fingerprint(&second);
    let approved = place.registrar.approve(&waiting, None, "").await;
    assert_eq!(approved.unwrap().client, Some(client("press-1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_requests_at_once_make_one_client() {
    let factory = Factory::new();
    let place = Arc::new(place(|fleet| fleet.enrolment_policy(factory.policy())));
    let asked = Device::new("press").issued_by(&factory);
    let requests = (0..20).map(|_| {
        let (place, asked) = (place.clone(), asked.clone());
        tokio::spawn(async move { place.ask(&asked).await })
    });
    let mut owners = Vec::new();
    let mut new = 0;
    for request in requests.collect::<Vec<_>>() {
        match request.await.unwrap() {
            Enrolled::Accepted(owner) => {
                new += 1;
                owners.push(owner);
            }
            Enrolled::Already(owner) => owners.push(owner),
            other => panic!("{other:?}"),
        }
    }
    owners.dedup();
    assert_eq!((owners.len(), new, place.clients().await), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_operators_one_decides() {
    for _ in 0..20 {
        let place = place(|fleet| fleet);
        let asked = Device::new("press").self_signed();
        place.ask(&asked).await;
        let fingerprint = fingerprint(&asked);
        let (approving, rejecting) = (place.registrar.clone(), place.registrar.clone());
        let approved = tokio::spawn(async move { approving.approve(&fingerprint, None, "").await });
        let rejected = tokio::spawn(async move { rejecting.reject(&fingerprint, "no").await });
        let (approved, rejected) = (approved.await.unwrap(), rejected.await.unwrap());
        let known = place.store.enrolments(None).await.unwrap();
        assert_eq!(known.len(), 1);
        // Approving what was rejected is a decision; rejecting what was approved is retiring, and to be asked for.
        assert!(approved.is_ok());
        assert_eq!(known[0].state, EnrolmentState::Accepted);
        assert!(rejected.is_ok() || matches!(rejected, Err(RegistrarError::Accepted { .. })));
    }
}

#[tokio::test]
async fn a_client_of_another_generation_is_changed_by_nobody_in_passing() {
    let place = place(|fleet| fleet);
    let record = ClientRecord::new(client("press-1"), true);
    place.store.put_client(&record).await.unwrap();
    let asked = Device::new("press").self_signed();
    place.ask(&asked).await;
    let approved = place
        .registrar
        .approve(&fingerprint(&asked), Some(&client("press-1")), "")
        .await;
    assert!(
        matches!(approved, Err(RegistrarError::Generation { .. })),
        "{approved:?}"
    );
    assert_eq!(
        place.store.client(&client("press-1")).await.unwrap(),
        Some(record)
    );
    assert_eq!(place.keys(&client("press-1")).await, 0);

    let publisher = place.fleet.publisher();
    let unchanged = |_: &mut _| Ok::<_, crate::publish::PublishError>(());
    publisher
        .change_generation(&client("press-1"), SpecVersion::Rc1, unchanged)
        .await
        .unwrap();
    place
        .registrar
        .approve(&fingerprint(&asked), Some(&client("press-1")), "")
        .await
        .unwrap();
    assert_eq!(place.keys(&client("press-1")).await, 1);
}

#[tokio::test]
async fn a_policy_of_a_vendor_names_clients() {
    #[derive(Debug)]
    struct ByVendor(EnrolmentDecision);
    #[async_trait]
    impl crate::EnrolmentPolicy for ByVendor {
        async fn decide(&self, _: &Applicant) -> Result<EnrolmentDecision, FleetError> {
            Ok(self.0.clone())
        }
    }
    let named = EnrolmentDecision::AcceptAs(client("press-1"));
    let place_ = place(|fleet| fleet.enrolment_policy(ByVendor(named)));
    let device = Device::new("press");
    assert_eq!(
        place_.accepted(&device.self_signed()).await,
        client("press-1")
    );
    assert_eq!(
        place_.ask(&Device::new("press").self_signed()).await,
        Enrolled::Already(client("press-1"))
    );
    assert_eq!(place_.keys(&client("press-1")).await, 2);
    let refused = EnrolmentDecision::Reject("out of warranty".to_owned());
    let place_ = place(|fleet| fleet.enrolment_policy(ByVendor(refused)));
    assert_eq!(
        place_.ask(&device.self_signed()).await,
        Enrolled::Rejected("out of warranty".to_owned())
    );
    assert_eq!(place_.store.enrolments(None).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_no_issuer_is_refused() {
    for pem in [
        &b""[..],
        b"nothing",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        AcceptedIssuers::from_pem(pem).unwrap_err();
    }
}
