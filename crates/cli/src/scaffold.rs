//! `connector new`: a connector to begin with. It is `examples/custom-connector` under another name, so what is written here
//! is what our own tests run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Exit;

/// The example's name, in each form in which it occurs.
const NAME: &str = "custom-connector";

macro_rules! example {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../examples/custom-connector/", $path)))
    };
}

const FILES: [(&str, &str); 9] = [
    example!("Cargo.toml"),
    example!("README.md"),
    example!("pipeline.toml"),
    example!("src/main.rs"),
    example!("src/lib.rs"),
    example!("src/config.rs"),
    example!("src/streams.rs"),
    example!("src/mapping.toml"),
    example!("tests/conformance.rs"),
];

/// Writes the crate into `connectors/` of the checkout that the working directory lies in.
pub fn new(name: &str) -> Exit {
    if !is_name(name) {
        eprintln!("error: `{name}` cannot be a connector's name");
        eprintln!("  hint: a lower-case letter, then lower-case letters, digits and `-`, at most 40");
        return Exit::Input;
    }
    let Some(root) = std::env::current_dir().ok().and_then(|here| checkout(&here)) else {
        eprintln!("error: this is no checkout of Tributary");
        eprintln!("  hint: a connector is a crate of its workspace and shares what is built there; run this within it");
        return Exit::Input;
    };
    let folder = root.join("connectors").join(name);
    if folder.exists() {
        eprintln!("error: `{}` is there already", folder.display());
        return Exit::Input;
    }
    match write(&folder, name) {
        Ok(()) => {
            let shown = Path::new("connectors").join(name);
            eprintln!("wrote `{}`; next:", shown.display());
            eprintln!(
                "  cargo test -p {name}                 it passes the conformance suite, against the sample shop"
            );
            eprintln!("  cargo run -p {name} -- check {}/pipeline.toml", shown.display());
            eprintln!("  docs/writing-a-connector.md          how to make it yours");
            Exit::Done
        }
        Err(e) => {
            eprintln!("error: `{}` could not be written: {e}", folder.display());
            // What is half there would be in the way of the next try.
            let _ = fs::remove_dir_all(&folder);
            Exit::Failed
        }
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn checkout(here: &Path) -> Option<PathBuf> {
    here.ancestors().find(|folder| folder.join("crates/connector/Cargo.toml").is_file()).map(Path::to_path_buf)
}

fn write(folder: &Path, name: &str) -> io::Result<()> {
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, renamed(text, name))?;
    }
    Ok(())
}

fn renamed(text: &str, name: &str) -> String {
    let snake = |name: &str| name.replace('-', "_");
    let pascal = |name: &str| {
        let words = name.split('-').map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        });
        words.collect::<String>()
    };
    text.replace(&format!("examples/{NAME}"), &format!("connectors/{name}"))
        .replace(NAME, name)
        .replace(&snake(NAME), &snake(name))
        .replace(&pascal(NAME), &pascal(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_gets_the_new_name_in_all_its_forms() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("shop-x"), "shop-x").unwrap();
        let lib = fs::read_to_string(folder.path().join("shop-x/src/lib.rs")).unwrap();
        assert!(lib.contains("pub struct ShopX;") && lib.contains("\"shop-x\""));
        let main = fs::read_to_string(folder.path().join("shop-x/src/main.rs")).unwrap();
        assert!(main.contains("shop_x::register"));
        for (path, _) in FILES {
            let text = fs::read_to_string(folder.path().join("shop-x").join(path)).unwrap();
            let text = text.to_lowercase();
            assert!(!["custom-", "custom_", "customc"].iter().any(|form| text.contains(form)), "{path}");
        }
    }

    #[test]
    fn names_are_those_of_crates() {
        for good in ["shop", "my-shop2"] {
            assert!(is_name(good));
        }
        for bad in ["", "Shop", "2shop", "shop-", "my--shop", "a/b", "名"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
