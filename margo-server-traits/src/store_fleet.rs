//! A fleet manager over a [`Store`].

mod enrolment;
mod policy;
mod recovery;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::etag::EntityTag;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::onboarding::Certificate;
use margo_types::status::DeploymentStatus;
use margo_types::{Digest, Report, SpecVersion, validate_status_against};

pub use self::policy::{
    AcceptedIssuers, AskOperator, EnrolmentDecision, EnrolmentPolicy, InvalidIssuers,
};
use self::recovery::Recovery;
use crate::in_full::in_full;
use crate::publish::{PublishError, Publisher};
use crate::store::{
    ContentKey, DevicePut, DeviceRecord, Head, PublishedDocument, StatusRecord, Store, StoreError,
};
use crate::{
    Admission, Caller, Capabilities, ClientPolicy, DesiredState, FleetError, Received, StatusSink,
    Stored, Verified,
};

/// A fleet manager that keeps everything in a [`Store`].
///
/// Assign deployments with a [`Publisher`] over the same store.
///
/// # Decisions
///
/// Where the specification is silent (numbers of rc3.md section 12):
///
/// | no. | question | decision |
/// |---|---|---|
/// | 29 | the store has forgotten versions that devices know | found out and mended, see below |
/// | 36 | a gateway is removed | everything behind it goes too; deployments that are assigned stay assigned, and a device that comes back is new |
/// | 41 | capabilities are reported again | they replace everything reported before |
/// | 21 | a report on a deployment that the client does not have | refused; one that was taken out can be reported on until it was reported removed and [pruned](Store::prune) |
/// | 26 | reports that come late | kept in the order in which they come, for nothing in a report says when it was made |
///
/// # Enrolment
///
/// Clients of the signed generation are accepted by what the operator has registered, by an [`EnrolmentPolicy`], or by the
/// operator afterwards, who decides with a [`Registrar`](crate::Registrar). The same certificate always gets the same id. At most
/// [`max_pending`](Self::max_pending) certificates wait; one more is answered by 503 and not stored.
///
/// # A store restored from a backup
///
/// Devices refuse every manifest whose version is not above the last one they accepted. So a store that was restored from
/// yesterday's backup and goes on counting from there is refused for hours, and an exact repetition of versions is worse: two
/// contents under one version. The store remembers the digest of every manifest it ever published, so the loss is noticed as
/// soon as a client asks with a digest the store has never heard of, or reports to have adopted a version that is not
/// published yet. Then the same deployments are published again under a much higher version: above the reported one if it is
/// known, else 16 higher, then 256, 4096 and 65536 with every further time the client refuses what it was served. Devices
/// accept again within a few polls, without an operator. The loss is logged as an error.
///
/// This is bounded: for each client at most 16 leaps in the life of the process, none above 2^24 at once. A client that lies
/// only makes its own version rise.
///
/// What devices get is the desired state *of the backup*; look it through before the fleet manager is started. There is one
/// exception: as long as nothing was ever assigned to a client, no leap is made, so that a store that was lost altogether
/// does not make every device remove everything.
#[derive(Debug)]
pub struct StoreFleet {
    store: Arc<dyn Store>,
    publisher: Publisher,
    recovery: Recovery,
    accepts_namespace: bool,
    max_devices: usize,
    enrolment: EnrolmentSettings,
}

/// What happens to certificates without an operator.
#[derive(Debug)]
struct EnrolmentSettings {
    policy: Arc<dyn EnrolmentPolicy>,
    max_pending: usize,
    renews_by_subject: bool,
    root_certificate: Option<Certificate>,
}

