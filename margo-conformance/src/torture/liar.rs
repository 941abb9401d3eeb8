//! Who takes the place of the fleet manager, and what must come of it.

use std::time::Duration;

use jiff::Timestamp;
use margo_types::deployment::ApplicationDeployment;
use margo_types::endpoint::Operation;
use margo_types::id::{SpiffeId, TrustDomain};
use margo_types::manifest::ManifestVersion;

use super::Failure;
use super::log::Reason;
use super::random::Random;
use crate::authority::rcgen::{BasicConstraints, IsCa, KeyUsagePurpose, SanType};
use crate::authority::{Authority, Lifetime};
use crate::wfm::{Answer, FakeWfm, Lie};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Falsehood {
    WrongDigest,
    /// Of a document by itself, since there is no bundle.
    WrongDocument,
    LowerVersion,
    SameVersion,
    MissingContent,
    IncompleteBundle,
    EndlessBody,
    EndlessContent,
    SlowDrip,
    SlowContent,
    BrokenBody,
    Silence,
    HtmlPage,
    HtmlContent,
    HtmlError,
    HtmlNotFound,
    Overload,
    NotAuthorised,
    OtherDomain,
    OtherManager,
    TwoNames,
    AuthorityAsLeaf,
    Expired,
}

impl Falsehood {
    pub(super) fn draw(random: &mut Random) -> Self {
        random.pick(ALL)
    }

    /// Whether the device must count a security event.
    pub(super) const fn is_security_event(self) -> bool {
        matches!(
            self,
            Self::WrongDigest | Self::WrongDocument | Self::LowerVersion | Self::SameVersion
        )
    }

    /// Why the device must say that it refuses whoever talks so; `None` when it is not about who it is.
    pub(super) const fn reason(self) -> Option<Reason> {
        Some(match self {
            Self::OtherDomain => Reason::OtherDomain,
            Self::OtherManager => Reason::OtherManager,
            Self::TwoNames => Reason::SeveralNames,
            Self::AuthorityAsLeaf => Reason::Authority,
            Self::Expired => Reason::Expired,
            _ => return None,
        })
    }

    /// Whether it is somebody else altogether, whom the device must not say anything to.
    pub(super) const fn is_impostor(self) -> bool {
        self.reason().is_some()
    }

    /// Whether it is about what the manifest refers to.
    const fn is_about_content(self) -> bool {
        matches!(
            self,
            Self::EndlessContent | Self::SlowContent | Self::HtmlContent
        )
    }
}

/// A false fleet manager for one device.
#[derive(Debug)]
pub(super) struct Liar {
    pub(super) falsehood: Falsehood,
    /// Of its manifest, unless it lies about that.
    pub(super) version: ManifestVersion,
    pub(super) wfm: FakeWfm,
}

