//! What happens when calls can no longer be recorded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use canon::{Event, Finish, StopReason, Usage};
use rusqlite::Connection;

use crate::testing::{Call, HANG, PROMPT_TOKENS, Setup, World, eventually, text};

fn database(folder: &tempfile::TempDir) -> Connection {
    Connection::open(folder.path().join("outcrop.db")).unwrap()
}

/// A server whose database may hardly grow, with a table in it that can be dropped to make room.
async fn nearly_full() -> World {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    drop(World::on(Arc::clone(&folder), Setup::default()).await.store);
    eventually("the first server has let go", || store::DataDir::open(folder.path()).is_ok()).await;
    let ballast = database(&folder);
    let statements =
        "CREATE TABLE ballast AS SELECT zeroblob(400000) AS bytes; PRAGMA wal_checkpoint(TRUNCATE)";
    ballast.execute_batch(statements).unwrap();
    let pages: i64 = ballast.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    drop(ballast);
    let mut setup = Setup::default();
    setup.store.bytes_max = Some((pages as u64 + 8) * 4096);
    setup.store.patience = Duration::from_millis(100);
    World::on(folder, setup).await
}

#[tokio::test]
async fn a_full_disk_refuses_calls_and_loses_none_and_room_brings_all_back() {
    let world = nearly_full().await;
    // It begins while there is room and ends when there is none.
    let model = world.model.feed();
    for item in text(&["one"]) {
        model.send(item).await.unwrap();
    }
    let mut client = world.client(crate::testing::Version::Http2).await;
    let running = client.send(world.converse(true, "")).await;
    let began = Instant::now();
    let mut answered = 0;
    let refused = loop {
        let reply = world.send(world.converse(false, "hi")).await;
        if reply.status != 200 {
            break reply;
        }
        answered += 1;
        assert!(began.elapsed() < HANG, "the disk is never full");
    };
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (503, "ServiceUnavailableException"));
    assert!(refused.document()["message"].as_str().unwrap().contains("make room on the disk"));
    assert_eq!(refused.header("retry-after"), "2");

    // A receipt that cannot be written yet is owed: until then nobody is let in, and nobody is told that all went well.
    let end = Event::Finish(Finish::new(StopReason::EndTurn, Usage::plain(PROMPT_TOKENS, 1)));
    for item in [Event::BlockStop { index: 0 }, end] {
        model.send(Ok(item)).await.unwrap();
    }
    let running = crate::testing::Reply::read(running).await;
    let last = running.documents().pop().unwrap();
    let reports_storage = last.name == "serviceUnavailableException";
    assert!(reports_storage || last.name == "metadata", "{last:?}");

    make_room(&world).await;
    let reply = world.send(world.converse(false, "hi")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    eventually("everything is settled", || world.books().open == 0).await;
    let books = world.books();
    assert!(books.completed > answered, "{books:?} after {answered} answers");
    world.rests().await;
}

async fn make_room(world: &World) {
    database(&world.folder).execute_batch("DROP TABLE ballast").unwrap();
    eventually("the journal writes again", || world.store.healthy()).await;
}

#[tokio::test]
async fn a_journal_that_cannot_write_takes_the_server_out_of_service() {
    let world = World::start().await;
    let ready = async || world.send(Call::new("GET", "/readyz")).await;
    assert_eq!(ready().await.status, 200);
    world.store.close(0);
    let reply = ready().await;
    assert_eq!(reply.status, 503);
    assert!(reply.body.starts_with(b"the journal cannot be written"), "{reply:?}");
    assert_eq!(world.send(Call::new("GET", "/healthz")).await.status, 200);
    for stream in [false, true] {
        let reply = world.send(world.converse(stream, "hi")).await;
        assert_eq!((reply.status, reply.header("x-amzn-errortype")), (503, "ServiceUnavailableException"));
    }
    // What needs no record goes on.
    assert_eq!(world.send(world.call("GET", "/v1/models")).await.status, 200);
    world.rests().await;
}