impl StoreFleet {
    /// A fleet manager over this store. It serves clients whose record says that they are accepted.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let publisher = Publisher::new(Arc::clone(&store));
        Self {
            recovery: Recovery::new(publisher.clone(), Arc::clone(&store)),
            store,
            publisher,
            accepts_namespace: false,
            max_devices: MAX_DEVICES,
            enrolment: EnrolmentSettings {
                policy: Arc::new(AskOperator),
                max_pending: MAX_PENDING,
                renews_by_subject: false,
                root_certificate: None,
            },
        }
    }

    /// Serves clients without a record as well: everybody to whom the trust domain issued an SVID in the namespace of this
    /// fleet manager. A record can still refuse one.
    ///
    /// The specification wants an accepted-client policy besides the namespace (W61); this is that policy when the operator
    /// knows that SVIDs are issued to accepted clients only.
    #[must_use]
    pub const fn accept_namespace(mut self) -> Self {
        self.accepts_namespace = true;
        self
    }

    /// How many devices a client may report, gateways and what is behind them together: 1,000 if this is not called. One
    /// more is refused with 403 (W5, W6).
    #[must_use]
    pub const fn max_devices(mut self, limit: usize) -> Self {
        self.max_devices = limit;
        self
    }

    /// Decides about certificates before the operator does; [`AskOperator`] if this is not called.
    #[must_use]
    pub fn enrolment_policy(mut self, policy: impl EnrolmentPolicy + 'static) -> Self {
        self.enrolment.policy = Arc::new(policy);
        self
    }

    /// How many certificates may wait for the operator: 256 if this is not called. For one more those are forgotten that have
    /// ended or waited for a day; when there are none it is answered by 503.
    #[must_use]
    pub const fn max_pending(mut self, limit: usize) -> Self {
        self.enrolment.max_pending = limit;
        self
    }

    /// Takes a certificate that the policy accepts for a renewal when an accepted one has the same issuer and subject.
    ///
    /// Only right where the issuers give each device a subject of its own: two devices with the same one would become one
    /// client. Without this the operator is asked.
    #[must_use]
    pub const fn renew_by_subject(mut self) -> Self {
        self.enrolment.renews_by_subject = true;
        self
    }

    /// Gives this root certificate out to clients that ask for it.
    #[must_use]
    pub fn root_certificate(mut self, certificate: Certificate) -> Self {
        self.enrolment.root_certificate = Some(certificate);
        self
    }

    /// The publisher over the same store. Clone it instead of making another one, so that all take turns.
    pub const fn publisher(&self) -> &Publisher {
        &self.publisher
    }
}

#[async_trait]
impl ClientPolicy for StoreFleet {
    async fn admit(&self, caller: &Verified<Caller>) -> Result<Admission, FleetError> {
        let standing = self.store.standing(&caller.client_id).await?;
        let reason = match standing {
            Some(known) if known.accepted && known.generation != caller.generation => {
                return Ok(Admission::Refused {
                    reason: other_generation(known.generation, caller.generation),
                });
            }
            Some(known) if known.accepted => return Ok(Admission::Admitted),
            None if self.accepts_namespace => return Ok(Admission::Admitted),
            Some(_) => "this client is refused; ask the operator of the fleet manager",
            None => "this client is not accepted yet; ask the operator of the fleet manager",
        };
        Ok(Admission::Refused {
            reason: reason.to_owned(),
        })
    }
}

#[async_trait]
impl Capabilities for StoreFleet {
    async fn put(
        &self,
        caller: &Verified<Caller>,
        device: &DeviceId,
        capabilities: Received<DeviceCapabilities>,
    ) -> Result<Option<Stored>, FleetError> {
        let record = DeviceRecord {
            client: caller.client_id.clone(),
            device: device.clone(),
            capabilities: Bytes::copy_from_slice(capabilities.document.bytes()),
            findings: lines(&capabilities.findings),
            reported_at: Timestamp::now(),
        };
        match self.store.put_device(&record, self.max_devices).await? {
            DevicePut::Created => Ok(Some(Stored::Created)),
            DevicePut::Updated => Ok(Some(Stored::Updated)),
            DevicePut::NoGateway => Ok(None),
            DevicePut::TooMany => Err(FleetError::Refused(format!(
                "a client may report {} devices; remove those that are gone",
                self.max_devices
            ))),
        }
    }

    async fn remove(
        &self,
        caller: &Verified<Caller>,
        device: &DeviceId,
    ) -> Result<bool, FleetError> {
        Ok(self.store.remove_device(&caller.client_id, device).await?)
    }
}

#[async_trait]
impl DesiredState for StoreFleet {
    async fn manifest_digest(&self, caller: &Verified<Caller>) -> Result<Digest, FleetError> {
        match self.store.head(&caller.client_id).await? {
            Some(head) if head.generation == caller.generation => Ok(head.digest),
            _ => Ok(self.publish_for(caller).await?.digest),
        }
    }

    async fn manifest(&self, caller: &Verified<Caller>) -> Result<Bytes, FleetError> {
        let client = &caller.client_id;
        self.publish_for(caller).await?;
        let manifest = self.store.manifest(client).await?;
        let manifest = manifest.ok_or_else(|| {
            StoreError::Damaged(format!(
                "the manifest of {client} is gone; restore a backup"
            ))
        })?;
        if self
            .store
            .version_of(client, &Digest::of(&manifest))
            .await?
            .is_none()
        {
            return Err(StoreError::Damaged(format!(
                "the manifest of {client} is not what was published; restore a backup"
            ))
            .into());
        }
        self.recovery.served(client);
        Ok(manifest)
    }

