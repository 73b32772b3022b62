//! What the kernel says this process used, and how it is printed.

use std::fs;
use std::time::Duration;

/// Prints one figure.
pub(crate) fn say(name: &str, value: f64, unit: &str) {
    // Four figures are more than the machine's noise allows.
    let digits = if value == 0.0 { 0 } else { (3.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize };
    println!("{name} {value:.digits$} {unit}");
}

/// A count as a number that may be divided.
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

/// CPU time of all threads of this process, in seconds.
pub(crate) fn cpu() -> f64 {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds = threads.map(|thread| {
        let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|word| word.parse::<f64>().ok()).unwrap_or_default()
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// CPU seconds of some work, and what it made.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let before = cpu();
    let made = work();
    (cpu() - before, made)
}

/// Memory in use now, in MiB.
pub(crate) fn resident() -> f64 {
    status("VmRSS:")
}

/// The most memory in use since [`forget_peak`], in MiB.
pub(crate) fn peak() -> f64 {
    status("VmHWM:")
}

/// Lets the high-water mark start again at what is in use now.
pub(crate) fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

fn status(field: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

/// The machine's clock, for what a user would wait.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine")]
pub(crate) fn wall() -> std::time::Instant {
    std::time::Instant::now()
}

/// Runs a future to its end on this thread.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}
