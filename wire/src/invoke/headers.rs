use std::collections::BTreeMap;

use canon::{Fault, Hints, Tier};

/// What `InvokeModel` says in headers, because the body belongs to the model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    /// What the caller wants the answer to be: JSON, or anything.
    pub accept: Option<&'a str>,
    /// `ENABLED`, `DISABLED` or `ENABLED_FULL`: whether to tell what a guardrail did.
    pub trace: Option<&'a str>,
    /// A guardrail's id or ARN.
    pub guardrail_identifier: Option<&'a str>,
    /// `standard` or `optimized`.
    pub performance_latency: Option<&'a str>,
    /// `priority`, `default`, `flex` or `reserved`.
    pub service_tier: Option<&'a str>,
    /// Pairs for logs: a JSON object of strings.
    pub request_metadata: Option<&'a str>,
}

const SERVICE_TIER: &str = "x-amzn-bedrock-service-tier";
const LATENCY: &str = "x-amzn-bedrock-performanceconfig-latency";
const TRACE: &str = "x-amzn-bedrock-trace";
const METADATA: &str = "x-amzn-bedrock-request-metadata";
const GUARDRAIL: &str = "x-amzn-bedrock-guardrailidentifier";
const METADATA_BYTES_MAX: usize = 8_500;
const PAIRS_MAX: usize = 16;

/// What the answer's headers repeat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Echo {
    tier: Option<&'static str>,
    latency: Option<&'static str>,
}

impl Echo {
    pub(super) fn headers(self) -> impl Iterator<Item = (&'static str, String)> {
        let tier = self.tier.map(|tier| (SERVICE_TIER, tier.to_owned()));
        let latency = self.latency.map(|latency| (LATENCY, latency.to_owned()));
        tier.into_iter().chain(latency)
    }
}

impl<'a> Headers<'a> {
    /// Picks the operation's headers by `header`, which looks one up by its name in lower case. The stream's operation
    /// has another name for `accept`, because SDKs say there which framing they want.
    pub fn read(stream: bool, header: impl Fn(&'static str) -> Option<&'a str>) -> Self {
        Self {
            accept: header(if stream { "x-amzn-bedrock-accept" } else { "accept" }),
            trace: header(TRACE),
            guardrail_identifier: header(GUARDRAIL),
            performance_latency: header(LATENCY),
            service_tier: header(SERVICE_TIER),
            request_metadata: header(METADATA),
        }
    }

    pub(super) fn check(&self) -> Result<Echo, Fault> {
        let takes_json = |accept: &str| {
            let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or(kind).trim());
            kinds.into_iter().any(|kind| matches!(kind, "" | "*/*" | "application/*" | "application/json"))
        };
        if self.accept.is_some_and(|accept| !takes_json(accept)) {
            return Err(Fault::unsupported(
                "Accept",
                "answers are application/json; accept that or anything",
            ));
        }
        if self.guardrail_identifier.is_some_and(|id| !id.is_empty()) {
            return Err(Fault::unsupported(GUARDRAIL, "guardrails are not supported; leave it out"));
        }
        one_of(TRACE, self.trace, &["ENABLED", "DISABLED", "ENABLED_FULL"])?;
        Ok(Echo {
            tier: one_of(SERVICE_TIER, self.service_tier, &["priority", "default", "flex", "reserved"])?,
            latency: one_of(LATENCY, self.performance_latency, &["standard", "optimized"])?,
        })
    }

    /// Adds the hints that stand in headers. A header wins over the body.
    pub(super) fn apply(&self, hints: &mut Hints) -> Result<(), Fault> {
        hints.optimized_latency |= self.performance_latency == Some("optimized");
        hints.tier = match self.service_tier {
            Some("priority") => Some(Tier::Priority),
            Some("default") => Some(Tier::Default),
            Some("flex") => Some(Tier::Flex),
            Some("reserved") => Some(Tier::Reserved),
            _ => hints.tier,
        };
        if let Some(text) = self.request_metadata {
            let problem = "must be a JSON object of at most 16 strings, 8,500 bytes long";
            let pairs: BTreeMap<String, String> = Some(text)
                .filter(|text| text.len() <= METADATA_BYTES_MAX)
                .and_then(|text| serde_json::from_str(text).ok())
                .ok_or_else(|| Fault::malformed(METADATA, problem))?;
            if pairs.len() > PAIRS_MAX {
                return Err(Fault::malformed(METADATA, problem));
            }
            hints.metadata.extend(pairs);
        }
        Ok(())
    }
}

fn one_of(
    name: &str,
    given: Option<&str>,
    known: &'static [&'static str],
) -> Result<Option<&'static str>, Fault> {
    let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(None) };
    match known.iter().find(|one| **one == given) {
        Some(one) => Ok(Some(*one)),
        None => Err(Fault::malformed(name, format_args!("must be one of {}", known.join(", ")))),
    }
}
