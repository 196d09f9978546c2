//! The AWS SDK for Rust against an Outcrop. The protocol is that of `clients/python/suite.py`; by hand, name the cases:
//! `OUTCROP_URL=… OUTCROP_DIR=… cargo run -- all`.

mod cases;
mod place;

use std::future::Future;
use std::io::BufRead;
use std::pin::Pin;
use std::process::ExitCode;

use place::Place;

/// What a case comes to: nothing, or what is wrong.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

type Body = fn(Place) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

#[tokio::main]
async fn main() -> ExitCode {
    let place = Place::from_environment();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if !wanted.is_empty() {
        return by_hand(&place, &wanted).await;
    }
    for (name, _) in cases::CASES {
        println!("::case {name}");
    }
    println!("::ready");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Some((_, body)) = cases::CASES.iter().find(|(name, _)| *name == line.trim()) else { continue };
        match body(place.clone()).await {
            Ok(()) => println!("::passed"),
            Err(problem) => println!("::failed {}", serde_json::json!(explain(&*problem))),
        }
    }
    ExitCode::SUCCESS
}

async fn by_hand(place: &Place, wanted: &[String]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (name, body) in cases::CASES {
        if wanted.iter().any(|one| one == name || one == "all") {
            match body(place.clone()).await {
                Ok(()) => println!("ok     {name}"),
                Err(problem) => {
                    println!("FAILED {name}\n{}", explain(&*problem));
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    code
}

/// The SDK's errors say little by themselves; their causes say the rest.
fn explain(problem: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{problem}: {problem:?}");
    let mut cause = problem.source();
    while let Some(next) = cause {
        text.push_str(&format!("\ncaused by: {next}"));
        cause = next.source();
    }
    text
}
