//! The whole line with its real parts: agents and fleet managers of both generations over TLS on loopback, with their files.
//!
//! The promises of a device are held against the fake fleet manager, which fails and lies as told; the life of deployments
//! against the real one. Nothing here is decided by time: tests wait for what has to happen.

mod agents_of_the_field;
mod files;
mod fleet_manager;
mod forgeries;
mod gateways;
mod journal;
mod lifecycle;
mod limits;
mod power_cuts;
mod process;
mod promises;
mod proxy;
mod recovery;
mod retries;
mod rotation;
mod signed;
mod signed_fakes;
mod signed_station;
mod station;

pub(crate) use self::station::host;
