import Foundation
import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceModels

/// ONNX Runtime is not part of the build: without it these tests are skipped, or fail when MILLRACE_REQUIRE_ONNX=1.
let onnxIsUsable: Bool = {
    if ProcessInfo.processInfo.environment["MILLRACE_REQUIRE_ONNX"] == "1" { return true }
    return (try? OrtLibrary.load(option: nil)) != nil
}()

@Suite(.enabled(if: onnxIsUsable, "ONNX Runtime is missing: run Scripts/fetch-onnxruntime"))
struct OnnxModelTests {
    private func load(_ file: String, _ inputs: [Field], _ outputs: [Field], _ options: [String: String] = [:]) throws
        -> any Model
    {
        try ModelProviders.load(
            Fixture.plan("onnx", file, inputs: inputs, outputs: outputs, options: options),
            baseDirectory: Fixture.directory)
    }

    private func expectClose(_ values: [Value], _ file: String, _ column: String) {
        let expected = Fixture.numbers(file, column)
        #expect(values.count == 200)
        for (row, value) in values.enumerated() {
            #expect(distance(value, expected[row]!) <= 1e-5, "\(column) row \(row): \(value), \(expected[row]!)")
        }
    }

    @Test(arguments: [("natality_xgb.onnx", "xgb_onnx"), ("natality_mlp.onnx", "mlp_onnx")])
    func matrixModels(_ file: String, _ column: String) throws {
        let rows = Rows(golden: "natality/golden_inputs.csv", Fixture.natality)
        let outputs = [Field("weight", .double)]
        let model = try load("natality/" + file, rows.fields, outputs)
        for size in [Int.max, 1, 7] {
            expectClose(try rows.score(model, outputs: outputs, batch: size)[0], "natality/golden_expected.csv", column)
        }
    }

    @Test func namedInputsWithStrings() throws {
        let table = Fixture.table("natality/golden_inputs.csv")
        let plurality = ["Single(1)", "Twins(2)", "Triplets(3)", "Quadruplets(4)", "Quintuplets(5)"]
        let (provider, file) = try ModelProviders.inspect(path: Fixture.directory + "/natality/natality_sklearn.onnx")
        #expect(provider == "onnx")
        #expect(Set(file.signature.inputs.map(\.name)) == ["is_male", "plurality", "mother_age", "gestation_weeks"])
        let fields = file.signature.inputs.map { Field($0.name, $0.type == .string ? .string : .double) }
        let rows = Rows(
            fields,
            fields.map { field in
                table[field.name]!.map { cell in
                    guard let cell else { return .null }
                    switch field.name {
                    case "is_male": return .string(Double(cell)! == 1 ? "True" : "False")
                    case "plurality": return .string(plurality[Int(Double(cell)!) - 1])
                    default: return .double(Double(cell)!)
                    }
                }
            })
        let outputs = [Field("weight", .double)]
        let model = try load("natality/natality_sklearn.onnx", fields, outputs)
        for size in [Int.max, 1] {
            expectClose(
                try rows.score(model, outputs: outputs, batch: size)[0], "natality/golden_expected.csv", "sklearn_onnx")
        }
    }

    @Test func classifierOutputsByPositionNameAndAlone() throws {
        let rows = Rows(golden: "fraud/golden_inputs.csv", Fixture.fraud)
        let expected = "fraud/golden_expected.csv"
        let all = [Field("l", .bigInt), Field("a", .double), Field("b", .double)]
        let scored = try rows.score(try load("fraud/fraud_xgb.onnx", rows.fields, all), outputs: all)
        expectClose(scored[2], expected, "xgb_onnx_p1")
        #expect(scored[0] == Fixture.numbers(expected, "xgb_onnx_label").map { .integer(Int64($0!)) })
        let named = [Field("probabilities_1", .double), Field("label", .bigInt)]
        let byName = try rows.score(try load("fraud/fraud_xgb.onnx", rows.fields, named), outputs: named)
        expectClose(byName[0], expected, "xgb_onnx_p1")
        #expect(byName[1] == scored[0])
        let sole = [Field("fraud", .double)]
        expectClose(
            try rows.score(try load("fraud/fraud_xgb.onnx", rows.fields, sole), outputs: sole)[0], expected,
            "xgb_onnx_p1")
    }

    @Test(arguments: [
        ("fraud_sklearn.onnx", "label", "probabilities_0", "fraud_sklearn_p_fraud", "fraud_sklearn_label"),
        (
            "fraud_sklearn_zipmap.onnx", "output_label", "output_probability_fraud", "fraud_sklearn_zipmap_p_fraud",
            "fraud_sklearn_zipmap_label"
        ),
    ])
    func stringLabelsAndMaps(_ file: String, _ label: String, _ fraud: String, _ column: String, _ labels: String)
        throws
    {
        let table = Fixture.table("fraud/golden_inputs.csv")
        let inspected = try ModelProviders.inspect(path: Fixture.directory + "/fraud/" + file).model
        let fields = inspected.signature.inputs.map { Field($0.name, $0.type == .string ? .string : .double) }
        let rows = Rows(
            fields,
            fields.map { field in
                field.type == .string
                    ? table["merchant_category_name"]!.map { .string($0 ?? "") }
                    : table[field.name]!.map { .double($0.map { Double($0)! } ?? 0) }
            })
        let outputs = [Field(fraud, .double), Field(label, .string)]
        let model = try load("fraud/" + file, fields, outputs)
        for size in [Int.max, 1] {
            let scored = try rows.score(model, outputs: outputs, batch: size)
            expectClose(scored[0], "fraud/golden_expected.csv", column)
            #expect(scored[1] == Fixture.table("fraud/golden_expected.csv")[labels]!.map { .string($0!) })
        }
    }

