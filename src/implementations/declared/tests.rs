//! Declarations, good and bad, through the loader.

use std::path::PathBuf;

use super::*;

/// A daemon that is declared as shortly as one can be.
const MINIMAL: &str = r#"
[implementation.my-ike]
kind = "command"
command = ["sh", "-c", "exec my-iked -F"]
data_path = "none"

[implementation.my-ike.initiate]
command = ["my-ikectl", "up", "{{ tunnel.remote }}"]
"#;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/declared")
}

fn read_text(text: &str) -> Result<Registry, Vec<Diagnostic>> {
    interpret(&Source::new(FILE_NAME, text), &fixtures())
}

/// The minimal declaration with one piece of text replaced.
fn with(from: &str, to: &str) -> String {
    assert_eq!(MINIMAL.matches(from).count(), 1, "{from:?} must be in the minimal declaration once");
    MINIMAL.replace(from, to)
}

/// The minimal declaration with keys added to the table of the daemon.
fn and(more: &str) -> String {
    with("data_path = \"none\"", &format!("data_path = \"none\"\n{more}"))
}

fn rendered(errors: &[Diagnostic]) -> String {
    let text: String = errors.iter().map(|error| error.render(false) + "\n").collect();
    // A further driver of the program is no change of these texts.
    let names: Vec<String> = Registry::built_in().names().iter().map(|named| named.name.to_string()).collect();
    text.replace(&fixtures().display().to_string(), "FOLDER").replace(&names.join(", "), "NAMES")
}

#[test]
fn declared_implementations_join_those_of_the_program() {
    let text = format!("{MINIMAL}\n[implementation.strongswan-5_9]\nkind = \"strongswan\"\nprefix = \"templates\"\n");
    let registry = read_text(&text).unwrap_or_else(|errors| panic!("{}", rendered(&errors)));
    let known = Registry::built_in().names().iter().count();
    let declared: Vec<&Named> = registry.names().iter().skip(known).collect();
    assert_eq!(declared[0].name.word(), "my-ike");
    assert_eq!(declared[0].beside.as_ref().map(ImplementationName::word), Some("builtin"));
    assert_eq!(declared[0].kin, None);
    assert_eq!(declared[1].name.word(), "strongswan-5_9");
    assert_eq!(declared[1].beside.as_ref().map(ImplementationName::word), Some("strongswan"));
    assert_eq!(declared[1].kin, declared[1].beside);
    for named in declared {
        assert_eq!(registry.driver(&named.name).unwrap().name(), named.name.word());
    }
}

#[test]
fn the_usual_ones_and_the_programs_can_be_chosen() {
    let text = format!("usual = [\"my-ike\"]\n[programs]\ncharon = \"ike-interop.toml\"\n{MINIMAL}");
    let registry = read_text(&text).unwrap();
    assert_eq!(registry.names().usual().iter().map(ImplementationName::word).collect::<Vec<_>>(), ["my-ike"]);
    assert_eq!(registry.probe_host().find("charon", &["/usr/lib/ipsec"]), Some(fixtures().join("ike-interop.toml")));
}

#[test]
fn the_fixture_is_right() {
    if let Err(errors) = load(&fixtures().join(FILE_NAME)) {
        panic!("{}", rendered(&errors));
    }
}

