import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceModels

struct BlockYAMLTests {
    @Test func readsWhatPyYAMLWrites() {
        let yaml = BlockYAML(
            """
            # comment
            artifact_path: model
            flavors:
              python_function:
                data: model.ubj
                env:
                  conda: conda.yaml
              'xg boost':
                code: null
                data: "a\\u00e9 \\"b\\"\\
                  \\ c"
              lightgbm:
              - skipped
              - also
            list:
            - a
            inputs: '[{"type": "double", "name": "it''s", "required": true},
              {"type": "long"}]'
            plain: one two
              three  # comment
            time: 2026-11-21 19:32:26.860745\r
            last: x
            """)
        #expect(yaml["artifact_path"] == "model")
        #expect(yaml.keys(of: "flavors") == ["python_function", "xg boost", "lightgbm"])
        #expect(yaml["flavors.python_function.env.conda"] == "conda.yaml")
        #expect(yaml["flavors.xg boost.code"] == nil)
        #expect(yaml["flavors.xg boost.data"] == "aé \"b\" c")
        #expect(
            yaml["inputs"] == "[{\"type\": \"double\", \"name\": \"it's\", \"required\": true}, {\"type\": \"long\"}]")
        #expect(yaml["plain"] == "one two three")
        #expect(yaml["time"] == "2026-11-21 19:32:26.860745")
        #expect(yaml["last"] == "x")
        #expect(yaml["absent"] == nil)
    }

    @Test func takesAnyText() {
        let text = "flavors:\n  a:\n    data: 'x\n  \"b\\\n - : : '' \" \\u12"
        for count in 0...text.utf8.count { _ = BlockYAML(String(decoding: text.utf8.prefix(count), as: UTF8.self)) }
    }
}

struct MLflowFolderTests {
    /// A folder with an `MLmodel` and files from the fixtures, by their name in the folder.
    private func withFolder(
        _ yaml: String, _ files: [String: String], _ body: (String) throws -> Void
    ) throws {
        let folder = NSTemporaryDirectory() + "millrace-mlflow-\(UUID().uuidString)"
        let manager = FileManager.default
        try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? manager.removeItem(atPath: folder) }
        try yaml.write(toFile: folder + "/MLmodel", atomically: true, encoding: .utf8)
        for (name, source) in files {
            let path = URL(fileURLWithPath: folder + "/" + name)
            try manager.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
            try manager.copyItem(atPath: Fixture.directory + "/" + source, toPath: path.path)
        }
        try body(folder)
    }

    private func yaml(_ flavor: String, _ data: String, signature: String = "") -> String {
        """
        flavors:
          python_function:
            data: \(data)
            loader_module: mlflow.\(flavor)
          \(flavor):
            data: \(data)
        mlflow_version: 3.17.2
        run_id: abc
        \(signature)
        """
    }

    @Test(arguments: [
        ("xgboost", "model.ubj", "natality/natality_xgb.ubj"),
        ("xgboost", "model.xgb", "natality/natality_xgb.json"),
        ("lightgbm", "model.lgb", "natality/natality_lgb.txt"),
        ("onnx", "data/model.onnx", "natality/natality_xgb.onnx"),
    ])
    func choosesTheFlavorByItself(_ flavor: String, _ file: String, _ source: String) throws {
        try withFolder(yaml(flavor, file), [file: source]) { folder in
            let (provider, model) = try ModelProviders.inspect(path: folder)
            #expect(provider == flavor)
            let facts = try #require(ModelProviders.mlflow(path: folder)).facts
            #expect(facts == ["MLflow: flavor \(flavor), file \(file), written by MLflow 3.17.2", "MLflow: run abc"])
            let rows = Rows(golden: "natality/golden_inputs.csv", Fixture.natality)
            let outputs = [Field("weight", .double)]
            for provider in ["auto", flavor] {
                let plan = Fixture.plan(provider, folder, inputs: rows.fields, outputs: outputs)
                let loaded = try ModelProviders.load(plan, baseDirectory: "")
                #expect(loaded.version == model.version)
                let column = flavor == "lightgbm" ? "lgb" : flavor == "onnx" ? "xgb_onnx" : "xgb"
                let expected = Fixture.numbers("natality/golden_expected.csv", column)
                for (value, expected) in zip(try rows.score(loaded, outputs: outputs)[0], expected) {
                    #expect(distance(value, expected!) <= 1e-6)
                }
            }
        }
    }

    @Test func signatureNamesTheFeatures() throws {
        let columns = Fixture.natality.map { "{\"type\": \"long\", \"name\": \"\($0)\", \"required\": true}" }
        let signature = "signature:\n  inputs: '[\(columns.joined(separator: ",\n    "))]'\n"
        try withFolder(
            yaml("onnx", "model.onnx", signature: signature), ["model.onnx": "natality/natality_xgb.onnx"]
        ) { folder in
            let (_, model) = try ModelProviders.inspect(path: folder)
            #expect(model.signature.inputs.map(\.name) == Fixture.natality)
            #expect(ModelProviders.mlflow(path: folder)?.inputs.map(\.type) == Array(repeating: .bigInt, count: 8))
            // The artifact alone means the same model.
            let (_, file) = try ModelProviders.inspect(path: folder + "/model.onnx")
            #expect(file.signature.inputs == model.signature.inputs)
            let swapped = #expect(throws: Diagnostic.self) {
                _ = try ModelProviders.load(
                    Fixture.plan(
                        "auto", folder, inputs: Fixture.doubles(Fixture.natality.reversed()),
                        outputs: [Field("w", .double)]), baseDirectory: "")
            }
            #expect(swapped?.message.contains("in another order") == true)
        }
    }

    @Test(arguments: [
        ("sklearn", "model.pkl", "flavors: sklearn", "skl2onnx"),
        ("catboost", "model.cb", "flavors: catboost", "format=\"onnx\""),
        ("pytorch", "data", "flavors: pytorch", "torch.onnx.export"),
        ("keras", "model.keras", "flavors: keras", "model.export"),
        ("lightgbm", "model.pkl", "flavors: lightgbm", "booster_"),
        ("spark", "model", "flavors: spark", "ONNX"),
    ])
    func saysWhatToDo(_ flavor: String, _ file: String, _ message: String, _ hint: String) throws {
        try withFolder(yaml(flavor, file), [file: "natality/natality_xgb.ubj"]) { folder in
            let refusal = #expect(throws: Diagnostic.self) { _ = try ModelProviders.inspect(path: folder) }
            #expect(refusal?.message.contains(message) == true, "\(refusal?.message ?? "")")
            #expect(refusal?.hint?.contains(hint) == true, "\(refusal?.hint ?? "")")
        }
    }

    @Test func missingArtifactIsNamed() throws {
        try withFolder(yaml("xgboost", "model.ubj"), [:]) { folder in
            let refusal = #expect(throws: Diagnostic.self) { _ = try ModelProviders.inspect(path: folder) }
            #expect(refusal?.message.contains("has no \"model.ubj\"") == true)
        }
    }

    @Test func optionsOfAnotherProviderAreRefused() throws {
        let refusal = #expect(throws: Diagnostic.self) {
            _ = try ModelProviders.load(
                Fixture.plan(
                    "auto", "natality/natality_xgb.ubj", inputs: Fixture.doubles(Fixture.natality),
                    outputs: [Field("w", .double)], options: ["runtime": "native"]),
                baseDirectory: Fixture.directory)
        }
        #expect(refusal?.message.contains("option \"runtime\" is not one of provider \"xgboost\"") == true)
        #expect(refusal?.hint?.contains("output") == true)
    }
}
