//! As much of PEM, DER and X.509 as the API tells about a certificate: how long it is valid, and for which names.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

const INTEGER: u8 = 0x02;
const OBJECT_ID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// What a certificate says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) domain_names: Vec<String>,
}

/// Reads the first certificate of a chain in PEM format.
pub(super) fn read(pem: &str) -> Result<Facts, String> {
    let der = block(pem, "CERTIFICATE").ok_or("is not a certificate in PEM format")?;
    facts(&der).ok_or_else(|| "is not an X.509 certificate".to_owned())
}

/// Whether a text is some private key in PEM format.
pub(super) fn check_private_key(pem: &str) -> Result<(), String> {
    let kinds = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
    if kinds.iter().any(|kind| block(pem, kind).is_some()) {
        Ok(())
    } else {
        Err("is not a private key in PEM format".to_owned())
    }
}

/// The SHA-256 fingerprint of the first certificate of a chain in PEM format.
pub(super) fn fingerprint(pem: &str) -> Option<String> {
    let digest = Sha256::digest(block(pem, "CERTIFICATE")?);
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    Some(pairs.join(":"))
}

/// The content of the first PEM block of a kind.
fn block(pem: &str, kind: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {kind}-----"))?;
    let (content, _) = rest.split_once(&format!("-----END {kind}-----"))?;
    let content: String = content.split_whitespace().collect();
    STANDARD
        .decode(content)
        .ok()
        .filter(|content| !content.is_empty())
}

fn facts(der: &[u8]) -> Option<Facts> {
    let mut certificate = Reader(Reader(der).expect(SEQUENCE)?);
    let mut content = Reader(certificate.expect(SEQUENCE)?);
    if content.peek() == Some(VERSION) {
        content.next()?;
    }
    content.expect(INTEGER)?;
    let (_signature, _issuer) = (content.expect(SEQUENCE)?, content.expect(SEQUENCE)?);
    let mut validity = Reader(content.expect(SEQUENCE)?);
    let (not_before, not_after) = (moment(validity.next()?)?, moment(validity.next()?)?);
    let subject = content.expect(SEQUENCE)?;
    let mut domain_names = Vec::new();
    if let Some((_, extensions)) = content.find(|(tag, _)| *tag == EXTENSIONS) {
        domain_names = alternative_names(extensions)?;
    }
    if domain_names.is_empty() {
        domain_names.extend(common_name(subject));
    }
    Some(Facts {
        not_before,
        not_after,
        domain_names,
    })
}

fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Reader(Reader(extensions).expect(SEQUENCE)?);
    while let Some((SEQUENCE, extension)) = extensions.next() {
        let mut extension = Reader(extension);
        if extension.expect(OBJECT_ID)? != SUBJECT_ALT_NAME {
            continue;
        }
        let mut value = extension.next()?;
        if value.0 != OCTET_STRING {
            value = extension.next()?;
        }
        let names = Reader(Reader(value.1).expect(SEQUENCE)?).filter(|(tag, _)| *tag == DNS_NAME);
        return Some(names.filter_map(|(_, name)| text(name)).collect());
    }
    Some(Vec::new())
}

fn common_name(subject: &[u8]) -> Option<String> {
    Reader(subject).find_map(|(_, set)| {
        let mut attribute = Reader(Reader(set).expect(SEQUENCE)?);
        let kind = attribute.expect(OBJECT_ID)?;
        let (_, value) = attribute.next()?;
        text(value).filter(|_| kind == COMMON_NAME)
    })
}

