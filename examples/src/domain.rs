//! Finding the domain that the user means.

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};

use crate::Failure;

/// Looks `wanted` up: as a name, then as a UUID, then as an id.
///
/// # Errors
///
/// - There is no such domain, or the host does not answer.
pub fn find(connection: &Connect, wanted: &str) -> Result<Domain, Failure> {
    let by_name = || Some(connection.lookup_domain_by_name(wanted));
    let by_uuid = || is_uuid(wanted).then(|| connection.lookup_domain_by_uuid_string(wanted));
    let by_id = || {
        // libvirt takes it for a C int.
        let id = wanted
            .parse()
            .ok()
            .filter(|&id| i32::try_from(id).is_ok())?;
        Some(connection.lookup_domain_by_id(id))
    };
    type Lookup<'a> = &'a dyn Fn() -> Option<Result<Domain, Error>>;
    let lookups: [Lookup<'_>; 3] = [&by_name, &by_uuid, &by_id];
    for found in lookups.iter().filter_map(|lookup| lookup()) {
        match found {
            Ok(domain) => return Ok(domain),
            Err(error) if error.code().is(ErrorNumber::NoDomain) => {}
            Err(error) => {
                return Err(format!("cannot look `{wanted}` up: {}", error.message()).into());
            }
        }
    }
    Err(format!(
        "there is no domain with the name, UUID or id `{wanted}`; `virsh list --all` shows \
         those there are"
    )
    .into())
}

/// 32 hexadecimal digits, with any hyphens. For anything else libvirt would
/// report a malformed UUID, where the user meant a name.
fn is_uuid(text: &str) -> bool {
    let digits = text.bytes().filter(|&byte| byte != b'-');
    digits.clone().count() == 32 && digits.clone().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_may_have_hyphens() {
        assert!(is_uuid("6695eb01-f6a4-8304-79aa-97f2502e193f"));
        assert!(is_uuid("6695eb01f6a4830479aa97f2502e193f"));
        assert!(!is_uuid("6695eb01"));
        assert!(!is_uuid("the-name-of-a-guest-in-32-letters"));
    }
}
