//! The plan of each test scenario, as a shell script. `UPDATE_EXPECT=1` rewrites them.

use expect_test::expect_file;
use replay::plan::plan;
use replay::script::script;
use std::path::Path;

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let loaded =
        scenarios::load::load(&folder.join(format!("scenarios/{name}.yaml"))).expect("it is a scenario");
    let text = script(name, &plan(&loaded.scenario));
    expect_file![folder.join(format!("plans/{name}.sh"))].assert_eq(&text);
}

#[test]
fn direct_routing() {
    check("dr");
}

#[test]
fn masquerading() {
    check("nat");
}

#[test]
fn tunnels() {
    check("tun");
}

#[test]
fn firewall_marks() {
    check("mark");
}
