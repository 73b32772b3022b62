//! Writes the Kubernetes objects of sample platforms as JSON files, one a file, for checks by other tools:
//! `cargo run -p landfall-k8s --example objects -- DIR`.

#![allow(missing_docs, unreachable_pub, dead_code, reason = "the samples are shared with tests")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a sample that does not expand is a bug to see at once")]

#[path = "../tests/sample/mod.rs"]
mod sample;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("name the directory to write to")?.into();
    for (name, stack) in sample::all() {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        for (address, object) in sample::objects(&stack) {
            let file = folder.join(address.replace('/', ".") + ".json");
            std::fs::write(file, format!("{:#}\n", object.to_json()))?;
        }
    }
    Ok(())
}
