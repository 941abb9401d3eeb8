//! Certificates of clients, and their owners.

use std::sync::Arc;

use jiff::Timestamp;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::{Digest, SpecVersion};

use super::{client, past};
use crate::store::{
    ClientRecord, EnrolmentChange, EnrolmentPut, EnrolmentReading, EnrolmentRecord, EnrolmentState,
    Store,
};

/// Enrolments are kept, found, changed by who has read them last, and what is accepted is what clients sign with.
pub async fn enrolments(store: &dyn Store) {
    let owner = client("enrolled");
    let [pending, renewed] =
        [(A_FIRST, 0), (A_SECOND, 1)].map(|(it, second)| certificate(it, past(second)));
    assert_eq!((pending.key, pending.names), (renewed.key, renewed.names));
    let digests = [Some(pending.fingerprint), pending.key, pending.names];
    let found = async || {
        store
            .enrolments_by(&digests.map(Option::unwrap))
            .await
            .unwrap()
    };
    assert_eq!(found().await, []);
    assert_eq!(keys(store, &owner).await, [] as [Digest; 0]);

    // Asked for.
    let ask = EnrolmentChange::new(None, Some(pending.clone()));
    expect(store, &ask, EnrolmentPut::Done).await;
    expect(store, &ask, EnrolmentPut::Outrun).await;
    assert_eq!(found().await, std::slice::from_ref(&pending));
    assert_eq!(
        keys(store, &owner).await,
        [] as [Digest; 0],
        "nobody has accepted it"
    );

    // Accepted, together with the client.
    let record = ClientRecord::new(owner.clone(), true).speaking(SpecVersion::Rc1);
    let mut accepted = pending.clone().accepted_for(owner.clone());
    accepted.note = String::from("line 4, \u{e4}isle");
    let mut accept = EnrolmentChange::new(Some(pending.clone()), Some(accepted.clone()));
    accept.client = Some((Some(record.clone()), record.clone()));
    expect(store, &accept, EnrolmentPut::Outrun).await;
    assert_eq!(
        found().await,
        std::slice::from_ref(&pending),
        "the client is not what was read"
    );
    accept.client = Some((None, record.clone()));
    expect(store, &accept, EnrolmentPut::Done).await;
    expect(store, &accept, EnrolmentPut::Outrun).await;
    assert_eq!(store.client(&owner).await.unwrap(), Some(record));
    assert_eq!(
        store.enrolments(Some(&owner)).await.unwrap(),
        [accepted.clone()]
    );
    assert!(store.enrolments(None).await.unwrap().contains(&accepted));
    assert_eq!(keys(store, &owner).await, [accepted.key.unwrap()]);
    let reject = EnrolmentChange::new(Some(pending), None);
    expect(store, &reject, EnrolmentPut::Outrun).await;

    // A second one while the key is renewed; it replaces what was registered by a fingerprint.
    let registered = EnrolmentRecord::registered(renewed.key.unwrap(), owner.clone(), past(1));
    let register = EnrolmentChange::new(None, Some(registered.clone()));
    expect(store, &register, EnrolmentPut::Done).await;
    assert_eq!(keys(store, &owner).await.len(), 1, "there is no key yet");
    let clash = EnrolmentChange::new(Some(registered.clone()), Some(accepted.clone()));
    expect(store, &clash, EnrolmentPut::Outrun).await;
    let renewed = renewed.accepted_for(owner.clone());
    let take_up = EnrolmentChange::new(Some(registered), Some(renewed.clone()));
    expect(store, &take_up, EnrolmentPut::Done).await;
    assert_eq!(found().await, [accepted.clone(), renewed.clone()]);
    assert_eq!(keys(store, &owner).await.len(), 2);

    // The first one is retired, and forgotten.
    let mut retired = accepted.clone();
    retired.state = EnrolmentState::Rejected;
    let retire = EnrolmentChange::new(Some(accepted), Some(retired.clone()));
    expect(store, &retire, EnrolmentPut::Done).await;
    assert_eq!(keys(store, &owner).await.len(), 1);
    for over in [retired, renewed] {
        let forget = EnrolmentChange::new(Some(over), None);
        expect(store, &forget, EnrolmentPut::Done).await;
        expect(store, &forget, EnrolmentPut::Outrun).await;
    }
    assert_eq!(found().await, []);
    assert_eq!(keys(store, &owner).await, [] as [Digest; 0]);
}

