//! Real processes, killed by SIGKILL.
use super::{Failure, Options, Outcome};
/// r
#[derive(Debug)]
pub enum Role {}
impl Role {
    /// p
    pub fn parse(_: &[String]) -> Result<Self, Failure> {
        Err("not yet".into())
    }
}
/// p
pub async fn play(role: Role) -> Result<(), Failure> { match role {} }
pub(super) async fn sigkill(_: &Options, _: &std::path::Path, _: u64) -> Outcome { unreachable!() }
