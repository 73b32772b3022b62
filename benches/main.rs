//! How fast the engine is, on a cloud of its own: `name value unit`, a line each.
//!
//! `cargo bench` runs what continuous integration runs; `cargo bench -- --large` adds the sizes that take minutes;
//! `cargo bench -- plan apply` runs what starts with one of these words; `--check` compares with `ceilings.txt` and
//! fails where a ceiling is broken. Each measurement is a process of its own, so that memory and caches start clean.
//!
//! CPU is that of the whole process by the kernel's scheduler, memory is the kernel's high-water mark, and times in
//! seconds without "cpu" are virtual: what a cloud would have taken.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark is a program"
)]

mod applying;
mod ceilings;
mod cloud;
mod measure;
mod planning;
mod platform;
mod shapes;
mod timing;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};

/// One benchmark: its name, the sizes it runs with, those that are only run when asked, and what it does.
struct Benchmark {
    name: &'static str,
    sizes: &'static [usize],
    large: &'static [usize],
    run: fn(usize),
}

const fn benchmark(name: &'static str, sizes: &'static [usize], large: &'static [usize], run: fn(usize)) -> Benchmark {
    Benchmark { name, sizes, large, run }
}

const ALL: &[Benchmark] = &[
    benchmark("plan.flat", &[1_000, 10_000], &[100_000], |size| planning::fresh("flat", size)),
    benchmark("plan.fan", &[1_000, 10_000], &[100_000], |size| planning::fresh("fan", size)),
    benchmark("plan.layered", &[1_000, 10_000], &[100_000], |size| planning::fresh("layered", size)),
    benchmark("plan.chain", &[1_000, 10_000], &[100_000], |size| planning::fresh("chain", size)),
    benchmark("noop.fan", &[1_000, 10_000], &[100_000], planning::unchanged),
    benchmark("resume.fan", &[10_000], &[100_000], planning::resume),
    benchmark("first.fan", &[10_000], &[], planning::first_call),
    benchmark("apply.fan", &[1_000, 10_000], &[100_000], |size| applying::apply("fan", size)),
    benchmark("apply.layered", &[1_000, 10_000], &[100_000], |size| applying::apply("layered", size)),
    benchmark("change.fan", &[1_000, 10_000], &[100_000], applying::one_change),
    benchmark("wide", &[1_000], &[], timing::wide),
    benchmark("levels", &[30], &[], timing::levels),
    benchmark("layers", &[300], &[], timing::layers),
    benchmark("tenants", &[1, 20, 200], &[], timing::tenants),
    benchmark("bucket.aws", &[300, 3_000], &[], |size| timing::limited("aws", size)),
    benchmark("bucket.azure", &[300, 3_000], &[], |size| timing::limited("azure", size)),
    benchmark("bucket.gcp", &[300], &[3_000], |size| timing::limited("gcp", size)),
    benchmark("cancel", &[300], &[], timing::cancel),
    benchmark("idle", &[1], &[], platform::idle),
    benchmark("cold", &[1], &[], platform::cold),
    benchmark("waiters", &[64], &[], platform::waiters),
    benchmark("expand", &[1_000], &[], platform::expand),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [run, name, size] = &arguments[..]
        && run == "--run"
    {
        if name == "cold-start" {
            platform::cold_start(size);
            return ExitCode::SUCCESS;
        }
        let chosen = ALL.iter().find(|benchmark| benchmark.name == name).unwrap();
        (chosen.run)(size.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let large = arguments.iter().any(|argument| argument == "--large");
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let mut results = BTreeMap::new();
    let mut failed = false;
    for benchmark in ALL {
        if !words.is_empty() && !words.iter().any(|word| benchmark.name.starts_with(word.as_str())) {
            continue;
        }
        for size in benchmark.sizes.iter().chain(benchmark.large.iter().filter(|_| large)) {
            failed |= !run(benchmark.name, *size, &mut results);
        }
        let sizes = [benchmark.sizes, benchmark.large].concat();
        for pair in sizes.windows(2) {
            exponent(benchmark.name, pair[0], pair[1], &mut results);
        }
    }
    let broken = ceilings::broken(&results, words.is_empty());
    broken.iter().for_each(|line| eprintln!("{line}"));
    let checked = arguments.iter().any(|argument| argument == "--check");
    if failed || (checked && !broken.is_empty()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs one benchmark in a process of its own; whether it ended well.
fn run(name: &str, size: usize, results: &mut BTreeMap<String, f64>) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--run", name, &size.to_string()]).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    print!("{text}");
    for line in text.lines() {
        let mut words = line.split(' ');
        if let (Some(name), Some(Ok(value))) = (words.next(), words.next().map(str::parse)) {
            results.insert(name.to_owned(), value);
        }
    }
    if !output.status.success() {
        eprintln!("{name} {size} failed: {}", output.status);
    }
    output.status.success()
}

/// How CPU grows from one size to the next: 1 is linear.
fn exponent(name: &str, small: usize, large: usize, results: &mut BTreeMap<String, f64>) {
    let cpu = |size: usize| results.get(&format!("{name}.{size}.cpu")).copied();
    let (Some(before), Some(after)) = (cpu(small), cpu(large)) else { return };
    let exponent = (after / before).ln() / (measure::float(large) / measure::float(small)).ln();
    let name = format!("{name}.{large}.exponent");
    measure::say(&name, exponent, "-");
    results.insert(name, exponent);
}
