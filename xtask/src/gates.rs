//! The rules that hold the house up, checked: the domain is pure, the core knows no adapter's library, and
//! arrows between the crates point down only.

use std::str::FromStr;

use anyhow::{Result, anyhow, bail};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::project::Project;

/// The rooms of the core that decide, as paths: no async, no clock, no I/O, no randomness, no floats.
const DOMAIN: &[&str] = &[
    "money",
    "routing",
    "keys",
    "measure",
    "operation",
    "pricing",
    "ledger",
    "vault",
    "failure",
    "label",
    "lane",
    "switch",
    "upstream",
    "usage",
    "access",
    "tenants",
    "work",
    "preset/kingcong",
    "store/decide",
];

/// The domain's edges, and the words that are allowed there, by the start of their paths: the host's master key may
/// be far away or in a file, and what the store decides it decides over the store's own tables.
const EDGE: &[(&str, &[&str])] = &[
    ("kingcong-core/src/vault/master.rs", &["async", "await", "env", "fs"]),
    ("kingcong-core/src/vault/data_key.rs", &["async", "await"]),
    ("kingcong-core/src/store/decide/", &["store"]),
];

/// Words that make a decision depend on more than its arguments, and what to do instead.
const IMPURE_WORDS: &[(&str, &str)] = &[
    ("async", "the domain does not wait: that is the engine's part"),
    ("await", "the domain does not wait: that is the engine's part"),
    ("tokio", "the domain does not wait: that is the engine's part"),
    ("Clock", "decisions take `now` as an argument"),
    ("Provider", "the domain calls nobody: that is the engine's part"),
    ("Instant", "decisions take `now` as an argument"),
    ("SystemTime", "decisions take `now` as an argument"),
    ("getrandom", "randomness is handed in"),
];

/// Modules of the standard library that reach outside the process.
const IMPURE_STD: &[&str] = &["env", "fs", "net", "process", "thread"];

/// What lies above the domain.
const ABOVE: &[&str] = &["engine", "store", "provider"];

/// What a crate may and may not be built from.
struct Layer {
    package: &'static str,
    /// The crates of the house below it.
    below: &'static [&'static str],
    /// Families of crates that have no business there: `ring` means `ring` and `ring-…`.
    never: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    Layer {
        package: "kingcong-core",
        below: &[],
        never: &[
            "aws-lc",
            "axum",
            "h2",
            "hyper",
            "libsqlite3",
            "mio",
            "napi",
            "native-tls",
            "openssl",
            "pyo3",
            "reqwest",
            "ring",
            "rustls",
            "socket2",
            "sqlx",
        ],
    },
    Layer {
        package: "kingcong-http",
        below: &["kingcong-core"],
        never: &["axum", "libsqlite3", "napi", "pyo3", "sqlx"],
    },
    Layer {
        package: "kingcong-sqlx",
        below: &["kingcong-core"],
        never: &["axum", "hyper", "napi", "pyo3", "reqwest"],
    },
    Layer {
        package: "kingcong-doors",
        below: &["kingcong-core", "kingcong-http", "kingcong-sqlx"],
        never: &["axum", "napi", "pyo3"],
    },
    Layer {
        package: "kingcong-py",
        below: &["kingcong-core", "kingcong-doors", "kingcong-http", "kingcong-sqlx"],
        never: &["axum", "napi"],
    },
    Layer {
        package: "kingcong-node",
        below: &["kingcong-core", "kingcong-doors", "kingcong-http", "kingcong-sqlx"],
        never: &["axum", "pyo3"],
    },
];

/// Checks what every crate of the house is built from.
pub(crate) fn layers(project: &Project) -> Result<()> {
    let mut faults = Vec::new();
    for layer in LAYERS {
        let tree = project.cargo_output(&[
            "tree",
            "--locked",
            "--package",
            layer.package,
            "--edges",
            "normal",
            "--all-features",
            "--target",
            "all",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])?;
        faults.extend(faults_in_tree(layer, &tree));
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n")) }
}

/// The faults in what `cargo tree` prints: a name and a version a line, the package itself first.
fn faults_in_tree(layer: &Layer, tree: &str) -> Vec<String> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    let allowed = |name: &&str| {
        let own = name.starts_with("kingcong-") && *name != layer.package && !layer.below.contains(name);
        let foreign = layer.never.iter().any(|family| {
            name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
        });
        !own && !foreign
    };
    let forbidden = names.into_iter().filter(|name| !allowed(name));
    forbidden.map(|name| format!("{} must not depend on {name}", layer.package)).collect()
}

