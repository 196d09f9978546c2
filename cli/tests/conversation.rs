//! The commands that speak to a server, beside one whose words are known.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

/// ConverseStream's answer "Because of scattering.", as an independent encoder wrote it.
const STREAM: &[u8] = include_bytes!("fixtures/scattering.eventstream");

const LISTING: &[u8] =
    br#"{"modelSummaries":[{"modelId":"a.first-v1:0","modelName":"First","providerName":"A",
    "inputModalities":["TEXT","IMAGE"],"outputModalities":["TEXT"]}]}"#;

/// Answers so many requests and returns what was asked: method, path and body.
fn serve(requests: usize) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        (0..requests).map(|_| listener.accept().unwrap()).map(|(stream, _)| answer(stream)).collect()
    });
    (url, asked)
}

fn answer(mut stream: TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let lower = head.to_lowercase();
    assert!(lower.contains("authorization: bearer absktest\r\n"), "{head}");
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    let asked = format!("{} {}", head.split(" HTTP/").next().unwrap(), String::from_utf8(body).unwrap());
    let (status, body) = match &asked {
        asked if asked.contains("forbidden") => ("403 Forbidden", &br#"{"message":"This key may not."}"#[..]),
        asked if asked.starts_with("GET ") => ("200 OK", LISTING),
        _ => ("200 OK", STREAM),
    };
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    asked
}

fn outcrop(url: &str, words: &[&str], piped: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_outcrop"))
        .args(words)
        .env_clear()
        .envs([("HOME", "/nonexistent"), ("OUTCROP_ENDPOINT", url), ("OUTCROP_API_KEY", "ABSKtest")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(piped.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What is asked of the server, and what is printed, when `words` are said and `piped` is piped in.
fn check(words: &[&str], piped: &str, asked: &str) {
    let (url, server) = serve(2);
    let output = outcrop(&url, words, piped);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Because of scattering.\n");
    // Nobody watches, so nothing is said beside the answer.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    assert_eq!(server.join().unwrap(), ["GET /foundation-models ", asked]);
}

fn post(members: &str) -> String {
    let tail =
        r#""inferenceConfig":{"maxTokens":1024},"additionalModelResponseFieldPaths":["/stop_sequence"]}"#;
    format!("POST /model/a.first-v1%3A0/converse-stream {{{members},{tail}")
}

fn user(text: &str) -> String {
    format!(r#""messages":[{{"role":"user","content":[{{"text":"{text}"}}]}}]"#)
}

#[test]
fn words_are_asked_and_nothing_but_the_answer_goes_to_stdout() {
    check(&["chat", "Why", "blue?"], "not read", &post(&user("Why blue?")));
}

#[test]
fn what_is_piped_in_is_asked_alone_or_where_a_dash_stands() {
    check(&["chat"], "Why blue?\n", &post(&user("Why blue?")));
    let asked = post(&user(r"Answer:\n\nWhy blue?\n\nIn French."));
    check(&["chat", "Answer:", "-", "In French."], "Why blue?\n", &asked);
}

#[test]
fn a_refusal_is_said_in_the_servers_words() {
    let (url, server) = serve(1);
    let output = outcrop(&url, &["chat", "--model", "forbidden", "Hello?"], "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: This key may not.\n");
    assert_eq!(output.status.code(), Some(69));
    server.join().unwrap();
}

#[test]
fn models_are_a_table_or_json() {
    for (format, expected) in [
        (
            "table",
            "MODEL         NAME   PROVIDER  READS        WRITES\na.first-v1:0  First  A         text, image  text\n",
        ),
        (
            "json",
            "[\n  {\n    \"id\": \"a.first-v1:0\",\n    \"name\": \"First\",\n    \"provider\": \"A\",\n    \"input\": [\n      \"text\",\n      \"image\"\n    ],\n    \"output\": [\n      \"text\"\n    ]\n  }\n]\n",
        ),
    ] {
        let (url, server) = serve(1);
        let output = outcrop(&url, &["models", "--format", format], "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        server.join().unwrap();
    }
}