/// Only so many wait for the operator.
pub async fn pending_enrolments(store: &dyn Store) {
    let all = store.enrolments(None).await.unwrap();
    let waiting = all.iter().filter(|it| it.state == EnrolmentState::Pending);
    let waiting = waiting.count();
    let owner = client("pending");
    let named = |name: &str| {
        let mut record =
            EnrolmentRecord::registered(Digest::of(name.as_bytes()), owner.clone(), past(0));
        record.state = EnrolmentState::Pending;
        record
    };
    let ask = |name, max_pending| {
        let mut change = EnrolmentChange::new(None, Some(named(name)));
        change.max_pending = max_pending;
        change
    };
    expect(store, &ask("one", waiting), EnrolmentPut::TooMany).await;
    expect(store, &ask("one", 0), EnrolmentPut::TooMany).await;
    expect(store, &ask("one", waiting + 1), EnrolmentPut::Done).await;
    expect(store, &ask("two", waiting + 1), EnrolmentPut::TooMany).await;
    assert_eq!(
        store.enrolments(Some(&owner)).await.unwrap(),
        [named("one")]
    );
    // One for another, and what does not wait, always fit.
    let mut swap = ask("two", 0);
    swap.before = Some(named("one"));
    expect(store, &swap, EnrolmentPut::Done).await;
    let mut register = ask("three", 0);
    register.after = register.after.map(|it| it.accepted_for(owner.clone()));
    expect(store, &register, EnrolmentPut::Done).await;
    for left in store.enrolments(Some(&owner)).await.unwrap() {
        let forget = EnrolmentChange::new(Some(left), None);
        expect(store, &forget, EnrolmentPut::Done).await;
    }
}

/// A certificate or a key is one client's, and what a change was decided by is as it was read.
pub async fn contested_enrolments(store: &dyn Store) {
    let (owner, other) = (client("contested"), client("contesting"));
    let [asked, renewed] =
        [(A_FIRST, 0), (A_SECOND, 1)].map(|(it, second)| certificate(it, past(second)));
    let key = asked.key.unwrap();
    let accepted = asked.accepted_for(owner.clone());
    let accept = EnrolmentChange::new(None, Some(accepted.clone()));
    expect(store, &accept, EnrolmentPut::Done).await;
    let by_key = EnrolmentRecord::registered(key, other.clone(), past(1));
    for (before, taken) in [
        (None, renewed.clone().accepted_for(other.clone())),
        (None, by_key),
        (
            Some(accepted.clone()),
            accepted.clone().accepted_for(other.clone()),
        ),
    ] {
        let take = EnrolmentChange::new(before, Some(taken));
        expect(store, &take, EnrolmentPut::Outrun).await;
    }

    let mut renew = EnrolmentChange::new(None, Some(renewed.clone().accepted_for(owner.clone())));
    renew.readings = vec![EnrolmentReading {
        digests: vec![renewed.fingerprint, key],
        found: vec![accepted.clone()],
    }];
    let mut retired = accepted.clone();
    retired.state = EnrolmentState::Rejected;
    let retire = EnrolmentChange::new(Some(accepted), Some(retired.clone()));
    expect(store, &retire, EnrolmentPut::Done).await;
    expect(store, &renew, EnrolmentPut::Outrun).await;
    renew.readings[0].found.clear();
    expect(store, &renew, EnrolmentPut::Outrun).await;
    assert_eq!(keys(store, &owner).await, [] as [Digest; 0]);
    renew.readings[0].found.push(retired.clone());
    expect(store, &renew, EnrolmentPut::Done).await;
    assert_eq!(keys(store, &owner).await, [key]);
    for left in store.enrolments(Some(&owner)).await.unwrap() {
        let forget = EnrolmentChange::new(Some(left), None);
        expect(store, &forget, EnrolmentPut::Done).await;
    }
}

/// However many accept a certificate at once, it becomes one client.
pub async fn racing_enrolments(store: &Arc<dyn Store>) {
    let before = store.clients().await.unwrap().len();
    let asked = EnrolmentRecord::registered(Digest::of(b"racing"), client("nobody"), past(0));
    let mut racers = Vec::new();
    for racer in 0..20 {
        let (store, asked) = (Arc::clone(store), asked.clone());
        racers.push(tokio::spawn(async move {
            let owner = client(&format!("racing-enrolments-{racer}"));
            let mut change = EnrolmentChange::new(None, Some(asked.accepted_for(owner.clone())));
            change.client = Some((None, ClientRecord::new(owner.clone(), true)));
            let put = store.change_enrolment(&change).await.unwrap();
            (put == EnrolmentPut::Done).then_some(owner)
        }));
    }
    let mut winners = Vec::new();
    for racer in racers {
        winners.extend(racer.await.unwrap());
    }
    assert_eq!(winners.len(), 1, "one of them accepts it");
    let known = store.enrolments_by(&[asked.fingerprint]).await.unwrap();
    assert_eq!(known[0].client.as_ref(), winners.first());
    assert_eq!(
        store.clients().await.unwrap().len(),
        before + 1,
        "the others add no client"
    );
}

/// Puts an accepted and a pending certificate into a store.
pub(super) async fn fill(store: &dyn Store, owner: &ClientId) {
    for record in durable(owner) {
        let change = EnrolmentChange::new(None, Some(record));
        expect(store, &change, EnrolmentPut::Done).await;
    }
}

