//! What gRPC clients expect of any server beside its own services: reflection, and spans and counts
//! of every call by the names that reflection shows.

use std::sync::Arc;

use groklab_proto::FILE_DESCRIPTOR_SET;
use groklab_runtime::rpc::{Finished, Methods, ServerLayer};
use prost::Message as _;
use prost_types::{FileDescriptorSet, ServiceDescriptorProto};
use tonic_reflection::server::{
    Builder,
    v1::{ServerReflection, ServerReflectionServer},
};

use crate::metrics::Metrics;

/// The server's own services, as `grpc.health.v1` names them.
pub const SERVICES: [&str; 3] = [
    "groklab.v1.Experiments",
    "groklab.v1.Workers",
    "groklab.v1.Artifacts",
];

/// Describes the server's services, and those of gRPC itself, to generic clients.
pub fn reflection() -> anyhow::Result<ServerReflectionServer<impl ServerReflection>> {
    Ok(Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?)
}

/// Traces and counts every call.
pub fn calls_layer(metrics: Metrics) -> anyhow::Result<ServerLayer> {
    // Only methods that exist become names of spans and labels: anybody may call any path.
    let mut paths = Vec::new();
    for encoded in [
        FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    ] {
        let described = FileDescriptorSet::decode(encoded)?;
        for file in &described.file {
            for service in &file.service {
                add_paths(&mut paths, file.package(), service);
            }
        }
    }
    let observer = Arc::new(move |call: &Finished<'_>| metrics.call_finished(call));
    Ok(ServerLayer::new(Methods::new(paths), observer))
}

fn add_paths(paths: &mut Vec<String>, package: &str, service: &ServiceDescriptorProto) {
    for method in &service.method {
        let (service, method) = (service.name(), method.name());
        paths.push(format!("/{package}.{service}/{method}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_services_are_those_of_the_protocol() {
        let described = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let mut names = Vec::new();
        for file in &described.file {
            for service in &file.service {
                names.push(format!("{}.{}", file.package(), service.name()));
            }
        }
        names.sort();
        let mut known = SERVICES.map(str::to_owned);
        known.sort();
        assert_eq!(names, known);
    }
}
