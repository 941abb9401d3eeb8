//! Asking to be enrolled when that is due, and who the device is meanwhile.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Quick, PoisonError};
use std::time::Duration;

use margo_types::endpoint::{PathCaller, Route};
use margo_types::id::ClientId;
use margo_types::{Digest, SpecVersion};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::outcome::{self, Outcome};
use super::record::{Record, RecordedClient};
use super::{EnrolmentSettings, Standing};
use crate::error::{Error, ErrorKind};
use crate::exchange::{Bounds, Call};
use crate::identity::{Material, SigningIdentity};
use crate::location::Location;
use crate::signed::Channel;
use crate::state::Owner;

/// What a device is to its fleet manager. Clones are one enrolment.
#[derive(Clone)]
pub struct Enrolment(Arc<Inner>);

struct Inner {
    channel: Channel,
    file: PathBuf,
    client_id: Option<ClientId>,
    owner: Owner,
    /// Held while the fleet manager is asked: by one request, for all that wait for it.
    known: Mutex<Known>,
    standing: Quick<Standing>,
    /// Whether the fleet manager seems to have forgotten the client.
    doubted: AtomicBool,
}

/// What is known of the client.
struct Known {
    record: Record,
    /// Whether the file does not have it yet.
    unsaved: bool,
    /// Who the client was in the last request.
    member: Option<Arc<Member>>,
    /// Which certificate was asked for last, and when a client that has an id may ask for it again.
    asked: Option<(Digest, Instant)>,
}

/// A client with an id, and the key that the fleet manager knows it by.
pub(crate) struct Member {
    pub(crate) id: ClientId,
    pub(crate) material: Arc<Material>,
}

impl Enrolment {
    /// Reads what is kept; asks nobody.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the URL is not plain `https` or nobody could be recognised by the identity's trust;
    /// [`ErrorKind::State`] when the file is damaged, or cannot be read or written.
    pub async fn open(
        settings: EnrolmentSettings,
        identity: SigningIdentity,
    ) -> Result<Self, Error> {
        let EnrolmentSettings {
            url,
            record: file,
            dialect,
            options,
            client_id,
        } = settings;
        let material = identity.current();
        let channel = Channel::new(Location::new(url)?, identity, dialect, options)?;
        let url = channel.location.as_str().to_owned();
        let record = Record::open(file.clone(), url, Arc::clone(&material)).await?;
        let owner = Owner::of_enrolled(&record.url, &record.first_key);
        let kept = record.client_of(&material).map(|client| client.id.clone());
        let standing = match client_id.clone().or(kept) {
            None => Standing::Unasked,
            Some(client_id) => Standing::enrolled(&client_id),
        };
        Ok(Self(Arc::new(Inner {
            channel,
            file,
            client_id,
            owner,
            known: Mutex::new(Known {
                record,
                unsaved: false,
                member: None,
                asked: None,
            }),
            standing: Quick::new(standing),
            doubted: AtomicBool::new(false),
        })))
    }

    /// Whose the deployment state of this client is: bound to the fleet manager and to the key that the client had first,
    /// so that a renewed key or another id does not lose it.
    pub fn owner(&self) -> Owner {
        self.0.owner.clone()
    }

    /// How far it is.
    pub fn standing(&self) -> Standing {
        let standing = self.0.standing.lock();
        standing.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The client id; asks the fleet manager for it unless it is known and the certificate is the one it was given for.
    ///
    /// # Errors
    /// Why there is none: [`is_retryable`](Error::is_retryable) while the operator has not decided, with the wait that the
    /// fleet manager asks for.
    pub async fn client_id(&self) -> Result<ClientId, Error> {
        Ok(self.member().await?.id.clone())
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.0.channel
    }

    /// The fleet manager seems not to know the client any more: it is asked again, now and then.
    pub(crate) fn doubt(&self) {
        self.0.doubted.store(true, Ordering::Relaxed);
    }

    /// Who asks in the next request.
    pub(crate) async fn member(&self) -> Result<Arc<Member>, Error> {
        let inner = &*self.0;
        let material = inner.channel.identity().current();
        let mut known = inner.known.lock().await;
        if let Some(id) = &inner.client_id {
            return Ok(known.settle(id, material));
        }
        known.unsaved |= known.record.follow(&material);
        if known.unsaved {
            known.save(&inner.file).await?;
        }
        let kept = known.record.client_of(&material).cloned();
        let is_doubted = inner.doubted.load(Ordering::Relaxed);
        match &kept {
            Some(client) if client.certificate == material.digest() && !is_doubted => {
                inner.stand(Standing::enrolled(&client.id));
                Ok(known.settle(&client.id, material))
            }
            _ => inner.enrol(&mut known, kept.as_ref(), material).await,
        }
    }
}

impl Inner {
    /// Enrols the device, for the first time or again. Where it is a client already, it goes on as that meanwhile.
    async fn enrol(
        &self,
        known: &mut Known,
        kept: Option<&RecordedClient>,
        material: Arc<Material>,
    ) -> Result<Arc<Member>, Error> {
        // The same key with the certificate before, or the key before.
        let meanwhile = match kept {
            Some(client) => Some(known.settle(&client.id, Arc::clone(&material))),
            None if known.record.is_of(&material) => known.member.clone(),
            None => None,
        };
        if let Some(member) = &meanwhile
            && known.was_asked(&material)
        {
            return Ok(Arc::clone(member));
        }
        let asked = self.ask(&material, kept).await;
        let wait = wait_after(asked.as_ref().err());
        known.asked = Some((material.digest(), Instant::now() + wait));
        self.doubted.store(false, Ordering::Relaxed);
        match (asked, meanwhile) {
            (Ok(id), _) => {
                self.note(&known.record, &id, &material);
                known.record.enrolled(id.clone(), &material);
                known.unsaved = true;
                known.save(&self.file).await?;
                self.stand(Standing::enrolled(&id));
                Ok(known.settle(&id, material))
            }
            (Err(error), Some(member)) => {
                tracing::warn!(%error, client = %member.id, "the fleet manager was asked again to enrol this device; going on as before");
                self.stand(Standing::Enrolled {
                    client_id: member.id.clone(),
                    renewal: Some(error.to_string()),
                });
                Ok(member)
            }
            (Err(mut error), None) => {
                if let Some(standing) = standing_of(&error) {
                    self.stand(standing);
                }
                // It is the device that is refused, and not what it was about to say: nothing is given up for it.
                if error.kind() == ErrorKind::Refused && !error.is_retryable() {
                    error.set_kind(ErrorKind::Untrusted);
                }
                Err(error)
            }
        }
    }

