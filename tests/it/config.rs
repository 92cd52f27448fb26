//! The configuration: what is read, what is refused and how that looks, and that no secret is ever shown.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use rosterd::{
    config::{Problems, Secrets, Settings, load, schema},
    decide::{FirstSync, Guard, Limit},
    engine::Submit,
    mapping::{GroupRule, Take, Unmatched},
    notify::{self, Encryption, Login},
    roster::Field,
    secret::Secret,
    source::{AfterSuccess, Format, HostKey, Place},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

fn nothing(_: &str) -> Option<String> {
    None
}

fn read(path: &Path) -> Result<Settings, Problems> {
    load(path, &nothing, Secrets::Skip)
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn each_mistake_has_its_message() {
    for path in yaml_files("tests/config/bad") {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let problems = read(&path).expect_err(&name);
        assert!(!problems.is_empty());
        insta::with_settings!({ snapshot_path => "../config/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, problems.to_string());
        });
    }
}

#[test]
fn no_literal_secret_is_shown() {
    let mut checked = 0;
    for path in yaml_files("tests/config/bad") {
        checked += usize::from(fs::read_to_string(&path).unwrap().contains("hunter2"));
        let problems = read(&path).unwrap_err();
        for text in [problems.to_string(), format!("{problems:?}")] {
            assert!(!text.contains("hunter2"), "{}: {text}", path.display());
        }
    }
    assert!(checked >= 10, "only {checked} fixtures hold a literal secret");
}

/// Whatever else is wrong: a literal key with every line of the file broken in turn.
#[test]
fn no_literal_secret_is_shown_beside_any_other_mistake() {
    let whole = fs::read_to_string("tests/config/good/whole.yaml")
        .unwrap()
        .replace("api_key: { credential: vitable_api_key }", "api_key: hunter2-literal")
        .replace("password: { env: ACME_PASSWORD }", "password: [hunter2-literal]")
        .replace("state_key: { file: state.key }", "state_key: \"hunter2-literal\"");
    assert_eq!(whole.matches("hunter2").count(), 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    let lines: Vec<&str> = whole.lines().collect();
    for broken in 0..lines.len() {
        for breakage in ["}", " [", "\"", "x", "\t", "- "] {
            let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            let line = lines.get_mut(broken).unwrap();
            *line = if breakage == "- " { format!("{breakage}{line}") } else { format!("{line}{breakage}") };
            write(&path, &lines.join("\n"));
            let problems = read(&path).unwrap_err();
            for text in [problems.to_string(), format!("{problems:?}")] {
                assert!(!text.contains("hunter2"), "line {broken} with {breakage:?}: {text}");
            }
        }
    }
}

/// YAML's own signs before a literal: the parser complains of them in its own words.
#[test]
fn no_literal_secret_is_shown_by_the_parser() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    let literals = [
        "*hunter2",
        "&hunter2 x y: z",
        "!hunter2 x",
        "!!hunter2 {",
        "%hunter2",
        "@hunter2",
        "|hunter2",
        ">hunter2\n",
        "\"\\hunter2\"",
        "{ hunter2",
        "[hunter2",
        "'hunter2",
        "hunter2: x: y",
        "- hunter2",
        "? hunter2",
        "!<hunter2",
        "\"hunter2\n  a: hunter2\n  b: c",
    ];
    for literal in literals {
        write(&path, &format!("vitable:\n  api_key: {literal}\n"));
        let text = read(&path).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{literal}: {text}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a file of a test's own folder may be half written by a crash")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

#[test]
fn every_example_is_accepted() {
    let folders = ["config", "config/demo"];
    for path in folders.into_iter().flat_map(yaml_files) {
        let settings = read(&path).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!settings.feeds.is_empty(), "{}", path.display());
    }
}

#[test]
fn the_whole_vitable_section_is_read() {
    let settings = read(Path::new("tests/config/good/whole.yaml")).unwrap();
    let vitable = &settings.vitable;
    assert_eq!(vitable.base_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(vitable.api_key, Secret::Credential("vitable_api_key".to_owned()));
    assert_eq!(vitable.organization.as_ref().unwrap().as_str(), "org_abc");
    assert_eq!(vitable.timeout, Duration::from_secs(30));
    assert_eq!((vitable.max_in_flight, vitable.max_members_per_sync), (4, 100));
    assert_eq!(vitable.poll.give_up_after, Duration::from_secs(7200));
    assert_eq!(vitable.proxy.as_ref().unwrap().as_str(), "http://proxy.partner.example:3128/");
    assert_eq!(vitable.ca_file.as_deref(), Some(Path::new("tests/config/good/corporate-ca.pem")));
    assert_eq!(settings.state_dir, Path::new("tests/config/good/state"));
    assert_eq!(settings.state_key, Some(Secret::File("tests/config/good/state.key".into())));
    let mail = settings.alerts.mail().unwrap();
    assert_eq!(mail.to, ["b@partner.example", "C <c@partner.example>"]);
    assert_eq!(mail.remind_every, Duration::from_secs(12 * 3600));
    let digest = settings.digest.as_ref().unwrap();
    assert_eq!(digest.to_string(), "0 8 * * MON America/New_York", "the zone of the defaults");
    assert_eq!(settings.heartbeat.as_ref().unwrap().to_string(), "https://hc.example/…");
    let notify::Transport::Smtp(smtp) = &mail.transport else { panic!("a mail server") };
    assert_eq!(
        (smtp.host.as_str(), smtp.port, smtp.encryption),
        ("smtp.partner.example", 2465, Encryption::Tls)
    );
    let password = Secret::Credential("smtp_password".to_owned());
    assert_eq!(smtp.login, Some(Login { username: "rosterd".to_owned(), password }));
    assert_eq!(smtp.ca_file.as_deref(), Some(Path::new("tests/config/good/corporate-ca.pem")));
    let own: Vec<_> = mail.feeds.iter().map(|(feed, to)| (feed.as_str(), to.as_slice())).collect();
    assert_eq!(own, [("acme", ["acme-hr@acme.example".to_owned()].as_slice())]);
}

#[test]
fn sources_and_mappings_are_built_for_each_feed() {
    let settings = read(Path::new("tests/config/good/whole.yaml")).unwrap();
    let [acme, globex] = settings.feeds.as_slice() else { panic!("two feeds") };
    let source = acme.sources.first().unwrap();
    let Place::Sftp(sftp) = &source.place else { panic!("an SFTP server") };
    assert_eq!((sftp.host.as_str(), sftp.port), ("sftp.acme.example", 2222));
    assert_eq!(sftp.password, Some(Secret::Env("ACME_PASSWORD".to_owned())));
    assert!(matches!(&sftp.host_key, HostKey::Fingerprint(text) if text.starts_with("SHA256:")));
    assert_eq!(source.pick.path, "/outbound/roster-*.csv");
    assert_eq!(source.pick.settle, Duration::from_secs(120));
    assert_eq!(source.pick.max_age, Some(Duration::from_secs(36 * 3600)));
    assert_eq!(source.pick.after_success, AfterSuccess::Leave);
    let Format::Csv(csv) = &source.format else { panic!("{:?}", source.format) };
    assert_eq!((csv.delimiter, csv.header_row, source.min_rows), (Some(b'\t'), 3, 10));
    assert_eq!(csv.trailer.as_ref().unwrap().count_column, Some(2));

    let take = |field| &source.mapping.fields.get(&field).unwrap().take;
    // YAML's own guesses about these would be a number, a truth value and a number.
    assert_eq!(*take(Field::ReferenceId), Take::Column("010".to_owned()));
    assert_eq!(*take(Field::FirstName), Take::Column("yes".to_owned()));
    assert_eq!(*take(Field::LastName), Take::Column("2024".to_owned()));
    assert_eq!(*take(Field::PlanId), Take::Value("pln_xYz".to_owned()), "the source's own field");
    assert_eq!(source.mapping.eligibility.timezone, chrono_tz::America::Chicago, "the feed's");
    let birth = source.mapping.fields.get(&Field::DateOfBirth).unwrap();
    let pivots: Vec<Option<i32>> = birth.formats.iter().map(|format| format.pivot).collect();
    assert_eq!(pivots, [Some(2010), None]);

    let own = globex.sources.first().unwrap();
    assert_eq!(own.pick.path, "tests/config/good/feeds.d/globex.csv", "relative to the included file");
    assert_eq!(own.pick.settle, Duration::ZERO);
    let done = AfterSuccess::MoveTo("tests/config/good/feeds.d/done".to_owned());
    assert_eq!(own.pick.after_success, done, "relative to the included file too");
    assert_eq!(own.mapping.eligibility.timezone, chrono_tz::America::New_York, "the default");
    let plan = own.mapping.fields.get(&Field::PlanId).unwrap().values.as_ref().unwrap();
    assert_eq!(plan.map.get("1").map(String::as_str), Some("plan_dEf"));
    let acme_again = globex.sources.get(1).unwrap();
    assert_eq!(acme_again.mapping.eligibility.timezone, chrono_tz::America::New_York);
}

#[test]
fn a_guard_has_the_rest_from_the_defaults_and_the_program() {
    let settings = read(Path::new("tests/config/good/whole.yaml")).unwrap();
    let [acme, globex] = settings.feeds.as_slice() else { panic!("two feeds") };
    assert_eq!(acme.guard.absent, Limit { share: 0, people: 7 });
    assert_eq!(acme.guard.ended, Limit { share: 30, people: 0 });
    assert_eq!(acme.guard.fewer_rows, Limit { share: 20, people: 9 });
    assert_eq!(acme.guard.added, Limit { share: 0, people: 4 });
    assert_eq!(acme.guard.moved, Guard::default().moved);
    assert_eq!((acme.guard.min_members, acme.guard.first_sync), (2, FirstSync::Submit));
    assert_eq!(acme.submit, Submit::WhenChanged { resync_after: Duration::from_secs(3 * 24 * 3600) });
    assert!(matches!(&acme.grouping.rule, GroupRule::Map { by, map } if by == "Division" && map.len() == 2));
    assert_eq!((acme.grouping.unmatched, acme.grouping.create_missing), (Unmatched::Omit, true));

    assert_eq!(globex.guard.absent, Limit { share: 5, people: 0 });
    assert_eq!(globex.guard.approval_expires, Duration::from_secs(24 * 3600));
    assert_eq!(globex.submit, Submit::Always);
    assert!(matches!(&globex.grouping.rule, GroupRule::AsIs { by } if by == "Group"));
    assert_eq!(
        settings.warnings,
        [
            "defaults.guard.ended: `100%` lets everything pass without a person",
            "feeds.acme.guard.first_sync: `submit` replaces whoever is covered at Vitable already, and asks nobody first",
            "feeds.globex: no `schedule` with a `cron`: it runs only when somebody types `rosterd sync globex`",
        ]
    );
}

#[test]
fn a_feed_has_its_own_schedule_the_rest_from_the_defaults_or_none() {
    let settings = read(Path::new("tests/config/good/whole.yaml")).unwrap();
    let [acme, globex] = settings.feeds.as_slice() else { panic!("two feeds") };
    let schedule = acme.schedule.as_ref().unwrap();
    assert_eq!(schedule.to_string(), "0 6 * * MON-FRI America/Chicago");
    assert_eq!((schedule.jitter, schedule.catch_up), (Duration::from_secs(600), false));
    assert!(globex.schedule.is_none(), "a time zone alone runs nothing");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rosterd.yaml");
    let text = fs::read_to_string("tests/config/bad/no_feeds.yaml").unwrap();
    let text = text.replace("roster-*.csv }", "roster-*.csv, max_age: 36h }");
    let feed =
        |name: &str, schedule: &str| format!("  {name}: {{ sources: [acme], group: {name}{schedule} }}\n");
    let feeds = feed("acme", "") + &feed("globex", ", schedule: { timezone: Europe/Berlin, catch_up: true }");
    let defaults =
        "defaults: { schedule: { cron: '30 5 1 * *', timezone: UTC, jitter: 1d, catch_up: false } }\n";
    write(&path, &format!("{text}{defaults}feeds:\n{feeds}"));
    let settings = read(&path).unwrap();
    let shown = |index: usize| {
        let schedule = settings.feeds.get(index).unwrap().schedule.as_ref().unwrap();
        (schedule.to_string(), schedule.jitter.as_secs(), schedule.catch_up)
    };
    assert_eq!(shown(0), ("30 5 1 * * UTC".to_owned(), 86_400, false));
    assert_eq!(shown(1), ("30 5 1 * * Europe/Berlin".to_owned(), 86_400, true));
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);

    write(&path, &format!("{text}feeds:\n{}{}{}", feed("acme", ""), feed("globex", ""), feed("initech", "")));
    let never = "feeds: `acme`, `globex` and 1 more have no `schedule` with a `cron`: they run only when somebody types `rosterd sync`";
    assert_eq!(read(&path).unwrap().warnings, [never]);
}

#[test]
fn the_control_socket_is_where_it_is_said_or_where_systemd_says() {
    let settings = read(Path::new("tests/config/good/whole.yaml")).unwrap();
    assert_eq!(settings.control_socket, Path::new("tests/config/good/control.sock"));
    let path = Path::new("config/rosterd.yaml");
    let systemd = |name: &str| match name {
        "RUNTIME_DIRECTORY" => Some("/run/rosterd:/run/other".to_owned()),
        _ => None,
    };
    let socket =
        |env: &dyn Fn(&str) -> Option<String>| load(path, env, Secrets::Skip).unwrap().control_socket;
    assert_eq!(socket(&systemd), Path::new("/run/rosterd/control.sock"));
    assert_eq!(socket(&nothing), Path::new("/var/lib/rosterd/control.sock"));
}

#[test]
fn a_source_without_max_age_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rosterd.yaml");
    let text = fs::read_to_string("tests/config/good/whole.yaml").unwrap();
    write(
        &path,
        &text.replace("      max_age: 36h\n", "").replace("include: [feeds.d/*.yaml]", "include: []"),
    );
    let warnings = read(&path).unwrap().warnings.join("\n");
    assert!(warnings.contains("sources.acme.sftp: there is no `max_age`"), "{warnings}");
    for example in ["config/rosterd.yaml", "tests/config/good/whole.yaml"] {
        let warnings = read(Path::new(example)).unwrap().warnings.join("\n");
        assert!(!warnings.contains("max_age"), "{example}: {warnings}");
    }
}

#[test]
fn secrets_are_tried_when_they_shall_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rosterd.yaml");
    let text = fs::read_to_string("tests/config/bad/no_feeds.yaml").unwrap()
        + "feeds: { acme: { sources: [acme], group: acme-all } }\n";
    write(&path, &text.replace("{ env: VITABLE_API_KEY }", "{ file: key }"));
    let problems = load(&path, &nothing, Secrets::Check).unwrap_err();
    assert_eq!(problems.len(), 1);
    let problem = problems.iter().next().unwrap();
    assert_eq!((problem.line, problem.path.as_str()), (3, "vitable.api_key"));
    assert!(problem.message.contains("cannot read the secret file"), "{problem}");

    write(&folder.path().join("key"), "hunter2\n");
    let environment = |name: &str| (name == "STATE_DIRECTORY").then(|| "/srv/state:/srv/other".to_owned());
    let settings = load(&path, &environment, Secrets::Check).unwrap();
    assert_eq!(settings.state_dir, Path::new("/srv/state"));
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(load(&path, &nothing, Secrets::Check).unwrap().state_dir, Path::new("/var/lib/rosterd"));
}

