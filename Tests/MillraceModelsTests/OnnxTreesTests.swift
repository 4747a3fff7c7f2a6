import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceModels

/// ONNX files of one tree ensemble without ONNX Runtime, against what ONNX Runtime made of the same rows
/// (`Fixtures/make_onnx_fixtures.py`).
struct OnnxTreesTests {
    struct Case {
        var file: String
        var isNative: Bool
        var rows: Rows
        var expected: [(name: String, values: [Value])]

        var outputs: [Field] {
            expected.map { name, values in
                if case .string? = values.first { return Field(name, .string) }
                if case .integer? = values.first { return Field(name, .bigInt) }
                return Field(name, .double)
            }
        }

        func load(_ options: [String: String]) throws -> any Model {
            try ModelProviders.load(
                Fixture.plan("onnx", "onnx/" + file, inputs: rows.fields, outputs: outputs, options: options),
                baseDirectory: Fixture.directory)
        }
    }

    static let cases: [Case] = {
        let root = try! JSONSerialization.jsonObject(with: Data(Fixture.bytes("onnx/cases.json"))) as! [[String: Any]]
        return root.map { item in
            let names = item["names"] as! [String]
            let integers = item["integers"] as! [String]
            let cells = (item["inputs"] as! [[Any]])
            let fields = names.map { Field($0, integers.contains($0) ? .bigInt : .double) }
            let rows = Rows(
                fields,
                fields.enumerated().map { index, field in
                    cells.map { row in
                        if let text = row[index] as? String { return .double(text == "inf" ? .infinity : -.infinity) }
                        guard let x = row[index] as? Double else { return .null }
                        return field.type == .bigInt ? .integer(Int64(x)) : .double(x)
                    }
                })
            let isInteger = { (name: String) in name.hasSuffix("label") }
            let expected = (item["expected"] as! [String: [Any]]).sorted { $0.key < $1.key }.map { name, values in
                (
                    name: name,
                    values: values.map { value -> Value in
                        if let text = value as? String { return .string(text) }
                        if isInteger(name) { return .integer((value as! NSNumber).int64Value) }
                        return (value as? Double).map { .double($0) } ?? .error(.modelNotANumber)
                    }
                )
            }
            return Case(
                file: item["file"] as! String, isNative: item["native"] as! Bool, rows: rows, expected: expected)
        }
    }()

    private func check(_ item: Case, _ scored: [[Value]], _ what: String) {
        for (column, (name, expected)) in item.expected.enumerated() {
            for row in expected.indices {
                let value = scored[column][row]
                if case .double(let x) = expected[row] {
                    #expect(distance(value, x) <= 2e-6, "\(item.file) \(what) \(name) row \(row): \(value), \(x)")
                } else {
                    #expect(value == expected[row], "\(item.file) \(what) \(name) row \(row): \(value)")
                }
            }
        }
    }

    @Test func oneTreeEnsembleAgreesWithOnnxRuntime() throws {
        #expect(Self.cases.count > 50)
        for item in Self.cases where item.isNative {
            let model = try item.load(["runtime": "native"])
            let scored = try item.rows.score(model, outputs: item.outputs)
            check(item, scored, "native")
            for size in [1, 5, 8] {
                #expect(try item.rows.score(model, outputs: item.outputs, batch: size) == scored, "\(item.file)")
            }
        }
    }

