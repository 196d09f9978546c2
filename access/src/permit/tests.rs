use super::{Action, authorise};
use crate::vectors::{self, API_KEY, Recorded};
use crate::{Caller, Keyring, Pattern, authenticate};
use canon::{Kind, ModelId};

fn caller(models: &[&str]) -> Caller {
    let mut key = vectors::key();
    key.models = models.iter().map(|text| Pattern::from(*text)).collect();
    Recorded::bare(&[("x-api-key", API_KEY)])
        .present(|presented| authenticate(presented, &Keyring::new([key]), 0))
        .unwrap()
}

#[track_caller]
fn check(models: &[&str], action: Action, model: Option<&str>, allowed: bool) {
    let model = model.map(ModelId::new);
    match authorise(caller(models), action, model.as_ref()) {
        Ok(permit) => {
            assert!(allowed, "{models:?} {action:?} {model:?}");
            assert_eq!((permit.action(), permit.model()), (action, model.as_ref()));
            assert_eq!(permit.caller().key.as_str(), vectors::KEY_ID);
        }
        Err(fault) => {
            assert!(!allowed, "{models:?} {action:?} {model:?}");
            assert_eq!(fault.kind(), &Kind::Forbidden);
            assert_eq!(fault.message(), "You don't have access to the model with the specified model ID.");
        }
    }
}

#[test]
fn a_key_may_use_its_models_and_no_others() {
    for action in Action::ALL {
        check(&["*"], action, Some("meta.llama3-1-8b-instruct-v1:0"), true);
        if action != Action::ManageModel {
            check(&["amazon.*", "meta.*"], action, Some("meta.llama3-1-8b-instruct-v1:0"), true);
        }
        check(&["amazon.*"], action, Some("meta.llama3-1-8b-instruct-v1:0"), false);
        check(&[], action, Some("meta.llama3-1-8b-instruct-v1:0"), false);
    }
}

#[test]
fn only_a_listing_needs_no_model() {
    for action in Action::ALL {
        let is_listing = matches!(
            action,
            Action::ListFoundationModels | Action::ListInferenceProfiles | Action::DescribeModels
        );
        check(&["*"], action, None, is_listing);
        check(&[], action, None, is_listing);
    }
}

#[test]
fn only_a_key_for_all_models_manages_one() {
    let manage =
        |models: &[&str]| authorise(caller(models), Action::ManageModel, Some(&ModelId::new("meta.a")));
    for models in [&["meta.*"][..], &["meta.a", "?*"], &[]] {
        assert_eq!(manage(models).unwrap_err().kind(), &Kind::Forbidden, "{models:?}");
    }
    assert!(manage(&["*"]).is_ok() && manage(&["amazon.*", "*"]).is_ok());
    assert!(manage(&["meta.*"]).unwrap_err().message().contains("every model"));
}