/// Checks that the domain is pure. Its tests may be anything.
pub(crate) fn domain(project: &Project) -> Result<()> {
    let mut faults = Vec::new();
    let mut files = 0;
    for file in project.files()? {
        if in_domain(&file) {
            files += 1;
            faults.extend(faults_in_source(&file, &project.read(&file)?)?);
        }
    }
    if files < DOMAIN.len() {
        bail!("the domain has {} rooms, but only {files} files were found: was it moved?", DOMAIN.len());
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n")) }
}

fn in_domain(file: &str) -> bool {
    let Some(path) = file.strip_prefix("kingcong-core/src/").and_then(|path| path.strip_suffix(".rs")) else {
        return false;
    };
    let is_in =
        |room: &&str| path.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    DOMAIN.iter().any(is_in) && !path.split('/').any(|part| part == "tests")
}

fn faults_in_source(file: &str, source: &str) -> Result<Vec<String>> {
    let stream = TokenStream::from_str(source).map_err(|error| anyhow!("{file}: {error}"))?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    let allowed = EDGE.iter().find(|(edge, _)| file.starts_with(edge)).map_or(&[][..], |(_, words)| *words);
    let faults = (0..tokens.len()).filter_map(|at| {
        let (word, why) = fault_at(&tokens, at)?;
        (!allowed.contains(&word)).then(|| format!("{file}:{}: `{word}`: {why}", tokens[at].line))
    });
    Ok(faults.collect())
}

/// A word, sign, number or bracket of Rust, with its line. Comments and texts are none.
#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
}

/// Lists the tokens in order, without items that are only compiled for tests.
fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut rest = trees.as_slice();
    while let Some((tree, after)) = rest.split_first() {
        rest = after;
        let line = tree.span().start().line;
        let mut push = |text: &str| tokens.push(Token { text: text.into(), line });
        match tree {
            TokenTree::Punct(sign) if sign.as_char() == '#' && after.first().is_some_and(is_cfg_test) => {
                let end = after.iter().position(ends_item).unwrap_or(after.len() - 1);
                rest = &after[end + 1..];
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::None => ("", ""),
                };
                push(open);
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.into(), line });
            }
            TokenTree::Literal(literal) => push(&literal.to_string()),
            TokenTree::Ident(word) => push(&word.to_string()),
            TokenTree::Punct(sign) => push(&sign.to_string()),
        }
    }
}

/// Whether this is the bracket of `#[cfg(test)]`.
fn is_cfg_test(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket
        && group.stream().to_string().replace(' ', "") == "cfg(test)")
}

fn ends_item(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(sign) => sign.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    }
}

/// The impure word that stands or is named at this place, if any, and what is wrong with it.
fn fault_at(tokens: &[Token], at: usize) -> Option<(&str, &'static str)> {
    let text = tokens[at].text.as_str();
    // In `pair.0.1` the `0.1` is no number.
    let is_field = at.checked_sub(1).is_some_and(|before| tokens[before].text == ".");
    if matches!(text, "f32" | "f64") || is_float(text) && !is_field {
        return Some((text, "amounts and shares are integers"));
    }
    if let Some((word, why)) = IMPURE_WORDS.iter().find(|(word, _)| *word == text) {
        return Some((word, why));
    }
    let (impure, why) = match text {
        "std" => (IMPURE_STD, "this module of `std` reaches outside the process"),
        "crate" => (ABOVE, "this module lies above the domain"),
        _ => return None,
    };
    let module = modules_named(&tokens[at + 1..]).into_iter().find(|module| impure.contains(module))?;
    Some((module, why))
}

/// The modules that a path names after its root: `::a::…` names `a`, `::{a, b::c}` names `a`, `b` and, for
/// simplicity, `c`. Addresses are data, though they live in `net`.
fn modules_named(tokens: &[Token]) -> Vec<&str> {
    let texts: Vec<&str> =
        tokens.iter().map(|token| token.text.as_str()).take_while(|text| *text != ";").collect();
    match texts.as_slice() {
        [":", ":", "net", ":", ":", "IpAddr" | "Ipv4Addr" | "Ipv6Addr", ..] => Vec::new(),
        [":", ":", "{", group @ ..] => group.to_vec(),
        [":", ":", module, ..] => vec![module],
        _ => Vec::new(),
    }
}

