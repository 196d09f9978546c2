use super::{SIGNED_HEADERS_MAX, unhex};
use crate::refuse;
use canon::Fault;

/// The services whose signatures are taken: Bedrock, and the name that clients of its OpenAI surface use.
const SERVICES: [&str; 2] = ["bedrock", "bedrock-mantle"];

/// How long a region's name may be.
const REGION_BYTES_MAX: usize = 64;

/// Which key signed, and for what: `ID/20260131/us-east-1/bedrock/aws4_request`.
#[derive(Debug)]
pub(crate) struct Credential<'a> {
    pub(crate) key_id: &'a str,
    /// Eight digits.
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'static str,
}

impl<'a> Credential<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Fault> {
        let parts = || {
            let mut parts = text.rsplitn(5, '/');
            let (terminator, service) = (parts.next()?, parts.next()?);
            Some((terminator, service, parts.next()?, parts.next()?, parts.next()?))
        };
        let Some((terminator, service, region, date, key_id)) = parts() else {
            return Err(refuse::incomplete(
                "Credential must have 5 slash-delimited elements, like KEYID/20260131/us-east-1/bedrock/aws4_request.",
            ));
        };
        if terminator != "aws4_request" {
            return Err(refuse::bad_scope(
                "Credential should be scoped with a valid terminator: 'aws4_request'.",
            ));
        }
        let Some(service) = SERVICES.into_iter().find(|known| *known == service) else {
            return Err(refuse::bad_scope(
                "Credential should be scoped to correct service: 'bedrock' or 'bedrock-mantle'.",
            ));
        };
        let is_region =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if region.is_empty() || region.len() > REGION_BYTES_MAX || !region.bytes().all(is_region) {
            return Err(refuse::bad_scope(
                "Credential should be scoped to a valid region, like 'us-east-1'.",
            ));
        }
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refuse::bad_scope("Credential should be scoped to a day, like '20260131'."));
        }
        Ok(Self { key_id, date, region, service })
    }
}

/// The parameters of an `authorization` header.
#[derive(Debug)]
pub(super) struct Authorization<'a> {
    pub(super) credential: Credential<'a>,
    /// Names with semicolons between them, sorted, none twice, `host` or `:authority` among them.
    pub(super) signed_headers: &'a str,
    pub(super) signature: [u8; 32],
}

impl<'a> Authorization<'a> {
    pub(super) fn parse(parameters: &'a str) -> Result<Self, Fault> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for parameter in parameters.split(',') {
            let (name, value) = parameter.trim().split_once('=').ok_or_else(|| misfit("Authorization"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(misfit("Authorization")),
            };
            if slot.replace(value).is_some() {
                return Err(misfit(name));
            }
        }
        let signed_headers = signed_headers.ok_or_else(|| required("SignedHeaders"))?;
        check_signed_headers(signed_headers)?;
        Ok(Self {
            credential: Credential::parse(credential.ok_or_else(|| required("Credential"))?)?,
            signed_headers,
            signature: unhex(signature.ok_or_else(|| required("Signature"))?)
                .ok_or_else(|| misfit("Signature"))?,
        })
    }
}

fn required(parameter: &str) -> Fault {
    refuse::incomplete(format_args!("Authorization header requires '{parameter}' parameter."))
}

fn misfit(what: &str) -> Fault {
    refuse::incomplete(format_args!(
        "{what} does not have the form of: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=… with 64 lower-case \
         hexadecimal digits."
    ))
}

fn check_signed_headers(text: &str) -> Result<(), Fault> {
    let names = || text.split(';');
    if names().count() > SIGNED_HEADERS_MAX {
        return Err(refuse::incomplete(format_args!(
            "SignedHeaders: more than {SIGNED_HEADERS_MAX} of them."
        )));
    }
    let in_order = names().zip(names().skip(1)).all(|(before, after)| before < after);
    let lower_case = text.bytes().all(|byte| !byte.is_ascii_uppercase());
    if !in_order || !lower_case {
        return Err(refuse::incomplete("SignedHeaders must be in lower case, sorted, and none twice."));
    }
    if !names().any(|name| matches!(name, "host" | ":authority")) {
        return Err(refuse::incomplete(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    Ok(())
}
