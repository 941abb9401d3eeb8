//! Where workloads send their telemetry (rc3.md section 10).

use std::collections::BTreeMap;

/// The OpenTelemetry collector of a device, as its workloads are told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Telemetry {
    /// The URL of OTLP over HTTP with protobuf.
    pub http_endpoint: String,
    /// The URL of OTLP over gRPC.
    pub grpc_endpoint: Option<String>,
    /// The path, in the containers, of the certificate to use.
    pub certificate: Option<String>,
    /// `http/protobuf`, the default, or `grpc`.
    pub protocol: Option<String>,
}

impl Telemetry {
    /// A collector that takes OTLP over HTTP at this URL.
    pub fn new(http_endpoint: impl Into<String>) -> Self {
        Self {
            http_endpoint: http_endpoint.into(),
            grpc_endpoint: None,
            certificate: None,
            protocol: None,
        }
    }

    /// The environment variables that every container is given (D86).
    pub fn variables(&self) -> BTreeMap<&'static str, &str> {
        let optional = [
            ("GRPC_OTEL_EXPORTER_OTLP_ENDPOINT", &self.grpc_endpoint),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &self.certificate),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", &self.protocol),
        ];
        let mut variables = BTreeMap::from([(
            "HTTP_OTEL_EXPORTER_OTLP_ENDPOINT",
            self.http_endpoint.as_str(),
        )]);
        for (name, value) in optional {
            if let Some(value) = value {
                variables.insert(name, value);
            }
        }
        variables
    }
}