/// Whether this is a number with a fraction or a float's suffix.
fn is_float(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && (text.contains('.') || text.ends_with("f32") || text.ends_with("f64"))
        && !text.starts_with("0x")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(file: &str, source: &str) -> Vec<String> {
        faults_in_source(file, source).unwrap()
    }

    #[test]
    fn impure_code_is_found_with_its_line() {
        for source in [
            "async fn load() {}",
            "fn f() { x.await }",
            "use tokio::sync::Mutex;",
            "use std::fs;",
            "use std::{fmt, net::TcpStream};",
            "use std::{collections::{BTreeMap, BTreeSet}, env};",
            "fn f() { std::thread::yield_now(); }",
            "use std::time::Instant;",
            "use crate::clock::{Clock, Timestamp};",
            "use crate::{id::JobId, engine::KingCong};",
            "fn f() { crate::store::commit(); }",
            "fn f(share: f64) {}",
            "const HALF: X = 0.5;",
            "const HALF: X = 1f32;",
            "#[cfg(not(test))] async fn load() {}",
        ] {
            let found = faults("a.rs", &format!("//! A room.\n\n{source}\n"));
            assert!(
                !found.is_empty() && found.iter().all(|fault| fault.starts_with("a.rs:3: ")),
                "{source}: {found:?}"
            );
        }
    }

    #[test]
    fn pure_code_passes() {
        for source in [
            "/// It never calls `tokio` or `.await`, nor uses f64: 0.5.\nfn f() {}",
            "const TEXT: &str = \"async f64 0.5\";",
            "use std::{collections::BTreeMap, fmt, time::Duration};",
            "fn f(x: ((u8, u8), u8)) -> u8 { x.0.1 }",
            "fn f() { \"::1\".parse::<std::net::Ipv6Addr>().is_ok(); }",
            "use crate::{clock::Timestamp, money::Amount};",
            "const MASK: u32 = 0x1f32; fn f() { for _ in 0..10 {} }",
            "#[cfg(test)] mod tests { async fn f() { tokio::spawn(0.5).await } }\nfn g() {}",
            "#[cfg(test)]\nmod tests;",
        ] {
            assert_eq!(faults("a.rs", source), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn what_follows_a_test_item_is_checked_again() {
        let source = "#[cfg(test)]\nmod tests { async fn f() {} }\nasync fn g() {}\n";
        assert_eq!(faults("a.rs", source).len(), 1);
    }

    #[test]
    fn the_edge_may_do_what_is_listed_and_no_more() {
        let (master_key, data_key) = (EDGE[0].0, EDGE[1].0);
        assert!(faults(master_key, "async fn f() { std::fs::read(x); x.await }").is_empty());
        assert!(faults(data_key, "async fn f() { x.await }").is_empty());
        assert_eq!(faults(data_key, "async fn f() { std::fs::read(x); }").len(), 1);
        assert_eq!(faults(master_key, "fn f(x: f64) { std::net::TcpStream::connect(x); }").len(), 2);
    }

    #[test]
    fn the_domain_is_its_rooms_without_their_test_files() {
        for (file, expected) in [
            ("kingcong-core/src/money/mod.rs", true),
            ("kingcong-core/src/usage.rs", true),
            ("kingcong-core/src/work/text/cut.rs", true),
            ("kingcong-core/src/vault/tests.rs", false),
            ("kingcong-core/src/store/decide/claim.rs", true),
            ("kingcong-core/src/store/memory.rs", false),
            ("kingcong-core/src/moneylender.rs", false),
            ("kingcong-core/src/engine/dispatch.rs", false),
            ("kingcong-core/src/clock.rs", false),
            ("kingcong-http/src/money.rs", false),
            ("kingcong-core/src/money/README.md", false),
        ] {
            assert_eq!(in_domain(file), expected, "{file}");
        }
    }

    #[test]
    fn a_crate_from_above_or_beside_is_named() {
        let layer = &LAYERS[1];
        let tree = "kingcong-http v0.1.0 (x)\nkingcong-core v0.1.0 (x)\nreqwest v0.13.5\nstring v1.0.0\n\
                    kingcong-sqlx v0.1.0 (x)\nsqlx-core v0.9.0\nsqlx-core v0.9.0 (*)\n";
        assert_eq!(
            faults_in_tree(layer, tree),
            ["kingcong-http must not depend on kingcong-sqlx", "kingcong-http must not depend on sqlx-core"]
        );
    }
}