#[test]
fn bad_declarations_are_told_with_place_and_remedy() {
    let version = "[implementation.ss]\nkind = \"strongswan\"\n";
    let status = |phase1: &str| {
        and("")
            + &format!(
                "[implementation.my-ike.status]\ncommand = [\"x\"]\nphase1 = '{phase1}'\nphase2 = '(?P<spi_in>.)(?P<spi_out>.)'\n"
            )
    };
    let cases: &[(&str, String)] = &[
        ("bad_toml", "usual = [\n".to_owned()),
        ("two_errors_at_once", "a = \nb = 'x\n".to_owned()),
        ("duplicate_key", and("data_path = 'tun'")),
        ("unknown_key_at_top", "program = {}\n".to_owned()),
        ("unknown_usual", "usual = ['bultin']\n".to_owned()),
        ("missing_program", "[programs]\ncharon = 'bin/charon'\n".to_owned()),
        ("implementations_are_no_table", "implementation = 'x'\n".to_owned()),
        ("name_with_capitals", with("implementation.my-ike]", "implementation.MyIke]")),
        ("name_that_is_taken", "[implementation.strongswan]\nkind = 'strongswan'\nprefix = '/opt'\n".to_owned()),
        ("name_with_a_dot", "[implementation.ss-5.9]\nkind = 'strongswan'\nprefix = '/opt'\n".to_owned()),
        ("no_kind", "[implementation.x]\nprefix = '/opt'\n".to_owned()),
        ("unknown_kind", "[implementation.x]\nkind = 'comand'\n".to_owned()),
        ("kind_without_versions", "[implementation.x]\nkind = 'builtin'\n".to_owned()),
        ("version_without_prefix", version.to_owned()),
        ("prefix_that_is_not_there", format!("{version}prefix = '/nonexistent/ss'\n")),
        ("beside_nobody", format!("{version}prefix = 'templates'\nbeside = 'strongswn'\n")),
        ("unknown_key", and("binds_to = 'x'")),
        ("missing_key", with("data_path = \"none\"\n", "")),
        ("unknown_data_path", with("\"none\"", "\"tunn\"")),
        ("text_for_a_command_line", with("[\"my-ikectl\", \"up\", \"{{ tunnel.remote }}\"]", "\"my-ikectl up\"")),
        ("empty_command_line", with("[\"sh\", \"-c\", \"exec my-iked -F\"]", "[]")),
        ("program_that_depends_on_the_cell", with("\"sh\"", "\"{{ tunnel.psk }}\"")),
        ("template_that_is_none", with("{{ tunnel.remote }}", "{{ tunnel.remote }")),
        ("template_without_value", with("{{ tunnel.remote }}", "{{ tunnel.remot }}")),
        ("pair_where_there_is_none", and("stop = ['x', '{{ pair.number }}']")),
        ("missing_template", and("config = { 'x.conf' = 'templates/x.conf' }")),
        ("template_file_without_value", and("config = { 'x.conf' = 'bad/undefined.conf' }")),
        ("template_file_that_is_none", and("config = { 'x.conf' = 'bad/unclosed.conf' }")),
        ("config_outside", and("config = { '../x.conf' = 'templates/swanctl.conf' }")),
        ("relative_bind", and("binds = { 'run/x' = 'templates/swanctl.conf' }")),
        ("bind_of_nothing", and("binds = { '/run/x' = 'x.conf' }")),
        ("relative_private_folder", and("private = ['var/run']")),
        ("ready_by_two_things", and("ready = { pattern = 'x', command = ['x'] }")),
        ("bad_pattern", and("ready = { pattern = 'x(' }")),
        ("bad_duration", and("ready = { pattern = 'x', within = '10' }")),
        ("unknown_reason", and("refused = [{ pattern = 'x', why = 'authentification' }]")),
        ("status_without_groups", status("up")),
        ("status_with_another_group", status("(?P<initiator_cookie>.)(?P<responder_cookie>.)(?P<spi>.)")),
        ("unknown_capability", and("capabilities = ['ike-aes257', 'dpd']")),
        ("unknown_capabilities", and("capabilities = ['phase1-*']")),
    ];
    let mut book = String::new();
    for (name, text) in cases {
        let errors = read_text(text).err().unwrap_or_else(|| panic!("{name} is right"));
        for error in &errors {
            let (source, span) = error.place.as_ref().unwrap_or_else(|| panic!("{name} has no place: {error}"));
            assert!(source.text.get(span.clone()).is_some(), "{name} points outside the text");
        }
        book += &format!("# {}\n{}\n", name.replace('_', " "), rendered(&errors));
    }
    insta::assert_snapshot!("bad_declarations", book);
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let told = |path: &Path| rendered(&load(path).err().unwrap());
    assert!(told(Path::new("/nonexistent/ike-interop.toml")).contains("cannot read /nonexistent/ike-interop.toml"));
    let folder = std::env::temp_dir().join(format!("ike-interop-declared-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(FILE_NAME);
    std::fs::write(&path, b"\xff").unwrap();
    let no_text = told(&path);
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    let too_long = told(&path);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(no_text.contains("UTF-8") && too_long.contains("longer than"), "{no_text}\n{too_long}");
}

/// Every key of the fixture has its place in the schema, and editors are offered the capabilities.
#[test]
fn the_schema_knows_every_key() {
    let schema = schema();
    let kinds = schema["$defs"]["DeclarationFile"]["oneOf"].as_array().unwrap();
    let properties = |kind: &str| {
        let kind = kinds.iter().find(|one| one["properties"]["kind"]["const"] == kind).unwrap();
        kind["properties"].as_object().unwrap()
    };
    let tree =
        tree::parse(&Source::new("x.toml", std::fs::read_to_string(fixtures().join(FILE_NAME)).unwrap())).unwrap();
    let declared = tree.entry("implementation").unwrap().value.entry("charon-by-hand").unwrap();
    let Value::Mapping(entries) = &declared.value.value else { panic!("it is a table") };
    for entry in entries {
        assert!(properties("command").contains_key(&entry.key), "{}", entry.key);
    }
    assert!(properties("strongswan").contains_key("prefix"));
    let capabilities = properties("command")["capabilities"].to_string();
    assert!(capabilities.contains("\"ike-aes256\""), "{capabilities}");
}
