//! Weight files of other people's kind: what transformers reads is read, what is damaged is named.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, FloatDType};
use likra_model::{Batch, Error, Model, Row};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

fn fixture(name: &str) -> PathBuf {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/llama");
    models.join(name)
}

/// The fixture's tensors, all f32.
fn stored() -> Vec<Stored> {
    let bytes = fs::read(fixture("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (&str, TensorView)| Stored {
        name: name.into(),
        dtype: view.dtype(),
        shape: view.shape().into(),
        data: view.data().into(),
    };
    file.iter().map(tensor).collect()
}

fn write(path: &Path, tensors: &[Stored]) {
    let views = tensors.iter().map(|tensor| {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.data);
        (&tensor.name, view.unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A folder with the fixture's configuration and what `fill` puts beside it.
fn folder(fill: impl FnOnce(&Path)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture("config.json"), dir.path().join("config.json")).unwrap();
    fill(dir.path());
    dir
}

fn open(dir: &Path) -> Result<Vec<f32>, Error> {
    let model = Model::open(dir, FloatDType::F32, &Device::flex())?;
    let hidden = model.forward(&Batch::new(&[Row::sequence(&[1, 5, 7])]), None, None)?;
    Ok(model.logits(hidden).try_into_vec_as::<f32>().unwrap())
}

#[test]
fn the_same_weights_in_other_forms_give_the_same_logits() {
    let expected = open(&fixture("")).unwrap();
    let single = "model.safetensors";
    let with = |change: &dyn Fn(&mut Stored)| {
        let mut tensors = stored();
        tensors.iter_mut().for_each(change);
        tensors
    };
    // A base that was saved without its head has no prefix.
    let bare = with(&|tensor| tensor.name = tensor.name.replacen("model.", "", 1));
    let double = with(&|tensor| {
        let values = tensor
            .data
            .chunks(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        tensor.data = values
            .flat_map(|value| f64::from(value).to_le_bytes())
            .collect();
        tensor.dtype = Dtype::F64;
    });
    // Nobody asks for this one.
    let mut more = stored();
    let mut unused = stored().remove(0);
    unused.name = "model.layers.0.self_attn.rotary_emb.inv_freq".into();
    more.push(unused);
    for tensors in [bare, double, more] {
        let dir = folder(|dir| write(&dir.join(single), &tensors));
        assert_eq!(open(dir.path()).unwrap(), expected);
    }
}

#[test]
fn damage_is_named_with_file_and_tensor() {
    let name = "model.layers.1.mlp.up_proj.weight";
    let spoilt = |bytes: [u8; 4]| {
        let mut tensors = stored();
        let tensor = tensors
            .iter_mut()
            .find(|tensor| tensor.name == name)
            .unwrap();
        tensor.data[40..44].copy_from_slice(&bytes);
        tensors
    };
    for value in [f32::NAN, f32::NEG_INFINITY] {
        let dir = folder(|dir| write(&dir.join("model.safetensors"), &spoilt(value.to_le_bytes())));
        let error = open(dir.path()).unwrap_err().to_string();
        let words = ["model.safetensors", name, "finite", &value.to_string()];
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }

    let cut = folder(|dir| {
        let bytes = fs::read(fixture("model.safetensors")).unwrap();
        fs::write(dir.join("model.safetensors"), &bytes[..bytes.len() - 9]).unwrap();
    });
    let error = open(cut.path()).unwrap_err().to_string();
    assert!(
        error.contains("model.safetensors") && error.contains("bytes"),
        "{error}"
    );

    // Two shards with one tensor.
    let twice = folder(|dir| {
        write(&dir.join("a.safetensors"), &stored());
        write(&dir.join("b.safetensors"), &stored()[..1]);
        let index = "{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"b.safetensors\"}}";
        fs::write(dir.join("model.safetensors.index.json"), index).unwrap();
    });
    let error = open(twice.path()).unwrap_err().to_string();
    assert!(
        error.contains("b.safetensors") && error.contains("a.safetensors too"),
        "{error}"
    );

    let adapter = folder(|dir| {
        write(&dir.join("model.safetensors"), &stored());
        fs::write(dir.join("adapter_config.json"), "{}").unwrap();
    });
    let error = open(adapter.path()).unwrap_err().to_string();
    assert!(error.contains("adapter_config.json"), "{error}");
}
