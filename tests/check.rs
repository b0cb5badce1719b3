//! `ike-interop check` on files that are wrong in every way files are: it says where and what was expected, ends with status 2,
//! and needs neither long nor much memory for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::{Context, rstest};

/// What a check may take: seconds of CPU time, and KiB of address space, of which most is the program itself.
const LIMITS: &str = "ulimit -t 10; ulimit -v 500000; exec \"$0\" check \"$@\"";

/// A folder with a scenario that is right and its running-config, which goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check").join(name);
        // Left over from a test that was killed.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for file in ["plain.yaml", "plain.ios"] {
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tunnel").join(file), folder.join(file))
                .unwrap();
        }
        Self(folder)
    }

    fn write(&self, file: &str, octets: impl AsRef<[u8]>) {
        fs::write(self.0.join(file), octets).unwrap();
    }

    /// What is printed of a check of a file, and its status.
    fn check(&self, file: &str) -> (String, Option<i32>) {
        let mut command = Command::new("sh");
        command.args(["-c", LIMITS, env!("CARGO_BIN_EXE_ike-interop"), "--quiet", file]);
        let output = command.current_dir(&self.0).env("NO_COLOR", "1").output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&text).replace(&format!("{}/", self.0.display()), ""), output.status.code())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The scenario that is right.
fn right() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tunnel/plain.yaml")).unwrap()
}

/// The same with a part of it replaced.
fn with(old: &str, new: &str) -> String {
    let text = right();
    assert!(text.contains(old), "{old}");
    text.replacen(old, new, 1)
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap()).collect()
}

/// A list of lists of lists of ..., each nine times the one before.
fn billion_laughs() -> Vec<u8> {
    let mut text = "a0: &a0 [lol]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("a{level}: &a{level} [{items}]\n");
    }
    text.into_bytes()
}

fn utf16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[rstest]
#[case::unclosed_quote(with("title: A", "title: \"A"))]
#[case::tab("title: x\ntunnel:\n\tlocal: 192.0.2.10\n")]
#[case::wrong_type(with("local: 192.0.2.10", "local: [192.0.2.10]"))]
#[case::bad_value(with("pfs: none", "pfs: modp1537"))]
#[case::unknown_key(with("tunnel:", "tunel:"))]
#[case::unknown_key_deep_inside(with("lifetime: 8h", "lifetyme: 8h"))]
#[case::unknown_implementation(with("racoon]", "racon]"))]
#[case::duplicate_key(right() + "title: again\n")]
#[case::missing_file(with("plain.ios", "missing.ios"))]
#[case::folder_for_a_file(with("plain.ios", "."))]
#[case::alias_of_itself("a: &a [x, *a]\ntitle: *a\n")]
#[case::billion_laughs(billion_laughs())]
#[case::deep("[".repeat(100_000))]
#[case::latin1(latin1(&with("The tunnel", "Café")))]
#[case::utf16(utf16(&with("tunnel:", "tunel:")))]
#[case::zero_octet(with("title: ", "title: \0"))]
#[case::carriage_returns(with("tunnel:", "tunel:").replace('\n', "\r\n"))]
#[case::byte_order_mark("\u{feff}".to_owned() + &with("tunnel:", "tunel:"))]
#[case::two_documents("title: a\n---\ntitle: b\n")]
#[case::empty("")]
#[case::list("- a\n- b\n")]
#[case::fifty_megabytes([b"title: x\n# ".to_vec(), vec![b'x'; 50_000_000]].concat())]
fn scenarios(#[context] context: Context, #[case] octets: impl AsRef<[u8]>) {
    let name = context.description.unwrap();
    let folder = Folder::new(&format!("scenario-{name}"));
    folder.write("wrong.yaml", octets);
    let (text, status) = folder.check("wrong.yaml");
    insta::assert_snapshot!(format!("scenario_{name}"), text);
    assert_eq!(status, Some(2), "{text}");
}