fn moment((tag, value): (u8, &[u8])) -> Option<Timestamp> {
    let digits = text(value)?;
    let digits = match (tag, digits.get(..2)?.parse::<u8>().ok()?) {
        (UTC_TIME, year) if year >= 50 => format!("19{digits}"),
        (UTC_TIME, _) => format!("20{digits}"),
        (GENERALIZED_TIME, _) => digits,
        _ => return None,
    };
    let part = |from: usize, to: usize| digits.get(from..to);
    let date = format!("{}-{}-{}", part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let time = format!("{}:{}:{}", part(8, 10)?, part(10, 12)?, part(12, 14)?);
    format!("{date}T{time}Z").parse().ok()
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// Reads one DER element after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Iterator for Reader<'a> {
    /// A tag and its content.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(*first) {
            short if short < 0x80 => (short, rest),
            long => {
                let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
                let length = bytes.iter().try_fold(0_usize, |length, byte| {
                    Some(length.checked_mul(256)? + usize::from(*byte))
                })?;
                (length, rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, which must have this tag.
    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, content) = self.next()?;
        (tag == wanted).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH_ALTERNATIVE_NAMES: &str = "\
-----BEGIN CERTIFICATE-----
MIIBzzCCAXagAwIBAgIUN1k+380jQYez3yjuYTaGD3Rpo4owCgYIKoZIzj0EAwIw
KDEQMA4GA1UECgwHRXhhbXBsZTEUMBIGA1UEAwwLZXhhbXBsZS5jb20wIBcNMjYx
MTIxMTM1NjM4WhgPMjA1NDA0MDcxMzU2MzhaMCgxEDAOBgNVBAoMB0V4YW1wbGUx
FDASBgNVBAMMC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
UKnvWel9xqAK6ZhRNhUTTjuFK90XiQKimfVm0JYp81585IvGlkdaS1/N9xTPMdXr
rDOs0XTtYtH3nDVY9w1H/aN8MHowHQYDVR0OBBYEFKFqtNu5iuXeZeX/BWr+zbgz
MZCEMB8GA1UdIwQYMBaAFKFqtNu5iuXeZeX/BWr+zbgzMZCEMA8GA1UdEwEB/wQF
MAMBAf8wJwYDVR0RBCAwHoILZXhhbXBsZS5jb22CD3d3dy5leGFtcGxlLmNvbTAK
BggqhkjOPQQDAgNHADBEAiBlCU1b/CvvQKl4YFHtcfmGc4CssgN4qmVpevePOCrp
7wIgMM+JPmAaspD14mcRIh29gkxcKR7xbBCDnQepFhdf2nk=
-----END CERTIFICATE-----
";

    const WITH_A_COMMON_NAME: &str = "\
-----BEGIN CERTIFICATE-----
MIIBsjCCAVegAwIBAgIUCBGvG0u6LPPUJ0icPZG9UzYIWLswCgYIKoZIzj0EAwIw
LjEQMA4GA1UECgwHRXhhbXBsZTEaMBgGA1UEAwwRcGxhaW4uZXhhbXBsZS5jb20w
HhcNMjYxMTIxMTM1NjM4WhcNMjcxMTIxMTM1NjM4WjAuMRAwDgYDVQQKDAdFeGFt
cGxlMRowGAYDVQQDDBFwbGFpbi5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABKF497d+bdyMbCEURslVAOxcV12m0X11W3Kg+WzFGjI8hOYEVAVW
tBl/2xQlozV68U+31LWWf3Wyqg9HY1fOwGSjUzBRMB0GA1UdDgQWBBQmagHz4Vyp
ksFbkitOdkix9HcEUjAfBgNVHSMEGDAWgBQmagHz4VypksFbkitOdkix9HcEUjAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCpRD/d7II1tT3LEFTB
zYg7rlU3buPWywgzGme+MR4E6AIhAOgm/44GUyEm/n/v4inWWzC2dMCygCONv34T
Qp916bCQ
-----END CERTIFICATE-----
";

    fn read_facts(pem: &str) -> (String, String, Vec<String>) {
        let facts = read(pem).unwrap();
        (
            facts.not_before.to_string(),
            facts.not_after.to_string(),
            facts.domain_names,
        )
    }

    #[test]
    fn validity_and_names_are_read() {
        let (before, after, names) = read_facts(WITH_ALTERNATIVE_NAMES);
        assert_eq!(
            (before.as_str(), after.as_str()),
            ("2026-11-21T13:56:38Z", "2054-04-07T13:56:38Z")
        );
        assert_eq!(names, ["example.com", "www.example.com"]);
        let (before, after, names) = read_facts(WITH_A_COMMON_NAME);
        assert_eq!(
            (before.as_str(), after.as_str()),
            ("2026-11-21T13:56:38Z", "2027-11-21T13:56:38Z")
        );
        assert_eq!(names, ["plain.example.com"]);
    }

    #[test]
    fn a_fingerprint_is_the_digest_of_the_first_certificate() {
        let chain = format!("{WITH_ALTERNATIVE_NAMES}{WITH_A_COMMON_NAME}");
        let expected = "21:F5:5D:4F:2D:3D:4A:83:BD:40:CF:AB:78:E7:4E:27:DD:46:FC:28:F1:40:21:14:C6:4B:21:0F:12:03:E0:3D";
        assert_eq!(fingerprint(&chain).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let shortened = WITH_ALTERNATIVE_NAMES.replacen("MIIB", "MIIC", 1);
        for bad in [
            "",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(
                read(bad),
                Err("is not a certificate in PEM format".to_owned()),
                "{bad:?}"
            );
        }
        for bad in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            &shortened,
        ] {
            assert_eq!(
                read(bad),
                Err("is not an X.509 certificate".to_owned()),
                "{bad:?}"
            );
        }
        assert!(check_private_key(WITH_A_COMMON_NAME).is_err());
    }
}
