//! House rules that a program can check. Each failure says which file breaks which rule, and what to do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The clouds, whose crates have the same file names.
const CLOUDS: [&str; 3] = ["aws", "azure", "gcp"];
/// Kinds that are the same on each cloud and therefore stand in `crates/k8s`.
const WORKLOADS: [&str; 2] = ["mesh", "service"];
/// What each cloud has besides its kinds.
const TABLES: [&str; 6] = ["check", "machine", "name", "region", "types", "version"];
/// What only one cloud needs. A name that a second cloud could use belongs to [`TABLES`] instead.
const OWN: [(&str, &[&str]); 3] = [
    ("aws", &["driver", "policy", "data_tier", "iam", "key", "ledger_bucket", "server_size", "subnet", "template"]),
    ("azure", &[]),
    ("gcp", &[]),
];

/// Lines of one file before its tests.
const LONGEST: usize = 600;
/// Lines of code, without blanks and comments, of the file in the middle.
const MEDIAN: usize = 150;

/// Where a document is joined from parts, because what it names is known only while a plan is applied.
const JOINED: [&str; 1] = ["crates/k8s/src/service/secrets.rs"];

/// Error codes that no test produces yet. A code leaves this list with its first test and never comes back.
const UNTESTED: &[&str] = &[];

#[test]
fn every_cloud_has_the_same_files() {
    let folder = root().join("crates/core/src/kind");
    let mut shared: BTreeSet<String> = TABLES.map(str::to_owned).into();
    shared.extend(modules(&folder).into_iter().filter(|name| {
        // A kind is a file with a trait that clouds implement.
        let is_kind =
            fs::read_to_string(folder.join(format!("{name}.rs"))).is_ok_and(|text| text.contains("pub trait "));
        is_kind && !WORKLOADS.contains(&name.as_str())
    }));
    let mut broken = Vec::new();
    for cloud in CLOUDS {
        let files = modules(&root().join("crates").join(cloud).join("src"));
        let own = OWN.iter().find(|(name, _)| *name == cloud).map_or(&[][..], |(_, own)| own);
        for missing in shared.difference(&files) {
            broken.push(format!("crates/{cloud}/src/{missing}.rs is missing: every cloud has it"));
        }
        for extra in files.difference(&shared).filter(|file| !own.contains(&file.as_str())) {
            broken.push(format!("crates/{cloud}/src/{extra}.rs: rename it, add it to each cloud, or list it in OWN"));
        }
    }
    let workloads = modules(&root().join("crates/k8s/src"));
    for kind in WORKLOADS.iter().filter(|kind| !workloads.contains(**kind)) {
        broken.push(format!("crates/k8s/src/{kind}.rs is missing"));
    }
    assert_tidy(&broken);
}

#[test]
fn files_are_small() {
    let mut broken = Vec::new();
    let mut sizes = Vec::new();
    for file in sources().filter(|file| !is_test(&file.path)) {
        let production: Vec<&str> = file.production().lines().collect();
        if production.len() > LONGEST {
            broken.push(format!("{}: {} lines before its tests, {LONGEST} at most", file.path, production.len()));
        }
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        sizes.push((production.into_iter().filter(is_code).count(), file.path));
    }
    // Files that hold no code yet say nothing about the size of files.
    sizes.retain(|(lines, path)| *lines > 0 && !is_skeleton(path));
    sizes.sort();
    let (median, path) = &sizes[sizes.len() / 2];
    if *median > MEDIAN {
        broken
            .push(format!("the file in the middle, {path}, has {median} lines of code, {MEDIAN} at most: split some"));
    }
    assert_tidy(&broken);
}

