//! An Outcrop before two others: nothing of what the clients do with one is lost, and the two share the work.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Barrier;
use std::thread;

use crate::call::{SURFACES, Surface};
use crate::product::Product;
use crate::{MODEL, given, python, receipts};

/// Calls at once.
const CALLS: usize = 16;
/// Tokens of each answer: enough that all of them are under way together.
const TOKENS: u64 = 48;

/// The cases of every client family, each held to the same promises as before a single Outcrop, but for caches: each of
/// the two has its own, and their format has no way to ask for one.
const CASES: [(&str, &[&str]); 5] = [
    (
        "boto3_converse",
        &["all", "-a_cache_point_is_written_once_and_read_afterwards", "-a_cache_point_for_an_hour_says_so"],
    ),
    ("boto3_invoke", &["all"]),
    ("openai_sdk", &["all", "-what_a_cache_supplies_is_told_unasked"]),
    (
        "anthropic_sdk",
        &["all", "-a_cache_control_is_written_once_and_read_afterwards", "-bedrock_takes_cache_control"],
    ),
    ("outcrop_command", &["usage_is_what_clients_were_told_to_the_token"]),
];

#[test]
fn what_clients_do_with_one_outcrop_they_do_with_one_before_two_others() {
    let Some((binary, folder)) = given("chain") else { return };
    let mut backs: Vec<_> =
        ["left", "right"].map(|name| Product::with_model(&binary, &folder.join(name))).into();
    let mut estate = String::new();
    for (name, back) in ["left", "right"].iter().zip(&backs) {
        let key = back.data.join("api-key");
        write!(
            estate,
            "[[provider]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"http://{}/v1\"\n\
             api_key = {{ file = \"{}\" }}\ndialect = \"outcrop\"\n\
             [[deployment]]\nmodel = \"{MODEL}\"\nname = \"{name}\"\nprovider = \"{name}\"\nupstream_model = \"{MODEL}\"\n",
            back.address,
            key.display()
        )
        .expect("a text can be written to");
    }
    let file = folder.join("estate.toml");
    std::fs::write(&file, estate).expect("a file can be written");
    let front = Product::before(&binary, &folder.join("front"), &file);

    for (module, cases) in CASES {
        python(&front, module, cases);
    }
    let sums = backs.iter().map(|back| receipts::completed(&back.data));
    let behind = sums.fold((0, 0, 0), |all, one| (all.0 + one.0, all.1 + one.1, all.2 + one.2));
    assert_eq!(
        receipts::completed(&front.data),
        behind,
        "what the front charges is what the two have counted"
    );

    let shares = at_once(&front);
    let share = |name| shares.get(name).copied().unwrap_or_default();
    assert!(share("left").abs_diff(share("right")) <= CALLS / 4, "they do not share: {shares:?}");

    backs[0].kill();
    assert_eq!(at_once(&front), BTreeMap::from([("right".to_owned(), CALLS)]), "the other takes over");
    front.logged(&["candidate failed before its first event", "left"]);
    front.stop();
    backs.pop().expect("there are two").stop();
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

/// Makes many calls at once, every one of which must succeed, and says who answered how many.
fn at_once(front: &Product) -> BTreeMap<String, usize> {
    let together = Barrier::new(CALLS);
    let one = |number: usize| {
        together.wait();
        ask(front, SURFACES[number % SURFACES.len()], (number / SURFACES.len()).is_multiple_of(2))
    };
    let answered = thread::scope(|scope| {
        let one = &one;
        let calls: Vec<_> = (0..CALLS).map(|number| scope.spawn(move || one(number))).collect();
        calls.into_iter().map(|call| call.join().expect("a call succeeds")).collect::<Vec<_>>()
    });
    let mut shares = BTreeMap::new();
    for name in answered {
        *shares.entry(name).or_default() += 1;
    }
    shares
}

/// The deployment that answered.
fn ask(front: &Product, surface: Surface, stream: bool) -> String {
    let seen = surface.ask((&front.address, &front.api_key), MODEL, TOKENS, stream);
    assert_eq!(seen.status, 200, "{seen:#?}");
    let receipt = receipts::one(&front.data, &seen.id);
    assert_eq!(receipt.outcome, "completed", "{seen:#?}");
    receipt.deployment.expect("somebody answered")
}
