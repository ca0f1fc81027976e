//! Adapters: what they compute, what they begin as, and what is refused in their files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use burn::tensor::{Device, FloatDType, Tensor};
use likra_lora::{Adapter, Error, Linear, LoraConfig, Target, TargetModules};

fn target(module: &str, input: usize, output: usize) -> Target {
    let module = module.into();
    Target {
        module,
        input,
        output,
    }
}

fn targets() -> Vec<Target> {
    [
        "layers.0.mlp.up_proj",
        "layers.0.self_attn.q_proj",
        "layers.1.mlp.down_proj",
    ]
    .map(|module| target(module, 25, 6))
    .to_vec()
}

fn fresh(seed: u64) -> Adapter {
    Adapter::init(LoraConfig::default(), &targets(), seed, &Device::flex()).unwrap()
}

fn values(tensor: &Tensor<2>) -> Vec<f32> {
    tensor.try_to_vec_as::<f32>().unwrap()
}

#[test]
fn a_new_adapter_is_uniform_in_a_and_zero_in_b() {
    let adapter = fresh(1);
    // The attention is no target by default.
    assert_eq!(adapter.tensors().len(), 4);
    let tensors = adapter.tensors().into_iter();
    let numbers: usize = tensors
        .map(|(_, tensor)| tensor.shape().num_elements())
        .sum();
    assert_eq!(numbers, 2 * 8 * (25 + 6));
    for (name, tensor) in adapter.tensors() {
        let values = values(&tensor);
        if name.ends_with("lora_B.weight") {
            assert!(values.iter().all(|value| *value == 0.0));
            continue;
        }
        // 200 draws from ±1/√25: all inside, and some near both ends.
        let (low, high) = values
            .iter()
            .fold((0.0f32, 0.0f32), |(l, h), v| (l.min(*v), h.max(*v)));
        assert!(
            (-0.2..-0.18).contains(&low) && (0.18..0.2).contains(&high),
            "{low} {high}"
        );
    }
    let of = |seed| values(&fresh(seed).tensors()[0].1);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

/// A temporary file is for its owner alone, and an adapter is not one.
#[cfg(unix)]
#[test]
fn a_saved_adapter_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    fresh(1).save(dir.path()).unwrap();
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        assert_eq!(mode(&dir.path().join(name)), mode(&plain), "{name}");
    }
}

#[test]
fn an_update_is_scale_times_b_a_x() {
    let device = Device::flex();
    let weight = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], &device);
    let bias = Tensor::from_floats([0.5, 0.0, 0.0], &device);
    let layer = Linear::new("up_proj", weight, Some(bias));
    let config = LoraConfig {
        rank: 1,
        alpha: 2.0,
        ..LoraConfig::default()
    };
    let numbers = Tensor::from_floats([1.0, 2.0, 1.0, 10.0, 0.0], &device);
    let adapter = Adapter::init(config, &[target("up_proj", 2, 3)], 1, &device)
        .unwrap()
        .with(&numbers);
    let x = Tensor::from_floats([[3.0, 4.0]], &device);
    assert_eq!(values(&layer.forward(x.clone(), None)), [3.5, 4.0, 7.0]);
    // A x = 3 + 8 = 11, twice that is 22.
    assert_eq!(
        values(&layer.forward(x, Some(&adapter))),
        [25.5, 224.0, 7.0]
    );
}

#[test]
fn only_the_adapter_gets_gradients() {
    let device = Device::flex();
    let weight = Tensor::ones([3, 25], &device);
    let layer = Linear::new("layers.0.mlp.up_proj", weight.clone(), None);
    let layers = [target("layers.0.mlp.up_proj", 25, 3)];
    let adapter = Adapter::init(LoraConfig::default(), &layers, 1, &device)
        .unwrap()
        .tracked();
    let gradients = layer
        .forward(Tensor::ones([2, 25], &device), Some(&adapter))
        .sum()
        .backward();
    assert!(weight.grad(&gradients).is_none());
    assert!(
        adapter
            .tensors()
            .iter()
            .all(|(_, tensor)| tensor.grad(&gradients).is_some())
    );
}

