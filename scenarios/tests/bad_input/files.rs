//! Files that are missing, cut off or unreadable.

use crate::check;
use expect_test::expect;
use scenarios::load::{LoadError, load};

#[test]
fn trace_files_that_are_missing_or_cut_off() {
    check(
        "{poisson: 10/s}",
        "{trace: tests/bad/missing.csv}",
        &expect![[r#"
        error: cannot read `tests/bad/missing.csv`: No such file or directory (os error 2)
          --> web.yaml:17:63
           |
        17 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {trace: tests/bad/missing.csv}}
           |                                                               ^^^^^^^^^^^^^^^^^^^^^
           |
           = help: file names are relative to the scenario file

    "#]],
    );
    check(
        "{poisson: 10/s}",
        "{trace: tests/bad/truncated.csv}",
        &expect![[r#"
        error: this row has 4 fields, not 10
         --> tests/bad/truncated.csv:3:1
          |
        3 | 7,10.0.0.50,40002,10.0.
          | ^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: the file ends in the middle of a row: was it cut off?

    "#]],
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = std::env::temp_dir().join(format!("lvsim-bad-input-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let Err(LoadError::Unreadable { name, cause }) = load(&folder.join("nothing.yaml")) else { panic!() };
    assert!(name.ends_with("nothing.yaml") && cause.contains("No such file"), "{name}: {cause}");
    let large = folder.join("large.yaml");
    std::fs::write(&large, vec![b' '; 10_000_001]).unwrap();
    assert!(load(&large).unwrap_err().to_string().contains("larger than 10 MB"));
    let latin1 = folder.join("latin1.yaml");
    std::fs::write(&latin1, b"duration: 10s\nabout: caf\xe9 au lait\n").unwrap();
    let problem = load(&latin1).unwrap_err().to_string();
    expect![[r#"
        error: byte 0xe9 is not UTF-8 here
         --> latin1.yaml:2:11
          |
        2 | about: caf� au lait
          |           ^
          |
          = help: save the file as UTF-8 (in vim: `:set fileencoding=utf-8`; or `iconv -f latin1 -t utf-8`)

    "#]]
    .assert_eq(&problem.replace(&*latin1.to_string_lossy(), "latin1.yaml"));
    std::fs::remove_dir_all(&folder).unwrap();
}