/// Finds them again.
pub(super) async fn is_filled(store: &dyn Store, owner: &ClientId) {
    let [accepted, registered] = durable(owner);
    let keys = keys(store, owner).await;
    assert_eq!(keys, [accepted.key.unwrap()]);
    let found = store.enrolments(Some(owner)).await.unwrap();
    assert_eq!(found, [accepted, registered]);
}

fn durable(owner: &ClientId) -> [EnrolmentRecord; 2] {
    let fingerprint = Digest::of(b"durable");
    [
        certificate(B, past(0)).accepted_for(owner.clone()),
        EnrolmentRecord::registered(fingerprint, owner.clone(), past(1)),
    ]
}

async fn expect(store: &dyn Store, change: &EnrolmentChange, expected: EnrolmentPut) {
    let put = store.change_enrolment(change).await.unwrap();
    assert_eq!(put, expected, "{change:?}");
}

/// The digests of the keys that a client signs with.
async fn keys(store: &dyn Store, owner: &ClientId) -> Vec<Digest> {
    let credentials = store.credentials(owner).await.unwrap();
    let keys = credentials.iter().map(|it| Digest::of(it.key().spki_der()));
    keys.collect()
}

fn certificate(text: &str, asked_at: Timestamp) -> EnrolmentRecord {
    EnrolmentRecord::new(&Certificate::from_text(text), asked_at).unwrap()
}

/// Self-signed, for a hundred years.
const A_FIRST: &str = "\
    MIIBbzCCARSgAwIBAgIBATAKBggqhkjOPQQDAjAVMRMwEQYDVQQDDApjb250cmFjdC1hMCAXDTI2MTEyMTE0NTUyN1oYDzIx\
    MjYxMDI4MTQ1NTI3WjAVMRMwEQYDVQQDDApjb250cmFjdC1hMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETkwZsMZhwu78\
    r07Xii38bvqwb2ITpE6YUUN6edaLlvbPrYcysH4axcnvPqhxMyjqy+tlzQWTj4V8Fc5Eg0EA66NTMFEwHQYDVR0OBBYEFGiQ\
    o3KuWSHN5hcXY6sZqnXhyiSiMB8GA1UdIwQYMBaAFGiQo3KuWSHN5hcXY6sZqnXhyiSiMA8GA1UdEwEB/wQFMAMBAf8wCgYI\
    KoZIzj0EAwIDSQAwRgIhAIwbhcvXnPZYeXN4hxDixYKJICmMNbUfkvVsomOkKfnhAiEAoA6gSNomB5vYAAdDA00tNY89DioM\
    4C7OOQBGVpiSNxk=";

/// Another one of the same key and names.
const A_SECOND: &str = "\
    MIIBbzCCARSgAwIBAgIBAjAKBggqhkjOPQQDAjAVMRMwEQYDVQQDDApjb250cmFjdC1hMCAXDTI2MTEyMTE0NTUyN1oYDzIx\
    MjYxMDI4MTQ1NTI3WjAVMRMwEQYDVQQDDApjb250cmFjdC1hMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETkwZsMZhwu78\
    r07Xii38bvqwb2ITpE6YUUN6edaLlvbPrYcysH4axcnvPqhxMyjqy+tlzQWTj4V8Fc5Eg0EA66NTMFEwHQYDVR0OBBYEFGiQ\
    o3KuWSHN5hcXY6sZqnXhyiSiMB8GA1UdIwQYMBaAFGiQo3KuWSHN5hcXY6sZqnXhyiSiMA8GA1UdEwEB/wQFMAMBAf8wCgYI\
    KoZIzj0EAwIDSQAwRgIhAMV2pkFnXnVVl/rDD9p5ggH0URAugrBUDaJimRkU/2UpAiEAkFDUIX2CD9UC2myxO72FhZtitDcR\
    MukHagykMbPaJj8=";

/// One of another key.
const B: &str = "\
    MIIBbTCCARSgAwIBAgIBAzAKBggqhkjOPQQDAjAVMRMwEQYDVQQDDApjb250cmFjdC1iMCAXDTI2MTEyMTE0NTUyN1oYDzIx\
    MjYxMDI4MTQ1NTI3WjAVMRMwEQYDVQQDDApjb250cmFjdC1iMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcEVuo8mJQ/1c\
    hmNmdtD7nQpUjtE0VWgjTxqvZ7tVbzeJUE56gTIGpb2vUr5oLRvnWz8KagKSI/4wfD4dkxLb0qNTMFEwHQYDVR0OBBYEFD3N\
    SHlAtZ6puRnh+RQrINJv/3lyMB8GA1UdIwQYMBaAFD3NSHlAtZ6puRnh+RQrINJv/3lyMA8GA1UdEwEB/wQFMAMBAf8wCgYI\
    KoZIzj0EAwIDRwAwRAIgI/MT3EBYP4zMsuPC2N4ZeRk8PrYFnBOawBG49IVrGNwCIFbfPnfCHICJkCcdAWdhQqviwizf4F5W\
    3S3oaRT1cSHX";