    @Test func otherFormsAreLeftToOnnxRuntime() throws {
        for item in Self.cases where !item.isNative {
            let refusal = #expect(throws: Diagnostic.self) { _ = try item.load(["runtime": "native"]) }
            #expect(refusal?.message.contains("needs ONNX Runtime") == true, "\(item.file)")
        }
        let network = #expect(throws: Diagnostic.self) {
            _ = try ModelProviders.load(
                Fixture.plan(
                    "onnx", "natality/natality_mlp.onnx", inputs: Fixture.doubles(Fixture.natality),
                    outputs: [Field("w", .double)], options: ["runtime": "native"]),
                baseDirectory: Fixture.directory)
        }
        #expect(network?.message.contains("its graph has no tree ensemble") == true)
    }

    /// The same columns either way: a file may move between the two.
    @Test(.enabled(if: onnxIsUsable, "ONNX Runtime is missing: run Scripts/fetch-onnxruntime"))
    func bothRuntimesHaveOneSignature() throws {
        for item in Self.cases {
            let library = try item.load(["runtime": "onnxruntime"])
            check(item, try item.rows.score(library, outputs: item.outputs), "onnxruntime")
            guard item.isNative else { continue }
            let native = try item.load(["runtime": "native"])
            #expect(native.signature.inputs == library.signature.inputs, "\(item.file)")
            #expect(native.signature.outputs == library.signature.outputs, "\(item.file)")
            #expect(native.version == library.version)
            #expect(library.signature.facts.contains { $0.hasPrefix("runtime: ONNX Runtime") })
            #expect(native.signature.facts.contains("runtime: native trees"))
        }
    }

    @Test func goldenRowsWithoutTheLibrary() throws {
        for (file, names, column, golden) in [
            ("natality/natality_xgb.onnx", Fixture.natality, "xgb_onnx", "natality"),
            ("fraud/fraud_xgb.onnx", Fixture.fraud, "xgb_onnx_p1", "fraud"),
        ] {
            let rows = Rows(golden: golden + "/golden_inputs.csv", names)
            let outputs = [Field("score", .double)]
            let model = try ModelProviders.load(
                Fixture.plan("onnx", file, inputs: rows.fields, outputs: outputs, options: ["runtime": "native"]),
                baseDirectory: Fixture.directory)
            let expected = Fixture.numbers(golden + "/golden_expected.csv", column)
            for (value, expected) in zip(try rows.score(model, outputs: outputs)[0], expected) {
                #expect(distance(value, expected!) <= 1e-6)
            }
        }
    }

    /// NULL is missing in a float tensor and an error in one of whole numbers, with and without the library.
    @Test func nullInWholeNumbersIsAnError() throws {
        let item = Self.cases.first { $0.file == "sk_named_mixed.onnx" }!
        var rows = item.rows
        rows.cells[0][1] = .null
        rows.cells[3][2] = .null
        rows.cells[2][3] = .error(.castFailed)
        let scored = try rows.score(try item.load(["runtime": "native"]), outputs: item.outputs)
        for column in scored {
            #expect(column[1] == .error(.modelError))
            #expect(column[2] != .error(.modelError))
            #expect(column[3] == .error(.castFailed))
        }
    }

    @Test func damagedGraphsAreNoCrash() throws {
        for file in ["onnx/made_three_SOFTMAX.onnx", "onnx/sk_named.onnx", "onnx/lgb_categories.onnx"] {
            let bytes = Fixture.bytes(file)
            for i in 0..<40 {
                guard let file = try? OnnxFile(Array(bytes.prefix(bytes.count * i / 40))) else { continue }
                _ = (OnnxTrees.recognize(file, names: [], declared: nil), file.facts)
            }
            for seed in UInt64(1)...200 {
                var state = seed &* 0x9E37_79B9_7F4A_7C15
                var damaged = bytes
                for _ in 0..<6 {
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    damaged[Int(state >> 33) % damaged.count] = UInt8(truncatingIfNeeded: state >> 20)
                }
                guard let graph = try? OnnxFile(damaged),
                    case .trees(let ensemble, let interface) = OnnxTrees.recognize(graph, names: [], declared: nil),
                    let model = try? ForestModel(
                        ensemble, label: "m", version: "", featureNames: [], givesMargin: false, nullFails: false,
                        interface: interface),
                    model.signature.inputs.count <= 64
                else { continue }
                let fields = model.signature.inputs.map { Field($0.name, $0.type == .bigInt ? .bigInt : .double) }
                let rows = Rows(
                    fields,
                    fields.indices.map { column in
                        (0..<9).map {
                            fields[column].type == .bigInt ? .integer(Int64($0)) : .double(Double($0 - column))
                        }
                    })
                _ = try? rows.score(model, outputs: model.signature.outputs.map { Field($0.name, $0.type) })
            }
        }
    }
}
