use crate::caller::Caller;
use canon::{Fault, Kind, ModelId};

/// What a caller wants to do. The names are those of IAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Converse, InvokeModel and the calls of the other surfaces that answer at once.
    InvokeModel,
    /// ConverseStream, `InvokeModelWithResponseStream`, and the streams of the other surfaces.
    InvokeModelWithResponseStream,
    /// Count a request's tokens.
    CountTokens,
    /// List the models.
    ListFoundationModels,
    /// Describe one model.
    GetFoundationModel,
    /// List the inference profiles.
    ListInferenceProfiles,
    /// Describe one inference profile.
    GetInferenceProfile,
    /// See which models are in memory.
    DescribeModels,
    /// Load a model, unload it, or pin it: what everybody else's calls then feel.
    ManageModel,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 9] = [
        Self::InvokeModel,
        Self::InvokeModelWithResponseStream,
        Self::CountTokens,
        Self::ListFoundationModels,
        Self::GetFoundationModel,
        Self::ListInferenceProfiles,
        Self::GetInferenceProfile,
        Self::DescribeModels,
        Self::ManageModel,
    ];

    /// The name in policies and in the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvokeModel => "bedrock:InvokeModel",
            Self::InvokeModelWithResponseStream => "bedrock:InvokeModelWithResponseStream",
            Self::CountTokens => "bedrock:CountTokens",
            Self::ListFoundationModels => "bedrock:ListFoundationModels",
            Self::GetFoundationModel => "bedrock:GetFoundationModel",
            Self::ListInferenceProfiles => "bedrock:ListInferenceProfiles",
            Self::GetInferenceProfile => "bedrock:GetInferenceProfile",
            Self::DescribeModels => "outcrop:DescribeModels",
            Self::ManageModel => "outcrop:ManageModel",
        }
    }

    /// Whether it is done to no model in particular. Whoever answers it shows only what [`Caller::may_use`] allows.
    const fn is_listing(self) -> bool {
        matches!(self, Self::ListFoundationModels | Self::ListInferenceProfiles | Self::DescribeModels)
    }

    /// Whether it changes what all callers share. Only a key that may use every model may do it.
    const fn is_management(self) -> bool {
        matches!(self, Self::ManageModel)
    }
}

/// The proof that a caller may do something. Only [`authorise`] makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    caller: Caller,
    action: Action,
    model: Option<ModelId>,
}

impl Permit {
    /// Who may.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What they may do.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// To which model; `None` for listings.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelId> {
        self.model.as_ref()
    }
}

/// Decides whether `caller` may do `action` to `model`. What no rule allows is denied: a model outside the key's
/// patterns, an action on a model that names none, and management by a key that is not for all models.
///
/// # Errors
/// [`Kind::Forbidden`].
pub fn authorise(caller: Caller, action: Action, model: Option<&ModelId>) -> Result<Permit, Fault> {
    let allowed = model.map_or(action.is_listing(), |model| caller.may_use(model.as_str()));
    if allowed && action.is_management() && !caller.may_use_all() {
        let message = "Only a key that may use every model may load, unload or pin one.";
        let detail = format!("key {} may not {}", caller.key, action.as_str());
        return Err(Fault::new(Kind::Forbidden, message).with_detail(detail));
    }
    if !allowed {
        let detail = format!(
            "key {} may not {} on {}",
            caller.key,
            action.as_str(),
            model.map_or("no model", ModelId::as_str)
        );
        return Err(Fault::new(
            Kind::Forbidden,
            "You don't have access to the model with the specified model ID.",
        )
        .with_detail(detail));
    }
    Ok(Permit { caller, action, model: model.cloned() })
}

#[cfg(test)]
mod tests;
