//! Names and tags.

use groklab_proto::v1;
use tonic::{Code, Status};

use crate::{
    harness::Coordinator,
    life::{FILE, export},
    worker::crew,
};

async fn rename(coordinator: &Coordinator, id: &str, name: &str) -> Result<String, Status> {
    let request = v1::RenameRequest {
        experiment: id.to_owned(),
        name: name.to_owned(),
    };
    let answer = coordinator.experiments().rename(request).await?;
    Ok(answer.into_inner().name)
}

async fn tag(
    coordinator: &Coordinator,
    id: &str,
    add: &[&str],
    remove: &[&str],
) -> Result<Vec<String>, Status> {
    let owned = |tags: &[&str]| tags.iter().map(ToString::to_string).collect();
    let request = v1::TagRequest {
        experiment: id.to_owned(),
        add: owned(add),
        remove: owned(remove),
    };
    let answer = coordinator.experiments().tag(request).await?;
    Ok(answer.into_inner().tags)
}

async fn listed(coordinator: &Coordinator, tags: &[&str]) -> Result<Vec<String>, Status> {
    let request = v1::ListRequest {
        state: String::new(),
        tags: tags.iter().map(ToString::to_string).collect(),
    };
    let answer = coordinator.experiments().list(request).await?.into_inner();
    Ok(answer.experiments.into_iter().map(|one| one.name).collect())
}

#[tokio::test]
async fn a_renamed_experiment_is_found_by_its_name_and_is_the_same() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let id = coordinator.submit(FILE).await;
    coordinator.until(&id, "completed").await;
    let mut before = export(&coordinator, &id).await;
    assert_eq!(
        rename(&coordinator, "tiny", "small").await.unwrap(),
        "small"
    );
    assert_eq!(
        rename(&coordinator, "small", "small").await.unwrap(),
        "small"
    );
    assert_eq!(coordinator.get("small").await.experiment_id, id);
    let lost = rename(&coordinator, "tiny", "x").await.unwrap_err();
    assert_eq!(lost.code(), Code::NotFound);
    let mut after = export(&coordinator, "small").await;
    let config = |files: &mut std::collections::BTreeMap<_, Vec<u8>>| -> String {
        String::from_utf8(files.remove("config.json").unwrap()).unwrap()
    };
    let expected = config(&mut before).replace("\"name\": \"tiny\"", "\"name\": \"small\"");
    assert_eq!(config(&mut after), expected);
    assert_eq!(before, after);
    coordinator.stop().await;
}

#[tokio::test]
async fn a_name_is_given_once() {
    let coordinator = Coordinator::start().await;
    let first = coordinator.submit(FILE).await;
    let other = FILE.replace("tiny", "other");
    let other = coordinator.try_submit("second", &other).await.unwrap();
    let other = other.experiment.unwrap().experiment_id;
    let refused = rename(&coordinator, &other, "tiny").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(&first), "{refused}");
    for bad in ["", "a b", "-x", "a/b", "a\0", first.as_str()] {
        let refused = rename(&coordinator, &other, bad).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{bad}");
        assert!(refused.message().starts_with("`name` = "), "{refused}");
    }
    // Of two that want one name at the same time, one gets it.
    let (a, b) = tokio::join!(
        rename(&coordinator, &first, "wanted"),
        rename(&coordinator, &other, "wanted")
    );
    assert_eq!(
        usize::from(a.is_ok()) + usize::from(b.is_ok()),
        1,
        "{a:?} {b:?}"
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn tags_are_added_taken_off_and_asked_for() {
    let coordinator = Coordinator::start().await;
    let first = coordinator.submit(FILE).await;
    let other = FILE.replace("tiny", "other");
    coordinator.try_submit("second", &other).await.unwrap();
    let tags = tag(&coordinator, &first, &["b", "a", "b"], &[])
        .await
        .unwrap();
    assert_eq!(tags, ["a", "b"]);
    assert_eq!(
        tag(&coordinator, "other", &["b"], &["c"]).await.unwrap(),
        ["b"]
    );
    assert_eq!(
        listed(&coordinator, &["b"]).await.unwrap(),
        ["other", "tiny"]
    );
    assert_eq!(listed(&coordinator, &["a", "b"]).await.unwrap(), ["tiny"]);
    assert!(listed(&coordinator, &["c"]).await.unwrap().is_empty());
    // Both of two at once count.
    let (one, two) = tokio::join!(
        tag(&coordinator, &first, &["x"], &["a"]),
        tag(&coordinator, &first, &["y"], &[])
    );
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(coordinator.get(&first).await.tags, ["b", "x", "y"]);

    let both = tag(&coordinator, &first, &["z"], &["z"]).await.unwrap_err();
    assert!(both.message().contains("tag `z`"), "{both}");
    let bad = tag(&coordinator, &first, &["a b"], &[]).await.unwrap_err();
    assert!(bad.message().starts_with("`tag` = \"a b\""), "{bad}");
    assert_eq!(
        listed(&coordinator, &["a b"]).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let many: Vec<String> = (0..33).map(|n| format!("t{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = tag(&coordinator, &first, &many, &[]).await.unwrap_err();
    assert!(refused.message().contains("at most 32"), "{refused}");
    assert_eq!(coordinator.get(&first).await.tags, ["b", "x", "y"]);
    coordinator.stop().await;
}
