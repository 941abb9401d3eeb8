//! How our reading compares with a named peer, measured in turns in one run: medians, never absolute goals.

mod inputs;

use std::hint::black_box;
use std::time::{Duration, Instant};

use margo_types::application::ApplicationDescription;
use margo_types::manifest::StateManifest;
use margo_types::{SpecVersion, read, validate};
use serde_json::Value;

fn main() {
    let manifest = inputs::manifest();
    let yaml = inputs::description();
    let description = read::<ApplicationDescription>(&yaml).unwrap().into_value();
    let options = serde_saphyr::Options::default();

    println!("| ours | peer | time | goal | allocations | goal |");
    println!("|---|---|---:|---:|---:|---:|");
    Comparison {
        ours: ("typed JSON manifest, 1,000 deployments", &|| {
            drop(black_box(read::<StateManifest>(&manifest).unwrap()));
        }),
        peer: ("serde_json to Value", &|| {
            drop(black_box(
                serde_json::from_slice::<Value>(&manifest).unwrap(),
            ));
        }),
        time_goal: 1.5,
        allocation_goal: Some(2.0),
    }
    .report();
    Comparison {
        ours: ("typed YAML description, 7 KiB", &|| {
            drop(black_box(read::<ApplicationDescription>(&yaml).unwrap()));
        }),
        peer: ("serde-saphyr to Value", &|| {
            drop(black_box(serde_saphyr::from_slice_with_options::<Value>(
                &yaml,
                options.clone(),
            )));
        }),
        time_goal: 1.3,
        allocation_goal: None,
    }
    .report();
    Comparison {
        ours: ("strict validation of that description", &|| {
            drop(black_box(validate(&description, SpecVersion::NEWEST)));
        }),
        peer: ("its typed read", &|| {
            drop(black_box(read::<ApplicationDescription>(&yaml).unwrap()));
        }),
        time_goal: 2.0,
        allocation_goal: None,
    }
    .report();
    #[cfg(feature = "signature")]
    signed_request();
}

/// A signed report with a body of 1 KiB, from its headers to the proof; the peer is told the bytes and the signature.
#[cfg(feature = "signature")]
fn signed_request() {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
    use margo_types::auth::{RequestParts, SignatureInput, signature_base};
    use margo_types::signature::{Policy, Signing, SigningKey, verify};

    let key = SigningKey::from_pem(include_bytes!("../tests/it/signature/keys/p256.pem")).unwrap();
    let now = jiff::Timestamp::from_second(1_735_689_600).unwrap();
    let body = vec![b'x'; 1024];
    let target = "https://wfm.example.test/api/v1/clients/c-01/deployments/d-01/status";
    let sent = RequestParts::new("POST", target, |_| vec![]);
    let headers = Signing::new(&key, now).sign(&sent, &body).unwrap();
    let received = RequestParts::new("POST", target, |name| headers.lines(name));
    let policy = Policy::default();
    let proof = verify(&received, &body, key.public(), &policy, now).unwrap();

    let input = SignatureInput::parse(&headers.signature_input).unwrap();
    let base = signature_base(&received, input.get("sig1").unwrap()).unwrap();
    let spki = key.public().spki_der();
    let point = &spki[spki.len() - 65..];
    let peer = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap();
    Comparison {
        ours: ("signed request, from headers to proof", &|| {
            let proof = verify(&received, &body, key.public(), &policy, now);
            drop(black_box(proof.unwrap()));
        }),
        peer: ("its bare P-256 verification", &|| {
            black_box(peer.verify_sig(base.as_bytes(), proof.signature())).unwrap();
        }),
        time_goal: 1.25,
        allocation_goal: None,
    }
    .report();
}

type Work<'a> = (&'a str, &'a dyn Fn());

struct Comparison<'a> {
    ours: Work<'a>,
    peer: Work<'a>,
    time_goal: f64,
    allocation_goal: Option<f64>,
}

impl Comparison<'_> {
    const ROUNDS: usize = 501;

    fn report(&self) {
        let mut ours = Vec::with_capacity(Self::ROUNDS);
        let mut peer = Vec::with_capacity(Self::ROUNDS);
        for _ in 0..Self::ROUNDS {
            ours.push(time(self.ours.1));
            peer.push(time(self.peer.1));
        }
        let allocations = |work: &dyn Fn()| allocation_counter::measure(work).count_total;
        let (our_count, peer_count) = (allocations(self.ours.1), allocations(self.peer.1));
        let allocated = match peer_count {
            0 => "-".to_owned(),
            _ => format!("{:.2}", ratio(our_count, peer_count)),
        };
        let goal = self
            .allocation_goal
            .map_or("-".to_owned(), |goal| goal.to_string());
        println!(
            "| {} | {} | {:.2} | {} | {allocated} | {goal} |",
            self.ours.0,
            self.peer.0,
            median(ours).as_secs_f64() / median(peer).as_secs_f64(),
            self.time_goal,
        );
    }
}

/// One piece of work at a time: a longer measurement would more often contain a pause of the machine.
fn time(work: &dyn Fn()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of two digits")]
fn ratio(ours: u64, peer: u64) -> f64 {
    ours as f64 / peer as f64
}
