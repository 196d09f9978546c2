use canon::Kind;

use crate::testing::{Scripted, World, hello};

#[tokio::test]
async fn no_more_calls_than_allowed_are_under_way_and_places_come_back() {
    let world = World::limited([Scripted::saying(&["a"])], 2);
    let first = world.serve(hello()).await.unwrap();
    let second = world.serve(hello()).await.unwrap();
    assert_eq!(world.serve(hello()).await.err().unwrap().kind(), &Kind::Overloaded);
    assert_eq!(world.gateway.calls(), 2);
    drop(first);
    let third = world.serve(hello()).await.unwrap();
    drop((second, third));
    assert_eq!(world.gateway.calls(), 0);
    assert_eq!(world.book.receipts().len(), 3);
}
