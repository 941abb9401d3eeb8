//! Device ids and the targets of deployments (rc3.md sections 2, 4, 4.1).

use std::fmt;

use super::names::is_unreserved;
use crate::text::{InvalidText, text_access, text_newtype};

/// Identifies a device among those of one client: segments of RFC 3986 unreserved characters, joined by `/`.
///
/// The hierarchy of a see-thru gateway shows in the id: `gateway-01/edge-01` is a device behind
/// `gateway-01`. A segment `.` or `..` passes the published pattern but is refused here, because HTTP
/// implementations remove such segments from paths (rc3.md ambiguity 34). At most 1,024 characters (ours).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// Reads a device id.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        match path_fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(why) => Err(InvalidText::new(text, "a device id", why, PATH_FIX)),
        }
    }

    /// The segments, outermost first; at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The first segment: the device itself, or the see-thru gateway it sits behind.
    #[must_use]
    pub fn root(&self) -> DeviceId {
        Self(self.0.split('/').next().unwrap_or(&self.0).to_owned())
    }

    /// The id without its last segment, if there are several.
    pub fn parent(&self) -> Option<DeviceId> {
        self.0
            .rsplit_once('/')
            .map(|(parent, _)| Self(parent.to_owned()))
    }

    /// Whether this device sits behind a see-thru gateway.
    pub fn is_child(&self) -> bool {
        self.0.contains('/')
    }

    /// Whether this device is somewhere behind `gateway`.
    pub fn is_behind(&self, gateway: &DeviceId) -> bool {
        self.0
            .strip_prefix(&gateway.0)
            .is_some_and(|rest| rest.starts_with('/'))
    }
}

text_newtype!(DeviceId, pattern: r"^(?!(.*/)?\.{1,2}(/|$))[A-Za-z0-9._~-]+(\/[A-Za-z0-9._~-]+)*$", example: "gateway-01/edge-01");
text_access!(DeviceId);

/// Where a deployment goes: one device, or any device behind a gateway (`gateway-01/*`).
///
/// The wildcard may only be the last of several segments; `*` alone is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the grammar of `metadata.deviceId` has these two forms"
)]
pub enum DeviceTarget {
    /// This device; a gateway places the deployment on that child.
    Device(DeviceId),
    /// A child that the gateway chooses.
    AnyBehind(DeviceId),
}

impl DeviceTarget {
    /// Reads a deployment's `metadata.deviceId`.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let (path, any) = match text.strip_suffix("/*") {
            Some(gateway) => (gateway, true),
            None => (text, false),
        };
        match path_fault(path) {
            None if any => Ok(Self::AnyBehind(DeviceId(path.to_owned()))),
            None => Ok(Self::Device(DeviceId(path.to_owned()))),
            Some(why) => Err(InvalidText::new(text, "a device target", why, TARGET_FIX)),
        }
    }

    /// The device, or the gateway that chooses one.
    pub fn device_id(&self) -> &DeviceId {
        match self {
            Self::Device(id) | Self::AnyBehind(id) => id,
        }
    }

    /// Whether a deployment with this target may run on `device`.
    pub fn admits(&self, device: &DeviceId) -> bool {
        match self {
            Self::Device(id) => id == device,
            Self::AnyBehind(gateway) => device.is_behind(gateway),
        }
    }
}

text_newtype!(
    DeviceTarget,
    pattern: r"^(?!(.*/)?\.{1,2}(/|$))[A-Za-z0-9._~-]+(\/[A-Za-z0-9._~-]+)*(\/\*)?$",
    example: "gateway-01/*"
);

impl From<DeviceId> for DeviceTarget {
    fn from(id: DeviceId) -> Self {
        Self::Device(id)
    }
}

impl fmt::Display for DeviceTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Device(id) => formatter.pad(id.as_str()),
            Self::AnyBehind(gateway) => write!(formatter, "{gateway}/*"),
        }
    }
}

const MAX_LENGTH: usize = 1024;
const PATH_FIX: &str =
    "write segments of letters, digits, '.', '_', '~' and '-', joined by single slashes";
const TARGET_FIX: &str =
    "write a device id, or a gateway's device id and /* to let the gateway choose";

fn path_fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty".to_owned());
    }
    if text.len() > MAX_LENGTH {
        return Some(format!(
            "it has {} characters, more than {MAX_LENGTH}",
            text.len()
        ));
    }
    text.split('/').find_map(|segment| match segment {
        "" => Some("a segment is empty".to_owned()),
        "." | ".." => Some(format!(
            "a segment is {segment:?}, which HTTP implementations remove"
        )),
        _ => {
            let bad = segment.chars().find(|c| !is_unreserved(*c))?;
            Some(format!("{bad:?} is not allowed"))
        }
    })
}
