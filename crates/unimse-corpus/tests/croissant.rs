//! `croissant.json`: what the tables hold, as mlcroissant and as their own bytes say it.

use std::fs;

use serde_json::{Value, json};
use unimse_run::artefact;

use crate::common::{Data, demo::Demo};
use crate::python;

/// The description of the tables of `data`.
fn described(data: &Data) -> Value {
    data.ingest().unwrap();
    serde_json::from_slice(&fs::read(data.out().join("croissant.json")).unwrap()).unwrap()
}

#[test]
fn columns_types_and_digests_are_those_of_the_tables() {
    let data = Data::new(&[(
        "r v/utterances.csv",
        "utterance_id,split,text,score,audio\na,train,Great,2.5,a.wav\nb,test,So,0,a.wav\n",
    )]);
    data.tone("r v/a.wav", 16_000, 1600);
    let found = described(&data);
    assert_eq!(found["conformsTo"], "http://mlcommons.org/croissant/1.0");
    assert!(!found["description"].as_str().unwrap().contains("SYNTHETIC"));
    let tables = found["distribution"].as_array().unwrap();
    assert_eq!(tables.len(), 2, "no dev row, no dev table");
    let table = data.out().join("r v-test.parquet");
    assert_eq!(tables[1]["contentUrl"], "r%20v-test.parquet");
    assert_eq!(tables[1]["sha256"], artefact::sha256(&table).unwrap());
    let bytes = fs::metadata(&table).unwrap().len();
    assert_eq!(tables[1]["contentSize"], format!("{bytes} B"));

    let fields = found["recordSet"][0]["field"].as_array().unwrap();
    let field = |name: &str| fields.iter().find(|field| field["name"] == name).unwrap();
    for (name, kind, repeated) in [
        ("text", "sc:Text", Value::Null),
        ("turn", "sc:Integer", Value::Null),
        ("polarity", "sc:Text", Value::Null),
        ("start_s", "sc:Float", Value::Null),
        ("audio", "sc:Float", json!(true)),
        ("vad", "sc:Float", json!(true)),
    ] {
        assert_eq!(field(name)["dataType"], kind, "{name}");
        assert_eq!(field(name)["repeated"], repeated, "{name}");
    }
    let audio = field("audio")["description"].as_str().unwrap();
    assert!(
        audio.starts_with("Feature sequence [steps, 64]: mel-spectrogram ("),
        "{audio}"
    );
    assert_eq!(
        field("video")["description"],
        "Null: no utterance has this modality."
    );
    let source =
        json!({"fileObject": {"@id": "r%20v-train.parquet"}, "extract": {"column": "text"}});
    assert_eq!(field("text")["source"], source);
}

/// Prints issues, and records and fields by set.
const SCRIPT: &str = "
import json, sys
import mlcroissant
metadata = mlcroissant.Dataset(sys.argv[1]).metadata
assert not metadata.ctx.issues.errors, metadata.ctx.issues.report()
print(json.dumps({s.uuid: [f.name for f in s.fields] for s in metadata.record_sets}))
";

#[test]
fn mlcroissant_finds_no_error_in_the_demo() {
    let demo = Demo::new();
    demo.ingest().unwrap();
    let path = demo.out().join("croissant.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("SYNTHETIC DATA"));
    demo.ingest().unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        text,
        "same data, same bytes"
    );
    let test = "mlcroissant_finds_no_error_in_the_demo";
    let Some(python) = python::python(test, "mlcroissant") else {
        return;
    };
    let sets: Value = serde_json::from_str(&python::printed(&python, SCRIPT, &path)).unwrap();
    let sets = sets.as_object().unwrap();
    assert_eq!(sets.len(), 4 * 3, "a set a corpus and split");
    let fields = sets["mosi-train"].as_array().unwrap();
    assert_eq!(fields.len(), 17, "a field a column");
}