#[test]
fn half_precision_weights_keep_updates_in_full_precision() {
    let device = Device::flex();
    let weight = Tensor::<2>::ones([6, 25], &device).cast(FloatDType::BF16);
    let layer = Linear::new("layers.0.mlp.up_proj", weight, None);
    let adapter = fresh(1).tracked();
    let x = Tensor::<2>::ones([1, 25], &device).cast(FloatDType::BF16);
    let y = layer.forward(x, Some(&adapter));
    assert_eq!(FloatDType::from(y.dtype()), FloatDType::BF16);
    let mut gradients = y.cast(FloatDType::F32).sum().backward();
    let gradient = adapter.tensors()[0].1.grad_remove(&mut gradients).unwrap();
    assert_eq!(FloatDType::from(gradient.dtype()), FloatDType::F32);
}

#[test]
fn what_is_saved_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let config = LoraConfig {
        rank: 3,
        alpha: 6.0,
        rslora: true,
        ..LoraConfig::default()
    };
    let adapter = Adapter::init(config, &targets(), 5, &Device::flex()).unwrap();
    adapter.save(dir.path()).unwrap();
    let loaded = Adapter::load(dir.path(), &Device::flex()).unwrap();
    assert_eq!(loaded.config(), adapter.config());
    for ((name, found), (expected_name, expected)) in loaded.tensors().iter().zip(adapter.tensors())
    {
        assert_eq!((name, values(found)), (&expected_name, values(&expected)));
    }
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn no_layer_of_that_name_is_an_error() {
    let config = LoraConfig {
        target_modules: TargetModules::Names(vec!["fc1".into()]),
        ..LoraConfig::default()
    };
    let error = Adapter::init(config, &targets(), 1, &Device::flex()).unwrap_err();
    assert!(matches!(error, Error::NoTarget(..)));
    assert!(
        error.to_string().contains("fc1") && error.to_string().contains("up_proj"),
        "{error}"
    );
}

#[test]
fn a_reward_that_the_settings_do_not_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut adapter = fresh(1);
    adapter.reward = Some(Tensor::zeros([1, 8], &Device::flex()));
    adapter.save(dir.path()).unwrap();
    assert!(Adapter::load(dir.path(), &Device::flex()).is_ok());
    let path = dir.path().join("adapter_config.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["modules_to_save"] = serde_json::Value::Null;
    fs::write(path, config.to_string()).unwrap();
    let error = Adapter::load(dir.path(), &Device::flex()).unwrap_err();
    assert!(error.to_string().contains("score.weight"), "{error}");
}

