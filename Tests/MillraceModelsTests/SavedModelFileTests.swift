import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceModels

/// What is known of a SavedModel without TensorFlow.
struct SavedModelFileTests {
    private let natality = Fixture.directory + "/natality/"

    @Test func readsTheSignatureOfKerasExports() throws {
        let signatures = try SavedModelFile.signatures(Fixture.bytes("natality/savedmodel_wd/saved_model.pb"))
        let entry = try #require(signatures.first { $0.name == "serving_default" })
        #expect(
            entry.inputs.map(\.text) == [
                "gestation_weeks float[?]", "is_male string[?]", "mother_age float[?]", "plurality string[?]",
            ])
        #expect(entry.inputs.map(\.operation) == entry.inputs.map { "serving_default_" + $0.key })
        #expect(entry.outputs.map(\.text) == ["predictions float[?]"])
        #expect(entry.outputs.map(\.index) == [0])
    }

    @Test func inspectsWithoutTheLibrary() throws {
        let (provider, model) = try ModelProviders.inspect(path: natality + "savedmodel_mlp")
        #expect(provider == "savedmodel")
        #expect(model.signature.inputs == Array(repeating: .init(name: "", type: .float), count: 8))
        #expect(model.signature.outputs == [.init(name: "weight_pounds", type: .float)])
        #expect(model.signature.facts.contains("input: features float[?, 8]"))
    }

    /// The hash that sha256sum over sha256sum gives.
    @Test(arguments: [("savedmodel_wd", "4d6c6ab4a1744a4e"), ("savedmodel_mlp", "a59f8721e4f5dae3")])
    func versionIsTheHashOfTheFolder(_ folder: String, _ version: String) throws {
        #expect(try ModelProviders.inspect(path: natality + folder).model.version == version)
    }

    @Test func shapesAndTypes() throws {
        let bytes = SavedModelBytes.file(signatures: [
            ("z", []),
            (
                "a",
                SavedModelBytes.tensor(1, "x", "n/x:0", 1, [-1, 28, 2]) + SavedModelBytes.tensor(1, "b", "b", 9, nil)
                    + SavedModelBytes.tensor(2, "y", "n:12", 19, [-1, -1])
            ),
        ])
        let signatures = try SavedModelFile.signatures(bytes)
        #expect(signatures.map(\.name) == ["a", "z"])
        #expect(signatures[0].inputs.map(\.text) == ["b int64[unknown rank]", "x float[?, 28, 2]"])
        #expect(signatures[0].inputs.map(\.width) == [nil, 56])
        #expect(signatures[0].outputs.map(\.text) == ["y type 19[?, ?]"])
        #expect(signatures[0].outputs[0].index == 12)
    }

    @Test(arguments: [
        ([UInt8](), "it has no graph"),
        (SavedModelBytes.file(tags: ["train"], signatures: []), "no graph with the tag \"serve\""),
        ([0x12, 0x05, 0x01], "longer than its message"),
        ([0x12], "ends early"),
        ([0x0B], "wire type 3"),
        ([0x00, 0x00], "number 0"),
        ([0x08] + Array(repeating: 0xFF, count: 10), "more than 64 bits"),
        (
            SavedModelBytes.file(signatures: [("s", SavedModelBytes.tensor(1, "x", "n:-1", 1, [-1]))]),
            "is at \"n:-1\""
        ),
        (SavedModelBytes.message(2, SavedModelBytes.number(5, 3)), "stored as a number"),
        (SavedModelBytes.message(2, SavedModelBytes.message(5, SavedModelBytes.message(1, [0xC3]))), "not UTF-8"),
    ])
    func refusesWhatIsNone(_ bytes: [UInt8], _ message: String) {
        let fault = #expect(throws: ModelFileFault.self) { _ = try SavedModelFile.signatures(bytes) }
        let text = fault?.diagnostic(path: "p", range: .none).message ?? ""
        #expect(text.contains(message))
    }

    /// Damaged bytes give a signature or a fault, never a crash.
    @Test func survivesDamage() {
        let bytes = Fixture.bytes("natality/savedmodel_wd/saved_model.pb")
        for i in 0..<40 { _ = try? SavedModelFile.signatures(Array(bytes.prefix(bytes.count * i / 40))) }
        for seed in UInt64(1)...300 {
            var state = seed &* 0x9E37_79B9_7F4A_7C15
            var damaged = bytes
            for _ in 0..<16 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                // Near the ends, where lengths and signatures are.
                let at = Int(state >> 33) % 2000
                damaged[seed.isMultiple(of: 2) ? at : damaged.count - 1 - at] = UInt8(truncatingIfNeeded: state >> 20)
            }
            _ = try? SavedModelFile.signatures(damaged)
        }
    }

    @Test(arguments: [
        (
            "savedmodel", "natality/savedmodel_mlp", ["signature": "serving"], "has no signature \"serving\"",
            "serving_default"
        ),
        ("onnx", "natality/savedmodel_mlp", [:], "is a TensorFlow SavedModel", "'provider' = 'savedmodel'"),
        ("savedmodel", "natality/natality_mlp.onnx", [:], "is ONNX", "'provider' = 'onnx'"),
        ("savedmodel", "natality/savedmodel_mlp", ["features": "a,b"], "names 2 features, the file wants 8", ""),
        ("savedmodel", "natality/savedmodel_mlp", ["version": "00"], "has version a59f8721e4f5dae3", "SHA-256"),
        (
            "savedmodel", "natality/savedmodel_mlp", ["runtime-library": "/nowhere/libtensorflow.so"],
            "tried /nowhere/libtensorflow.so", "Scripts/fetch-tensorflow"
        ),
        (
            "savedmodel", "natality/savedmodel_wd", [:], "INPUT does not have the names of the model's inputs",
            "gestation_weeks, is_male, mother_age, plurality"
        ),
    ])
    func refusesBeforeTheLibraryIsLoaded(
        _ provider: String, _ file: String, _ options: [String: String], _ message: String, _ hint: String
    ) {
        let count = file.hasSuffix("wd") ? 4 : 8
        let plan = Fixture.plan(
            provider, file, inputs: Fixture.doubles((0..<count).map { "f\($0)" }), outputs: [Field("w", .double)],
            options: options)
        let diagnostic = #expect(throws: Diagnostic.self) {
            _ = try ModelProviders.load(plan, baseDirectory: Fixture.directory)
        }
        #expect(diagnostic?.message.contains(message) == true, "\(diagnostic?.message ?? "")")
        let advice = diagnostic?.hint ?? ""
        #expect(hint.isEmpty || advice.contains(hint), "\(advice)")
    }
}
