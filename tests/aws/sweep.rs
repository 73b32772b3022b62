//! A process is killed at each call that it makes to the cloud, and another one goes on: nothing is lost and nothing is made
//! twice, by the count of what the server was asked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use landfall::sim::Moment;

use crate::proxy::{Arrived, Proxy};
use crate::replica::{Orders, Place, declare};
use crate::world::{World, connect};

/// How many processes are at it at once.
const AT_ONCE: usize = 6;
const TIME_TO_LIVE: u64 = 9_000;

fn orders(world: &World, stack: &str, holder: &str) -> Orders {
    Orders {
        stack: stack.to_owned(),
        holder: holder.to_owned(),
        url: world.proxy.url.clone(),
        ledger: Place::Folder(world.folder().join(stack)),
        time_to_live: TIME_TO_LIVE,
    }
}

/// How often the server has made something, by the name of the call.
fn made(proxy: &Proxy) -> BTreeMap<String, usize> {
    let mut made = BTreeMap::new();
    let makes = |call: &Arrived| {
        let verbs = ["Allocate", "Associate", "Attach", "Create", "Authorize", "Put", "POST"];
        verbs.iter().any(|verb| call.action.starts_with(verb)) && call.action != "CreateTags"
    };
    for call in proxy.calls().into_iter().filter(makes) {
        if !call.replayed && call.status.is_some_and(|status| status < 300) {
            *made.entry(call.action).or_default() += 1;
        }
    }
    made
}

/// The marks of everything in the cloud, as a connection of its own sees them, against those that are wanted.
fn check_census(world: &World, orders: &Orders) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = orders.engine(connect(&world.proxy.url).await);
        let residue = engine.residue().await.unwrap();
        assert_eq!(residue.orphans().count(), 0, "{}: {residue:?}", orders.stack);
        let state = engine.state().await.unwrap();
        assert!(state.intents.is_empty() && state.deposed.is_empty(), "{}: {state:?}", orders.stack);
        assert_eq!(state.resources.len(), engine.graph().len());
        let census = engine.census().await.unwrap();
        for (index, found) in census.iter().enumerate() {
            let twin = census[..index].iter().find(|other| other.marks.address == found.marks.address);
            assert!(twin.is_none(), "{}: two objects of one address: {found:?} {twin:?}", orders.stack);
        }
        let plan = engine.plan(landfall::plan::Mode::Converge).await.unwrap();
        assert!(plan.is_empty(), "{}: {}", orders.stack, plan.details(landfall::plan::Style::Plain));
    });
}

#[test]
fn a_process_is_killed_at_each_call_and_another_one_goes_on() {
    let Some(world) = World::alone() else { return };
    assert!(declare("clean").build().unwrap().graph().len() >= 25);
    let clean = orders(&world, "clean", "clean");
    clean.finish(clean.start());
    let (calls, expected) = (world.proxy.calls().len(), made(&world.proxy));
    check_census(&world, &clean);
    let next = AtomicUsize::new(1);
    let killed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > calls {
                        break;
                    }
                    killed.fetch_add(usize::from(branch(number, &expected)), Ordering::Relaxed);
                }
            });
        }
    });
    let killed = killed.into_inner();
    assert!(killed >= calls * 9 / 10, "nearly every process dies: {killed} of {calls}");
}

/// A process dies at the call of this number, and another one resumes. Whether it died: once in a while it makes fewer calls.
fn branch(number: usize, expected: &BTreeMap<String, usize>) -> bool {
    let world = World::alone().unwrap();
    let moment = Moment::ALL[number % 3];
    let stack = format!("kill{number}");
    let doomed = orders(&world, &stack, "doomed");
    let child = Arc::new(Mutex::new(None::<std::process::Child>));
    let target = child.clone();
    world.proxy.at(number, moment, move || {
        if let Some(child) = target.lock().unwrap().as_mut() {
            child.kill().unwrap();
        }
    });
    // Held while it starts, so that there is something to kill.
    let mut held = child.lock().unwrap();
    *held = Some(doomed.start());
    drop(held);
    let status = loop {
        let ended = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
        match ended {
            Some(status) => break status,
            None => std::thread::park_timeout(std::time::Duration::from_millis(20)),
        }
    };
    // What was on its way arrives before anybody takes over: a server that is slower than the lease is another test.
    while world.proxy.in_flight() > 0 {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    world.proxy.at_peace();
    let heir = orders(&world, &stack, "heir");
    heir.finish(heir.start());
    assert_eq!(made(&world.proxy), *expected, "killed at call {number}, {moment:?}");
    check_census(&world, &heir);
    !status.success()
}