#[rstest]
#[case::bad_words(
    "hostname R1\ncrypto isakmp policy 10\n encr aes 257\n group 33\ncrypto ipsec transform-set TS esp-aess esp-sha-hmac\n"
)]
#[case::utf16(utf16("hostname R1\n"))]
#[case::zero_octet("hostname R1\nint\0erface Gi0/0\n")]
#[case::carriage_returns("hostname R1\r\ncrypto isakmp policy 10\r\n group 33\r\n")]
#[case::byte_order_mark("\u{feff}crypto isakmp policy 0\n")]
#[case::fifty_megabytes(b"access-list 101 permit ip any any\n".repeat(1_500_000))]
#[case::one_long_line(vec![b'x'; 1_000_000])]
fn running_configs(#[context] context: Context, #[case] octets: impl AsRef<[u8]>) {
    let name = context.description.unwrap();
    let folder = Folder::new(&format!("config-{name}"));
    folder.write("wrong.ios", octets);
    let (text, status) = folder.check("wrong.ios");
    insta::assert_snapshot!(format!("config_{name}"), text);
    assert_eq!(status, Some(2), "{text}");
}

#[rstest]
#[case::unclosed_quote("[implementation.my-ike]\nkind = \"command\n")]
#[case::wrong_type("[implementation]\nmy-ike = 7\n")]
#[case::unknown_key("[implementation.my-ike]\nkind = \"command\"\ncomand = [\"x\"]\n")]
#[case::unknown_kind("[implementation.my-ike]\nkind = \"comand\"\n")]
#[case::duplicate_key("usual = []\nusual = []\n")]
#[case::missing_file("[implementation.my-ike]\nkind = \"strongswan\"\nprefix = \"missing\"\n")]
#[case::latin1(latin1("# café\n"))]
#[case::utf16(utf16("usual = []\n"))]
#[case::zero_octet("usual = [\0]\n")]
#[case::carriage_returns("# one\r\nusuall = []\r\n")]
#[case::byte_order_mark("\u{feff}usuall = []\n")]
#[case::deep(format!("usual = {}", "[".repeat(100_000)))]
#[case::fifty_megabytes(vec![b'#'; 50_000_000])]
fn declarations(#[context] context: Context, #[case] octets: impl AsRef<[u8]>) {
    let name = context.description.unwrap();
    let folder = Folder::new(&format!("declaration-{name}"));
    folder.write("ike-interop.toml", octets);
    let (text, status) = folder.check("plain.yaml");
    insta::assert_snapshot!(format!("declaration_{name}"), text);
    assert_eq!(status, Some(2), "{text}");
}

#[test]
fn what_is_no_file() {
    let folder = Folder::new("no-file");
    for name in ["folder.yaml", "folder.ios"] {
        fs::create_dir(folder.0.join(name)).unwrap();
    }
    let mut told = String::new();
    for name in ["absent.yaml", "absent.ios", "folder.yaml", "folder.ios", "/dev/zero", "plain.yaml/x"] {
        let (text, status) = folder.check(name);
        assert_eq!(status, Some(2), "{text}");
        told += &text;
    }
    insta::assert_snapshot!(told);
}

/// Lines that no router knows are warnings, of which only so many are told.
#[test]
fn a_config_of_which_nothing_is_known() {
    let folder = Folder::new("unknown");
    folder.write("wrong.ios", "foo bar\n".repeat(20_000) + "crypto isakmp policy 10\n group 33\n");
    let (text, status) = folder.check("wrong.ios");
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("wrong.ios:20002:8"), "the worst is told: {text}");
    assert!(text.ends_with("... and 19502 more, none of them worse\n\n1 error, 20001 warnings\n"), "{text}");
}

/// What looks odd and is right.
#[test]
fn carriage_returns_and_byte_order_marks_are_no_errors() {
    let folder = Folder::new("odd");
    folder.write("odd.yaml", format!("\u{feff}{}", right().replace('\n', "\r\n")));
    let config = fs::read_to_string(folder.0.join("plain.ios")).unwrap();
    folder.write("plain.ios", format!("\u{feff}{}", config.replace('\n', "\r\n")));
    assert_eq!(folder.check("odd.yaml"), ("0 errors, 0 warnings\n".to_owned(), Some(0)));
}