#[test]
fn the_certificates_for_a_mail_server_are_looked_at_when_they_shall_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rosterd.yaml");
    let text = fs::read_to_string("tests/config/bad/smtp_without_host.yaml").unwrap();
    let text = text.replace("{ env: VITABLE_API_KEY }", "{ file: key }");
    write(&path, &text.replace("{ port: 587 }", "{ host: smtp.partner.example, ca_file: ca.pem }"));
    write(&folder.path().join("key"), "hunter2\n");
    let wrong = || {
        let problems = load(&path, &nothing, Secrets::Check).unwrap_err();
        assert_eq!(problems.len(), 1);
        let problem = problems.iter().next().unwrap();
        assert_eq!((problem.line, problem.path.as_str()), (5, "alerts.smtp.ca_file"));
        problem.message.clone()
    };
    assert!(wrong().contains("cannot read the file"));
    write(&folder.path().join("ca.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert!(wrong().contains("holds no certificate"));
    let made = rcgen::generate_simple_self_signed(vec!["smtp.partner.example".to_owned()]).unwrap();
    write(&folder.path().join("ca.pem"), &made.cert.pem());
    let settings = load(&path, &nothing, Secrets::Check).unwrap();
    let notify::Transport::Smtp(smtp) = &settings.alerts.mail().unwrap().transport else {
        panic!("a server")
    };
    assert_eq!((smtp.port, smtp.encryption, &smtp.login), (587, Encryption::StartTls, &None));
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem() {
    let problems = read(Path::new("tests/config/none.yaml")).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems.to_string().starts_with("tests/config/none.yaml: cannot read the file"), "{problems}");
}

#[test]
fn the_schema_knows_every_key_and_what_is_not_supported_yet() {
    let schema = schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    assert_eq!(at("/additionalProperties"), &Value::Bool(false));
    assert_eq!(at("/properties/vitable/required").as_array().unwrap().len(), 2);
    assert!(at("/properties/http/description").as_str().unwrap().starts_with("not supported yet"));
    let fields = at("/properties/mappings/additionalProperties/properties/fields/properties");
    let named: Vec<&str> = fields.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(named.len(), Field::ALL.len());
    assert!(Field::ALL.iter().all(|field| named.contains(&field.name())));
}
