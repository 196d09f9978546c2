use crate::testing::{Scripted, World, hello};

#[tokio::test]
async fn calls_go_where_the_fewest_tokens_are_outstanding() {
    let world = World::new([Scripted::saying(&["a"]), Scripted::saying(&["b"])]);
    let mut large = hello();
    large.sampling.max_tokens = Some(1_000);
    let mut small = hello();
    small.sampling.max_tokens = Some(10);

    let first = world.serve(large).await.unwrap();
    let mut where_ = vec![first.events.deployment().to_string()];
    let mut open = vec![first];
    for _ in 0..3 {
        let served = world.serve(small.clone()).await.unwrap();
        where_.push(served.events.deployment().to_string());
        open.push(served);
    }
    assert_eq!(where_, ["d0", "d1", "d1", "d1"]);
    drop(open);
    assert!(world.loads.iter().all(|load| load.tokens() == 0));
}
