//! SPIFFE IDs and the two shapes Margo gives them (rc3.md sections 7.1 and 7.2).

use std::fmt;

use super::names::ClientId;
use crate::text::{InvalidText, text_access, text_newtype};

/// A SPIFFE trust domain: 1 to 255 lower-case letters, digits, `.`, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// Reads a trust domain.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let why = if text.is_empty() {
            "it is empty".to_owned()
        } else if text.len() > 255 {
            format!("it has {} characters", text.len())
        } else if let Some(bad) = text
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '-' | '_'))
        {
            format!("{bad:?} is not allowed")
        } else {
            return Ok(Self(text.to_owned()));
        };
        let fix = "write 1 to 255 lower-case letters, digits, '.', '-' and '_'";
        Err(InvalidText::new(text, "a trust domain", why, fix))
    }
}

text_newtype!(TrustDomain, pattern: "^[a-z0-9._-]{1,255}$", example: "factory.example");
text_access!(TrustDomain);

/// A SPIFFE ID: `spiffe://<trust domain>/<path>`, at most 2,048 bytes, compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: String,
    domain_end: usize,
}

impl SpiffeId {
    /// Reads a SPIFFE ID. An SVID of Margo always has a path, so one without is refused.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let invalid = |why: String| {
            let fix = "write spiffe://<trust domain>/<path>, path segments of letters, digits, '.', '-' and '_'";
            InvalidText::new(text, "a SPIFFE ID", why, fix)
        };
        if text.len() > 2048 {
            return Err(invalid(format!(
                "it has {} bytes, more than 2048",
                text.len()
            )));
        }
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| invalid("it does not start with spiffe://".to_owned()))?;
        let (domain, path) = rest
            .split_once('/')
            .ok_or_else(|| invalid("it has no path".to_owned()))?;
        TrustDomain::parse(domain)
            .map_err(|fault| invalid(format!("in the trust domain, {}", fault.why())))?;
        for segment in path.split('/') {
            check_segment(segment).map_err(|why| invalid(format!("in the path, {why}")))?;
        }
        Ok(Self {
            text: text.to_owned(),
            domain_end: SCHEME.len() + domain.len(),
        })
    }

    /// The SPIFFE ID of a workload fleet manager: `spiffe://<td>/margo/wfm/<wfm-id>`.
    ///
    /// Fails when `wfm_id` is not one path segment of letters, digits, `.`, `-` and `_`.
    pub fn wfm(domain: &TrustDomain, wfm_id: &str) -> Result<Self, InvalidText> {
        check_id("a WFM id", wfm_id)?;
        Self::parse(&format!("{SCHEME}{domain}/margo/wfm/{wfm_id}"))
    }

    /// The SPIFFE ID of a client of that fleet manager: `spiffe://<td>/margo/wfm/<wfm-id>/client/<wfm-client-id>`.
    ///
    /// Fails when an id is not one path segment of letters, digits, `.`, `-` and `_`.
    pub fn wfm_client(
        domain: &TrustDomain,
        wfm_id: &str,
        client_id: &ClientId,
    ) -> Result<Self, InvalidText> {
        check_id("a WFM id", wfm_id)?;
        check_id("a WFM client id", client_id.as_str())?;
        Self::parse(&format!(
            "{SCHEME}{domain}/margo/wfm/{wfm_id}/client/{client_id}"
        ))
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> TrustDomain {
        TrustDomain(self.text[SCHEME.len()..self.domain_end].to_owned())
    }

    /// The path, with its leading slash.
    pub fn path(&self) -> &str {
        &self.text[self.domain_end..]
    }

    /// What Margo makes of this ID; `None` when it has neither of the two shapes.
    pub fn principal(&self) -> Option<Principal> {
        let rest = self.path().strip_prefix("/margo/wfm/")?;
        let mut segments = rest.split('/');
        let wfm_id = segments.next()?.to_owned();
        match (segments.next(), segments.next(), segments.next()) {
            (None, ..) => Some(Principal::Wfm { wfm_id }),
            (Some("client"), Some(client_id), None) => Some(Principal::WfmClient {
                wfm_id,
                client_id: ClientId::parse(client_id).ok()?,
            }),
            _ => None,
        }
    }

    /// The one fleet manager that the holder of this client ID may talk to: same domain, same `wfm-id`.
    ///
    /// `None` when this is not the ID of a WFM client.
    pub fn expected_wfm(&self) -> Option<SpiffeId> {
        match self.principal()? {
            Principal::WfmClient { wfm_id, .. } => Self::wfm(&self.trust_domain(), &wfm_id).ok(),
            Principal::Wfm { .. } => None,
        }
    }

    /// Whether `peer` is that fleet manager. Neither a host name nor a configuration has a say in this (D69).
    pub fn recognises_wfm(&self, peer: &SpiffeId) -> bool {
        self.expected_wfm().as_ref() == Some(peer)
    }

    /// The client id of `peer`, if it is a client in the namespace of this fleet manager.
    ///
    /// `None` when this is not a fleet manager's ID, or the peer's is of any other shape, domain or `wfm-id`.
    /// A match is not an authorisation: an accepted-client policy must admit the client as well (W61).
    pub fn recognise_client(&self, peer: &SpiffeId) -> Option<ClientId> {
        let Principal::Wfm { wfm_id: own } = self.principal()? else {
            return None;
        };
        match peer.principal()? {
            Principal::WfmClient { wfm_id, client_id }
                if wfm_id == own && peer.domain() == self.domain() =>
            {
                Some(client_id)
            }
            _ => None,
        }
    }

    fn domain(&self) -> &str {
        &self.text[SCHEME.len()..self.domain_end]
    }
}

text_newtype!(
    SpiffeId,
    pattern: r"^spiffe://[a-z0-9._-]{1,255}(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)+$",
    example: "spiffe://factory.example/margo/wfm/plant-1"
);

impl AsRef<str> for SpiffeId {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

/// The role a SPIFFE ID stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// A workload fleet manager.
    Wfm {
        /// Unique in the trust domain.
        wfm_id: String,
    },
    /// A client of a workload fleet manager.
    WfmClient {
        /// The fleet manager whose namespace the client is in.
        wfm_id: String,
        /// Unique in that namespace.
        client_id: ClientId,
    },
}

const SCHEME: &str = "spiffe://";

fn check_id(what: &'static str, id: &str) -> Result<(), InvalidText> {
    check_segment(id).map_err(|why| {
        InvalidText::new(
            id,
            what,
            why,
            "write letters, digits, '.', '-' and '_', other than '.' and '..'",
        )
    })
}

fn check_segment(segment: &str) -> Result<(), String> {
    match segment {
        "" => Err("a segment is empty".to_owned()),
        "." | ".." => Err(format!("{segment:?} is not a segment")),
        _ => match segment
            .chars()
            .find(|c| !matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '-' | '_'))
        {
            Some(bad) => Err(format!("{bad:?} is not allowed")),
            None => Ok(()),
        },
    }
}
