// SPDX-License-Identifier: GPL-2.0

//! The command as a shell sees it, where no module is loaded.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::str::{contains, starts_with};

const NO_DEVICE: &str = "/nonexistent/multikernel";

fn mkctl(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("mkctl").unwrap();
    command.args(["--device", NO_DEVICE]).args(arguments);
    command
}

#[test]
fn without_a_module_every_command_says_what_to_do() {
    let image = tempfile::NamedTempFile::new().unwrap();
    let image = image.path().to_str().unwrap();
    let run = [
        "run", "blue", "--kernel", image, "--ncpus", "1", "--memory", "64M",
    ];
    let commands: &[&[&str]] = &[
        &run,
        &["create", "blue", "--cpus", "1", "--memory", "64M"],
        &["load", "blue", "--kernel", image],
        &["start", "blue", "red"],
        &["kill", "blue"],
        &["stop", "blue", "red"],
        &["ping", "blue"],
        &["console", "blue"],
        &["console", "blue", "--read-only"],
        &["rm", "--force", "blue"],
        &["ls"],
        &["ls", "--json"],
        &["pool"],
        &["pool", "--json"],
        &["show", "blue"],
        &["dmesg", "blue", "--follow"],
        &["events", "blue", "--follow", "--json"],
        &["wait", "blue", "--state", "stopped"],
    ];
    for arguments in commands {
        mkctl(arguments)
            .assert()
            .code(5)
            .stdout("")
            .stderr(starts_with(
                "mkctl: cannot open `/nonexistent/multikernel`: ",
            ))
            .stderr(contains("the module"))
            .stderr(contains("modprobe multikernel"));
    }
}

#[test]
fn check_looks_at_the_rest_without_a_module() {
    mkctl(&["check"])
        .assert()
        .code(5)
        .stdout(contains("FAIL  module"))
        .stdout(contains("cpus "))
        .stdout(contains("memory "))
        .stderr("mkctl: this host cannot start instances\n");
}

#[test]
fn check_writes_json_also_if_it_fails() {
    let output = mkctl(&["check", "--json"]).assert().code(5);
    let json: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(json["able"], false);
    assert!(json["memory_total"].as_u64().unwrap() > 0);
    let module = json["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "module")
        .unwrap();
    assert_eq!(module["status"], "fail");
}

#[test]
fn a_wrong_command_line_is_2() {
    let run = ["run", "blue", "--kernel", "k", "--memory", "64M"];
    let commands: &[&[&str]] = &[
        &[],
        &["fly"],
        &run,
        &[&run[..], &["--cpus", "3-1"]].concat(),
        &[&run[..], &["--cpus", "1", "--ncpus", "1"]].concat(),
        &["create", "blue", "--cpus", "1", "--memory", "63M"],
        &["start"],
        &["wait", "blue"],
        &["wait", "blue", "--state", "asleep"],
    ];
    for arguments in commands {
        mkctl(arguments).assert().code(2).stdout("");
    }
}

#[test]
fn a_device_of_another_kind_is_told() {
    Command::cargo_bin("mkctl")
        .unwrap()
        .args(["--device", "/dev/null", "ls"])
        .assert()
        .code(1)
        .stderr(starts_with(
            "mkctl: cannot list the instances of `/dev/null`: ",
        ));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    // Any device: the files are opened before it is asked for anything.
    Command::cargo_bin("mkctl")
        .unwrap()
        .args(["--device", "/dev/null", "run", "blue", "--ncpus", "1"])
        .args(["--memory", "64M", "--kernel", "/nonexistent/vmlinuz"])
        .assert()
        .code(1)
        .stderr(contains("cannot open the kernel `/nonexistent/vmlinuz`"));
}

#[test]
fn help_tells_the_exit_codes() {
    mkctl(&["--help"])
        .assert()
        .success()
        .stdout(contains("Exit codes"));
}

#[test]
fn completions_are_written_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        mkctl(&["completions", shell])
            .assert()
            .success()
            .stdout(contains("dmesg"));
    }
}

#[test]
fn man_pages_are_written_for_each_command() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man");
    mkctl(&["man", pages.to_str().unwrap()]).assert().success();
    let page = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("mkctl.1").contains("Exit codes"));
    assert!(page("mkctl-run.1").contains("\\-\\-kernel"));
    assert!(!Path::new(&pages).join("mkctl-man.1").exists());
}
