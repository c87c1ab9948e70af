//! `docs/architecture.md` names files: they exist, and every stage of the walk is among them, in the order of the walk.

use net_model::transcript::Stage;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_path_buf()
}

/// Everything between back-quotes that looks like a source file.
fn named_files(page: &str) -> Vec<&str> {
    page.split('`').skip(1).step_by(2).filter(|word| word.ends_with(".rs") && !word.contains(' ')).collect()
}

#[test]
fn every_file_named_on_the_page_exists() {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).expect("the page exists");
    let files = named_files(&page);
    assert!(files.len() > 50, "the page names the files of the walk");
    let missing: Vec<_> = files
        .iter()
        .filter(|file| !root().join(file).exists() && !root().join("net-model/src").join(file).exists())
        .collect();
    assert!(missing.is_empty(), "docs/architecture.md names files that do not exist: {missing:?}");
}

#[test]
fn every_stage_is_on_the_page_in_the_order_of_the_walk() {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).expect("the page exists");
    let mut last = 0;
    for stage in Stage::ALL.into_iter().skip(1) {
        let Some(file) = stage.file() else { continue };
        assert!(root().join("net-model/src").join(file).exists(), "{}: {file} does not exist", stage.name());
        let at = page[last..].find(&format!("`{file}")).map(|at| at + last);
        last = at.unwrap_or_else(|| {
            panic!("stage {} ({file}) is missing, or out of order, on the page", stage.name())
        });
    }
}
