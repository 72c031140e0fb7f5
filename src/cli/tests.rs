use clap::CommandFactory;

use super::*;
use crate::{config::Mode, error::Code};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

fn loaded(line: &str) -> Loaded {
    let cli = parse(line).unwrap();
    let (Command::Serve(flags) | Command::Config(flags)) = cli.command else { panic!("{line}") };
    load(&Sources { flags: given(&cli.global, &flags), ..Sources::default() }).unwrap()
}

#[test]
fn the_definitions_hold_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_of_the_server_reaches_its_setting() {
    let loaded = loaded(
        "countersign serve --dev --data /d --database-url sqlite:/x --listen 127.0.0.1:1 \
         --public-url https://a.test --metrics-listen 127.0.0.1:2 --trusted-proxies ::1,10.0.0.0/8 \
         --log-format json --log-filter warn --traces-endpoint http://t.test",
    );
    let given: Vec<_> =
        loaded.origins.iter().map(|(name, origin)| format!("{name} {origin}")).collect();
    assert_eq!(
        given,
        [
            "data_dir flag --data",
            "database_url flag --database-url",
            "listen flag --listen",
            "log.filter flag --log-filter",
            "log.format flag --log-format",
            "metrics.listen flag --metrics-listen",
            "mode flag --dev",
            "public_url flag --public-url",
            "traces.endpoint flag --traces-endpoint",
            "trusted_proxies flag --trusted-proxies",
        ]
    );
    assert_eq!(loaded.config.mode, Mode::Development);
}

#[test]
fn what_every_command_takes_may_stand_before_or_after_it() {
    let json = |line| parse(line).unwrap().global.json;
    assert!(json("countersign --json tenant list") && json("countersign tenant list --json"));
    assert!(!json("countersign tenant list"));
}

#[test]
fn a_password_cannot_be_an_argument() {
    let of = |command: &str| format!("countersign user {command} --tenant acme a@b.test");
    for command in ["create --first-name A --last-name B", "set-password"] {
        assert!(parse(&format!("{} --password hunter2", of(command))).is_err());
        assert!(parse(&format!("{} --password-stdin", of(command))).is_ok());
        assert!(parse(&format!("{} --password-stdin=hunter2", of(command))).is_err());
    }
    assert!(parse(&of("set-password")).is_err());
}

#[test]
fn errors_are_told_in_plain_lines() {
    assert_eq!(reason(&Error::refused(Code::SlugTaken)), "slug taken");
    assert_eq!(reason(&Error::invalid_field("email", "is too long")), "email: is too long");
    assert_eq!(
        reason(&Error::password_rejected(vec!["Too short.".to_owned(), "Known.".to_owned()])),
        "password rejected: Too short. Known."
    );
    let fault = Error::internal("opening the database", std::io::Error::other("no such folder"));
    assert!(reason(&fault).starts_with("opening the database: no such folder ("));
}
