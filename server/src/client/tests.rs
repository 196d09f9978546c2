use canon::{Answer, Content, Finish, Fold, Message, Role, StopReason, Usage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Answers one request with `answer`, which is made from the request's body. Returns the URL and, later, the request's
/// head.
async fn serve(
    answer: impl FnOnce(Bytes) -> Vec<u8> + Send + 'static,
) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.unwrap();
        // In small pieces, so that frames are cut anywhere.
        for piece in answer(body.into()).chunks(7) {
            stream.write_all(piece).await.unwrap();
        }
        head
    });
    (url, task)
}

fn client(url: String) -> Client {
    Client::find(Path::new("/nowhere"), Some(url), Some(Secret::new("ABSKtest"))).unwrap()
}

fn json(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn request() -> Request {
    let content = vec![Content::Text("Hello?".into())];
    Request {
        messages: vec![Message { role: Role::User, content }],
        ..Request::new(ModelId::new("a.b-v1:0"))
    }
}

/// The answer "Hi there" as ConverseStream, cut off after `kept` bytes of its body where that is said.
fn stream(body: &Bytes, kept: Option<usize>) -> Vec<u8> {
    let mut exchange = wire::converse::decode("a.b-v1:0", true, body).unwrap();
    let head = wire::AnswerHead { request_id: "r".into(), model: ModelId::new("a.b-v1:0"), created_s: 0 };
    let mut out = bytes::BytesMut::new();
    exchange.encoder.begin(&head, &mut out);
    let text = |text: &str| canon::Event::Text { index: 0, text: text.into() };
    let start = canon::Event::BlockStart { index: 0, kind: canon::BlockKind::Text };
    for event in [start, text("Hi "), text("there"), canon::Event::BlockStop { index: 0 }] {
        exchange.encoder.event(&event, &mut out);
    }
    exchange.encoder.finish(&finish(), std::time::Duration::ZERO, &mut out);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", out.len());
    [head.as_bytes(), &out[..kept.unwrap_or(out.len())]].concat()
}

fn finish() -> Finish {
    Finish::new(StopReason::EndTurn, Usage::plain(3, 2))
}

#[tokio::test]
async fn an_answer_is_read_as_it_is_made() {
    let (url, asked) = serve(|body| stream(&body, None)).await;
    let mut answering = client(url).converse(&request()).await.unwrap();
    let (mut fold, mut answer) = (Fold::default(), None);
    while let Some(event) = answering.next().await.unwrap() {
        answer = fold.push(event).unwrap();
    }
    assert_eq!(
        answer,
        Some(Answer {
            content: vec![Content::Text("Hi there".into())],
            vectors: Vec::new(),
            finish: finish()
        })
    );
    let head = asked.await.unwrap();
    assert!(head.starts_with("post /model/a.b-v1%3a0/converse-stream http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer absktest\r\n"), "{head}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failure() {
    let (url, _asked) = serve(|body| stream(&body, Some(100))).await;
    let mut answering = client(url).converse(&request()).await.unwrap();
    let failure = loop {
        match answering.next().await {
            Ok(event) => assert_ne!(event, None, "the answer seems complete"),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.exit_code, Failure::UNAVAILABLE);
    assert!(failure.message.starts_with("the answer broke off"), "{failure}");
}

#[tokio::test]
async fn what_the_server_refuses_is_said_in_its_words() {
    let headers = "x-amzn-errortype: ValidationException:http://internal/\r\nx-amzn-requestid: 7\r\n";
    let said = json("400 Bad Request", headers, r#"{"message":"messages: too many."}"#);
    let (url, _asked) = serve(|_| said).await;
    let failure = client(url).converse(&request()).await.err().unwrap();
    assert_eq!(failure.message, "messages: too many.");
    let help = "for more: outcrop explain ValidationException\nthe server's log has the request as 7";
    assert_eq!(failure.help.as_deref(), Some(help));
    assert_eq!(failure.exit_code, Failure::USAGE);
}

#[tokio::test]
async fn models_are_listed() {
    let body = r#"{"modelSummaries":[{"modelId":"a.b-v1:0","modelName":"B","providerName":"A","inputModalities":["TEXT","IMAGE","NEW"],"responseStreamingSupported":true}]}"#;
    let (url, _asked) = serve(|_| json("200 OK", "", body)).await;
    let models = client(url).models().await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].id.as_str(), "a.b-v1:0");
    assert_eq!(models[0].input, [Modality::Text, Modality::Image]);
}

#[tokio::test]
async fn something_else_than_outcrop_is_recognised() {
    let (url, _asked) = serve(|_| json("200 OK", "", "<html>")).await;
    let failure = client(url).models().await.unwrap_err();
    assert!(failure.message.contains("is no Outcrop"), "{failure}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let failure = client("http://127.0.0.1:1".into()).models().await.unwrap_err();
    assert_eq!(failure.exit_code, Failure::UNAVAILABLE);
    assert!(failure.message.starts_with("cannot connect to 127.0.0.1:1: "), "{failure}");
    assert_eq!(failure.help.as_deref(), Some("start a server with: outcrop up"));
}

#[test]
fn the_server_of_a_folder_is_found_by_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let failure = Client::find(dir.path(), None, None).unwrap_err();
    assert_eq!(failure.exit_code, Failure::UNAVAILABLE);
    assert!(failure.message.starts_with("no Outcrop is running on "), "{failure}");
    std::fs::write(dir.path().join("endpoint"), "http://127.0.0.1:4100\n").unwrap();
    assert_eq!(Client::find(dir.path(), None, None).unwrap_err().exit_code, Failure::IO);
    std::fs::write(dir.path().join("api-key"), "ABSKtest\n").unwrap();
    let client = Client::find(dir.path(), None, None).unwrap();
    assert_eq!((client.endpoint(), client.key.expose()), ("http://127.0.0.1:4100", &b"ABSKtest"[..]));
}
