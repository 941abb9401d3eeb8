//! What components take for themselves, so that no others can have it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Installed, Named, Resolved};
use crate::ProviderError;
use crate::compose::names::Project;

/// Something that only one project can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::compose) enum Claim {
    /// A port of the device, of a protocol.
    Port(String, u16),
    /// The name of a container.
    Container(String),
    /// The name of a network.
    Network(String),
    /// The name of a volume.
    Volume(String),
}

impl Resolved {
    /// What the services take. What is external belongs to none of them.
    pub(in crate::compose) fn claims(&self) -> BTreeSet<Claim> {
        let names = |all: &std::collections::BTreeMap<String, Option<Named>>| {
            let own = all.values().flatten().filter(|one| !one.is_external());
            own.filter_map(|one| one.name.clone()).collect::<Vec<_>>()
        };
        let mut claims: BTreeSet<Claim> = BTreeSet::new();
        claims.extend(names(&self.volumes).into_iter().map(Claim::Volume));
        claims.extend(names(&self.networks).into_iter().map(Claim::Network));
        for service in self.services.values() {
            claims.extend(service.container_name.clone().map(Claim::Container));
        }
        let entries = self.services.values().flat_map(|service| &service.ports);
        claims.extend(ports(entries));
        claims
    }
}

impl Named {
    fn is_external(&self) -> bool {
        !matches!(self.external, None | Some(Value::Null | Value::Bool(false)))
    }
}

impl Installed {
    /// What a project has.
    pub(in crate::compose) async fn claims(
        &self,
        project: &Project,
    ) -> Result<BTreeSet<Claim>, ProviderError> {
        let name = ["--format", "{{.Name}}"];
        let mut claims = self.snapshot(project).await?.claims();
        for (kind, claim) in [
            ("network", Claim::Network as fn(String) -> Claim),
            ("volume", Claim::Volume),
        ] {
            let names = self.ids(&[kind, "ls", name[0], name[1]], project).await?;
            claims.extend(names.into_iter().map(claim));
        }
        Ok(claims)
    }
}

/// The ports of the device that entries of services take, whatever the address. Each is given once, for entries may be many and
/// have all ports each.
fn ports<'e>(entries: impl Iterator<Item = &'e Value>) -> Vec<Claim> {
    let mut ranges: Vec<_> = entries.filter_map(published).collect();
    ranges.sort_unstable();
    let (mut claims, mut of, mut next) = (Vec::new(), "", 0);
    for (protocol, range) in ranges {
        if of != protocol {
            (of, next) = (protocol, 1);
        }
        let (first, last) = range;
        for port in next.max(u32::from(first))..=u32::from(last) {
            next = port + 1;
            let port = u16::try_from(port).unwrap_or_default();
            claims.push(Claim::Port(protocol.to_owned(), port));
        }
    }
    claims
}

/// The ports in an entry of a service, with their protocol: an object or, as Compose 1 has it, a text such as `127.0.0.1:8080-8081:80-81/udp`.
fn published(entry: &Value) -> Option<(&'static str, (u16, u16))> {
    let (ports, protocol) = match entry {
        Value::String(text) => {
            let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            // Without a colon it is the port of the container.
            let published = text.rsplit(':').nth(1).unwrap_or_default();
            (published.to_owned(), protocol)
        }
        entry => {
            let published = match entry.get("published") {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            };
            let protocol = entry.get("protocol").and_then(Value::as_str);
            (published, protocol.unwrap_or("tcp"))
        }
    };
    let (first, last) = ports.split_once('-').unwrap_or((&ports, &ports));
    let protocol = PROTOCOLS.into_iter().find(|known| *known == protocol)?;
    Some((protocol, (first.parse().ok()?, last.parse().ok()?)))
}

const PROTOCOLS: [&str; 3] = ["sctp", "tcp", "udp"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_services_take_is_known() {
        let resolved: Resolved = serde_json::from_value(json!({
            "services": {
                "a": {"container_name": "front", "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}, {"target": 81}]},
                "b": {"ports": ["127.0.0.1:8081-8082:80-81/udp", "90", "9000:90", {"target": 1, "published": 0}]},
            },
            "networks": {"default": {"name": "p_default"}, "theirs": {"name": "shared", "external": true}, "none": null},
            "volumes": {"data": {"name": "rows"}, "old": {"external": {"name": "x"}}, "own": {"name": "y", "external": false}},
        }))
        .unwrap();
        let port = |protocol: &str, port| Claim::Port(protocol.to_owned(), port);
        let expected = [
            Claim::Container("front".to_owned()),
            Claim::Network("p_default".to_owned()),
            Claim::Volume("rows".to_owned()),
            Claim::Volume("y".to_owned()),
            port("tcp", 8080),
            port("tcp", 9000),
            port("udp", 8081),
            port("udp", 8082),
        ];
        assert_eq!(resolved.claims(), BTreeSet::from(expected));
    }
}
