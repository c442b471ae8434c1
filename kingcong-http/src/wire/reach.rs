//! Which addresses results are fetched from. An upstream names them, so they are of the public internet: else a
//! gateway could make us read what only this machine or its network can reach, such as a cloud's metadata. A name is
//! resolved here and the connection goes to the address that was looked at, so that a second answer changes nothing.
//! What lies with the server itself, as its operator configured it, may be anywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// The environment's proxies, which resolve for us and may be of the private network.
const PROXY_VARIABLES: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// How the host of a result is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is the server's own: wherever that is.
    Own,
    /// On the public internet, if its name resolves to that.
    Public,
    /// Not at all.
    Refused,
}

impl Reach {
    /// How a result at `url` of the server at `base` is reached.
    pub(crate) fn of(url: &Url, base: &Url) -> Self {
        if url.host() == base.host() || (is_this_machine(url) && is_this_machine(base)) {
            return Self::Own;
        }
        match url.host() {
            Some(host) => match host.to_string().trim_matches(['[', ']']).parse::<IpAddr>() {
                Ok(address) if !is_public(address) => Self::Refused,
                Ok(_) | Err(_) => Self::Public,
            },
            None => Self::Refused,
        }
    }
}

fn is_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    })
}

/// Whether an address is of the public internet (IANA's registries of special-purpose addresses).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // An IPv4 address written as IPv6, and those behind NAT64 and 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        // Teredo, benchmarks, documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

/// Resolves names to addresses of the public internet only.
#[derive(Clone, Debug)]
pub(crate) struct PublicNames {
    proxies: Vec<String>,
}

impl PublicNames {
    /// With the environment's proxies, which are reached wherever they are.
    pub(crate) fn new() -> Self {
        let told = PROXY_VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
        let proxies = told.filter_map(|url| {
            let url = Url::parse(&url).or_else(|_| Url::parse(&format!("http://{url}"))).ok()?;
            url.host_str().map(str::to_owned)
        });
        Self { proxies: proxies.collect() }
    }
}

/// A name that resolves to no address of the public internet.
#[derive(Debug, thiserror::Error)]
#[error("its name leads into a private network, where results are not fetched from")]
struct NotPublic;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let reached: Vec<SocketAddr> =
                found.filter(|address| is_proxy || is_public(address.ip())).collect();
            if reached.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(reached.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for address in
            ["1.1.1.1", "9.255.255.255", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::",
            "2001::1",
            "2001:db8::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_result_is_reached_where_its_server_is_or_on_the_public_internet() {
        for (base, url, reach) in [
            ("https://api.example", "https://cdn.example/a.mp3", Reach::Public),
            ("https://api.example", "https://8.8.8.8/a.mp3", Reach::Public),
            ("https://api.example", "http://127.0.0.1/a.mp3", Reach::Refused),
            ("https://api.example", "http://2130706433/a.mp3", Reach::Refused),
            ("https://api.example", "http://0x7f.1/a.mp3", Reach::Refused),
            ("https://api.example", "http://169.254.169.254/latest/meta-data", Reach::Refused),
            ("https://api.example", "http://[::1]/a.mp3", Reach::Refused),
            ("https://api.example", "http://[::ffff:10.0.0.1]/a.mp3", Reach::Refused),
            // Its name is resolved, and found to be private then.
            ("https://api.example", "http://localhost/a.mp3", Reach::Public),
            ("http://10.0.0.7:8000", "http://10.0.0.7:9000/a.mp3", Reach::Own),
            ("http://10.0.0.7:8000", "http://10.0.0.8/a.mp3", Reach::Refused),
            ("http://127.0.0.1:8000", "http://localhost:9000/a.mp3", Reach::Own),
            ("http://localhost:8000", "http://[::1]:9000/a.mp3", Reach::Own),
            ("http://localhost:8000", "http://10.0.0.8/a.mp3", Reach::Refused),
        ] {
            let parse = |url| Url::parse(url).unwrap();
            assert_eq!(Reach::of(&parse(url), &parse(base)), reach, "{url} of {base}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_resolved_for_a_result() {
        let resolve = |proxies| PublicNames { proxies }.resolve("localhost".parse().unwrap());
        assert!(resolve(Vec::new()).await.is_err());
        assert!(resolve(vec!["LOCALHOST".to_owned()]).await.is_ok(), "a proxy may be anywhere");
    }
}
