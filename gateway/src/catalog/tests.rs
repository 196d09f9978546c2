use std::sync::Arc;

use canon::{Kind, ModelId};

use super::*;
use crate::testing::{MODEL, Scripted, card};

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for id in [MODEL, "us.odd-v1:0"] {
        let backend = Arc::new(Scripted::saying(&[]));
        catalog.add(card(id), Deployment { name: id.into(), backend, load: Arc::default() });
    }
    catalog
}

#[test]
fn a_model_is_found_by_id_by_profile_and_by_arn() {
    let catalog = catalog();
    for name in [
        MODEL,
        "us.acme.tiny-v1:0",
        "global.acme.tiny-v1:0",
        "arn:aws:bedrock:eu-west-1::foundation-model/acme.tiny-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.acme.tiny-v1:0",
    ] {
        let found = catalog.find(&ModelId::new(name)).unwrap_or_else(|_| panic!("{name}"));
        assert_eq!(found.card.id.as_str(), MODEL);
    }
    // A model whose own name begins like a scope is itself, and not somebody's profile.
    assert_eq!(catalog.find(&ModelId::new("us.odd-v1:0")).unwrap().card.id.as_str(), "us.odd-v1:0");
}

#[test]
fn what_is_not_there_is_unknown() {
    let catalog = catalog();
    for name in ["", "tiny", "mars.acme.tiny-v1:0", "us.us.acme.tiny-v1:0", "arn:", "arn:aws:bedrock"] {
        let fault = catalog.find(&ModelId::new(name)).err().unwrap_or_else(|| panic!("{name}"));
        assert_eq!(fault.kind(), &Kind::UnknownModel);
    }
}
