//! What the compiler tells a user who forgot something, and that taking the advice helps.
//!
//! Each `fixtures/*.rs` must not compile, and the compiler must say each line of the `.stderr` beside it.
//! Nothing else of what it says is compared, as that changes from release to release. With the lines marked
//! `// advice: ` uncommented it must compile: it fails for that reason and for no other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MARK: &str = "// advice: ";

/// A package that depends on this crate, built apart from it.
struct Package {
    root: PathBuf,
}

impl Package {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail");
        let windbreak = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(root.join("src/bin")).expect("a folder");
        // A TOML literal string, as a path may hold backslashes.
        let manifest = format!(
            "[package]\nname = \"compile-fail\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             tower = {{ version = \"0.5\", features = [\"util\"] }}\nwindbreak = {{ path = '{}' }}\n",
            windbreak.display()
        );
        fs::write(root.join("Cargo.toml"), manifest).expect("a manifest");
        // The same versions, which are at hand without a network.
        fs::copy(windbreak.join("Cargo.lock"), root.join("Cargo.lock")).expect("a lock file");
        Self { root }
    }

    /// Whether `source` compiles, and what the compiler says.
    fn check(&self, name: &str, source: &str) -> (bool, String) {
        let file = self.root.join("src/bin").join(name).with_extension("rs");
        fs::write(&file, source).expect("a source file");
        let output = Command::new(env!("CARGO"))
            .args(["check", "--quiet", "--color=never", "--target-dir=target", "--bin", name])
            .current_dir(&self.root)
            .output()
            .expect("cargo runs");
        fs::remove_file(file).expect("it was there");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn the_compiler_says_what_to_write() {
    let package = Package::new();
    let mut fixtures = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/fixtures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        fixtures += 1;
        let name = path.file_stem().unwrap().to_str().unwrap();
        let source = fs::read_to_string(&path).unwrap();

        let (compiles, said) = package.check(name, &source);
        assert!(!compiles, "{name} compiles");
        for line in fs::read_to_string(path.with_extension("stderr")).unwrap().lines() {
            assert!(said.contains(line), "{name}: the compiler does not say\n{line}\nbut\n{said}");
        }

        let (compiles, said) = package.check(&format!("{name}_advised"), &source.replace(MARK, ""));
        assert!(source.contains(MARK) && compiles, "{name}: the advice does not help:\n{said}");
    }
    assert_eq!(fixtures, 2);
}
