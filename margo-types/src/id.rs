//! Identifiers: each a validated newtype, so that holding one means it is well-formed.

mod device;
mod names;
mod spiffe;

pub use device::{DeviceId, DeviceTarget};
pub use names::{ApplicationId, ClientId, ComponentName, DeploymentId};
pub use spiffe::{Principal, SpiffeId, TrustDomain};
