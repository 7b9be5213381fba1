//! Nothing to build: a `links` key in the manifest is only allowed beside a build script.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
