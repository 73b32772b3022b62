//! The ceilings that figures are held to. See `ceilings.txt`.

use std::collections::BTreeMap;

/// How many times its ceiling a time may take: machines are noisy.
const NOISE: f64 = 3.0;

/// What breaks its ceiling, a line each. A ceiling without a figure is broken when everything was run.
pub(crate) fn broken(results: &BTreeMap<String, f64>, everything: bool) -> Vec<String> {
    let mut broken = Vec::new();
    for line in include_str!("ceilings.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (name, rule) = (words.next().unwrap(), words.next().unwrap());
        let ceiling: f64 = words.next().unwrap().parse().unwrap();
        let Some(value) = results.get(name) else {
            if everything {
                broken.push(format!("{name}: no figure"));
            }
            continue;
        };
        let (holds, words) = match rule {
            "count" => ((value - ceiling).abs() < 1e-9, "must be"),
            "ratio" => (*value <= ceiling, "may be at most"),
            "time" => (*value <= NOISE * ceiling, "may be at most three times"),
            other => panic!("no such rule: {other}"),
        };
        if !holds {
            broken.push(format!("{name}: {value}, and {words} {ceiling}"));
        }
    }
    broken
}
