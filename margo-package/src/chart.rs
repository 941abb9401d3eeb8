//! Helm charts, read to know what they are and whether they keep to what the specification allows (rc3.md section 1.3).
//!
//! A chart must have `apiVersion` v2 and must not depend on the `lookup` template function, on hooks of any phase, or on Helm
//! managing custom resource definitions. [`Chart::read`] reads a packaged chart with its subcharts and finds all of these with
//! file and line, as well as the places that ask which APIs a cluster has.
//!
//! Templates are not run. Actions are split into tokens as the template language does, so comments, strings and
//! values that happen to be called `lookup` are not taken for the function; templates in strings, which `tpl` may run, are
//! searched too, and so are the values of the chart. What a template puts together while it runs (a hook from a value, for
//! instance), or reads from another file, stays unseen.

mod error;
mod finding;
mod lint;
mod metadata;
mod pack;
mod read;
mod rendered;
mod schema;
mod template;

pub use self::error::ChartError;
pub use self::finding::{CapabilityCheck, ChartFinding, ChartRule};
pub use self::lint::calls_lookup;
pub use self::metadata::{ChartDependency, ChartMetadata, ChartType};
pub use self::pack::{METADATA_FILE, pack};
pub use self::read::Chart;
pub use self::rendered::{Rendered, RenderedError, RenderedObject, read_rendered};
