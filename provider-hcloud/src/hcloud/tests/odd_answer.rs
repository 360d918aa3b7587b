//! Answers that the simulator does not give: from an API of next year, or a broken one.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A client of a server that gives these answers, one for each connection.
async fn canned(answers: &[(&str, String)]) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers: Vec<String> = answers
        .iter()
        .map(|(status, body)| {
            let length = body.len();
            format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
        })
        .collect();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    client_at(&format!("http://{address}/v1"), "t", Clock::system())
}

#[tokio::test]
async fn a_list_with_unknown_fields_values_and_one_broken_object_is_read() {
    let list = r#"{"networks":[{"id":1,"name":"a","subnets":[{"type":"of-next-year"}],"labels":{"uid":"u"}},
        {"id":"not a number"},{"id":2,"status":"new"}],"meta":{"pagination":{"cursor":"x"}},"warnings":[]}"#;
    let client = canned(&[("200 OK", list.to_owned())]).await;
    let networks = client.networks().all(NOW).await.unwrap();
    assert_eq!(
        networks
            .iter()
            .map(|network| network.id)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(networks[0].subnets[0].kind, "of-next-year");
    let labels: &Labels = &networks[0].labels;
    assert_eq!(labels["uid"], "u");
}

#[tokio::test]
async fn a_deletion_that_is_answered_with_an_action_is_waited_for() {
    let action = |status: &str| format!(r#""command":"delete_network","status":"{status}","id":9"#);
    let client = canned(&[
        (
            "201 Created",
            format!(r#"{{"action":{{{}}}}}"#, action("running")),
        ),
        (
            "200 OK",
            format!(r#"{{"actions":[{{{}}}]}}"#, action("running")),
        ),
        (
            "200 OK",
            format!(r#"{{"actions":[{{{}}}]}}"#, action("success")),
        ),
    ])
    .await;
    client.networks().delete(1).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_leaves_a_change_unknown() {
    for body in ["", "{}", "<html>", r#"{"network":{"name":"no id"}}"#] {
        let client = canned(&[("201 Created", body.to_owned())]).await;
        let error = client
            .networks()
            .create(&request("main"))
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::OutcomeUnknown, "{body}");
        assert_eq!(
            error.to_string(),
            "POST /networks: cannot read the answer of the API"
        );
    }
}

#[tokio::test]
async fn an_answer_over_the_size_limit_is_refused() {
    let client = canned(&[("200 OK", " ".repeat(100_000))]).await;
    let small = Settings {
        answer_limit: 50_000,
        ..settings()
    };
    let clients = Clients::new(small, Clock::system(), Metrics::default()).unwrap();
    let client = clients.get(client.endpoint(), &Token::new("t").unwrap());
    let error = client
        .networks()
        .create(&request("main"))
        .await
        .unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "cannot read the answer's body");
}
