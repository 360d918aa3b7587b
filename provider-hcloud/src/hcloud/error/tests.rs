use super::*;

fn answer(status: u16, code: &str) -> ApiError {
    let body = format!(r#"{{"error":{{"code":"{code}","message":"m","details":null}}}}"#);
    ApiError::from_answer(status, body.as_bytes(), false)
}

#[test]
fn every_code_has_the_class_that_its_cure_needs() {
    let table = [
        (400, "json_error", Class::Invalid),
        (401, "unauthorized", Class::Unauthorized),
        (403, "forbidden", Class::Forbidden),
        (403, "token_readonly", Class::Forbidden),
        (403, "maintenance", Class::Unavailable),
        (403, "resource_limit_exceeded", Class::Quota),
        (404, "not_found", Class::NotFound),
        (404, "firewall_resource_not_found", Class::Invalid),
        (405, "method_not_allowed", Class::Invalid),
        (409, "uniqueness_error", Class::Uniqueness),
        (409, "conflict", Class::Conflict),
        (410, "deprecated_api_endpoint", Class::Other),
        (412, "resource_unavailable", Class::Capacity),
        (412, "primary_ip_version_mismatch", Class::Invalid),
        (422, "placement_error", Class::Capacity),
        (422, "no_space_left_in_location", Class::Capacity),
        (422, "invalid_input", Class::Invalid),
        (422, "service_error", Class::Other),
        (422, "unsupported_error", Class::Invalid),
        (422, "server_already_attached", Class::Invalid),
        (422, "resource_in_use", Class::InUse),
        (422, "must_be_unassigned", Class::InUse),
        (423, "locked", Class::Locked),
        (423, "protected", Class::Protected),
        (429, "rate_limit_exceeded", Class::RateLimited),
        (500, "server_error", Class::Unavailable),
        (502, "bad_gateway", Class::Unavailable),
        (503, "unavailable", Class::Unavailable),
        (504, "timeout", Class::Unavailable),
        (418, "a_code_of_next_year", Class::Other),
    ];
    for (status, code, class) in table {
        assert_eq!(answer(status, code).class(), class, "{status} {code}");
    }
}

#[test]
fn a_404_that_is_not_the_apis_does_not_mean_that_the_object_is_gone() {
    let error = ApiError::from_answer(404, b"<html>no such page</html>", false);
    assert_eq!(error.class(), Class::Other);
    assert_eq!(error.to_string(), "status 404, not an answer of the API");
}

#[test]
fn a_change_that_a_failing_server_answered_has_an_unknown_outcome() {
    for status in [500, 502, 503, 504] {
        let mut error = answer(status, "");
        assert_eq!(error.class(), Class::Unavailable, "read, {status}");
        error.mutation = true;
        assert_eq!(error.class(), Class::OutcomeUnknown, "change, {status}");
    }
}

#[test]
fn the_message_is_one_line_with_the_fields_that_the_api_names() {
    let body = br#"{"error":{"code":"invalid_input","message":"invalid input in\n field 'ip_range'","details":
        {"fields":[{"name":"ip_range","messages":["must be private","too small"]},{"name":"name","messages":null}]}}}"#;
    let error = Error::api(
        "POST /networks".to_owned(),
        ApiError::from_answer(422, body, true),
    );
    assert_eq!(
        error.to_string(),
        "POST /networks: invalid input in field 'ip_range' (invalid_input); \
         ip_range: must be private, too small; name: "
    );
}

#[test]
fn a_long_message_is_cut() {
    let body = format!(
        r#"{{"error":{{"code":"c","message":"{}"}}}}"#,
        "ä".repeat(9000)
    );
    let error = ApiError::from_answer(422, body.as_bytes(), false);
    assert_eq!(error.message.chars().count(), MESSAGE_LIMIT);
}

#[test]
fn a_failed_action_has_the_class_of_its_code() {
    let table = [
        ("placement_error", Class::Capacity),
        ("resource_unavailable", Class::Capacity),
        ("locked", Class::Locked),
        ("action_failed", Class::Other),
    ];
    for (code, class) in table {
        assert_eq!(Error::action("create_server", code, "m").class(), class);
    }
}

#[test]
fn a_lost_answer_is_unknown_for_a_change_and_unavailable_for_a_read() {
    let lost = |reach, mutation| Error::Transport {
        call: "POST /networks".to_owned(),
        reach,
        mutation,
        source: Arc::new(std::io::Error::other("reset")),
    };
    assert_eq!(lost(Reach::Sent, true).class(), Class::OutcomeUnknown);
    assert_eq!(lost(Reach::Sent, false).class(), Class::Unavailable);
    assert_eq!(lost(Reach::Unsent, true).class(), Class::Unavailable);
}
