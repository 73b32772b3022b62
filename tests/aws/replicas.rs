//! Eight processes start together on an empty ledger in S3: one works, and all hand out the same.

use crate::replica::{Orders, Place, declare};
use crate::world::{World, connect, server};

#[test]
fn eight_processes_make_everything_once() {
    let (Some(world), Some(bucket)) = (World::new(), server("LANDFALL_TEST_S3")) else { return };
    let (url, bucket) = bucket.rsplit_once('/').unwrap();
    let orders = |number: usize| Orders {
        stack: "eight".to_owned(),
        holder: format!("replica-{number}"),
        url: world.proxy.url.clone(),
        ledger: Place::Bucket(url.parse().unwrap(), bucket.to_owned()),
        time_to_live: 10_000,
    };
    let all: Vec<Orders> = (0..8).map(orders).collect();
    let children: Vec<_> = all.iter().map(Orders::start).collect();
    let outputs: Vec<_> = all.iter().zip(children).map(|(orders, child)| orders.finish(child)).collect();
    assert!(outputs.windows(2).all(|two| two[0] == two[1]), "{outputs:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = all[0].engine(connect(&world.proxy.url).await);
        assert_eq!(engine.residue().await.unwrap().orphans().count(), 0);
        assert_eq!(engine.state().await.unwrap().resources.len(), declare("eight").build().unwrap().graph().len());
        assert!(engine.plan(landfall::plan::Mode::Converge).await.unwrap().is_empty());
    });
    let counted = world.proxy.counted_since(0);
    assert_eq!((counted["CreateVpc"], counted["CreateInternetGateway"], counted["AllocateAddress"]), (1, 1, 1));
}