    @Test func nullAndErrorCells() throws {
        var rows = Rows(golden: "natality/golden_inputs.csv", Fixture.natality)
        let outputs = [Field("weight", .double)]
        rows.cells[3][2] = .error(.castFailed)
        rows.cells[5][4] = .null
        let model = try load("natality/natality_mlp.onnx", rows.fields, outputs, ["nulls": "error"])
        let scored = try rows.score(model, outputs: outputs)
        #expect(scored[0][2] == .error(.castFailed))
        #expect(scored[0][4] == .error(.modelError))
    }

    @Test func refusesWhatDoesNotFit() throws {
        let inputs = Fixture.doubles(Fixture.natality)
        let few = #expect(throws: Diagnostic.self) {
            _ = try load("natality/natality_mlp.onnx", Array(inputs.dropLast()), [Field("w", .double)])
        }
        #expect(few?.message == "model \"m\": INPUT has 7 columns, the file wants 8")
        let type = #expect(throws: Diagnostic.self) {
            _ = try load("natality/natality_mlp.onnx", inputs, [Field("w", .bigInt)])
        }
        #expect(type?.message.contains("OUTPUT column \"w\" is BIGINT") == true)
    }

    /// Every element type as [N] and as [N, 1], with any number of rows and one at a time.
    @Test(arguments: ["kinds", "kinds_one"])
    func everyElementGoesThrough(_ file: String) throws {
        let types: [(String, DataType)] = [
            ("f", .float), ("d", .double), ("i", .integer), ("l", .bigInt), ("b", .boolean), ("s", .string),
        ]
        let names = types.flatMap { name, type in [Field(name + "1", type), Field(name + "2", type)] }
        let outputs = names.map { Field("out_" + $0.name, $0.type) }
        let model = try load("onnx/\(file).onnx", names, outputs)
        #expect(model.signature.inputs.map(\.type) == names.map(\.type))
        #expect(model.signature.outputs.map(\.type) == names.map(\.type))
        let cells: [[Value]] = names.map { field in
            (0..<11).map { row in
                switch field.type {
                case .float, .double: .double(Double(row) / 4 - 1)
                case .integer: .integer(Int64(row) - Int64(Int32.max))
                case .bigInt: .integer(Int64(row) - Int64.max)
                case .boolean: .integer(Int64(row & 1))
                default: .string("zeile \(row) — ä")
                }
            }
        }
        let rows = Rows(names, cells)
        for size in [Int.max, 1, 4] { #expect(try rows.score(model, outputs: outputs, batch: size) == cells) }
        // Some of the outputs, in another order.
        let some = [Field("out_s2", .string), Field("out_l1", .bigInt)]
        #expect(try rows.score(try load("onnx/\(file).onnx", names, some), outputs: some) == [cells[11], cells[6]])
    }

    @Test func weightsInAFileBesideTheGraph() throws {
        let inputs = Fixture.doubles((0..<300).map { "x\($0)" })
        let outputs = [Field("y", .double)]
        let model = try load("onnx/outside.onnx", inputs, outputs)
        let rows = Rows(inputs, (0..<300).map { [.double($0 == 7 ? 2 : 0), .double($0 == 299 ? 1 : 0)] })
        #expect(try rows.score(model, outputs: outputs) == [[.double(14), .double(299)]])
    }

    @Test func inspectShowsWhatTheFileSays() throws {
        let facts = try ModelProviders.inspect(path: Fixture.directory + "/fraud/fraud_sklearn.onnx").model.signature
            .facts
        #expect(facts.contains { $0.hasPrefix("producer: skl2onnx ") })
        #expect(facts.contains { $0.hasPrefix("operators: ai.onnx") })
        #expect(facts.contains("classes: fraud, ok"))
    }

    @Test func damagedFilesAreRefused() throws {
        let bytes = Fixture.bytes("natality/natality_mlp.onnx")
        let path = NSTemporaryDirectory() + "millrace-\(UUID().uuidString).onnx"
        defer { try? FileManager.default.removeItem(atPath: path) }
        for part in [1, 3, 7] {
            _ = FileManager.default.createFile(atPath: path, contents: Data(bytes.prefix(bytes.count * part / 10)))
            #expect(throws: Diagnostic.self) { _ = try ModelProviders.inspect(path: path) }
        }
    }
}

struct OrtLibraryTests {
    @Test func missingLibraryNamesThePathAndTheRemedy() {
        let diagnostic = #expect(throws: Diagnostic.self) {
            _ = try OrtLibrary.load(option: "/nowhere/libonnxruntime.so")
        }
        #expect(diagnostic?.message.contains("/nowhere/libonnxruntime.so") == true)
        #expect(diagnostic?.hint?.contains("make deps") == true)
    }
}
