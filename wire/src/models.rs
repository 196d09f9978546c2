//! Bedrock's `ListFoundationModels` and `GetFoundationModel`.

use canon::{Fault, Modality, ModelCard};
use serde::Serialize;

use crate::{Reply, json, time};

/// What `ListFoundationModels` may be asked to leave out, as its query parameters say it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filters<'a> {
    /// `byProvider`: who made the model; letter case does not matter.
    pub provider: Option<&'a str>,
    /// `byOutputModality`: `TEXT`, `IMAGE` or `EMBEDDING`.
    pub output_modality: Option<&'a str>,
    /// `byInferenceType`: `ON_DEMAND` or `PROVISIONED`.
    pub inference_type: Option<&'a str>,
    /// `byCustomizationType`: `FINE_TUNING`, `CONTINUED_PRE_TRAINING` or `DISTILLATION`.
    pub customization_type: Option<&'a str>,
}

impl<'a> Filters<'a> {
    /// Picks the operation's parameters by `query`, which looks one up by its name.
    pub fn read(query: impl Fn(&'static str) -> Option<&'a str>) -> Self {
        Self {
            provider: query("byProvider"),
            output_modality: query("byOutputModality"),
            inference_type: query("byInferenceType"),
            customization_type: query("byCustomizationType"),
        }
    }

    fn check(&self) -> Result<(), Fault> {
        for (name, given, known) in [
            ("byOutputModality", self.output_modality, ["TEXT", "IMAGE", "EMBEDDING"].as_slice()),
            ("byInferenceType", self.inference_type, &["ON_DEMAND", "PROVISIONED"]),
            (
                "byCustomizationType",
                self.customization_type,
                &["FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION"],
            ),
        ] {
            if given.is_some_and(|given| !known.contains(&given)) {
                return Err(Fault::malformed(name, format_args!("must be one of {}", known.join(", "))));
            }
        }
        Ok(())
    }

    fn keeps(&self, summary: &Summary<'_>) -> bool {
        let has = |given: Option<&str>, list: &[&str]| given.is_none_or(|given| list.contains(&given));
        self.provider.is_none_or(|provider| provider.eq_ignore_ascii_case(summary.provider_name))
            && has(self.output_modality, &summary.output_modalities)
            && has(self.inference_type, summary.inference_types_supported)
            && has(self.customization_type, summary.customizations_supported)
    }
}

/// The models of `cards` that `filters` keep. `region` is the one that ARNs name.
///
/// # Errors
/// [`canon::Kind::Malformed`] where a filter is none that Bedrock knows.
pub fn list<'c>(
    cards: impl IntoIterator<Item = &'c ModelCard>,
    filters: &Filters<'_>,
    region: &str,
) -> Result<Reply, Fault> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Summaries<'a> {
        model_summaries: Vec<Summary<'a>>,
    }
    filters.check()?;
    let summaries = cards.into_iter().map(|card| Summary::of(card, region));
    let model_summaries = summaries.filter(|summary| filters.keeps(summary)).collect();
    Ok(Reply::json(200, json::encode(&Summaries { model_summaries })))
}

/// One model in detail.
#[must_use]
pub fn get(card: &ModelCard, region: &str) -> Reply {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Details<'a> {
        model_details: Summary<'a>,
    }
    Reply::json(200, json::encode(&Details { model_details: Summary::of(card, region) }))
}

/// `FoundationModelSummary`, whose members are also those of `FoundationModelDetails`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    model_arn: String,
    model_id: &'a str,
    model_name: &'a str,
    provider_name: &'a str,
    input_modalities: Vec<&'static str>,
    output_modalities: Vec<&'static str>,
    response_streaming_supported: bool,
    customizations_supported: &'static [&'static str],
    inference_types_supported: &'static [&'static str],
    model_lifecycle: Lifecycle,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lifecycle {
    status: &'static str,
    start_of_life_time: String,
}

impl<'a> Summary<'a> {
    fn of(card: &'a ModelCard, region: &str) -> Self {
        Self {
            model_arn: format!("arn:aws:bedrock:{region}::foundation-model/{}", card.id),
            model_id: card.id.as_str(),
            model_name: &card.name,
            provider_name: &card.provider,
            input_modalities: card.input.iter().map(|modality| name(*modality)).collect(),
            output_modalities: card.output.iter().map(|modality| name(*modality)).collect(),
            response_streaming_supported: card.output.contains(&Modality::Text),
            customizations_supported: &[],
            inference_types_supported: &["ON_DEMAND"],
            model_lifecycle: Lifecycle { status: "ACTIVE", start_of_life_time: time::rfc3339(card.since_ms) },
        }
    }
}

const fn name(modality: Modality) -> &'static str {
    match modality {
        Modality::Text => "TEXT",
        Modality::Image => "IMAGE",
        Modality::Embedding => "EMBEDDING",
    }
}

#[cfg(test)]
mod tests;
