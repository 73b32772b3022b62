//! Graphs of any size, in the shapes that stacks have.

use std::collections::BTreeMap;

use landfall::graph::Graph;
use landfall::resource::{Address, Properties, Reference, Resource, Value};

/// A graph of so many resources of one type, with twenty texts each (about 1 kB of JSON).
pub(crate) fn graph(shape: &str, size: usize) -> Graph {
    changed(shape, size, None)
}

/// The same, where one resource has another text.
pub(crate) fn changed(shape: &str, size: usize, different: Option<usize>) -> Graph {
    let mut all = BTreeMap::new();
    for index in 0..size {
        let mut resource = resource(index, "Bench::Thing", if different == Some(index) { "after" } else { "before" });
        for (number, on) in parents(shape, size, index).into_iter().enumerate() {
            resource.properties.insert(format!("Parent{number}"), refer(&address(on)));
        }
        all.insert(resource.address.clone(), resource);
    }
    Graph::new(all).unwrap()
}

/// What the resource of this number refers to.
fn parents(shape: &str, size: usize, index: usize) -> Vec<usize> {
    match shape {
        "flat" => Vec::new(),
        // One stands below all others.
        "fan" => {
            if index == 0 {
                Vec::new()
            } else {
                vec![0]
            }
        }
        "chain" => index.checked_sub(1).into_iter().collect(),
        // Ten layers, each of whose members refers to five of the layer before.
        "layered" => {
            let width = (size / 10).max(1);
            let (layer, place) = (index / width, index % width);
            match layer {
                0 => Vec::new(),
                _ => (0..5.min(width)).map(|step| (layer - 1) * width + (place + step) % width).collect(),
            }
        }
        other => panic!("no such shape: {other}"),
    }
}

/// A resource that stands on nothing.
pub(crate) fn resource(index: usize, type_name: &str, word: &str) -> Resource {
    let mut properties = Properties::new();
    properties.insert("Name".to_owned(), format!("thing-{index}").into());
    for number in 0..19 {
        properties.insert(format!("Attribute{number:02}"), format!("{word} {number} of the thing {index:08}").into());
    }
    Resource::new(address(index), type_name, properties)
}

/// The plain reference to a resource.
pub(crate) fn refer(address: &Address) -> Value {
    Value::Reference(Reference { target: address.clone(), attribute: String::new() })
}

pub(crate) fn address(index: usize) -> Address {
    Address::new("aws", "native", &format!("thing-{index:07}"), "resource").unwrap()
}