#[test]
fn the_architecture_lists_every_room() {
    let text = read("ARCHITECTURE.md");
    let listed: BTreeSet<String> = text
        .split("\n## ")
        .find(|section| section.starts_with("Rooms"))
        .expect("ARCHITECTURE.md has a section called Rooms")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(room, _)| room.to_owned())
        .collect();
    let mut rooms: BTreeSet<String> = ["src/".to_owned()].into();
    rooms.extend(folders("crates").into_iter().map(|name| format!("crates/{name}/")));
    let drivers = folders("crates").into_iter().map(|name| format!("crates/{name}/src/driver/"));
    rooms.extend(drivers.filter(|folder| root().join(folder).is_dir()));
    for module in modules(&root().join("crates/core/src")) {
        let is_folder = root().join("crates/core/src").join(&module).is_dir();
        rooms.insert(format!("crates/core/src/{module}{}", if is_folder { "/" } else { ".rs" }));
    }
    let not_rooms = |name: &String| ["crates", "src", "target", ".git"].contains(&name.as_str());
    rooms.extend(folders(".").into_iter().filter(|name| !not_rooms(name)).map(|name| format!("{name}/")));
    let mut broken = Vec::new();
    broken.extend(rooms.difference(&listed).map(|room| format!("{room} has no row in the table of ARCHITECTURE.md")));
    broken.extend(listed.difference(&rooms).map(|room| format!("ARCHITECTURE.md lists {room}, which does not exist")));
    assert_tidy(&broken);
}

#[test]
fn the_laws_name_tests_that_exist() {
    let text = read("ARCHITECTURE.md");
    let laws = text.split("\n## ").find(|section| section.starts_with("Laws")).expect("a section called Laws");
    let named = laws.split('`').skip(1).step_by(2).filter(|name| name.contains(".rs"));
    let mut broken = Vec::new();
    for test in named {
        let (path, function) = test.split_once("::").unwrap_or((test, ""));
        let holds = fs::read_to_string(root().join(path)).is_ok_and(|text| text.contains(&format!("fn {function}")));
        if !holds {
            broken.push(format!("ARCHITECTURE.md names {test}, which does not exist"));
        }
    }
    assert_tidy(&broken);
}

#[test]
fn clouds_know_the_core_and_nothing_else_of_ours() {
    let mut broken = Vec::new();
    for name in folders("crates") {
        let manifest = format!("crates/{name}/Cargo.toml");
        let allowed: &[&str] = if name == "core" { &[] } else { &["landfall-core"] };
        let ours = section(&read(&manifest), "dependencies").into_iter().filter(|line| line.starts_with("landfall"));
        for dependency in ours.filter_map(|line| line.split(['.', ' ', '=']).next().map(str::to_owned)) {
            if !allowed.contains(&dependency.as_str()) {
                broken.push(format!("{manifest} depends on {dependency}: only the facade ties crates together"));
            }
        }
    }
    assert_tidy(&broken);
}

#[test]
fn core_opens_no_socket() {
    let sockets =
        ["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener", "tokio::net", "ToSocketAddrs"];
    let core = sources().filter(|file| file.path.starts_with("crates/core/src/"));
    assert_tidy(&core.flat_map(|file| file.mentions(&sockets, "core opens no socket")).collect::<Vec<_>>());
}

#[test]
fn only_clocks_wait() {
    let waits = ["tokio::time::", "thread::sleep", "Instant::now"];
    let clocks = ["crates/core/src/clock.rs", "crates/core/src/sim/clock.rs"];
    let others = sources().filter(|file| file.path.contains("src/") && !clocks.contains(&file.path.as_str()));
    assert_tidy(&others.flat_map(|file| file.mentions(&waits, "only clocks wait")).collect::<Vec<_>>());
}

