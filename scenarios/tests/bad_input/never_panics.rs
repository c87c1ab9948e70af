//! Whatever the input is, it is read or refused.

use proptest::prelude::*;
use scenarios::expand::Changes;
use scenarios::load::load_text;
use std::path::{Path, PathBuf};

fn read(text: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    match load_text("fuzz", "fuzz", text, directory) {
        Ok(loaded) => drop((loaded.warnings.to_string(), loaded.expanded(&Changes::default()))),
        Err(problems) => drop((problems.to_string(), problems.to_json_lines())),
    }
}

fn gallery() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("gallery");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| {
        path.extension().is_some_and(|end| end == "yaml") && !path.ends_with("thousand-servers.yaml")
    });
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn on_garbage(text in "\\PC{0,300}") {
        read(&text);
    }

    #[test]
    fn on_yaml_like_garbage(text in "(duration|hosts|cluster|servers|web\\[1-3\\]|: |\\n|  |- |\\{|\\}|\\[|\\]|10s|\\||&a |\\*a|<<|'|\"|#|é){0,60}") {
        read(&text);
    }

    #[test]
    fn on_mutated_scenarios(which in any::<prop::sample::Index>(), edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[ -~\\n\\té]{0,8}"), 1..4)) {
        let gallery = gallery();
        let mut text: Vec<char> = which.get(&gallery).chars().collect();
        for (place, length, with) in edits {
            let at = place.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, with.chars());
        }
        read(&text.into_iter().collect::<String>());
    }

    #[test]
    fn on_cut_scenarios(which in any::<prop::sample::Index>(), end in any::<prop::sample::Index>()) {
        let gallery = gallery();
        let text: Vec<char> = which.get(&gallery).chars().collect();
        read(&text[..end.index(text.len() + 1)].iter().collect::<String>());
    }
}