    async fn deployment(
        &self,
        caller: &Verified<Caller>,
        deployment: &DeploymentId,
        digest: &Digest,
    ) -> Result<Option<Bytes>, FleetError> {
        let key = ContentKey::Deployment(*deployment, *digest);
        Ok(self.store.content(&caller.client_id, &key).await?)
    }

    async fn bundle(
        &self,
        caller: &Verified<Caller>,
        digest: &Digest,
    ) -> Result<Option<Bytes>, FleetError> {
        let key = ContentKey::Bundle(*digest);
        Ok(self.store.content(&caller.client_id, &key).await?)
    }

    async fn holds(&self, caller: &Verified<Caller>, tag: &EntityTag) -> Result<(), FleetError> {
        // A weak tag or one that is no digest was never ours.
        let Some(digest) = tag.digest() else {
            return Ok(());
        };
        Ok(self.recovery.holds(&caller.client_id, &digest).await?)
    }
}

impl StoreFleet {
    /// What is published for a client, in the generation in which it asks.
    ///
    /// Somebody of another generation than the client does not change that; otherwise two would change it to and fro.
    async fn publish_for(&self, caller: &Caller) -> Result<Head, FleetError> {
        let head = self.publisher.head(&caller.client_id).await?;
        if head.generation == caller.generation {
            return Ok(head);
        }
        let reason = other_generation(head.generation, caller.generation);
        Err(FleetError::Refused(reason))
    }
}

fn other_generation(known: SpecVersion, found: SpecVersion) -> String {
    format!(
        "this client is known to speak {known}, not {found}; ask the operator of the fleet manager to change that"
    )
}

#[async_trait]
impl StatusSink for StoreFleet {
    async fn report(
        &self,
        caller: &Verified<Caller>,
        received: Received<DeploymentStatus>,
    ) -> Result<Option<Stored>, FleetError> {
        let client = &caller.client_id;
        let status = received.document.value();
        let mut findings = lines(&received.findings);
        if let Some(adopted) = status.adopted_manifest_version {
            findings.extend(self.recovery.adopted(client, adopted).await?);
        }
        let Some(published) = self.store.document(client, &status.deployment_id).await? else {
            return Ok(None);
        };
        findings.extend(contradictions(status, &published, caller.generation));
        let record = StatusRecord {
            client: client.clone(),
            deployment: status.deployment_id,
            device: status.device_id.clone(),
            state: status.status.state.clone(),
            status: Bytes::copy_from_slice(received.document.bytes()),
            findings,
            reported_at: Timestamp::now(),
        };
        let is_first = self.store.put_status(&record).await?;
        Ok(Some(if is_first {
            Stored::Created
        } else {
            Stored::Updated
        }))
    }
}

/// Where a report does not fit the deployment. The report is taken nevertheless: it may be about an earlier document.
fn contradictions(
    status: &DeploymentStatus,
    published: &PublishedDocument,
    generation: SpecVersion,
) -> Vec<String> {
    match margo_types::read::<ApplicationDeployment>(&published.bytes) {
        Ok(deployment) => lines(&validate_status_against(
            status,
            deployment.value(),
            generation,
        )),
        Err(why) => vec![format!("the stored deployment cannot be read: {why}")],
    }
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines: Vec<_> = report.findings().iter().map(ToString::to_string).collect();
    if report.omitted() > 0 {
        lines.push(format!("and {} more findings", report.omitted()));
    }
    lines
}

impl From<StoreError> for FleetError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) | StoreError::Conflict { .. } => Self::Unavailable {
                reason: in_full(&error),
                retry_after: RETRY_AFTER,
            },
            _ => Self::Internal(error.into()),
        }
    }
}

impl From<PublishError> for FleetError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Store(error) => error.into(),
            PublishError::Outrun => Self::Unavailable {
                reason: error.to_string(),
                retry_after: RETRY_AFTER,
            },
            error => Self::Internal(error.into()),
        }
    }
}

/// Far more than an operator looks through, and 12 MiB at most.
const MAX_PENDING: usize = 256;

/// More than any gateway has behind it.
const MAX_DEVICES: usize = 1000;

/// Seconds; a locked database is usually free again by then.
const RETRY_AFTER: u32 = 5;
