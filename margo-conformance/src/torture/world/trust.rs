//! SVIDs and roots that are replaced.

use std::time::Duration;

use margo_types::svid::Identity;
use margo_types::trust::TrustBundle;

use super::super::Failure;
use super::{Fault, World};
use crate::authority::{Authority, Lifetime};

impl World {
    pub(super) fn renew(&mut self, index: usize) -> Result<(), Failure> {
        self.counts.add("renewed SVIDs");
        let identity = &self.devices[index].identity;
        let svid = self.authority.issue(identity.id(), Lifetime::default());
        Ok(identity.replace_svid(svid.svid())?)
    }

    /// Everybody trusts the old root and the new one, then everybody shows SVIDs of the new one, then the old one goes. A
    /// device that is late knows none of it for so long: nobody it trusts is left, and nobody trusts it.
    pub(super) fn new_root(&mut self, late: Option<usize>, time: Duration) -> Result<(), Failure> {
        self.counts.add("new roots");
        self.roots += 1;
        if let Some(index) = late {
            self.counts.add("devices without the newest root");
            self.begin(Fault::Late(index), time);
        }
        let next = Authority::new(self.authority.domain());
        let both = TrustBundle::of_anchors(&[self.authority.anchor(), next.anchor()])?;
        let devices = self.devices.iter().enumerate();
        let devices = devices.filter(|(index, _)| !self.is(Fault::Late(*index)));
        let all = devices.map(|(_, device)| &device.identity);
        let all: Vec<&Identity> = all.chain([&self.manager.identity]).collect();
        for identity in &all {
            identity.replace_bundle(&both)?;
        }
        for identity in &all {
            let svid = next.issue(identity.id(), Lifetime::default());
            identity.replace_svid(svid.svid())?;
        }
        for identity in &all {
            identity.replace_bundle(&next.bundle())?;
        }
        self.authority = next;
        Ok(())
    }

    /// A device that was late hears of the newest root.
    pub(super) fn catch_up(&mut self, index: usize) -> Result<(), Failure> {
        let identity = &self.devices[index].identity;
        identity.replace_bundle(&self.authority.bundle())?;
        self.renew(index)
    }
}
