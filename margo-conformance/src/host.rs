//! What simulated devices say of themselves.

use margo_types::application::{Architecture, DeploymentType};
use margo_types::capabilities::{
    Cpu, DeviceCapabilities, DeviceProperties, Interface, InterfaceType, Runtime,
};
use margo_types::id::DeviceId;
use margo_types::scalar::Quantity;

/// A device of this id that hosts Compose applications.
pub(crate) fn capabilities(id: &DeviceId) -> DeviceCapabilities {
    let mut properties = DeviceProperties::new(id.clone(), "Example Industries", "Edge 2", "0001");
    properties.cpus = Some(vec![Cpu::new(2.0, Some(Architecture::Amd64))]);
    properties.memory = Some(Quantity::from_bytes(1 << 30));
    properties.storage = Some(Quantity::from_bytes(8 << 30));
    properties.peripherals = Some(Vec::new());
    properties.interfaces = Some(vec![Interface::new(InterfaceType::Ethernet)]);
    properties.otel_collector = Some(true);
    properties.supported_runtimes = Some(vec![Runtime::Oci]);
    properties.supported_deployment_types = Some(vec![DeploymentType::Compose]);
    DeviceCapabilities::new(properties)
}
