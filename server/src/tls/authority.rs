use super::Names;
use canon::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, Error,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_hours(24);

/// The longest that Apple's clients accept from any authority: <https://support.apple.com/en-us/103769>.
const LEAF_DAYS: u32 = 825;

/// From when until when an authority is valid, as years. Fixed, so that a machine whose clock was wrong at its first start
/// is not left with an authority that clients refuse and that we, who do not check an anchor's dates, believe in.
const AUTHORITY_YEARS: (i32, i32) = (2_025, 2_055);

/// A client's clock may be behind ours.
const BACKDATED: Duration = DAY;

/// An authority and a leaf that it signed, each with its key, in PEM.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) ca: String,
    pub(super) ca_key: Secret,
    pub(super) cert: String,
    pub(super) key: Secret,
}

/// A new authority and a leaf.
pub(super) fn issue(names: &Names, now: SystemTime) -> Result<Issued, Error> {
    let ca_key = KeyPair::generate()?;
    let params = authority_params(&ca_key, names)?;
    let ca = params.self_signed(&ca_key)?.pem();
    let ca_key_pem = Secret::new(ca_key.serialize_pem());
    let (cert, key) = leaf(&Issuer::new(params, ca_key), names, now)?;
    Ok(Issued { ca, ca_key: ca_key_pem, cert, key })
}

/// A new leaf by the old authority. Whether clients accept it, the caller finds out: a certificate is not read here, so
/// an authority of another make or for other names yields a leaf that nobody believes.
pub(super) fn reissue(old: &Issued, names: &Names, now: SystemTime) -> Result<Issued, Error> {
    let pem = std::str::from_utf8(old.ca_key.expose()).map_err(|_| Error::CouldNotParseKeyPair)?;
    let ca_key = KeyPair::from_pem(pem)?;
    let params = authority_params(&ca_key, names)?;
    let (cert, key) = leaf(&Issuer::new(params, ca_key), names, now)?;
    Ok(Issued { ca: old.ca.clone(), ca_key: old.ca_key.clone(), cert, key })
}

fn leaf(issuer: &Issuer<'_, KeyPair>, names: &Names, now: SystemTime) -> Result<(String, Secret), Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().map(str::to_owned).collect::<Vec<_>>())?;
    params.distinguished_name = named("Outcrop".to_owned());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let start = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(BACKDATED);
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + start;
    params.not_after = params.not_before + DAY * LEAF_DAYS;
    let cert = params.signed_by(&key, issuer)?;
    Ok((cert.pem(), Secret::new(key.serialize_pem())))
}

fn authority_params(key: &KeyPair, names: &Names) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    // Named after its key, so that a client that trusts several of us tells them apart, and so that the name is known
    // again from the key alone.
    let digest = Sha256::digest(key.public_key_raw());
    let tag: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = named(format!("Outcrop authority {tag}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let dns_names = names.dns_names().map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let addresses = names.addresses().map(|address| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
    });
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: dns_names.chain(addresses).collect(),
        excluded_subtrees: Vec::new(),
    });
    params.not_before = rcgen::date_time_ymd(AUTHORITY_YEARS.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(AUTHORITY_YEARS.1, 1, 1);
    Ok(params)
}

fn named(common_name: String) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
