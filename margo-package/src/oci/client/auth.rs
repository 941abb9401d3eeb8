//! Proving who we are when the registry asks: basic authentication, or a token from its token service.

mod challenge;
mod token;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Response;
use reqwest::header::HeaderValue;

use self::challenge::Challenge;
use super::transport::Access;
use super::{Client, place_of};
use crate::oci::credentials::Credentials;
use crate::oci::error::{OciError, Place};
use crate::oci::reference::Reference;

/// What worked, by registry and scope.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<Key, Held>>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    registry: String,
    repository: String,
    access: Access,
}

struct Held {
    header: HeaderValue,
    until: Option<Instant>,
}

impl Cache {
    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Held>> {
        // A map is whole also when a thread died while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, key: Key, header: HeaderValue, until: Option<Instant>) {
        let mut entries = self.entries();
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(key, Held { header, until });
    }
}

impl Client {
    /// The `Authorization` that last worked here, if it has not run out.
    pub(super) fn authorization(
        &self,
        reference: &Reference,
        access: Access,
    ) -> Option<HeaderValue> {
        let key = Key::new(reference, access);
        let mut entries = self.shared.authorizations.entries();
        let held = entries.get(&key)?;
        if held.until.is_some_and(|until| until <= Instant::now()) {
            entries.remove(&key);
            return None;
        }
        Some(held.header.clone())
    }

    pub(super) fn forget_authorization(&self, reference: &Reference, access: Access) {
        self.shared
            .authorizations
            .entries()
            .remove(&Key::new(reference, access));
    }

    /// Answers the challenge in a 401; `None` when there is nothing to answer with.
    pub(super) async fn authenticate(
        &self,
        response: &Response,
        reference: &Reference,
        access: Access,
    ) -> Result<Option<HeaderValue>, OciError> {
        let place = place_of(reference);
        let challenges = Challenge::all_in(response.headers());
        let credentials = self
            .shared
            .credentials
            .credentials(reference.registry())
            .await?;

        let (header, until) = if let Some(Credentials::BearerToken(token)) = &credentials {
            (
                sensitive(&format!("Bearer {}", token.expose()), &place)?,
                None,
            )
        } else if let Some(bearer) = challenges.iter().find(|c| c.is("bearer")) {
            let token = self
                .fetch_token(bearer, credentials.as_ref(), reference, access)
                .await?;
            (
                sensitive(&format!("Bearer {}", token.text.expose()), &place)?,
                Some(token.until),
            )
        } else if challenges.iter().any(|c| c.is("basic")) {
            let Some(Credentials::Password { user, password }) = &credentials else {
                return Ok(None);
            };
            (basic(user, password.expose(), &place)?, None)
        } else {
            return Ok(None);
        };
        let key = Key::new(reference, access);
        self.shared.authorizations.keep(key, header.clone(), until);
        Ok(Some(header))
    }
}

impl Key {
    fn new(reference: &Reference, access: Access) -> Self {
        Self {
            registry: reference.registry().to_owned(),
            repository: reference.repository().to_owned(),
            access,
        }
    }
}

fn basic(user: &str, password: &str, place: &Place) -> Result<HeaderValue, OciError> {
    sensitive(
        &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
        place,
    )
}

/// A header that the HTTP library does not print either.
fn sensitive(text: &str, place: &Place) -> Result<HeaderValue, OciError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let problem = "the credentials hold a character that no header can carry";
        OciError::misused(place, problem, "log in again")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

const MAX_ENTRIES: usize = 1000;