    /// One request to be enrolled.
    async fn ask(
        &self,
        material: &Material,
        kept: Option<&RecordedClient>,
    ) -> Result<ClientId, Error> {
        let channel = &self.channel;
        let unavailable = |error| {
            let message = "there is no request to be enrolled";
            Error::new(ErrorKind::Setup, message).because(error)
        };
        let endpoint = Route::Onboard.endpoint(SpecVersion::Rc1);
        let path = Route::Onboard.path(SpecVersion::Rc1, &PathCaller::Unnamed);
        let call = Call {
            endpoint: endpoint.map_err(unavailable)?,
            url: channel.location.of_path(&path.map_err(unavailable)?),
            asked: "the enrolment of this device",
            held: None,
            body: Some(outcome::request(channel.dialect.documents, material)?.into()),
            bounds: Bounds {
                idle: channel.options.idle,
                total: channel.options.exchange,
                bytes: LONGEST_ANSWER,
            },
            offer_gzip: true,
        };
        let answer = channel.send(&call, &material.signer).await?;
        match Outcome::read(channel, material, &answer)? {
            Outcome::Enrolled(id) => Ok(id),
            Outcome::Already => kept
                .map(|client| client.id.clone())
                .ok_or_else(|| outcome::already_without_id(channel, &answer)),
        }
    }

    fn stand(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// Says what an answer changes.
    fn note(&self, record: &Record, id: &ClientId, material: &Material) {
        let peer = self.channel.location.peer();
        match record.last_id(material) {
            Some(before) if before != id => tracing::warn!(
                %before,
                now = %id,
                "{peer} gave this device another client id; what it runs goes on, and manifests are accepted from the version on that is held: let the operator assign to the new client what the old one had"
            ),
            Some(_) => tracing::info!(client = %id, "{peer} confirms the enrolment"),
            None => tracing::info!(client = %id, "enrolled with {peer}"),
        }
    }
}

impl Known {
    /// Whether the fleet manager has been asked for this certificate just now.
    fn was_asked(&self, material: &Material) -> bool {
        self.asked
            .is_some_and(|(asked, until)| asked == material.digest() && Instant::now() < until)
    }

    /// The client with this id, which is the same value as long as nothing changes.
    fn settle(&mut self, id: &ClientId, material: Arc<Material>) -> Arc<Member> {
        if let Some(member) = &self.member
            && member.id == *id
            && Arc::ptr_eq(&member.material, &material)
        {
            return Arc::clone(member);
        }
        let id = id.clone();
        let member = Arc::new(Member { id, material });
        self.member = Some(Arc::clone(&member));
        member
    }

    async fn save(&mut self, file: &Path) -> Result<(), Error> {
        self.record.save(file.to_owned()).await?;
        self.unsaved = false;
        Ok(())
    }
}

impl Standing {
    fn enrolled(client_id: &ClientId) -> Self {
        Self::Enrolled {
            client_id: client_id.clone(),
            renewal: None,
        }
    }
}

/// How long a client that has an id waits before it asks again.
fn wait_after(error: Option<&Error>) -> Duration {
    let asked = error.and_then(Error::retry_advice);
    let asked = asked.and_then(|advice| advice.after).unwrap_or_default();
    asked.clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// What the fleet manager said of the device, if it did.
fn standing_of(error: &Error) -> Option<Standing> {
    if outcome::is_pending(error) {
        return Some(Standing::Pending);
    }
    let is_final = error.kind() == ErrorKind::Refused && !error.is_retryable();
    is_final.then(|| Standing::Refused {
        why: error.to_string(),
    })
}

impl fmt::Debug for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Member")
            .field("id", &self.id)
            .field("key", &self.material.key_id())
            .finish()
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Enrolment")
            .field("channel", &self.0.channel)
            .field("standing", &self.standing())
            .finish_non_exhaustive()
    }
}

const SHORTEST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// No answer to a request to be enrolled is longer.
const LONGEST_ANSWER: usize = 64 << 10;