impl Liar {
    /// One that lies about what a device should run, which holds this version.
    pub(super) async fn start(
        falsehood: Falsehood,
        authority: &Authority,
        own: &SpiffeId,
        held: Option<ManifestVersion>,
        forgery: &ApplicationDeployment,
    ) -> Result<Self, Failure> {
        let wfm = FakeWfm::start(authority, own).await;
        wfm.assign(forgery);
        let held = held.unwrap_or(ManifestVersion::FIRST);
        let above = ManifestVersion::new(held.get().saturating_add(1000)).unwrap_or(held);
        wfm.publish_as(above);
        // A report that a liar took would be lost, and rightly so: whoever has the SVID of the fleet manager is it.
        let refusal = match falsehood {
            Falsehood::HtmlNotFound => Answer::html(404),
            Falsehood::HtmlError => Answer::html(502),
            _ => Answer::problem(503),
        };
        wfm.fail_always(Operation::ReportStatus, refusal);
        let manifest = |answer| wfm.fail_always(Operation::Manifest, answer);
        let content = |answer: Answer| {
            wfm.fail_always(Operation::Deployment, answer.clone());
            wfm.fail_always(Operation::Bundle, answer);
        };
        match falsehood {
            Falsehood::WrongDigest => wfm.lie(Lie::WrongDigest),
            Falsehood::WrongDocument => {
                wfm.fail_always(Operation::Bundle, Answer::problem(404));
                wfm.lie(Lie::WrongDigest);
            }
            Falsehood::LowerVersion => {
                wfm.publish_as(ManifestVersion::new(held.get() - 1).unwrap_or(held));
            }
            Falsehood::SameVersion => wfm.publish_as(held),
            Falsehood::MissingContent => wfm.lie(Lie::MissingContent),
            Falsehood::IncompleteBundle => {
                wfm.fail_always(Operation::Deployment, Answer::problem(404));
                wfm.lie(Lie::IncompleteBundle);
            }
            Falsehood::EndlessBody => manifest(Answer::endless()),
            Falsehood::EndlessContent => content(Answer::endless()),
            Falsehood::SlowDrip => manifest(Answer::drip(Duration::from_millis(50))),
            Falsehood::SlowContent => content(Answer::drip(Duration::from_millis(50))),
            Falsehood::BrokenBody => manifest(Answer::cut()),
            Falsehood::Silence => manifest(Answer::silence()),
            Falsehood::HtmlPage => manifest(Answer::html(200)),
            Falsehood::HtmlContent => content(Answer::html(200)),
            Falsehood::HtmlError => manifest(Answer::html(502)),
            Falsehood::HtmlNotFound => manifest(Answer::html(404)),
            Falsehood::Overload => manifest(Answer::problem(429).retry_after(3600)),
            Falsehood::NotAuthorised => manifest(Answer::problem(403)),
            _ => impersonate(&wfm, falsehood, authority, own)?,
        }
        Ok(Self {
            falsehood,
            version: above,
            wfm,
        })
    }

    /// How many requests could have been answered with the lie.
    pub(super) fn told(&self) -> usize {
        let requests = |operation| self.wfm.requests_for(operation).len();
        if self.falsehood.is_impostor() {
            self.wfm.requests().len()
        } else if self.falsehood.is_about_content() {
            requests(Operation::Deployment) + requests(Operation::Bundle)
        } else {
            requests(Operation::Manifest)
        }
    }
}

/// Gives it a certificate that is not that of the fleet manager.
fn impersonate(
    wfm: &FakeWfm,
    falsehood: Falsehood,
    authority: &Authority,
    own: &SpiffeId,
) -> Result<(), Failure> {
    let name = own.as_str().to_owned();
    let uri = |text: &str| Ok::<_, Failure>(SanType::URI(text.try_into()?));
    let certificate = match falsehood {
        Falsehood::OtherDomain => {
            let domain = TrustDomain::parse("elsewhere.example")?;
            Authority::new(&domain).issue(&SpiffeId::wfm(&domain, "wfm-1")?, Lifetime::default())
        }
        Falsehood::OtherManager => {
            let other = SpiffeId::wfm(authority.domain(), "wfm-2")?;
            authority.issue(&other, Lifetime::default())
        }
        Falsehood::TwoNames => {
            let names = vec![uri(&name)?, uri(&format!("{name}-too"))?];
            authority.issue_with(|params| params.subject_alt_names = names)
        }
        Falsehood::AuthorityAsLeaf => {
            let names = vec![uri(&name)?];
            authority.issue_with(|params| {
                params.subject_alt_names = names;
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            })
        }
        _ => {
            let hour = Duration::from_hours(1);
            let now = Timestamp::now();
            authority.issue(own, Lifetime::between(now - 2 * hour, now - hour))
        }
    };
    wfm.present(authority, &certificate);
    Ok(())
}

const ALL: [Falsehood; 23] = [
    Falsehood::WrongDigest,
    Falsehood::WrongDocument,
    Falsehood::LowerVersion,
    Falsehood::SameVersion,
    Falsehood::MissingContent,
    Falsehood::IncompleteBundle,
    Falsehood::EndlessBody,
    Falsehood::EndlessContent,
    Falsehood::SlowDrip,
    Falsehood::SlowContent,
    Falsehood::BrokenBody,
    Falsehood::Silence,
    Falsehood::HtmlPage,
    Falsehood::HtmlContent,
    Falsehood::HtmlError,
    Falsehood::HtmlNotFound,
    Falsehood::Overload,
    Falsehood::NotAuthorised,
    Falsehood::OtherDomain,
    Falsehood::OtherManager,
    Falsehood::TwoNames,
    Falsehood::AuthorityAsLeaf,
    Falsehood::Expired,
];
