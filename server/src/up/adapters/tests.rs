use super::*;
use crate::testing::sized;

fn option(text: &str) -> AdapterOption {
    text.parse().unwrap()
}

#[test]
fn an_option_says_the_id_the_path_and_maybe_the_base() {
    let tuned = option("acme.tuned-v1:0=/models/a=b@c");
    assert_eq!((tuned.id.as_str(), &tuned.base), ("acme.tuned-v1:0", &None));
    assert_eq!(tuned.path, PathBuf::from("/models/a=b@c"));
    let over = option("tuned@local.base-v1:0=adapter.gguf");
    assert_eq!((over.id.as_str(), over.base.as_deref()), ("tuned", Some("local.base-v1:0")));
    for text in ["", "tuned", "tuned=", "=path", "@base=path", "tuned@=path", "a b=path", "ä=path"] {
        assert!(text.parse::<AdapterOption>().is_err(), "{text}");
    }
}

fn declare(adapters: &[&str], estate: &[estate::Model], asked: usize) -> Result<Vec<Spec>, Failure> {
    let mut options = crate::testing::options(Path::new("data"));
    options.adapters = adapters.iter().map(|text| option(text)).collect();
    tuned(&options, estate, (&[sized("a.one", 1), sized("a.two", 2), sized("a.cached", 3)], asked))
}

fn refused(adapters: &[&str], asked: usize) -> String {
    let failure = declare(adapters, &[], asked).unwrap_err();
    assert_eq!(failure.exit_code, Failure::USAGE);
    format!("{}; {}", failure.message, failure.help.unwrap())
}

#[test]
fn the_base_is_the_only_model_or_the_one_that_is_named() {
    let base = |spec: &Spec| spec.base.as_ref().unwrap().to_string();
    let one = declare(&["t=p"], &[], 1).unwrap();
    assert_eq!((one.len(), base(&one[0])), (1, "a.one".to_owned()));
    let both = declare(&["t@a.two=p", "acme.u@a.cached=q"], &[], 2).unwrap();
    assert_eq!((base(&both[0]), base(&both[1])), ("a.two".to_owned(), "a.cached".to_owned()));
    assert_eq!((both[1].name.as_str(), both[1].provider.as_str()), ("u", "acme"));
    let said = refused(&["t=p"], 2);
    assert!(said.contains("several models") && said.contains("--adapter t@a.one=p"), "{said}");
    let said = refused(&["t@a.three=p"], 2);
    assert!(said.contains("no model a.three") && said.contains("a.one, a.two, a.cached"), "{said}");
}

#[test]
fn an_id_is_given_once() {
    for adapters in [&["a.two@a.one=p"][..], &["t@a.one=p", "t@a.two=q"]] {
        let said = refused(adapters, 2);
        assert!(said.contains("would both be") && said.contains("another id"), "{said}");
    }
}

#[test]
fn the_estate_says_what_an_option_says_and_more() {
    let model = estate::Model {
        id: ModelId::new("acme.tuned"),
        path: Some("p".into()),
        base: Some(ModelId::new("a.two")),
        name: Some("Support".to_owned()),
        pinned: true,
        context_tokens_max: None,
        kv_bytes_max: None,
        kv: None,
        idle: Some(std::time::Duration::from_secs(9)),
    };
    let tuned = declare(&[], std::slice::from_ref(&model), 2).unwrap();
    assert_eq!((tuned[0].name.as_str(), tuned[0].pinned, tuned[0].idle), ("Support", true, model.idle));
    let lost = estate::Model { base: Some(ModelId::new("a.three")), ..model };
    let failure = declare(&[], &[lost], 2).unwrap_err();
    assert!(failure.message.contains("the base of acme.tuned in the estate"), "{}", failure.message);
}
