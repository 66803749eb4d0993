//! What may be a name, in Kubernetes' rules and words (`k8s.io/apimachinery/pkg/util/validation`).
//!
//! Every function answers with the faults it found; an empty list means that the text is good.

const DNS_LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// Longest DNS label, in bytes.
pub const LABEL_LIMIT: usize = 63;
/// Longest DNS subdomain, in bytes.
pub const SUBDOMAIN_LIMIT: usize = 253;

/// A DNS label of RFC 1123, as namespaces are named.
pub fn dns_label(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > LABEL_LIMIT {
        faults.push(too_long(LABEL_LIMIT));
    }
    if !is_dns_label(text) {
        faults.push(pattern(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
             start and end with an alphanumeric character",
            DNS_LABEL,
            &["my-name", "123-abc"],
        ));
    }
    faults
}

/// A DNS label of RFC 1035, which begins with a letter, as services are named.
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > LABEL_LIMIT {
        faults.push(too_long(LABEL_LIMIT));
    }
    if !is_dns_label(text) || text.starts_with(|c: char| c.is_ascii_digit()) {
        faults.push(pattern(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
             alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    faults
}

/// A DNS subdomain of RFC 1123, as most objects are named.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > SUBDOMAIN_LIMIT {
        faults.push(too_long(SUBDOMAIN_LIMIT));
    }
    if !text.split('.').all(is_dns_label) {
        faults.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
             must start and end with an alphanumeric character",
            &format!("{DNS_LABEL}(\\.{DNS_LABEL})*"),
            &["example.com"],
        ));
    }
    faults
}

/// The prefix of a generated name (`metadata.generateName`): as `rule`, but it may end in a dash.
pub fn prefix_of(rule: fn(&str) -> Vec<String>, prefix: &str) -> Vec<String> {
    match prefix.strip_suffix('-') {
        Some(head) if !head.is_empty() => rule(&format!("{head}a")),
        _ => rule(prefix),
    }
}

/// A name that only has to fit into a path.
pub fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"]
        .iter()
        .filter(|mark| text.contains(*mark))
        .map(|mark| format!("may not contain '{mark}'"))
        .collect()
}

/// `[DNS subdomain/]name`: keys of labels and annotations, finalizers, conditions, resources.
pub fn qualified_name(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                faults.push("prefix part must be non-empty".to_owned());
            } else {
                let of_prefix = dns_subdomain(prefix);
                faults.extend(of_prefix.iter().map(|fault| format!("prefix part {fault}")));
            }
            name
        }
        _ => {
            let rule = qualified_pattern("a qualified name");
            faults.push(format!(
                "{rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return faults;
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_LIMIT {
        faults.push(format!("name part {}", too_long(LABEL_LIMIT)));
    }
    if !is_qualified(name) {
        faults.push(qualified_pattern("name part"));
    }
    faults
}

/// The value of a label: empty, or like the name part of a [qualified name](qualified_name).
pub fn label_value(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > LABEL_LIMIT {
        faults.push(too_long(LABEL_LIMIT));
    }
    if !text.is_empty() && !is_qualified(text) {
        faults.push(pattern(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
             must start and end with an alphanumeric character",
            &format!("({QUALIFIED})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    faults
}

/// The name of an environment variable: any printable ASCII except `=`.
pub fn environment_variable(text: &str) -> Vec<String> {
    let good = !text.is_empty()
        && text
            .bytes()
            .all(|b| (b' '..=b'~').contains(&b) && b != b'=');
    if good {
        return Vec::new();
    }
    vec![pattern(
        "a valid environment variable name must consist only of printable ASCII characters other than '='",
        "[ -<>-~]+",
        &[],
    )]
}

/// The key of a ConfigMap or Secret, which is a file name in a volume.
pub fn config_key(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > SUBDOMAIN_LIMIT {
        faults.push(too_long(SUBDOMAIN_LIMIT));
    }
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(good) {
        faults.push(pattern(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    if text == "." {
        faults.push("must not be '.'".to_owned());
    } else if text == ".." {
        faults.push("must not be '..'".to_owned());
    } else if text.starts_with("..") {
        faults.push("must not start with '..'".to_owned());
    }
    faults
}

fn is_dns_label(text: &str) -> bool {
    let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(edge)
        && bytes.last().is_some_and(edge)
        && bytes.iter().all(|b| edge(b) || *b == b'-')
}

fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn qualified_pattern(what: &str) -> String {
    pattern(
        &format!(
            "{what} must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
             alphanumeric character"
        ),
        QUALIFIED,
        &["MyName", "my.name", "123-abc"],
    )
}

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

/// The double space between examples is Kubernetes' own.
fn pattern(rule: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{rule} (regex used for validation is '{regex}')");
    }
    let examples: Vec<String> = examples.iter().map(|one| format!("'{one}', ")).collect();
    format!(
        "{rule} (e.g. {}regex used for validation is '{regex}')",
        examples.join(" or ")
    )
}