/// PEFT opens all of these.
#[test]
fn what_leaves_out_layers_is_known_by_its_tensors() {
    for (from, to) in [
        ("\"fan_in_fan_out\": false", "\"fan_in_fan_out\": true"),
        (
            "\"rank_pattern\": {}",
            "\"layers_to_transform\": [0, 1], \"layers_pattern\": \"layers\"",
        ),
        ("\"rank_pattern\": {}", "\"exclude_modules\": [\"q_proj\"]"),
        ("\"rank_pattern\": {}", "\"init_lora_weights\": \"eva\""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fresh(1).save(dir.path()).unwrap();
        settings(from, to)(dir.path());
        let loaded = Adapter::load(dir.path(), &Device::flex()).unwrap();
        assert!(loaded.updates.keys().eq(fresh(1).updates.keys()), "{to}");
        for module in loaded.updates.keys() {
            assert!(loaded.config().targets(module).unwrap(), "{to}: {module}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut adapter = fresh(1);
    adapter.reward = Some(Tensor::zeros([1, 8], &Device::flex()));
    adapter.save(dir.path()).unwrap();
    // As PEFT writes it for `modules_to_save=["score"]`.
    settings(
        "\"modules_to_save\": [\n",
        "\"modules_to_save\": [ \"score\",\n",
    )(dir.path());
    assert!(
        Adapter::load(dir.path(), &Device::flex())
            .unwrap()
            .reward
            .is_some()
    );
}

/// What loading says after `spoil` has been at a good adapter's folder.
fn refusal(spoil: impl FnOnce(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    fresh(1).save(dir.path()).unwrap();
    spoil(dir.path());
    Adapter::load(dir.path(), &Device::flex())
        .unwrap_err()
        .to_string()
}

fn settings(from: &'static str, to: &'static str) -> impl FnOnce(&Path) {
    move |dir| {
        let path = dir.join("adapter_config.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

#[test]
fn what_is_not_a_plain_update_is_refused_by_name() {
    for (from, to, message) in [
        ("\"LORA\"", "\"IA3\"", "peft_type"),
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora"),
        ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias"),
        (
            "\"rank_pattern\": {}",
            "\"rank_pattern\": {\"up_proj\": 4}",
            "lora_A",
        ),
        (
            "\"rank_pattern\": {}",
            "\"init_lora_weights\": \"pissa\"",
            "init_lora_weights = \"pissa\"",
        ),
        (
            "\"rank_pattern\": {}",
            "\"alora_invocation_tokens\": [1]",
            "alora_invocation_tokens = [1]",
        ),
        (
            "\"rank_pattern\": {}",
            "\"use_next_years_lora\": 1",
            "use_next_years_lora = 1",
        ),
        (
            "\"rank_pattern\": {}",
            "\"kasa_config\": {}",
            "kasa_config = {}",
        ),
        (
            "\"alpha_pattern\": {}",
            "\"alpha_pattern\": {\"up_proj\": 1, \"mlp.up_proj\": 2}",
            "adapter_config.json: alpha_pattern",
        ),
        ("\"down_proj\"", "\"o_proj\"", "layers.1.mlp.down_proj"),
        (
            "\"modules_to_save\": null",
            "\"modules_to_save\": [\"lm_head\"]",
            "modules_to_save",
        ),
        (
            "\"rank_pattern\": {}",
            "\"layers_to_transform\": 0",
            "layers.1.",
        ),
        (
            "\"rank_pattern\": {}",
            "\"layers_to_transform\": [0, 1], \"layers_pattern\": [\"h\"]",
            "layers_to_transform",
        ),
        (
            "\"rank_pattern\": {}",
            "\"exclude_modules\": \".*down_proj\"",
            "down_proj",
        ),
        (
            "\"rank_pattern\": {}",
            "\"layers_to_transform\": [\"0\"]",
            "layers_to_transform",
        ),
        ("\"r\": 8", "\"r\": 4", "lora_A"),
        ("\"r\": 8", "\"r\": 0", "rank"),
        ("\"r\": 8", "\"r\": \"eight\"", "adapter_config.json"),
        ("\"lora_alpha\": 8", "\"lora_alpha\": -1", "alpha"),
    ] {
        let error = refusal(settings(from, to));
        assert!(error.contains(message), "{to}: {error}");
    }
}

#[test]
fn damaged_files_are_refused_by_name() {
    let tensors = "adapter_model.safetensors";
    let cut = |dir: &Path| {
        let bytes = fs::read(dir.join(tensors)).unwrap();
        fs::write(dir.join(tensors), &bytes[..bytes.len() - 7]).unwrap();
    };
    assert!(refusal(cut).contains(tensors));
    assert!(
        refusal(|dir| fs::write(dir.join(tensors), b"\xff\xff\xff\xff\xff\xff\xff\xff{").unwrap())
            .contains(tensors)
    );
    assert!(refusal(|dir| fs::remove_file(dir.join(tensors)).unwrap()).contains(tensors));
    assert!(
        refusal(|dir| fs::remove_file(dir.join("adapter_config.json")).unwrap())
            .contains("adapter_config.json")
    );
    let renamed = |dir: &Path| {
        let bytes = fs::read(dir.join(tensors)).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let place = text.find("lora_B").unwrap();
        let mut bytes = bytes;
        bytes[place + 5] = b'C';
        fs::write(dir.join(tensors), bytes).unwrap();
    };
    assert!(refusal(renamed).contains("lora_B"));
}
