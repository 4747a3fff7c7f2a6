import MillraceSQL

/// BigQuery's options of an imported model under their names here: MODEL_TYPE is the provider, MODEL_PATH the path,
/// INPUT_LABEL_COLS the label.
enum BigQueryModelOptions {
    private static let names = ["model_type": "provider", "model_path": "path", "input_label_cols": "label"]
    private static let types = [
        "ONNX": "onnx", "XGBOOST": "xgboost", "BOOSTED_TREE_CLASSIFIER": "xgboost", "BOOSTED_TREE_REGRESSOR": "xgboost",
        "LIGHTGBM": "lightgbm", "TENSORFLOW": "savedmodel",
    ]

    static func translated(_ options: [OptionSyntax]) -> [OptionSyntax] {
        options.map { option in
            guard let name = names[option.key.text] else { return option }
            var option = option
            option.key.text = name
            if name == "provider", let provider = types[option.value.text.uppercased()] { option.value.text = provider }
            return option
        }
    }
}
