//! What the address of a database says that its driver does not read.

use std::net::IpAddr;

/// The value of a parameter of a URL, as it is written.
pub(crate) fn parameter<'u>(url: &'u str, name: &str) -> Option<&'u str> {
    let (_, parameters) = url.split_once('?')?;
    parameters
        .split('&')
        .filter_map(|parameter| parameter.split_once('='))
        .find_map(|(its_name, value)| (its_name == name).then_some(value))
}

/// Whether a URL has one of these parameters.
pub(crate) fn names(url: &str, parameters: &[&str]) -> bool {
    parameters.iter().any(|name| parameter(url, name).is_some())
}

/// Whether a host is this machine, so that what is sent to it meets no network.
pub(crate) fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.is_empty()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_local_when_it_is_this_machine_and_no_other() {
        for (host, local) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("127.8.0.9", true),
            ("::1", true),
            ("[::1]", true),
            ("/var/run/postgresql", true),
            ("", true),
            ("10.0.0.7", false),
            ("db", false),
            ("localhost.example.com", false),
            ("fd00::1", false),
            ("0.0.0.0", false),
        ] {
            assert_eq!(is_local(host), local, "{host:?}");
        }
    }

    #[test]
    fn parameters_are_found_by_their_whole_names() {
        let url = "postgres://u:p@db/kingcong?sslmode=require&application=ssl";
        assert_eq!(parameter(url, "sslmode"), Some("require"));
        assert_eq!(parameter(url, "ssl"), None);
        assert_eq!(parameter("postgres://u:p@db/sslmode=no", "sslmode"), None);
        assert!(names(url, &["ssl-mode", "sslmode"]));
    }
}
