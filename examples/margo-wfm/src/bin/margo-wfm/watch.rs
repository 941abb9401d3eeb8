//! `margo-wfm status --watch`.

use std::time::Duration;

use margo_wfm::admin::AdminClient;
use margo_wfm::operations::Status;
use margo_wfm::{Failure, Kind};

use crate::output::Output;
use crate::table;

/// Shows the status, and again with every change, for ever. A fleet manager that is started again is waited for.
pub(crate) async fn watch(
    admin: &AdminClient,
    status: Status,
    output: Output,
) -> Result<(), Failure> {
    let mut shown = admin.run(status).await?;
    output.again(&shown, table::status)?;
    loop {
        tokio::time::sleep(PERIOD).await;
        match admin.run(status).await {
            Ok(found) if found == shown => {}
            Ok(found) => {
                output.again(&found, table::status)?;
                shown = found;
            }
            Err(failure) if failure.kind == Kind::NotRunning => {}
            Err(failure) => return Err(failure),
        }
    }
}

const PERIOD: Duration = Duration::from_secs(1);