#[test]
fn documents_are_built_as_values() {
    // A text that begins an object of JSON, or a line of YAML that names an object.
    let templates = [r#"{\""#, r#"\":"#, "apiVersion: {}", "kind: {}"];
    let production = sources().filter(|file| file.path.contains("src/") && !is_test(&file.path));
    let broken = production.filter(|file| !JOINED.contains(&file.path.as_str())).flat_map(|file| {
        let production = File { text: file.production().to_owned(), path: file.path };
        production.mentions(&templates, "build it as a value, and let a serializer write it")
    });
    assert_tidy(&broken.collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_unfinished() {
    let words = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("d", "bg!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    assert_tidy(&sources().flat_map(|file| file.mentions(&words, "finish it, or leave it out")).collect::<Vec<_>>());
}

#[test]
fn exceptions_say_why() {
    let attributes = [concat!("[al", "low("), concat!("[exp", "ect("), concat!("[ig", "nore]")];
    let mut broken = Vec::new();
    for file in sources() {
        let text = file.text.replace(char::is_whitespace, "");
        for attribute in attributes {
            let exceptions = text.split(attribute).skip(1).map(|rest| rest.split(")]").next().unwrap_or_default());
            let bare = exceptions.filter(|exception| !exception.contains("reason="));
            broken.extend(bare.map(|_| format!("{}: #{attribute} has no reason", file.path)));
        }
    }
    assert_tidy(&broken);
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("pyp", "i.org"),
        concat!("python", "hosted.org"),
        concat!("index.", "crates.io"),
        concat!("static.", "crates.io"),
    ];
    let generated = |file: &File| file.path == "Cargo.lock";
    let broken = files()
        .into_iter()
        .filter(|file| !generated(file))
        .flat_map(|file| file.mentions(&words, "it is true on one machine only").into_iter().collect::<Vec<_>>());
    assert_tidy(&broken.collect::<Vec<_>>());
}

#[test]
fn every_error_code_has_a_test() {
    let codes: BTreeMap<String, String> = read("crates/core/src/error.rs")
        .lines()
        .filter_map(|line| line.trim().split_once(" = \"LF"))
        .filter_map(|(name, rest)| Some((name.to_owned(), format!("LF{}", rest.get(..4)?))))
        .collect();
    assert!(codes.len() > 50, "the list of codes in error.rs was not found");
    let tests: Vec<String> = files()
        .into_iter()
        .filter(|file| file.path != "tests/tidy.rs")
        .map(|file| if is_test(&file.path) { file.text } else { file.text[file.production().len()..].to_owned() })
        .collect();
    let produced = |name: &str, text: &str| {
        let by_name = format!("Code::{name}");
        tests.iter().any(|test| contains_word(test, &by_name) || contains_word(test, text))
    };
    let mut broken = Vec::new();
    for (name, text) in &codes {
        match (produced(name, text), UNTESTED.contains(&name.as_str())) {
            (false, false) => broken.push(format!("no test produces Code::{name} ({text})")),
            (true, true) => broken.push(format!("Code::{name} has a test now: take it out of UNTESTED")),
            _ => {}
        }
    }
    broken.extend(UNTESTED.iter().filter(|name| !codes.contains_key(**name)).map(|name| format!("no code {name}")));
    assert_tidy(&broken);
}

#[test]
fn the_readme_names_two_commands_and_the_gate_runs_the_second() {
    let readme = read("README.md");
    let commands: Vec<&str> = readme
        .split("```")
        .skip(1)
        .step_by(2)
        .flat_map(str::lines)
        .map(|line| line.trim().trim_start_matches("$ "))
        .filter(|line| line.starts_with("cargo "))
        .collect();
    let [main_job, tests] = commands[..] else { panic!("README.md names two commands, not these: {commands:?}") };
    assert_eq!(main_job, "cargo run --example inferloop");
    let gate = read(".ci/run");
    assert!(gate.lines().any(|line| line.trim_end().ends_with(tests)), ".ci/run does not run the README's: {tests}");
}

#[test]
fn the_changelog_has_a_place_for_the_next_change() {
    let text = read("CHANGELOG.md");
    let unreleased = text.split("\n## ").nth(1).unwrap_or_default();
    assert!(unreleased.starts_with("Unreleased\n"), "the first section of CHANGELOG.md is Unreleased");
    assert!(unreleased.contains("\n- "), "the section Unreleased lists what changed");
}

#[test]
fn every_crate_introduces_itself_and_keeps_the_common_rules() {
    let mut broken = Vec::new();
    let crates = folders("crates").into_iter().map(|name| format!("crates/{name}/")).chain([String::new()]);
    for at in crates {
        let library = read(&format!("{at}src/lib.rs"));
        if !library.starts_with("//!") && !library.starts_with("#![doc") {
            broken.push(format!("{at}src/lib.rs begins with what the crate is for"));
        }
        let manifest = read(&format!("{at}Cargo.toml"));
        for inherited in ["version", "edition", "rust-version", "license", "repository"] {
            if !manifest.contains(&format!("\n{inherited}.workspace = true")) {
                broken.push(format!("{at}Cargo.toml: {inherited} comes from the workspace"));
            }
        }
        if !section(&manifest, "lints").contains(&"workspace = true".to_owned()) {
            broken.push(format!("{at}Cargo.toml: lints come from the workspace"));
        }
        let features = section(&manifest, "features");
        for (index, feature) in features.iter().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            let explained = index > 0 && features[index - 1].starts_with("##");
            if feature.contains(" = [") && !feature.starts_with("default ") && !explained {
                broken.push(format!("{at}Cargo.toml: a comment with ## says what this feature is for: {feature}"));
            }
        }
    }
    assert_tidy(&broken);
}

/// A text file of the repository; its path is relative, with forward slashes.
struct File {
    path: String,
    text: String,
}

impl File {
    /// What stands before the tests.
    fn production(&self) -> &str {
        let tests = if self.path.ends_with(".rs") { self.text.find("#[cfg(test)]") } else { None };
        &self.text[..tests.unwrap_or(self.text.len())]
    }

    /// A line for each of `words` that the file holds.
    fn mentions(&self, words: &[&str], rule: &str) -> Vec<String> {
        let numbered = self.text.lines().enumerate();
        let found = numbered.flat_map(|(index, line)| words.iter().map(move |word| (index + 1, line, *word)));
        let found = found.filter(|(_, line, word)| line.contains(word));
        found.map(|(line, _, word)| format!("{}:{line}: {word}: {rule}", self.path)).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every text file of the repository, without what builds leave behind.
fn files() -> Vec<File> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            if ["target", ".git"].contains(&name.as_str()) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                waiting.push(path);
            } else if let Ok(text) = fs::read_to_string(entry.path()) {
                found.push(File { path: path.to_str().unwrap().replace('\\', "/"), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every Rust file.
fn sources() -> impl Iterator<Item = File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs"))
}

/// The names of modules in a folder: files and folders alike, without `lib`, `mod` and what only tests use.
fn modules(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.is_dir() && path.join("mod.rs").exists() || path.extension().is_some_and(|e| e == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !["lib", "mod", "testing"].contains(&name.as_str()))
        .collect()
}

fn folders(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The lines of one section of a manifest.
fn section(manifest: &str, name: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
    lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Whether a file holds nothing but tests and what they expect.
fn is_test(path: &str) -> bool {
    let folders = ["tests", "tests.rs", "testing.rs", "snapshots", "benches", "examples"];
    path.split('/').any(|part| folders.contains(&part))
}

/// Whether a file only says what will stand in it.
fn is_skeleton(path: &str) -> bool {
    ["crates/azure/src/lib.rs", "crates/gcp/src/lib.rs"].contains(&path)
}

/// Whether `word` occurs without a letter or digit right behind it.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| !text[at + word.len()..].starts_with(|c: char| c.is_alphanumeric()))
}

#[track_caller]
fn assert_tidy(broken: &[String]) {
    assert!(broken.is_empty(), "{} of the house rules are broken:\n{}", broken.len(), broken.join("\n"));
}
